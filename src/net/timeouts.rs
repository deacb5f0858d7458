//! When something is to happen without an event.

use std::time::{Duration, Instant};

use super::core::{Core, Due};
use super::stopping::Going;
use super::table::{Origin, Phase, Source};
use crate::values::{Id, ServiceKey, TimerId};

impl Core {
    /// How long a connection may stay with no byte moving. Only those that come from outside are bounded
    /// unasked: who adopts a descriptor knows what it is for, and what is in the background may be
    /// needed after any time.
    pub(super) fn idle_timeout(&mut self, id: Id) -> Option<Duration> {
        if let Some(own) = self.deadlines.own_limit(id) {
            return own;
        }
        let entry = self.table.get(id)?;
        let Source::Stream(stream) = &entry.source else { return None };
        let is_adopted = stream.origin == Origin::Adopted;
        self.config.idle_timeout.filter(|_| !is_adopted && !entry.is_background)
    }

    /// Gives a connection an idle timeout of its own, which counts from its last byte.
    pub(super) fn set_idle_timeout(&mut self, id: Id, limit: Option<Duration>) {
        if self.table.connection(id).is_none() {
            return;
        }
        self.deadlines.set_own_limit(id, limit);
        let Some(stream) = self.table.stream(id) else { return }; // It counts once it is connected.
        if stream.phase == Phase::Serving
            && let Some(limit) = limit
        {
            let quiet = self.clock.since(stream.active);
            self.arm(id, limit.saturating_sub(quiet), limit);
        }
    }

    /// For how long no byte has moved on a stream: none that we have read or written, nor any that the
    /// kernel had taken from us, and that its peer takes at its own pace. A send buffer may hold
    /// megabytes, and is not writable again before a good part of them has gone.
    pub(super) fn quiet(&mut self, id: Id) -> Duration {
        let Some(stream) = self.table.stream(id) else { return Duration::ZERO };
        let (active, now) = (stream.active, self.clock.tick());
        let socket = stream.connection.stream();
        let bytes = socket.unacknowledged();
        let (moved, has_moved) = self.deadlines.look_at(id, bytes.unwrap_or(0), active, now);
        if has_moved {
            self.stopping.note_sent(now);
        }
        self.clock.since(active).min(self.clock.since(moved))
    }

    /// Sets the one deadline of a stream, of which so much is left. At the beginning, and as long as the
    /// kernel holds something, that is looked at four times in a whole one.
    pub(super) fn arm(&mut self, id: Id, left: Duration, whole: Duration) {
        const LOOKS: u32 = 4;

        let looks = left == whole || self.deadlines.has_outstanding(id);
        let at = self.clock.later(if looks { left.min(whole / LOOKS) } else { left });
        let Some(stream) = self.table.stream(id) else { return };
        match stream.timer {
            Some(timer) if self.timers.reset(timer, at) => {}
            _ => stream.timer = Some(self.timers.once(at, Due::Deadline(id))),
        }
    }

    /// Moves a stream to its next phase, in which the linger deadline counts anew.
    pub(super) fn enter(&mut self, id: Id, phase: Phase) {
        let tick = self.clock.tick();
        if let Some(stream) = self.table.stream(id)
            && stream.phase < phase
        {
            stream.phase = phase;
            stream.active = tick;
            self.arm(id, self.config.linger, self.config.linger);
        }
    }

    /// Sets a timer for a service, which stays as long as it has one. For one that has gone,
    /// none; nor after the stop.
    pub(super) fn set_timer(
        &mut self,
        first: Instant,
        period: Option<Duration>,
        service: ServiceKey,
        id: Id,
    ) -> TimerId {
        if !self.roster.has(service) || self.stopping.going() == Going::Stopped {
            return TimerId::NONE;
        }
        let due = Due::Service(service, id);
        self.roster.join(service);
        match period {
            Some(period) => self.timers.every(first, period, due),
            None => self.timers.once(first, due),
        }
    }

    /// Gives a timer a word. One that was not set has none.
    pub(super) fn give_word(&mut self, timer: TimerId, word: u64) -> TimerId {
        if timer != TimerId::NONE {
            self.words.set(timer, word);
        }
        timer
    }

    /// From here on nothing comes due.
    pub(super) fn drop_timers(&mut self) {
        self.words.keep(|_| false);
        for due in self.timers.extract_if(|_| true) {
            if let Due::Service(service, _) = due {
                self.roster.leave(service);
            }
        }
    }

    /// Cancels a timer of a service. `false`: there is none by that id.
    pub(super) fn cancel_timer(&mut self, timer: TimerId) -> bool {
        match self.timers.cancel(timer) {
            Some(Due::Service(service, _)) => {
                self.words.forget(timer);
                self.roster.leave(service);
                true
            }
            other => other.is_some(),
        }
    }
}
