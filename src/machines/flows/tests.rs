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
    for (epochs, is_paid) in [(0, false), (2, false), (4, true), (254, true), (90_000_000, true)] {
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
        for _ in 0..if cfg!(miri) { 5 } else { 50 } {
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
    const FLOODS: usize = if cfg!(miri) { 10 } else { 1000 };
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
        world.pass(Duration::from_millis(100) / FLOODS as u32); // A round takes a tenth of a second.
    }
}

/// The bound: as many turns as others stand before it, also beside crowds of busy whispers.
#[test]
fn an_old_flow_has_its_go_after_those_before_it() {
    const WHISPERS: usize = if cfg!(miri) { 20 } else { 10_000 };
    const FLOODS: usize = if cfg!(miri) { 4 } else { 20 };
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
    for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
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
/// One go that is timed, of a source that has a byte.
fn timed_go(world: &mut World, source: usize, took: Duration) {
    world.arrive(source, 1);
    world.turn(usize::MAX);
    let flow = Some(&mut world.sources[source].flow);
    world.flows.end_timed(flow, took, world.now + took);
}

/// Whoever is long about little is old from the second time on; once may have been the system's doing.
#[test]
fn what_lasts_long_is_charged_by_the_clock() {
    let mut world = World::new(2);
    timed_go(&mut world, 0, 20 * SLICE);
    assert!(world.flows.is_timed());
    timed_go(&mut world, 1, SLICE);
    world.arrive(0, 1);
    world.arrive(1, 1);
    assert_eq!(world.turn(0), [0, 1]);
    timed_go(&mut world, 0, 20 * SLICE);
    timed_go(&mut world, 1, SLICE);
    world.arrive(0, 1);
    world.arrive(1, 1);
    assert_eq!(world.turn(1), [1, 0]);
    // Twice, but not one after the other.
    timed_go(&mut world, 1, 20 * SLICE);
    timed_go(&mut world, 1, SLICE);
    timed_go(&mut world, 1, 20 * SLICE);
    world.arrive(1, 1);
    assert_eq!(world.turn(0), [1]);
}

/// The time of a go that was long is no rest for anybody.
#[test]
fn a_long_go_pays_nothing() {
    let mut world = World::new(1);
    for _ in 0..5 {
        timed_go(&mut world, 0, 20 * EPOCH);
        world.pass(20 * EPOCH);
    }
    world.arrive(0, 1);
    assert_eq!(world.turn(0), [0; 0]);
    assert_eq!(world.turn(1), [0]);
}

/// New flows are timed for a while after a turn in which they were long on the average.
#[test]
fn short_gos_are_not_timed() {
    let mut world = World::new(0);
    world.flows.new_took(100, 20 * SLICE);
    assert!(!world.flows.is_timed());
    world.flows.new_took(100, 30 * SLICE);
    for _ in 0..TIMED {
        assert!(world.flows.is_timed());
        world.pass(SLICE);
    }
    assert!(!world.flows.is_timed());
}

#[test]
fn the_slice_grows_with_what_was_new() {
    let world = World::new(0);
    let slice = |took| world.flows.slice(world.now + took);
    assert_eq!(slice(Duration::ZERO), SLICE);
    assert_eq!(slice(SLICE * 4), SLICE);
    assert_eq!(slice(Duration::from_millis(4)), Duration::from_millis(1));
}

/// Who has more to do than it could do now stands behind those that use much, however little it has used: a
/// service that takes a little at a time is no stream of newcomers.
#[test]
fn who_has_more_to_do_is_no_newcomer() {
    let mut world = World::new(2);
    world.tire(0..1);
    world.arrive(0, 1);
    let mut flow = Flow::new();
    world.flows.begin_go(&mut flow);
    world.flows.requeue(World::id(1), &mut flow);
    assert_eq!((world.flows.new_ones(), world.flows.old()), (0, 2));
}

/// Each go costs a unit in any case, so only what is more has to be charged.
#[test]
fn a_unit_is_paid_with_the_go() {
    let mut world = World::new(1);
    let mut flow = Flow::new();
    for (spent, has_more) in [(0, false), (UNIT, false), (UNIT + 1, true)] {
        world.flows.begin_go(&mut flow);
        world.flows.spend(spent);
        assert_eq!(world.flows.has_spent(), has_more, "{spent} bytes");
    }
}

/// What was used adds up, go by go.
#[test]
fn a_debt_is_the_sum_of_what_was_used() {
    let mut world = World::new(1);
    let mut flow = Flow::new();
    for gos in 1..=3 {
        world.flows.begin_go(&mut flow);
        world.flows.spend(10 * UNIT);
        world.flows.charge(&mut flow);
        assert_eq!(flow.used(), gos * 11);
    }
}

#[test]
fn a_flow_costs_three_bytes() {
    assert_eq!((size_of::<Flow>(), align_of::<Flow>()), (3, 1));
}
