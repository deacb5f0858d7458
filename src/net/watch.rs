//! Who looks on while the loop turns: the log at trace level, and a recording.

use std::time::Instant;

use crate::values::{Act, Id, Recording};

/// Everything that the loop does is told here, and mostly nobody listens: that is one look at one flag, which
/// is set once a turn.
#[derive(Debug, Default)]
pub(super) struct Watch {
    is_on: bool,
    recording: Option<Box<Recording>>,
}

impl Watch {
    /// Finds out whether anybody listens.
    #[inline]
    pub(super) fn look_up(&mut self) {
        self.is_on = self.recording.is_some() || log::log_enabled!(log::Level::Trace);
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
    }

    /// The time, for something that is going to take a while. `None`: nobody wants to know.
    #[inline]
    pub(super) fn begin(&self) -> Option<Instant> {
        if self.is_on && self.recording.is_some() { Some(Instant::now()) } else { None }
    }

    /// What began then has ended.
    #[inline]
    pub(super) fn end(&mut self, since: Option<Instant>, source: Id, act: Act) {
        if let Some(since) = since
            && let Some(recording) = &mut self.recording
        {
            recording.note_since(since, source, act);
        }
    }
}
