//! Whose go it is.

use std::collections::VecDeque;
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use crate::values::{EPOCH, Id, SLICE, SPARSE};

/// What is counted of a go: 64 bytes, or a go that moved fewer.
const UNIT: usize = 64;

/// More isn't held against anybody: after four epochs of rest, it is sparse again.
const MOST: usize = 16 * SPARSE / UNIT;

/// After so many epochs nothing is left of any debt.
const ALL: u8 = 16;

/// What a source carries for the queue: whether it stands in it, and what it has used lately. Three
/// bytes, and each connection has them.
#[derive(Debug)]
pub(crate) struct Flow {
    /// In units. Bytes, so that it can stand anywhere.
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
    fn used(&self) -> usize {
        u16::from_ne_bytes(self.used).into()
    }

    fn set_used(&mut self, units: usize) {
        self.used = (units.min(MOST) as u16).to_ne_bytes();
    }

    /// Half of the debt for each epoch. They come round after 255: who had a debt then, and comes back
    /// within the four that pay it, pays it twice.
    #[inline]
    fn pay(&mut self, now: u8, since: u8) {
        let passed = now.wrapping_sub(since).wrapping_sub(u8::from(now < since)); // None is 0.
        let used = u16::from_ne_bytes(self.used) >> passed.min(15);
        self.used = used.to_ne_bytes();
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
        flow.used = u16::from_ne_bytes(flow.used).saturating_add(1).to_ne_bytes();
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

    /// How long the old flows may go on, before somebody looks whether there are new ones: a slice, or
    /// more when the new ones have had most of the turn.
    pub(crate) fn slice(&self, now: Instant) -> Duration {
        SLICE.max(now.saturating_duration_since(self.turn_began) / 4)
    }
}

#[cfg(test)]
mod tests {
    use std::mem;

    use super::*;

    /// A queue with its sources and a clock, driven as the reactor drives it.
    struct World {
        flows: Flows,
        now: Instant,
        sources: Vec<Source>,
        /// Whose gos there were, in order.
        gos: Vec<usize>,
    }

    /// How much it has to do, and how much it does in a go at most.
    struct Source {
        flow: Flow,
        to_do: usize,
        is_gone: bool,
    }

    const GO: usize = 256 * 1024;

    impl World {
        fn new(sources: usize) -> World {
            let now = Instant::now();
            let source = |_| Source { flow: Flow::new(), to_do: 0, is_gone: false };
            World {
                flows: Flows::new(now),
                now,
                sources: (0..sources).map(source).collect(),
                gos: Vec::new(),
            }
        }

        fn id(source: usize) -> Id {
            Id::new(source, 0)
        }

        /// So many bytes have arrived.
        fn arrive(&mut self, source: usize, bytes: usize) {
            let it = &mut self.sources[source];
            it.to_do += bytes;
            self.flows.schedule(World::id(source), &mut it.flow);
        }

        fn go(&mut self, id: Id) {
            let it = &mut self.sources[id.slot()];
            if it.is_gone {
                return;
            }
            self.gos.push(id.slot());
            self.flows.begin_go(&mut it.flow);
            let done = it.to_do.min(self.flows.allowance(GO, 1));
            it.to_do -= done;
            self.flows.spend(done);
            if it.to_do > 0 {
                self.flows.requeue(id, &mut it.flow);
            }
            if self.flows.has_spent() {
                self.flows.charge(&mut it.flow);
            }
        }

        /// One turn, with so many gos of old flows. Returns whose gos there were.
        fn turn(&mut self, old: usize) -> Vec<usize> {
            let (new, old) = (self.flows.new_ones(), old.min(self.flows.old()));
            for _ in 0..new {
                let id = self.flows.next_new();
                self.go(id);
            }
            self.flows.end_new();
            for _ in 0..old {
                let (id, _) = self.flows.next_old().expect("there are so many");
                self.go(id);
            }
            mem::take(&mut self.gos)
        }

        /// So much later the next turn begins.
        fn pass(&mut self, time: Duration) {
            self.now += time;
            self.flows.begin_turn(self.now);
        }

        /// Sources that have used so much that they are old, and have nothing to do now.
        fn tire(&mut self, sources: std::ops::Range<usize>) {
            for source in sources.clone() {
                self.arrive(source, 2 * GO);
            }
            while !self.flows.is_empty() {
                self.turn(usize::MAX);
            }
        }
    }

    #[test]
    fn new_ones_come_before_old_ones_and_in_order() {
        let mut world = World::new(6);
        world.tire(0..3);
        for source in [2, 0, 5, 1, 3, 4] {
            world.arrive(source, 1);
        }
        assert_eq!(world.turn(usize::MAX), [5, 3, 4, 2, 0, 1]);
        assert!(world.flows.is_empty());
    }

    #[test]
    fn who_is_queued_is_not_queued_again() {
        let mut world = World::new(2);
        world.tire(0..1);
        for _ in 0..3 {
            world.arrive(0, 1);
            world.arrive(1, 1);
        }
        assert_eq!(world.flows.len(), 2);
        assert_eq!(world.turn(9), [1, 0]);
        assert_eq!(world.turn(9), [0; 0]);
    }

    #[test]
    fn who_joins_meanwhile_waits_for_the_next_turn() {
        let mut world = World::new(2);
        world.arrive(0, 1);
        assert_eq!(world.flows.new_ones(), 1);
        world.arrive(1, 1);
        world.arrive(0, 1); // It is queued still: its go is to come.
        let id = world.flows.next_new();
        world.go(id);
        world.flows.end_new();
        assert_eq!(mem::take(&mut world.gos), [0]);
        assert_eq!(world.turn(9), [1]);
    }

    /// A flood is new once, for a small go. From then on it is old, also when it pauses.
    #[test]
    fn a_pause_makes_no_newcomer_of_a_flood() {
        let mut world = World::new(2);
        world.arrive(0, GO);
        assert_eq!(world.turn(0), [0]);
        assert_eq!(world.sources[0].to_do, GO - SPARSE);
        for _ in 0..20 {
            while !world.flows.is_empty() {
                world.turn(1);
            }
            world.pass(EPOCH / 2);
            world.arrive(0, GO);
            world.arrive(1, 64);
            assert_eq!(world.turn(1), [1, 0]);
        }
    }

    /// A rest of four epochs pays any debt, one of two doesn't; and one of years does.
    #[test]
    fn time_pays_debts_off() {
        for (epochs, is_paid) in
            [(0, false), (2, false), (4, true), (254, true), (90_000_000, true)]
        {
            let mut world = World::new(1);
            world.tire(0..1);
            world.pass(EPOCH * epochs);
            world.arrive(0, 1);
            assert_eq!(world.flows.old() == 0, is_paid, "{epochs} epochs");
        }
        let mut world = World::new(1);
        world.tire(0..1);
        for _ in 0..200 {
            world.pass(EPOCH); // The same in a loop that is busy meanwhile.
            world.turn(0);
        }
        world.arrive(0, 1);
        assert_eq!(world.flows.old(), 0);
    }

    /// Small messages are no flood: 120 in each epoch, whoever else is there. But a thousand are.
    #[test]
    fn what_is_sparse_is_judged_by_what_was_used_lately() {
        for (messages, is_sparse) in [(1, true), (120, true), (1000, false)] {
            let mut world = World::new(1);
            for _ in 0..50 {
                for _ in 0..messages {
                    world.arrive(0, 64);
                    world.turn(1);
                }
                world.pass(EPOCH);
            }
            world.arrive(0, 64);
            assert_eq!(world.flows.old() == 0, is_sparse, "{messages} messages");
        }
    }

    /// An epoch lasts until each has had its go: who waited for long is no newcomer for that.
    #[test]
    fn waiting_pays_nothing() {
        const FLOODS: usize = 1000;
        let mut world = World::new(FLOODS + 1);
        world.tire(0..FLOODS);
        for turn in 0..3 * FLOODS {
            (0..FLOODS).for_each(|flood| world.arrive(flood, GO));
            let whispers = turn % 20 == 0;
            if whispers {
                world.arrive(FLOODS, 64);
            }
            let gos = world.turn(1);
            assert_eq!(gos.iter().filter(|&&source| source == FLOODS).count(), whispers.into());
            assert_eq!(gos.iter().filter(|&&source| source < FLOODS).count(), 1);
            world.pass(Duration::from_micros(100)); // A round takes a tenth of a second.
        }
    }

    /// The bound: as many turns as others stand before it, also beside crowds of busy whispers.
    #[test]
    fn an_old_flow_has_its_go_after_those_before_it() {
        const WHISPERS: usize = 10_000;
        const FLOODS: usize = 20;
        let mut world = World::new(WHISPERS + FLOODS);
        world.tire(WHISPERS..WHISPERS + FLOODS);
        let mut last = [0; FLOODS];
        for turn in 1..=5 * FLOODS {
            (0..WHISPERS + FLOODS).for_each(|source| world.arrive(source, 64));
            let gos = world.turn(1);
            assert_eq!(gos.len(), WHISPERS + 1);
            let flood = gos[WHISPERS] - WHISPERS;
            assert!(turn - last[flood] <= FLOODS, "flood {flood} had waited since {}", last[flood]);
            last[flood] = turn;
            world.pass(Duration::from_millis(1));
        }
        assert!(last.iter().all(|&turn| turn > 4 * FLOODS));
    }

    /// What goes while it is queued leaves nothing behind, and takes nobody's go.
    #[test]
    fn who_has_gone_is_passed_over() {
        let mut world = World::new(4);
        world.tire(0..2);
        (0..4).for_each(|source| world.arrive(source, 1));
        world.sources[0].is_gone = true;
        world.sources[2].is_gone = true;
        assert_eq!(world.turn(9), [3, 1]);
        assert!(world.flows.is_empty());
    }

    /// Whatever comes in whatever order, who has something to do is queued, once, and has its go.
    #[test]
    fn nobody_is_lost() {
        let mut world = World::new(50);
        let mut random = 1_u64;
        let mut random = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..20_000 {
            match random(4) {
                0 => world.pass(Duration::from_micros(random(3000))),
                1 => drop(world.turn(random(4) as usize)),
                _ => world.arrive(random(50) as usize, 1 << random(20)),
            }
            let busy = world.sources.iter().filter(|source| source.to_do > 0).count();
            assert_eq!(world.flows.len(), busy);
        }
        while !world.flows.is_empty() {
            world.turn(1);
        }
        assert!(world.sources.iter().all(|source| source.to_do == 0));
    }

    /// The old ones have a slice, and at least a quarter as long as the new ones.
    #[test]
    fn the_slice_grows_with_what_was_new() {
        let world = World::new(0);
        let slice = |took| world.flows.slice(world.now + took);
        assert_eq!(slice(Duration::ZERO), SLICE);
        assert_eq!(slice(SLICE * 4), SLICE);
        assert_eq!(slice(Duration::from_millis(4)), Duration::from_millis(1));
    }

    #[test]
    fn a_flow_costs_three_bytes() {
        assert_eq!((size_of::<Flow>(), align_of::<Flow>()), (3, 1));
    }
}
