//! The half of the reactor that services may touch while they are called.

use std::io;
use std::time::Instant;

use mio::Poll;

use super::acceptor::Acceptor;
use super::clock::Clock;
use super::deadlines::Deadlines;
use super::guard::Guard;
use super::mem::Memory;
use super::names::Names;
use super::outgoing::Outgoing;
use super::outlet::Outlet;
use super::packets::Lent;
use super::roster::Roster;
use super::socket::{Polled, StreamSocket};
use super::stopping::{Going, Stopping};
use super::table::{Entry, Origin, Phase, Source, StreamSource, Table};
use super::watch::Watch;
use super::words::Words;
use crate::machines::{Connection, Flows, Latch, Timers};
use crate::values::{Account, Config, Id, ServiceKey, Statistics};

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// A service set it, while it was called for this source.
    Service(ServiceKey, Id),
    /// A connection has been quiet for long, or takes long to close.
    Deadline(Id),
    /// A listener may try again.
    Accept(Id),
    /// An outgoing connection has taken too long.
    DialTimeout(Id),
    /// An outgoing connection may try again, or its next address.
    DialRetry(Id),
    /// A proxy has taken too long to tell for whom it speaks.
    ProxyTimeout(Id),
    /// Something may have happened that no event tells of.
    StopCheck,
    /// The stop has taken too long.
    StopTimeout,
}

impl Due {
    /// The source that it is about.
    pub(super) fn source(self) -> Id {
        match self {
            Due::Service(_, id)
            | Due::Deadline(id)
            | Due::Accept(id)
            | Due::DialTimeout(id)
            | Due::DialRetry(id)
            | Due::ProxyTimeout(id) => id,
            Due::StopCheck | Due::StopTimeout => Id::NONE,
        }
    }

    /// What it is for, in a word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Due::Service(..) => "the service's",
            Due::Deadline(_) => "deadline",
            Due::Accept(_) => "accept again",
            Due::DialTimeout(_) => "connect timeout",
            Due::DialRetry(_) => "connect again",
            Due::ProxyTimeout(_) => "proxy timeout",
            Due::StopCheck => "a look at the stop",
            Due::StopTimeout => "stop timeout",
        }
    }
}

/// Everything but the services.
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) poll: Poll,
    /// The kernel of the sources that have none.
    pub(super) memory: Memory,
    pub(super) table: Table,
    /// Sources that can move.
    pub(super) flows: Flows,
    pub(super) clock: Clock,
    pub(super) timers: Timers<Due>,
    pub(super) words: Words,
    pub(super) names: Names,
    pub(super) deadlines: Deadlines,
    pub(super) account: Account,
    pub(super) statistics: Statistics,
    /// Of the messages counted there, those of this process itself.
    pub(super) own_messages: u64,
    pub(super) stopping: Stopping,
    pub(super) roster: Roster,
    pub(super) acceptor: Acceptor,
    pub(super) guard: Guard,
    pub(super) outgoing: Outgoing,
    pub(super) outlet: Outlet,
    pub(super) watch: Watch,
}

impl Core {
    pub(super) fn new(config: Config, poll: Poll, names: Names) -> Core {
        let clock = Clock::new();
        Core {
            poll,
            memory: Memory::new(&config),
            table: Table::default(),
            flows: Flows::new(clock.now()),
            timers: Timers::new(),
            words: Words::default(),
            names,
            deadlines: Deadlines::default(),
            account: Account::new(config.buffer_limit),
            statistics: Statistics::default(),
            own_messages: 0,
            stopping: Stopping::default(),
            roster: Roster::default(),
            acceptor: Acceptor::new(&config, clock.now()),
            guard: Guard::new(&config),
            outgoing: Outgoing::default(),
            outlet: Outlet::new(),
            watch: Watch::default(),
            clock,
            config,
        }
    }

    /// Whether a source, the stop or the outbox has something to do without an event.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        !self.flows.is_empty()
            || self.memory.has_events()
            || self.outlet.is_in_use()
            || self.has_to_go_on_stopping()
    }

    #[inline]
    pub(super) fn has_to_go_on_stopping(&self) -> bool {
        self.stopping.has_to_go_on(self.table.has_emptied(), self.table.is_empty())
    }

    /// Puts the source into the queue of those that can move.
    #[inline]
    pub(super) fn schedule(&mut self, id: Id) {
        if let Some(entry) = self.table.get_mut(id) {
            self.flows.schedule(id, &mut entry.flow);
        }
    }

    /// The same for one that has used up its go and has more to do.
    pub(super) fn requeue(&mut self, id: Id) {
        if let Some(entry) = self.table.get_mut(id) {
            self.flows.requeue(id, &mut entry.flow);
        }
    }

    /// A stream that works: from the first moment it can be written to.
    pub(super) fn insert_stream(
        &mut self,
        service: ServiceKey,
        connection: Connection<StreamSocket>,
        origin: Origin,
    ) -> io::Result<Id> {
        let stream = self.stream_source(connection, origin);
        let (id, polled) = self.insert(service, Source::Stream(stream))?;
        if !polled && let Some(stream) = self.table.stream(id) {
            stream.polled = Polled::Nothing;
            stream.connection.latch(Latch { readable: true, writable: true, read_on: true });
            self.schedule(id);
        }
        self.opened(id);
        Ok(id)
    }

    pub(super) fn stream_source(
        &self,
        mut connection: Connection<StreamSocket>,
        origin: Origin,
    ) -> StreamSource {
        connection.latch(Latch { writable: true, ..Latch::default() });
        let (active, phase) = (self.clock.tick(), Phase::Serving);
        let polled = match origin {
            Origin::Accepted => Polled::of_accepted(connection.stream()),
            Origin::Connected | Origin::Adopted => Polled::Both,
        };
        let (gathered, timer, door) = (0, None, None);
        StreamSource { connection, active, phase, origin, door, gathered, polled, timer }
    }

    /// Counts a stream that has just come about, and watches over its idleness; or over its end, if
    /// the reactor is stopping already.
    pub(super) fn opened(&mut self, id: Id) {
        let unref = self.table.get(id).is_some_and(|entry| entry.is_background);
        self.statistics.open += u64::from(!unref);
        if let Some(limit) = self.idle_timeout(id) {
            self.arm(id, limit, limit);
        }
        if self.stopping.is_draining() {
            self.drain(id);
        }
    }

    /// Puts a source into the background.
    pub(super) fn put_in_background(&mut self, id: Id) {
        let Some(entry) = self.table.put_in_background(id) else { return };
        let stream = match &mut entry.source {
            Source::Stream(stream) => stream,
            Source::Proxied(_) => return self.acceptor.uncount(None),
            Source::Listener(_) | Source::Datagram(_) | Source::Dial(_) => return,
        };
        let timer = stream.timer.take();
        if stream.phase < Phase::Closing {
            stream.phase = Phase::Serving;
        }
        let peer = stream.connection.stream().internet_peer();
        let accepted = (stream.origin == Origin::Accepted).then_some(peer);
        self.stopping.forget(id);
        self.statistics.open -= 1; // From here on it isn't counted as a connection.
        timer.map(|timer| self.timers.cancel(timer));
        if let Some(peer) = accepted {
            self.acceptor.uncount(peer);
        }
        if let Some(Some(limit)) = self.deadlines.own_limit(id) {
            self.arm(id, limit, limit);
        }
    }

    /// Takes a source out of everything that knows it. Dropping what is returned closes it.
    pub(super) fn forget(&mut self, id: Id) -> Option<Entry> {
        if self.outlet.gathers_for(id) && !self.outlet.is_lent() {
            self.flush_outbox(Lent::default()); // What it has gathered leaves before it goes.
        }
        let mut entry = self.table.remove(id)?;
        let unref = entry.is_background;
        match &mut entry.source {
            Source::Stream(stream) => self.forget_stream(stream, unref),
            Source::Dial(dial) => self.forget_dial(dial),
            Source::Proxied(proxied) => {
                self.account.give_back(proxied.held.len());
                proxied.timeout.map(|timeout| self.timers.cancel(timeout));
                self.acceptor.go_out(proxied.door);
                if !unref {
                    self.acceptor.uncount(None);
                }
            }
            Source::Listener(listener) => {
                listener.retry.map(|retry| self.timers.cancel(retry));
                self.acceptor.go_out(listener.door);
                if listener.is_adopted {
                    self.deregister(listener.socket.descriptor());
                }
            }
            Source::Datagram(datagram) => {
                if datagram.is_adopted {
                    self.deregister(datagram.socket.descriptor());
                }
                if let Some(bound) = &datagram.bound {
                    self.guard.gone(bound);
                }
            }
        }
        self.stopping.forget(id);
        self.deadlines.forget(id);
        self.roster.leave(entry.service);
        // Whoever waits for a descriptor or a place may find one now.
        for listener in self.acceptor.take_parked() {
            self.unpark(listener);
        }
        Some(entry)
    }

    /// Takes away all sources and timers of a service.
    pub(super) fn forget_service(&mut self, service: ServiceKey) {
        let of_service = |due: &Due| matches!(due, Due::Service(other, _) if *other == service);
        for _ in self.timers.extract_if(of_service) {
            self.roster.leave(service);
        }
        self.words.keep(|timer| self.timers.is_set(timer));
        for id in self.table.ids() {
            if self.table.get(id).is_some_and(|entry| entry.service == service) {
                self.forget(id);
            }
        }
    }

    fn forget_stream(&mut self, stream: &mut StreamSource, unref: bool) {
        stream.connection.drop_kept(&mut self.account);
        stream.timer.map(|timer| self.timers.cancel(timer));
        self.acceptor.go_out(stream.door);
        self.statistics.open -= u64::from(!unref);
        match stream.origin {
            Origin::Accepted if !unref => {
                self.acceptor.uncount(stream.connection.stream().internet_peer());
            }
            Origin::Accepted | Origin::Connected => {}
            Origin::Adopted => self.deregister(stream.connection.stream().descriptor()),
        }
    }

    /// Lets a listener wait: until a source goes, or until the given time if that is earlier.
    pub(super) fn park(&mut self, id: Id, until: Option<Instant>) {
        let Some(listener) = self.table.listener(id) else { return };
        if !listener.parked {
            listener.parked = true;
            listener.retry = until.map(|until| self.timers.once(until, Due::Accept(id)));
            self.acceptor.park(id);
        }
    }

    pub(super) fn unpark(&mut self, id: Id) {
        if let Some(listener) = self.table.listener(id)
            && listener.parked
        {
            listener.parked = false;
            // Left behind, each would find the listener parked again, and set another one.
            listener.retry.take().map(|retry| self.timers.cancel(retry));
            self.schedule(id);
        }
    }

    /// A snapshot of what was counted.
    pub(super) fn statistics(&self) -> Statistics {
        Statistics {
            bytes_in: self.account.received(),
            messages_in: self.statistics.messages_in - self.own_messages,
            bytes_out: self.account.sent(),
            buffered: self.account.kept() as u64,
            buffered_peak: self.account.most() as u64,
            longest_turn: self.statistics.turn_times.max(),
            ..self.statistics.clone()
        }
    }

    /// Whether new sources may be made.
    pub(super) fn check_going(&self, service: ServiceKey) -> io::Result<()> {
        match self.stopping.going() {
            Going::On => self.check_service(service),
            Going::Stopped => self.check_not_stopped(service),
            _ => Err(io::Error::other("the reactor is stopping")),
        }
    }

    /// Whether a source that the host has may still be taken in: also while stopping, for what is yet
    /// to be answered.
    pub(super) fn check_not_stopped(&self, service: ServiceKey) -> io::Result<()> {
        if self.stopping.going() == Going::Stopped {
            return Err(io::Error::other("the reactor has stopped"));
        }
        self.check_service(service)
    }

    /// Whether there is still somebody to make a source for.
    fn check_service(&self, service: ServiceKey) -> io::Result<()> {
        match self.roster.has(service) {
            true => Ok(()),
            false => Err(io::Error::other("the service has gone")),
        }
    }
}
