//! Who has its go in a turn, and for how long.

use std::time::{Duration, Instant};

use super::core::{Core, Due};
use super::packets::Lent;
use super::reactor::Reactor;
use super::table::Source;
use crate::values::{Act, Cause, Id, SLICE, TimerId};

/// How long an old flow may go on if there is no other source that can move: newcomers wait for it all the same.
const ALONE: Duration = SLICE.saturating_mul(4);

impl Core {
    /// Whether the go that is on has lasted long enough.
    #[inline]
    pub(super) fn is_time_up(&self) -> bool {
        self.overtime().is_some()
    }

    /// For how much longer than it should the go that is on has lasted, if it has.
    #[inline]
    pub(super) fn overtime(&self) -> Option<Duration> {
        let until = self.flows.until()?;
        self.clock.this_moment().checked_duration_since(until)
    }
}

/// Sources, commands, timers and tells that come in crowds have a slice of each turn, every kind its own. So
/// whatever there is a crowd of, the poll is asked for newcomers a moment later.
impl Reactor {
    /// Gives each new source that can move its go, then the old ones a slice, and one of them a go at least.
    /// Whoever joins meanwhile waits for the next turn. Returns how many new ones there were for which the
    /// time that they waited is still to be noted.
    pub(super) fn drive(&mut self) -> usize {
        let core = &mut self.halves.core;
        let (new, old) = (core.flows.new_ones(), core.flows.old());
        core.outgoing.set_open(new > 1); // Alone, nobody gains by waiting.
        if core.flows.is_timed() {
            self.drive_timed(new);
        } else {
            for _ in 0..new {
                let id = self.halves.core.flows.next_new();
                self.go(id);
            }
        }
        self.let_out();
        self.halves.core.flows.end_new();
        if old == 0 {
            return new;
        }
        self.drive_old(old, new);
        0
    }

    /// Gives the new sources their gos, and each a slice at most.
    #[cold]
    fn drive_timed(&mut self, new: usize) {
        let mut now = self.halves.core.clock.this_moment();
        for _ in 0..new {
            let id = self.halves.core.flows.next_new();
            now = self.timed_go(id, now, SLICE);
        }
    }

    /// So many have a go at most: nobody has two in a turn, nor one as a new flow and one as an old one.
    fn drive_old(&mut self, old: usize, new: usize) {
        let core = &mut self.halves.core;
        if core.outlet.is_in_use() {
            core.flush_outbox(Lent::default()); // The new ones' answers don't wait for the old ones.
        }
        core.outgoing.set_open(old > 1);
        let turn = core.clock.now();
        if old == 1 && new == 0 {
            // Nobody waits for it, and it goes on in the next turn in any case.
            if let Some((id, _)) = core.flows.next_old() {
                core.flows.begin_timed(turn + ALONE);
                self.go(id);
                self.halves.core.flows.end_untimed();
            }
            return;
        }
        let began = core.clock.this_moment();
        let slice = core.flows.slice(began);
        if new > 0 {
            let took = began.saturating_duration_since(turn);
            core.statistics.sparse_waits.count_one(took);
            core.flows.new_took(new, took);
        }
        let mut now = began;
        for _ in 0..old {
            let Some((id, since)) = self.halves.core.flows.next_old() else { break };
            now = self.timed_go(id, now, slice.saturating_sub(now - began));
            let waited = now.saturating_duration_since(since);
            self.halves.core.statistics.busy_waits.count_one(waited);
            if now.saturating_duration_since(began) >= slice {
                break;
            }
        }
        self.let_out();
    }

    /// One go that is to last so long at most: its last step ends then or later. Returns when it ended.
    fn timed_go(&mut self, id: Id, began: Instant, most: Duration) -> Instant {
        self.halves.core.flows.begin_timed(began + most);
        self.go(id);
        let core = &mut self.halves.core;
        let now = core.clock.this_moment();
        let flow = core.table.get_mut(id).map(|entry| &mut entry.flow);
        core.flows.end_timed(flow, now.saturating_duration_since(began), now);
        now
    }

    /// One go of one source, if it is still there.
    fn go(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let Some(entry) = core.table.get_mut(id) else { return };
        core.flows.begin_go(&mut entry.flow);
        core.watch.go_begins();
        match &entry.source {
            Source::Stream(_) => self.drive_stream(id),
            Source::Listener(_) => self.drive_listener(id),
            Source::Datagram(_) => self.drive_datagram(id),
            Source::Dial(_) => self.drive_dial(id),
            Source::Proxied(_) => self.drive_proxied(id),
        }
        let core = &mut self.halves.core;
        if core.flows.has_spent()
            && let Some(entry) = core.table.get_mut(id)
        {
            core.flows.charge(&mut entry.flow);
        }
        core.watch.go_ends(id);
    }

    /// Writes what was gathered.
    fn let_out(&mut self) {
        let core = &mut self.halves.core;
        if core.outgoing.is_open() {
            core.outgoing.set_open(false);
            core.write_gathered();
        }
    }

    /// Fires the timers that are due, the earliest first. Those behind the end of the slice are due in the
    /// next turn, which doesn't sleep.
    pub(super) fn fire_timers(&mut self) {
        let now = self.halves.core.clock.now();
        let mut began = None;
        while let Some((timer, due)) = self.halves.core.timers.due(now) {
            self.fire(timer, due);
            let core = &self.halves.core;
            let is_over =
                |began| core.clock.this_moment().saturating_duration_since(began) >= SLICE;
            match began {
                Some(began) if is_over(began) => return,
                None if core.timers.is_due(now) => began = Some(core.clock.this_moment()),
                _ => {}
            }
        }
    }

    fn fire(&mut self, timer: TimerId, due: Due) {
        self.halves.core.watch.note(due.source(), || Act::Timer(due.name()));
        match due {
            Due::Service(service, id) => {
                let was_last = !self.halves.core.timers.is_set(timer);
                self.halves.core.words.speak(timer, was_last);
                if was_last {
                    self.halves.core.roster.leave(service); // At the end of the turn it may go.
                }
                self.halves.visit(service, id, None, |service, cx| service.timer(cx, timer));
                self.halves.core.words.fall_silent();
                self.halves.pass_on();
            }
            Due::Deadline(id) => self.check_deadline(id),
            Due::Accept(id) => self.halves.core.unpark(id),
            Due::DialRetry(id) => self.halves.core.schedule(id),
            Due::ProxyTimeout(id) => self.halves.core.proxy_timed_out(id),
            Due::StopCheck => self.check_stop(),
            Due::StopTimeout => self.halves.core.give_up_stopping(),
            Due::DialTimeout(id) => {
                let error = self.halves.core.dial_expired(id);
                self.gone(id, Cause::ConnectFailed(error));
            }
        }
    }
}
