//! Whose go it is.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use crate::values::{EPOCH, Id, SLICE, SPARSE};

/// What is counted of a go: 64 bytes, or a go that moved fewer.
const UNIT: usize = 64;

/// More isn't held against anybody: after four epochs of rest, it is sparse again.
const MOST: usize = 16 * SPARSE / UNIT;

/// What a go counts as that lasted for longer than a slice, as the one before it did. One alone is forgiven:
/// perhaps the system only gave the processor to somebody else meanwhile.
const LONG: usize = 2 * SPARSE / UNIT;

/// In what a flow has used, the bit that says that its last go was a long one.
const WAS_LONG: u16 = 1 << 15;

/// For so many turns each go is timed, after those of new flows took long.
const TIMED: u8 = 255;

/// After so many epochs nothing is left of any debt.
const ALL: u8 = 16;

/// What a source carries for the queue: whether it stands in it, and what it has used lately. Three
/// bytes, and each connection has them.
#[derive(Debug)]
pub(crate) struct Flow {
    /// In units, and whether the last go was a long one. Bytes, so that it can stand anywhere.
    used: [u8; 2],
    /// The epoch in which that was so. `None`: it is queued, and pays nothing meanwhile.
    since: Option<NonZeroU8>,
}

impl Flow {
    /// One that has used nothing.
    pub(crate) fn new() -> Flow {
        Flow { used: [0; 2], since: Some(NonZeroU8::MIN) }
    }

    #[inline]
    fn bits(&self) -> u16 {
        u16::from_ne_bytes(self.used)
    }

    #[inline]
    fn used(&self) -> usize {
        (self.bits() & !WAS_LONG).into()
    }

    #[inline]
    fn set_used(&mut self, units: usize) {
        let was_long = self.bits() & WAS_LONG;
        self.used = (units.min(MOST) as u16 | was_long).to_ne_bytes();
    }

    /// Notes whether the go that has just ended was a long one. Returns whether the one before was.
    fn note_length(&mut self, is_long: bool) -> bool {
        let bits = self.bits();
        let now = if is_long { bits | WAS_LONG } else { bits & !WAS_LONG };
        self.used = now.to_ne_bytes();
        bits & WAS_LONG > 0
    }

    /// Half of the debt for each epoch. They come round after 255: who had a debt then, and comes back
    /// within the four that pay it, pays it twice.
    #[inline]
    fn pay(&mut self, now: u8, since: u8) {
        let passed = now.wrapping_sub(since).wrapping_sub(u8::from(now < since)); // None is 0.
        self.set_used(self.used() >> passed.min(15));
    }
}

/// The sources that can move: FQ-CoDel's new and old flows (RFC 8290 section 4.1), with time where that
/// has packets.
///
/// ```text
///                        ┌── used no more than a little lately ──▶ new ──▶ each has a small go, at once
///   it can move ─────────┤
///                        └── used more ──────────────────────────▶ old ──▶ one after the other, for a slice of
///                                                                  ▲  │    time; then the poll is asked who
///                                              has more to do ─────┴──┘    is new
/// ```
///
/// So what a new flow waits for is the other new ones, a slice, and the rest of one go; how many old ones
/// there are makes no difference. And an old flow has its go after as many turns at most as others stand
/// before it, however many new ones there are: each turn has a go for one at least. Together the old ones
/// have a fifth of the time at least, if they can use it.
///
/// What a source has used is halved with each epoch: that is how time pays debts off. An epoch
/// lasts until each old flow has had its go, so one that waited for its go is no newcomer because of that;
/// nor is one that paused for a while because its peer had to read first.
///
/// Bytes are not all that a go costs: a service may compute for long about one of them. So a go that lasts for
/// longer than a slice is charged by the clock. Old ones are timed in any case. New ones are many and short,
/// and reading the clock for each would cost half a percent: they are timed only while those of a turn last
/// for long on the average.
///
/// Knows no clock: `now` is told.
#[derive(Debug)]
pub(crate) struct Flows {
    new: Vec<Id>,
    /// Since when each is queued.
    old: VecDeque<(Id, Instant)>,
    /// How many of the new ones have had their go in this turn.
    served: usize,
    /// Who has its go, or had it last.
    current: Id,
    /// Whether it is an old flow that has its go.
    is_old: bool,
    /// What this go has moved so far.
    spent: usize,
    /// From 1 to 255, and again from 1.
    epoch: NonZeroU8,
    ends: Instant,
    /// Old flows that must have had their go before the epoch ends.
    ahead: usize,
    turn_began: Instant,
    /// For how many turns new flows are timed.
    timed: u8,
    /// When the go that is on is to end, by the clock.
    until: Option<Instant>,
}

impl Flows {
    pub(crate) fn new(now: Instant) -> Flows {
        Flows {
            new: Vec::new(),
            old: VecDeque::new(),
            served: 0,
            current: Id::NONE,
            is_old: false,
            spent: 0,
            epoch: NonZeroU8::MIN,
            ends: now + EPOCH,
            ahead: 0,
            turn_began: now,
            timed: 0,
            until: None,
        }
    }

    /// Whether nobody can move.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.new.is_empty() && self.old.is_empty()
    }

    /// How many can move.
    pub(crate) fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }

    /// A turn begins.
    #[inline]
    pub(crate) fn begin_turn(&mut self, now: Instant) {
        self.turn_began = now;
        self.timed = self.timed.saturating_sub(1);
        if self.ahead == 0 && now >= self.ends {
            self.end_epoch(now);
        }
    }

    /// Also those epochs that nobody saw.
    fn end_epoch(&mut self, now: Instant) {
        let missed = now.duration_since(self.ends).as_micros() / EPOCH.as_micros();
        let passed = u8::try_from(missed).map_or(ALL, |missed| missed.saturating_add(1).min(ALL));
        let next = (u16::from(self.epoch.get() - 1) + u16::from(passed)) % 255;
        self.epoch = NonZeroU8::MIN.saturating_add(next as u8);
        (self.ends, self.ahead) = (now + EPOCH, self.old.len());
    }

    /// The source can move: it has its go when its turn comes. Nothing, if it is queued already.
    #[inline]
    pub(crate) fn schedule(&mut self, id: Id, flow: &mut Flow) {
        let Some(since) = flow.since.take() else { return };
        if since != self.epoch {
            flow.pay(self.epoch.get(), since.get());
        }
        match flow.used() <= SPARSE / UNIT {
            true => self.new.push(id),
            false => self.is_in_debt(id),
        }
    }

    #[cold]
    fn is_in_debt(&mut self, id: Id) {
        self.old.push_back((id, self.turn_began));
    }

    /// The source has used up its go and has more to do: it stands behind the others, and not among the
    /// new ones.
    pub(crate) fn requeue(&mut self, id: Id, flow: &mut Flow) {
        flow.set_used(flow.used().max(SPARSE / UNIT + 1));
        self.schedule(id, flow);
    }

    /// How many new flows there are now. Those that become ready meanwhile stand behind them, for the next
    /// turn.
    #[inline]
    pub(crate) fn new_ones(&mut self) -> usize {
        self.is_old = false;
        self.new.len()
    }

    /// The new flow whose go it is; there must be one.
    #[inline]
    pub(crate) fn next_new(&mut self) -> Id {
        self.current = self.new[self.served];
        self.served += 1;
        self.current
    }

    /// Those that were next have had their gos.
    #[inline]
    pub(crate) fn end_new(&mut self) {
        if self.served == self.new.len() {
            self.new.clear();
        } else {
            self.new.drain(..self.served);
        }
        self.served = 0;
    }

    /// The turn has ended in the middle of a go, because of a panic. Returns whose it was.
    #[cold]
    pub(crate) fn unwind(&mut self) -> Id {
        self.end_new();
        self.until = None;
        self.current
    }

    /// Nobody has anything to do any more.
    pub(crate) fn clear(&mut self) {
        self.new.clear();
        self.old.clear();
        (self.served, self.ahead) = (0, 0);
    }

    /// How many old flows there are now.
    #[inline]
    pub(crate) fn old(&self) -> usize {
        self.old.len()
    }

    /// The old flow whose go it is, and since when it is queued: since that turn began.
    pub(crate) fn next_old(&mut self) -> Option<(Id, Instant)> {
        self.is_old = true;
        if self.ahead > 0 {
            self.ahead -= 1;
            self.ends = self.ends.max(self.turn_began); // The epoch has lasted until here.
        }
        let next = self.old.pop_front()?;
        self.current = next.0;
        Some(next)
    }

    /// The go of this source begins.
    #[inline]
    pub(crate) fn begin_go(&mut self, flow: &mut Flow) {
        flow.since = Some(self.epoch);
        flow.set_used(flow.used() + 1);
        self.spent = 0;
    }

    /// How much of a budget this go may use, of something that costs as much as copying so many bytes.
    #[inline]
    pub(crate) fn allowance(&self, budget: usize, cost: usize) -> usize {
        if self.is_old { budget } else { budget.min(SPARSE / cost) }
    }

    /// Whoever has its go has moved so many bytes, or done something that costs as much.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.spent += bytes;
    }

    /// Whether it has spent more than every go is charged for.
    #[inline]
    pub(crate) fn has_spent(&self) -> bool {
        self.spent > UNIT
    }

    /// Charges what was spent.
    pub(crate) fn charge(&mut self, flow: &mut Flow) {
        flow.set_used(flow.used() + self.spent / UNIT);
    }

    /// Whether the gos of new flows are to be timed.
    #[inline]
    pub(crate) fn is_timed(&self) -> bool {
        self.timed > 0
    }

    /// The gos of that many new flows, none of them timed, took so long.
    #[inline]
    pub(crate) fn new_took(&mut self, gos: usize, took: Duration) {
        const LONG: u64 = SLICE.as_nanos() as u64 / 4;
        if took.as_nanos() as u64 > LONG * gos as u64 {
            self.timed = TIMED;
        }
    }

    /// The go that follows is timed: its next step is its last one, from that moment on.
    pub(crate) fn begin_timed(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// When the go that is on is to end, by the clock. `None`: its budget alone says.
    #[inline]
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The go that was timed has ended, and nobody has to know after how long.
    pub(crate) fn end_untimed(&mut self) {
        self.until = None;
    }

    /// The go that was timed has ended, after so long. Charges that, if it must.
    pub(crate) fn end_timed(&mut self, flow: Option<&mut Flow>, took: Duration, now: Instant) {
        self.until = None;
        let Some(flow) = flow else { return };
        let is_long = took > SLICE;
        let was_long = flow.note_length(is_long);
        if !is_long {
            return;
        }
        self.ends = self.ends.max(now); // Nobody has rested meanwhile.
        if !self.is_old {
            self.timed = TIMED;
        }
        if was_long {
            flow.set_used(flow.used() + LONG);
        }
    }

    /// How long the old flows may go on, before somebody looks whether there are new ones: a slice, or
    /// more when the new ones have had most of the turn.
    pub(crate) fn slice(&self, now: Instant) -> Duration {
        SLICE.max(now.saturating_duration_since(self.turn_began) / 4)
    }
}
