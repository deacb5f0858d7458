//! A world, and what holds in each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use echoloop::{Config, Echo, Faults, Id, ServiceId, Simulation, Stop};

/// Longer than any timeout of ours.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// Turns in succession in which nothing happens and no time passes: a few, where a stop goes from one phase to
/// the next. A loop that spins has no end of them.
const IDLE_TURNS: u32 = 10;

/// More than any world needs.
const TURNS: u64 = 1_000_000;

/// Seeds of worlds in which something went wrong once.
const REMEMBERED: [(&str, u64); 7] = [
    // Two ends that kept output and had no memory left each waited for the other one to read.
    ("echo", 17),
    ("proxy", 17),
    ("whisper", 0),
    // After a stop at once, sources that had gone were still to be driven, and a host was told not to wait.
    ("echo", 51),
    ("chat", 117),
    ("pong", 7),
    ("goodbye", 78),
];

/// Chance for the test itself, apart from that of the world: SplitMix64.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most + 1);
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

/// What is known of each connection of the services under test.
pub(crate) type Lives = Rc<RefCell<BTreeMap<Id, Life>>>;

#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) opened: u32,
    pub(crate) closed: u32,
    pub(crate) was_accepted: bool,
    /// Bytes that it was shown in this turn.
    pub(crate) shown: usize,
    pub(crate) turn: u64,
}

/// A simulation, the configuration it has, and what is looked at after each turn.
pub(crate) struct World {
    pub(crate) simulation: Simulation,
    pub(crate) rng: Rng,
    pub(crate) config: Config,
    /// Whether nothing may be lost.
    pub(crate) is_kind: bool,
    /// Whether nothing goes wrong at all.
    pub(crate) is_still: bool,
    pub(crate) lives: Lives,
    idle_turns: u32,
    /// When the reactor began to stop.
    stops_since: Option<Duration>,
    nobody: ServiceId<Echo>,
}

/// Says how to see a world again, if it fails.
struct Teller(&'static str, u64);

impl Drop for Teller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Teller(system, seed) = self;
            eprintln!(
                "\nsee it again: SIMULATION_SEED={seed} cargo test --release --features simulation \
                 --test simulation {system}\n"
            );
        }
    }
}

/// What was left of it, if it was looked at alone: the latest steps.
impl Drop for World {
    fn drop(&mut self) {
        let Some(recording) = self.simulation.reactor().recording() else { return };
        if std::thread::panicking() {
            let mut steps = Vec::new();
            recording.write_events(1, &mut steps).expect("there is memory");
            let steps = String::from_utf8_lossy(&steps).into_owned();
            let steps: Vec<_> = steps.lines().collect();
            eprintln!("{}", steps[steps.len().saturating_sub(100)..].join("\n"));
        }
    }
}

/// Lives through many worlds; some of them twice, to see that the same happens.
pub(crate) fn worlds(system: &'static str, live: impl Fn(&mut World)) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let once = |seed| {
        let _teller = Teller(system, seed);
        let mut world = World::new(seed);
        live(&mut world);
        world.end();
        world.simulation.trace()
    };
    if let Some(seed) = number("SIMULATION_SEED") {
        assert_eq!(once(seed), once(seed), "the same seed, and another world");
        return;
    }
    REMEMBERED.iter().filter(|(of, _)| *of == system).for_each(|&(_, seed)| {
        once(seed);
    });
    let seeds =
        number("SIMULATION_SEEDS").unwrap_or(if cfg!(debug_assertions) { 200 } else { 10_000 });
    for seed in 0..seeds {
        let trace = once(seed);
        if seed % 64 == 0 {
            let _teller = Teller(system, seed);
            assert_eq!(once(seed), trace, "the same seed, and another world");
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng(seed ^ 0x5eed);
        let (is_kind, faults) = match rng.below(4) {
            0 => (true, Faults::none()),
            1 => (true, Faults::default()),
            _ => (false, Faults::rough()),
        };
        let is_still = faults == Faults::none();
        let config = Config {
            output_limit: rng.pick(&[5_000, 20_000, 256 * 1024]),
            input_limit: rng.pick(&[2_000, 10_000, 64 * 1024]),
            buffer_limit: rng.pick(&[30_000, 200_000, 256 << 20]),
            read_buffer: rng.pick(&[4096, 10_000, 64 * 1024]),
            read_budget: rng.pick(&[1, 5_000, 256 * 1024]),
            send_buffer: rng.pick(&[None, Some(4096), Some(9_000)]),
            accept_budget: rng.pick(&[1, 64]),
            datagram_budget: rng.pick(&[1, 5, 256]),
            backlog: rng.pick(&[1, 4096]),
            // Who waits in the backlog for too long is lost, and that is how it should be.
            connections: if is_kind { None } else { rng.pick(&[None, Some(2), Some(50)]) },
            linger: rng.pick(&[Duration::from_secs(5), Duration::from_secs(100)]),
            stop_timeout: rng.pick(&[Duration::from_secs(3), Duration::from_secs(30)]),
            idle_timeout: Some(Duration::from_secs(20)),
            ..Config::default()
        };
        let mut simulation = Simulation::new(seed, faults, config.clone()).unwrap();
        let nobody = simulation.reactor().add(Echo);
        if std::env::var_os("SIMULATION_SEED").is_some() {
            println!("{config:#?}");
            simulation.reactor().record(10_000);
        }
        World {
            simulation,
            rng,
            config,
            is_kind,
            is_still,
            lives: Lives::default(),
            idle_turns: 0,
            stops_since: None,
            nobody,
        }
    }

    /// One turn, and a look at what must hold after each.
    fn turn(&mut self, timeout: Duration) {
        let steps = self.simulation.steps();
        let is_busy = self.simulation.reactor().poll_timeout() == Some(Duration::ZERO);
        self.simulation.reactor().turn(Some(timeout)).unwrap();
        let is_idle = is_busy && self.simulation.steps() == steps;
        self.idle_turns = if is_idle { self.idle_turns + 1 } else { 0 };
        assert!(self.idle_turns <= IDLE_TURNS, "the loop spins, and nothing happens");

        self.look_at_stop();
        let statistics = self.simulation.reactor().statistics();
        assert!(statistics.turns < TURNS, "it goes on and on");
        let reserves = 2 * 4096 * (statistics.open as usize + 1);
        let most = self.config.buffer_limit + reserves;
        assert!(statistics.buffered as usize <= most, "{} of {most} kept", statistics.buffered);
        let closed = &statistics.closed;
        let gone = [closed.ended, closed.by_service, closed.because, closed.idle, closed.lingered];
        let gone = gone.iter().sum::<u64>() + closed.limits + closed.failed + closed.stopped;
        let made = statistics.accepted + statistics.connected;
        // A dial that is given up, for whatever reason, is none that was made.
        assert!(
            gone + statistics.open >= made,
            "{made} made, {gone} gone, {} open",
            statistics.open
        );
        let limit = self.config.connections.map_or(u64::MAX, |limit| limit as u64);
        let alive = |life: &&Life| life.was_accepted && life.opened > life.closed;
        let accepted = self.lives.borrow().values().filter(alive).count() as u64;
        assert!(accepted <= limit, "{accepted} connections of {limit}");
    }

    /// A stop ends in time, whenever it began and whatever stands in its way.
    fn look_at_stop(&mut self) {
        let reactor = self.simulation.reactor();
        if reactor.is_stopped() || !reactor.context(self.nobody).is_stopping() {
            return;
        }
        let now = self.simulation.now();
        let took = now - *self.stops_since.get_or_insert(now);
        let limit = self.config.stop_timeout + Faults::none().latest + Duration::from_millis(1);
        assert!(took <= limit, "the stop takes {took:?}");
    }

    /// Lets time pass, until there is nothing left to happen.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.simulation.now() + time;
        while self.simulation.now() < end && !self.simulation.reactor().is_stopped() {
            if self.simulation.reactor().poll_timeout().is_none() {
                return;
            }
            let left = end - self.simulation.now();
            self.turn(left);
        }
    }

    /// The end of each world: a stop, in time, after which nothing is left.
    fn end(&mut self) {
        self.simulation.reactor().handle().stop(Stop::Gracefully).ok();
        while !self.simulation.reactor().is_stopped() {
            self.simulation.run_for(Duration::ZERO).unwrap(); // It looks whether a handle has anything.
            self.turn(LONG);
        }
        let statistics = self.simulation.reactor().statistics();
        assert_eq!((statistics.open, statistics.buffered), (0, 0));
        assert_eq!(self.simulation.reactor().poll_timeout(), None);
        for (id, life) in self.lives.borrow().iter() {
            assert_eq!(life.closed, 1, "{id} has been told {} times that it has gone", life.closed);
        }
    }
}
