//! A reactor in a world of its own: time and faults are in the hand of a test.

mod client;

use std::time::Duration;

pub use client::{Client, Script};

use super::mem::Wire;
use super::reactor::Reactor;
use super::stopping::Stop;
use crate::machines::Dice;
use crate::values::{Config, Endpoint, Error, Faults};

/// How long a turn takes, as far as anybody in it can tell.
const TURN: Duration = Duration::from_micros(1);

/// A [`Reactor`] that lives through whatever chance has in store, always the same for the same seed.
///
/// It is the real one: its table, queue, connections, limits, timers and its stop. But nothing is asked of the
/// system. What is connected is in memory, `mem://` and `memgram://`, and between the ends lies what
/// [`Faults`] describe. And no time passes but in jumps: when there is nothing to do, to the next timer or to
/// what arrives next. So an hour of timeouts takes no time at all, and a failure that was seen once can be seen
/// again, by its seed.
///
/// ```
/// use std::time::Duration;
/// use echoloop::{Config, Echo, Faults, Script, Simulation};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// for seed in 0..100 {
///     let mut world = Simulation::new(seed, Faults::default(), Config::default())?;
///     world.reactor().listen(&"mem://echo".parse()?, Echo)?;
///     let client = world.client(&"mem://echo".parse()?, Script::new().sends("hello").ends())?;
///     world.run_for(Duration::from_secs(60))?;
///     assert_eq!(client.received(), b"hello", "seed {seed}");
///     assert!(client.has_ended(), "seed {seed}");
/// }
/// # Ok(()) }
/// ```
///
/// Services must do their part: what depends on real time, on threads, on other processes or on the order of a
/// `HashMap` is another one each time. [`Context::now`](crate::Context::now) is the simulated time. Sources of
/// the system, TCP for example, can be made, and never become ready.
#[derive(Debug)]
pub struct Simulation {
    reactor: Reactor,
}

impl Simulation {
    /// A world in which everything follows from the seed.
    ///
    /// # Errors
    ///
    /// Those of [`Reactor::new`].
    pub fn new(seed: u64, faults: Faults, config: Config) -> Result<Simulation, Error> {
        Simulation::with(Dice::Seed(seed), faults, config)
    }

    /// A world in which everything follows from these bytes, for a fuzzer that looks for those that make
    /// trouble. When they are used up, nothing goes wrong any more.
    ///
    /// # Errors
    ///
    /// Those of [`Reactor::new`].
    pub fn from_bytes(bytes: &[u8], faults: Faults, config: Config) -> Result<Simulation, Error> {
        Simulation::with(Dice::from_bytes(bytes), faults, config)
    }

    fn with(dice: Dice, faults: Faults, config: Config) -> Result<Simulation, Error> {
        let mut reactor = Reactor::new(config)?;
        let core = &mut reactor.halves.core;
        core.clock.simulate();
        core.memory.simulate(faults, dice, core.clock.now());
        core.watch.trace();
        Ok(Simulation { reactor })
    }

    /// The reactor, to listen, connect and look around. [`Reactor::turn`] goes on by one turn.
    pub fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }

    /// A client that connects there and does what the script says. What becomes of it, the [`Client`] tells.
    ///
    /// # Errors
    ///
    /// Those of [`Context::connect`](crate::Context::connect).
    pub fn client(&mut self, at: &Endpoint, script: Script) -> Result<Client, Error> {
        let (service, client) = client::play(script, at.is_datagram());
        self.reactor.serve(service, |cx| {
            let id = cx.connect(at)?;
            if at.is_datagram() {
                cx.source(id).after(Duration::ZERO); // Nothing else would tell it to begin.
            }
            Ok(client)
        })
    }

    /// Lets so much simulated time pass; less, if there is nothing left to happen, or the reactor has
    /// stopped.
    ///
    /// # Errors
    ///
    /// Those of [`Reactor::turn`], of which there are none here.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Error> {
        self.run_until(time, |_| false).map(drop)
    }

    /// The same until something holds, which is asked before each turn. Returns whether it does.
    ///
    /// # Errors
    ///
    /// Those of [`Reactor::turn`], of which there are none here.
    pub fn run_until(
        &mut self,
        time: Duration,
        mut holds: impl FnMut(&mut Reactor) -> bool,
    ) -> Result<bool, Error> {
        let end = self.now().saturating_add(time);
        loop {
            if holds(&mut self.reactor) {
                return Ok(true);
            }
            let left = end.saturating_sub(self.now());
            if left.is_zero() || self.is_over() {
                return Ok(false);
            }
            self.reactor.turn(Some(left))?;
        }
    }

    /// Whether nothing can happen any more without somebody from outside.
    fn is_over(&mut self) -> bool {
        self.reactor.commands.look();
        self.reactor.is_stopped() || self.reactor.poll_timeout().is_none()
    }

    /// The simulated time since the beginning.
    pub fn now(&self) -> Duration {
        self.reactor.halves.core.clock.age()
    }

    /// Everything that has happened so far, and when, in one number: if that is the same for two runs, then so
    /// was everything else.
    pub fn trace(&mut self) -> u64 {
        self.reactor.halves.core.watch.trace().hash()
    }

    /// How many things have happened so far: events, calls of services, bytes that moved. A turn that adds none
    /// was in vain.
    pub fn steps(&mut self) -> u64 {
        self.reactor.halves.core.watch.trace().steps()
    }
}

impl Reactor {
    /// What a wait for events is in a simulation: time passes up to the next thing that happens, and that
    /// arrives.
    pub(super) fn pass_time(&mut self, timeout: Option<Duration>) {
        self.commands.look();
        let is_busy = self.poll_timeout() == Some(Duration::ZERO);
        let core = &mut self.halves.core;
        if core.memory.ask_wire(Wire::tells_to_stop) == Some(true) {
            core.stopping.ask(Stop::Gracefully);
        }
        let wait = timeout.filter(|_| !is_busy).unwrap_or_default();
        let late = match wait.is_zero() {
            true => Duration::ZERO,
            false => core.memory.ask_wire(Wire::lateness).unwrap_or_default(),
        };
        core.clock.advance(wait + late + TURN);
        core.memory.advance(core.clock.now());
        core.watch.turn_begins();
        let age = core.clock.age();
        core.watch.trace().is_at(age);
        core.statistics.turns += 1;
    }
}
