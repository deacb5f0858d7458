//! When something is to happen without an event.

use std::time::{Duration, Instant};

use super::core::{Core, Due};
use super::stop::Going;
use super::table::{Origin, Phase, Source};
use crate::values::{Id, ServiceKey, TimerId};

impl Core {
    /// How long a connection may stay with no byte moving. Only those that come from outside are bounded
    /// unasked: who adopts a descriptor knows what it is for, and what is in the background may be
    /// needed after any time.
    pub(super) fn idle_timeout(&mut self, id: Id) -> Option<Duration> {
        if let Some(&own) = self.idle_timeouts.get(&id) {
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
        self.idle_timeouts.insert(id, limit);
        let Some(stream) = self.table.stream(id) else { return }; // It counts once it is connected.
        if stream.phase == Phase::Serving
            && let Some(limit) = limit
        {
            let quiet = self.clock.since(stream.active);
            self.arm(id, limit.saturating_sub(quiet));
        }
    }

    /// Sets the one deadline of a stream.
    pub(super) fn arm(&mut self, id: Id, after: Duration) {
        let at = self.clock.later(after);
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
            self.arm(id, self.config.linger);
        }
    }

    /// Sets a timer for a service, which stays as long as it has one. For one that has gone, none; nor after the stop.
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
        self.words.clear();
        for due in self.timers.drain() {
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
