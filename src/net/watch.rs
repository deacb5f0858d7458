//! Who looks on while the loop turns: the log at trace level, and a recording.

use std::time::Instant;

#[cfg(feature = "simulation")]
use super::trace::Trace;
use crate::values::{Act, Id, Recording};

/// Everything that the loop does is told here, and mostly nobody listens: that is one look at one flag, which
/// is set once a turn.
#[derive(Debug, Default)]
pub(super) struct Watch {
    is_on: bool,
    recording: Option<Box<Recording>>,
    #[cfg(feature = "simulation")]
    trace: Option<Trace>,
    /// When what takes a while began: the latest turn, its end, a source's go.
    turn_began: Option<Instant>,
    turn_ended: Option<Instant>,
    go_began: Option<Instant>,
}

impl Watch {
    /// Finds out whether anybody listens.
    #[inline]
    pub(super) fn look_up(&mut self) {
        self.is_on = self.recording.is_some() || log::log_enabled!(log::Level::Trace);
        #[cfg(feature = "simulation")]
        (self.is_on |= self.trace.is_some());
    }

    /// From here on everything that happens leaves its trace.
    #[cfg(feature = "simulation")]
    pub(super) fn trace(&mut self) -> &mut Trace {
        self.is_on = true;
        self.trace.get_or_insert_default()
    }

    /// Whether anybody listens.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Keeps the latest steps from here on, that many; 0 for none.
    pub(super) fn record(&mut self, steps: usize) {
        self.recording = (steps > 0).then(|| Box::new(Recording::new(steps)));
        self.look_up();
    }

    pub(super) fn recording(&self) -> Option<&Recording> {
        self.recording.as_deref()
    }

    /// Something has happened to this source, or to the loop itself.
    #[inline]
    pub(super) fn note(&mut self, source: Id, act: impl FnOnce() -> Act) {
        if self.is_on {
            self.tell(source, act());
        }
    }

    #[cold]
    fn tell(&mut self, source: Id, act: Act) {
        match source {
            Id::NONE => log::trace!("{act}"),
            source => log::trace!("{source} {act}"),
        }
        if let Some(recording) = &mut self.recording {
            recording.note(source, act);
        }
        #[cfg(feature = "simulation")]
        if let Some(trace) = &mut self.trace {
            trace.note(source, act);
        }
    }

    /// The wait for events is over, a turn begins.
    #[inline]
    pub(super) fn turn_begins(&mut self) {
        self.look_up();
        if self.is_on {
            let ended = self.turn_ended.take();
            self.turn_began = self.has_taken(ended, Id::NONE, Act::Slept);
        }
    }

    #[inline]
    pub(super) fn turn_ends(&mut self) {
        if self.is_on {
            let began = self.turn_began.take();
            self.turn_ended = self.has_taken(began, Id::NONE, Act::Turn);
        }
    }

    #[inline]
    pub(super) fn go_begins(&mut self) {
        if self.is_on {
            self.go_began = self.has_taken(None, Id::NONE, Act::Driven);
        }
    }

    #[inline]
    pub(super) fn go_ends(&mut self, source: Id) {
        if self.is_on {
            self.has_taken(self.go_began, source, Act::Driven);
        }
    }

    /// What began then, if it is known when, has ended now.
    #[cold]
    fn has_taken(&mut self, began: Option<Instant>, source: Id, act: Act) -> Option<Instant> {
        let recording = self.recording.as_mut()?;
        if let Some(began) = began {
            recording.note_since(began, source, act);
        }
        Some(Instant::now())
    }
}
