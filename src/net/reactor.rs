//! The loop.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fmt, io, mem};

use mio::Events;
use mio::event::Event;

use super::context::Context;
use super::core::{Core, Due, Going};
use super::datagrams::Asked;
use super::handle::{Command, Handle};
use super::packets::{Inbox, Lent};
use super::service::Service;
use super::table::Source;
use crate::machines::Latch;
use crate::values::{Buffer, Cause, Config, Error, Id, ServiceId};

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
    events: Events,
    /// Shared by all streams: what was kept of one, and one read behind it.
    pub(super) buffer: Buffer,
    /// Shared by all datagram sockets; made when there is one.
    pub(super) inbox: Option<Inbox>,
    commands: mpsc::Receiver<Command>,
    pub(super) handle: Handle,
    woken: bool,
    /// Whose turn it is. Empty between turns.
    batch: Vec<Id>,
}

/// The first service of all: serves what is made in the name of no other one, through a [`Handle`] for
/// example.
struct Nobody;

impl Service for Nobody {}

/// The two halves.
pub(super) struct Halves {
    pub(super) services: Vec<Box<dyn Service>>,
    pub(super) core: Core,
}

impl Halves {
    /// Calls a service for a source.
    #[inline]
    pub(super) fn call<R>(
        &mut self,
        service: ServiceId,
        id: Id,
        call: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> R,
    ) -> R {
        self.call_asked(service, id, None, call)
    }

    /// The same, to show it a datagram.
    #[inline]
    pub(super) fn call_asked<R>(
        &mut self,
        service: ServiceId,
        id: Id,
        asked: Option<&Asked<'_>>,
        call: impl FnOnce(&mut dyn Service, &mut Context<'_>) -> R,
    ) -> R {
        if !self.core.arrivals.is_empty() {
            self.services.append(&mut self.core.arrivals);
        }
        let callee = &mut *self.services[service.0 as usize];
        call(callee, &mut Context { core: &mut self.core, service, id, asked })
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
        let buffer = Buffer::new(config.input_limit + config.read_buffer);
        let events = Events::with_capacity(config.events);
        let core = Core::new(config).map_err(failed)?;
        let (handle, commands) = Handle::new(core.poll.registry()).map_err(failed)?;
        Ok(Reactor {
            halves: Halves { services: vec![Box::new(Nobody)], core },
            events,
            buffer,
            inbox: None,
            commands,
            handle,
            woken: false,
            batch: Vec::new(),
        })
    }

    /// Turns until somebody stops it: a service, or a [`Handle`].
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
        self.halves.core.going == Going::Stopped
    }

    /// One turn: waits for events, no longer than the timeout, marks what they say, drives whoever can
    /// move, fires the timers that are due. For hosts with a loop of their own.
    ///
    /// # Errors
    ///
    /// Only the poller's own. An interrupted wait is a turn without events.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.wait(timeout).map_err(|error| Error::new("poll", "", error))?;
        self.mark();
        self.obey();
        self.drive();
        self.fire_timers();
        self.finish_turn();
        Ok(())
    }

    /// How long a host with a loop of its own may wait for the reactor's descriptor to become readable
    /// before it must call [`turn`](Reactor::turn) all the same. `None`: for ever.
    pub fn patience(&self) -> Option<Duration> {
        let core = &self.halves.core;
        let stops = match core.going {
            Going::On | Going::Stopped => false,
            Going::Asked | Going::AtOnce => true,
            Going::Draining => core.has_emptied(),
        };
        if stops || !core.runnable.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = core.timers.next()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match (self.patience(), timeout) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        if !self.spin(timeout)? {
            self.poll(timeout)?;
        }
        self.halves.core.read_clock();
        self.halves.core.statistics.turns += 1;
        Ok(())
    }

    /// Looks for events without sleeping, for as long as the configuration says, so that the next message
    /// doesn't have to wake a sleeper. Returns whether there were any.
    fn spin(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        let spin = self.halves.core.config.spin;
        let spin = timeout.map_or(spin, |timeout| spin.min(timeout));
        if spin.is_zero() {
            return Ok(false);
        }
        let start = Instant::now();
        loop {
            self.poll(Some(Duration::ZERO))?;
            if !self.events.is_empty() {
                return Ok(true);
            }
            if start.elapsed() >= spin {
                return Ok(false);
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

    /// Events only set latches. Nothing moves here, so nothing can close under a later event.
    fn mark(&mut self) {
        let core = &mut self.halves.core;
        let mut count = 0;
        for event in &self.events {
            count += 1;
            let id = Id::from_bits(event.token().0);
            if id == Id::NONE {
                self.woken = true;
                continue;
            }
            let Some(entry) = core.table.get_mut(id) else {
                log::trace!("{id} has gone: a stale event"); // It closed after this was queued.
                continue;
            };
            match &mut entry.source {
                Source::Stream(stream) => {
                    stream.connection.latch(latch(event));
                    if event.is_error() || event.is_write_closed() {
                        stream.connection.hung_up(event.is_error(), &mut core.pool);
                    }
                }
                Source::Listener(listener) => listener.readable = true,
                // An error is received like a datagram, and may come alone.
                Source::Datagram(datagram) => {
                    datagram.in_error |= event.is_error();
                    datagram.readable |= event.is_readable() || event.is_error();
                }
                Source::Dial(dial) => {
                    dial.answered = true;
                    dial.latch = latch(event);
                }
            }
            log::trace!("{id} is {}", Readiness(event));
            if !entry.queued {
                entry.queued = true;
                core.runnable.push(id);
            }
        }
        core.statistics.events += count;
        log::trace!(
            "the poll has returned {count} events, {} sources can move",
            core.runnable.len()
        );
    }

    /// Runs what other threads have sent.
    fn obey(&mut self) {
        if !mem::take(&mut self.woken) {
            return;
        }
        let core = &mut self.halves.core;
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop(how) => core.stop(how),
                Command::Run(run) => {
                    run(&mut Context { core, service: ServiceId(0), id: Id::NONE, asked: None });
                }
            }
        }
    }

    /// Gives each source that can move its share. Who has more to do stands behind the others again,
    /// and whoever joins meanwhile waits for the next turn.
    fn drive(&mut self) {
        let core = &mut self.halves.core;
        mem::swap(&mut core.runnable, &mut self.batch);
        core.gathering = self.batch.len() > 1; // Alone, nobody gains by waiting.
        for i in 0..self.batch.len() {
            let id = self.batch[i];
            let Some(entry) = self.halves.core.table.get_mut(id) else { continue };
            entry.queued = false;
            match &entry.source {
                Source::Stream(_) => self.drive_stream(id),
                Source::Listener(_) => self.drive_listener(id),
                Source::Datagram(_) => self.drive_datagram(id),
                Source::Dial(_) => self.drive_dial(id),
            }
        }
        self.batch.clear();
        if mem::take(&mut self.halves.core.gathering) {
            self.halves.core.write_gathered();
        }
    }

    fn fire_timers(&mut self) {
        let now = self.halves.core.now;
        while let Some((timer, due)) = self.halves.core.timers.due(now) {
            log::trace!("timer: {due:?}");
            match due {
                Due::Service(service, id) => {
                    self.halves.call(service, id, |service, cx| service.timer(cx, timer));
                }
                Due::Deadline(id) => self.check_deadline(id),
                Due::Accept(id) => self.halves.core.unpark(id),
                Due::DialRetry(id) => self.halves.core.schedule(id),
                Due::DialTimeout(id) => {
                    let error = io::Error::from(io::ErrorKind::TimedOut);
                    self.gone(id, Cause::ConnectFailed(error));
                }
            }
        }
    }

    /// What is left at the end of a turn.
    fn finish_turn(&mut self) {
        let core = &mut self.halves.core;
        if core.outbox_of != Id::NONE {
            core.flush_outbox(Lent::default());
        }
        core.table.shrink();
        if core.going != Going::On {
            self.go_on_stopping();
        }
        let core = &mut self.halves.core;
        let took = core.now.elapsed();
        core.statistics.longest_turn = core.statistics.longest_turn.max(took);
    }
}

/// An event in words.
struct Readiness<'a>(&'a Event);

impl fmt::Display for Readiness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Readiness(event) = self;
        let words = [
            (event.is_readable(), "readable"),
            (event.is_writable(), "writable"),
            (event.is_priority(), "urgent"),
            (event.is_read_closed(), "closed for reading"),
            (event.is_write_closed(), "closed for writing"),
            (event.is_error(), "in error"),
        ];
        let mut separator = "";
        for (_, word) in words.iter().filter(|(is_so, _)| *is_so) {
            write!(f, "{separator}{word}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// What an event says of a stream.
#[inline]
fn latch(event: &Event) -> Latch {
    Latch {
        readable: event.is_readable() || event.is_read_closed() || event.is_error(),
        writable: event.is_writable() || event.is_write_closed() || event.is_error(),
        read_on: event.is_read_closed() || event.is_priority() || event.is_error(),
    }
}

/// The poller's descriptor: readable when [`Reactor::turn`] has something to do. The loop that polls
/// it must also mind [`Reactor::patience`].
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
