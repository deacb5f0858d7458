//! The loop.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use std::{fmt, io, mem};

use mio::{Events, Poll};

use super::asked::Asked;
use super::commands::Commands;
use super::core::Core;
use super::names::Names;
use super::packets::{Inbox, Lent};
use super::service::{Context, Errands, Service};
use super::stopping::Going;
use super::unwinding::Called;
use crate::values::{Buffer, Config, Error, Id, Sample, ServiceKey};

/// The event loop: one thread, one poll, any number of sockets.
///
/// ```no_run
/// use echoloop::{Config, Echo, Reactor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut reactor = Reactor::new(Config::default())?;
/// reactor.listen(&"tcp://127.0.0.1:8888".parse()?, Echo)?;
/// reactor.listen(&"udp://127.0.0.1:8888".parse()?, Echo)?;
/// reactor.run()?;
/// # Ok(()) }
/// ```
///
/// Two halves: the services, which are called, and the core, which they may touch meanwhile. So
/// nothing needs to be borrowed twice, and a service can do anything from inside any callback.
///
/// ```text
///              ┌── Reactor ──────────────────────────────────────────────┐
///   poll ────▶ │ events ── mark ──▶ latches, queue of runnable sources   │
///              │                          │ drive                        │
///   kernel ──▶ │ buffer ── shown to ──▶ services ── Context ──▶ core ──▶ │ ──▶ kernel
///              └─────────────────────────────────────────────────────────┘
/// ```
///
/// A reactor that is dropped closes its sockets without ceremony, and calls no service.
pub struct Reactor {
    pub(super) halves: Halves,
    /// Serves what is made in the name of no other service.
    pub(super) nobody: ServiceKey,
    pub(super) events: Events,
    /// Shared by all streams: what was kept of one, and one read behind it.
    pub(super) buffer: Buffer,
    /// Shared by all datagram sockets; made when there is one.
    pub(super) inbox: Option<Inbox>,
    pub(super) commands: Commands,
    /// The last batch of events was a full one.
    pub(super) has_more_events: bool,
}

/// The first service of all: serves what is made in the name of no other one, through a [`Handle`](super::Handle) for
/// example.
struct Nobody;

impl Service for Nobody {}

/// The two halves.
pub(super) struct Halves {
    /// By slot; empty where one has gone.
    services: Vec<Option<Box<dyn Service>>>,
    pub(super) core: Core,
    pub(super) errands: Errands,
}

impl Halves {
    /// Calls a service for a source.
    #[inline]
    pub(super) fn call<R>(
        &mut self,
        service: ServiceKey,
        id: Id,
        call: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> R,
    ) -> R {
        self.call_asked(service, id, None, call)
    }

    /// The same, to show it a datagram.
    #[inline]
    pub(super) fn call_asked<R>(
        &mut self,
        service: ServiceKey,
        id: Id,
        asked: Option<&Asked<'_>>,
        call: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> R,
    ) -> R {
        let result = self.visit(service, id, asked, call);
        self.pass_on();
        result
    }

    /// The same, and what it tells others has to wait.
    #[inline]
    pub(super) fn visit<R>(
        &mut self,
        service: ServiceKey,
        id: Id,
        asked: Option<&Asked<'_>>,
        call: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> R,
    ) -> R {
        if self.errands.has_arrivals() {
            self.welcome_services();
        }
        let callee = self.services[service.slot()].as_deref_mut();
        let callee = callee.expect("a service with a source or a timer is there");
        let (called, errands) = (Called { core: &mut self.core, id }, &mut self.errands);
        let core = &mut *called.core;
        let result = call(callee, &mut Context { core, errands, service, id, asked });
        mem::forget(called);
        result
    }

    /// Fetches the services that were added meanwhile.
    #[cold]
    fn welcome_services(&mut self) {
        for (slot, service) in self.errands.arrivals() {
            if self.services.len() <= slot {
                self.services.resize_with(slot + 1, || None);
            }
            self.services[slot] = Some(service);
        }
    }

    /// Drops the services that nothing keeps here any more.
    #[inline]
    pub(super) fn drop_departed(&mut self) {
        while let Some(slot) = self.core.roster.depart() {
            self.welcome_services(); // It may have gone as quickly as it came.
            self.services[slot] = None;
        }
    }

    /// Whether there is something to do without an event. The wait of a turn and the timeout that a host
    /// is told both ask this, so neither can forget anything.
    #[inline]
    fn has_work(&self) -> bool {
        self.core.has_work() || self.errands.has_tells()
    }

    /// After the stop, whether a service is still to be told.
    fn has_to_end(&self) -> bool {
        self.core.has_to_go_on_stopping() || self.errands.has_tells()
    }

    /// What a service could do if it were called now.
    pub(super) fn context(&mut self, service: ServiceKey, id: Id) -> Context<'_> {
        Context { core: &mut self.core, errands: &mut self.errands, service, id, asked: None }
    }

    /// The service by that name.
    pub(super) fn service(&mut self, service: ServiceKey) -> Option<&mut Box<dyn Service>> {
        self.welcome_services();
        match self.core.roster.has(service) {
            true => self.services[service.slot()].as_mut(),
            false => None,
        }
    }

    /// Calls the service of a source, if the source is still there.
    #[inline]
    pub(super) fn call_for<R>(
        &mut self,
        id: Id,
        call: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let service = self.core.table.get(id)?.service;
        Some(self.call(service, id, call))
    }
}

/// Running.
impl Reactor {
    /// An empty reactor.
    ///
    /// # Errors
    ///
    /// No descriptor is left for the poller, or a number of the configuration makes no sense.
    pub fn new(config: Config) -> Result<Reactor, Error> {
        let failed = |error| Error::new("make a reactor", "", error);
        config.check().map_err(|error| failed(error.into()))?;
        let buffer = Buffer::try_new(config.input_limit + config.read_buffer).map_err(failed)?;
        let events = Events::with_capacity(config.events);
        let poll = Poll::new().map_err(failed)?;
        let commands = Commands::new(poll.registry(), config.commands).map_err(failed)?;
        let shared = commands.shared();
        let names = Names::new(move || drop(shared.wake()));
        let mut core = Core::new(config, poll, names);
        let (nobody, mut errands) = (core.roster.add(), Errands::default());
        errands.arrive(nobody, Box::new(Nobody));
        Ok(Reactor {
            halves: Halves { services: Vec::new(), core, errands },
            nobody,
            events,
            buffer,
            inbox: None,
            commands,
            has_more_events: false,
        })
    }

    /// Turns until it is stopped: by a service, or a [`Handle`](super::Handle).
    ///
    /// # Errors
    ///
    /// Only the poller's own. No peer can cause one.
    pub fn run(&mut self) -> Result<(), Error> {
        while !self.is_stopped() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Whether it has been stopped, and everything is closed.
    pub fn is_stopped(&self) -> bool {
        let is_over = self.halves.core.stopping.going() == Going::Stopped;
        is_over && !self.halves.has_to_end()
    }

    /// One turn: waits for events, no longer than the timeout, marks what they say, drives the sources that
    /// can move, fires the timers that are due. For hosts with a loop of their own.
    ///
    /// # Errors
    ///
    /// Only the poller's own. An interrupted wait is a turn without events.
    ///
    /// # Panics
    ///
    /// With whatever a service panics. A host that catches it may turn on: the connection that the service
    /// was called for is reset, [`Service::closed`] tells of it with
    /// [`Cause::Panicked`](crate::Cause::Panicked), and nothing else is different; [the
    /// guide](crate::guide::threads#a-panic) has it in full.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.wait(timeout).map_err(|error| Error::new("poll", "", error))?;
        self.mark();
        self.obey();
        let new = self.drive();
        self.fire_timers();
        self.finish_turn(new);
        Ok(())
    }

    /// How long a host with a loop of its own may wait for the reactor's descriptor to become readable
    /// before it must call [`turn`](Reactor::turn) all the same. `None`: for ever, as after a stop.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let core = &self.halves.core;
        if self.has_more_events || self.commands.is_pending() || self.halves.has_work() {
            return Some(Duration::ZERO);
        }
        let next = core.timers.next();
        #[cfg(feature = "simulation")]
        let next = next.into_iter().chain(core.memory.next_due()).min();
        Some(next?.saturating_duration_since(core.clock.this_moment()))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match (self.poll_timeout(), timeout) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        #[cfg(feature = "simulation")]
        if self.halves.core.clock.is_simulated() {
            self.pass_time(timeout);
            return Ok(());
        }
        if self.halves.core.config.spin.is_zero() {
            self.poll(timeout)?;
        } else {
            self.spin(timeout)?;
        }
        let core = &mut self.halves.core;
        core.clock.read();
        core.flows.begin_turn(core.clock.now());
        core.watch.turn_begins();
        core.statistics.turns += 1;
        Ok(())
    }

    /// Looks for events without sleeping, for as long as the configuration says, so that the next message
    /// doesn't have to wake a sleeper. Only what is left of the timeout is slept.
    fn spin(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let (spin, start) = (self.halves.core.config.spin, Instant::now());
        loop {
            self.poll(Some(Duration::ZERO))?;
            let spent = start.elapsed();
            if !self.events.is_empty() || timeout.is_some_and(|timeout| spent >= timeout) {
                return Ok(());
            }
            if spent >= spin {
                return self.poll(timeout.map(|timeout| timeout - spent));
            }
        }
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.halves.core.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            other => other?,
        }
        Ok(())
    }

    /// What is left at the end of a turn.
    fn finish_turn(&mut self, new: usize) {
        let core = &mut self.halves.core;
        if core.outlet.is_in_use() {
            core.flush_outbox(Lent::default());
        }
        core.table.shrink();
        self.halves.pass_on(); // What was told while others were told.
        self.go_on_stopping();
        self.halves.drop_departed();
        let core = &mut self.halves.core;
        let took = core.clock.this_moment().saturating_duration_since(core.clock.now());
        let sample = Sample::new(took);
        core.statistics.turn_times.count_same(sample);
        if new > 0 {
            core.statistics.sparse_waits.count_same(sample);
            core.flows.new_took(new, took);
        }
        core.watch.turn_ends();
    }
}

/// The poller's descriptor: readable when [`Reactor::turn`] has something to do. The loop that polls
/// it must also mind [`Reactor::poll_timeout`].
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.halves.core.poll.registry().as_fd()
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
