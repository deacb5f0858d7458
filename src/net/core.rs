//! The half of the reactor that services may touch while they are called.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};
use std::{io, mem};

use mio::Poll;

use super::clock::Clock;
use super::deadlines::Outstanding;
use super::doors::Doors;
use super::outgoing::Outgoing;
use super::packets::{Lent, Outbox};
use super::roster::Roster;
use super::socket::StreamSocket;
use super::stop::{Going, Stopping};
use super::table::{Entry, Origin, Phase, Polled, Source, StreamSource, Table};
use super::tell::Tell;
use super::throttle::Throttle;
use super::timing::Words;
use crate::machines::{
    Connection, DatagramPolicy, Latch, SourceKey, Timers, TokenBucket, source_key,
};
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
    /// An outgoing connection may try again.
    DialRetry(Id),
    /// Something may have happened that no event tells of.
    StopCheck,
    /// The stop has taken too long.
    StopTimeout,
}

/// Everything but the services.
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) poll: Poll,
    pub(super) table: Table,
    pub(super) doors: Doors,
    /// Sources that can move, in the order of their turns.
    pub(super) runnable: Vec<Id>,
    /// Whose turn it is. Empty between turns.
    pub(super) batch: Vec<Id>,
    pub(super) timers: Timers<Due>,
    pub(super) words: Words,
    pub(super) account: Account,
    pub(super) statistics: Statistics,
    pub(super) clock: Clock,
    pub(super) stopping: Stopping,
    pub(super) roster: Roster,
    /// What services have to be told.
    pub(super) tells: VecDeque<(ServiceKey, Tell)>,
    /// Listeners that wait for something.
    pub(super) parked: Vec<Id>,
    /// Sources that a graceful stop doesn't wait for.
    pub(super) background: usize,
    /// Accepted connections now.
    pub(super) accepted: usize,
    /// The same by source, if that is limited.
    pub(super) by_source: HashMap<SourceKey, u32>,
    /// Connections with an idle timeout of their own.
    pub(super) idle_timeouts: HashMap<Id, Option<Duration>>,
    /// Connections that have a deadline, and of which the kernel held something.
    pub(super) outstanding: HashMap<Id, Outstanding>,
    pub(super) accept_bucket: Option<TokenBucket>,
    pub(super) accept_log: Throttle,
    /// Whom bound datagram sockets answer.
    pub(super) policy: DatagramPolicy,
    pub(super) datagram_log: Throttle,
    /// Whether small sends are gathered: while several sources are driven.
    pub(super) gathering: bool,
    pub(super) outgoing: Outgoing,
    pub(super) outbox: Outbox,
    /// The datagram socket that the outbox gathers for.
    pub(super) outbox_of: Id,
    /// Whether the outbox may hold pieces of the batch that is being received, which stays as it is
    /// until they have been sent.
    pub(super) lent: bool,
}

impl Core {
    pub(super) fn new(config: Config) -> io::Result<Core> {
        let clock = Clock::new();
        Ok(Core {
            poll: Poll::new()?,
            table: Table::default(),
            doors: Doors::default(),
            runnable: Vec::new(),
            batch: Vec::new(),
            timers: Timers::new(),
            words: Words::default(),
            account: Account::new(config.buffer_limit),
            statistics: Statistics::default(),
            stopping: Stopping::default(),
            roster: Roster::default(),
            tells: VecDeque::new(),
            parked: Vec::new(),
            background: 0,
            accepted: 0,
            by_source: HashMap::new(),
            idle_timeouts: HashMap::new(),
            outstanding: HashMap::new(),
            accept_bucket: config.accept_rate.map(|rate| TokenBucket::new(rate, clock.now())),
            accept_log: Throttle::default(),
            policy: DatagramPolicy::new(&config),
            datagram_log: Throttle::default(),
            gathering: false,
            outgoing: Outgoing::default(),
            outbox: Outbox::new(),
            outbox_of: Id::NONE,
            lent: false,
            clock,
            config,
        })
    }

    /// Whether there is something to do without an event. The wait of a turn and the timeout that a host
    /// is told both ask this, so neither can forget anything.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        !self.runnable.is_empty()
            || self.outbox_of != Id::NONE
            || !self.tells.is_empty()
            || self.has_to_stop()
    }

    /// Puts the source into the queue of those that can move.
    #[inline]
    pub(super) fn schedule(&mut self, id: Id) {
        if let Some(entry) = self.table.get_mut(id)
            && !entry.queued
        {
            entry.queued = true;
            self.runnable.push(id);
        }
    }

    /// A stream that works: from the first moment it can be written to.
    pub(super) fn insert_stream(
        &mut self,
        service: ServiceKey,
        connection: Connection<StreamSocket>,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> io::Result<Id> {
        let descriptor = connection.stream().as_fd().as_raw_fd();
        let stream = self.stream_source(connection, peer, origin);
        let (id, polled) = self.insert(service, Source::Stream(stream), descriptor)?;
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
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> StreamSource {
        connection.latch(Latch { writable: true, ..Latch::default() });
        let (active, phase) = (self.clock.tick(), Phase::Serving);
        let polled = match connection.stream() {
            StreamSocket::Unix(..) if origin == Origin::Accepted => Polled::Input,
            _ => Polled::Both,
        };
        let (gathered, timer, door) = (0, None, None);
        StreamSource { connection, peer, active, phase, origin, door, gathered, polled, timer }
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
        let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_background) else {
            return;
        };
        entry.is_background = true;
        self.background += 1;
        let Source::Stream(stream) = &mut entry.source else { return };
        let timer = stream.timer.take();
        if stream.phase < Phase::Closing {
            stream.phase = Phase::Serving;
        }
        let accepted = (stream.origin == Origin::Accepted).then_some(stream.peer);
        self.stopping.forget(id);
        self.statistics.open -= 1; // From here on it isn't counted as a connection.
        timer.map(|timer| self.timers.cancel(timer));
        if let Some(peer) = accepted {
            self.uncount(peer);
        }
        if let Some(Some(limit)) = self.idle_timeouts.get(&id).copied() {
            self.arm(id, limit, limit);
        }
    }

    /// Takes a source out of everything that knows it. Dropping what is returned closes it.
    pub(super) fn forget(&mut self, id: Id) -> Option<Entry> {
        if self.outbox_of == id && !self.lent {
            self.flush_outbox(Lent::default()); // What it has gathered leaves before it goes.
        }
        let mut entry = self.table.remove(id)?;
        let unref = entry.is_background;
        self.background -= usize::from(unref);
        match &mut entry.source {
            Source::Stream(stream) => self.forget_stream(stream, unref),
            Source::Dial(dial) => {
                dial.connection.drop_kept(&mut self.account);
                dial.timeout.map(|timeout| self.timers.cancel(timeout));
            }
            Source::Listener(listener) => {
                listener.retry.map(|retry| self.timers.cancel(retry));
                self.doors.leave(listener.door);
                if listener.is_adopted {
                    self.deregister(&listener.socket);
                }
            }
            Source::Datagram(datagram) => {
                if datagram.is_adopted {
                    self.deregister(&datagram.socket);
                }
                if let Some(bound) = &datagram.bound {
                    self.policy.gone(bound);
                }
            }
        }
        self.stopping.forget(id);
        if !self.idle_timeouts.is_empty() {
            self.idle_timeouts.remove(&id); // Mostly there is none, and looking for it means hashing.
        }
        if !self.outstanding.is_empty() {
            self.outstanding.remove(&id);
        }
        self.roster.leave(entry.service);
        // Whoever waits for a descriptor or a place may find one now.
        for listener in mem::take(&mut self.parked) {
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
        self.doors.leave(stream.door);
        self.statistics.open -= u64::from(!unref);
        match stream.origin {
            Origin::Accepted if !unref => self.uncount(stream.peer),
            Origin::Accepted | Origin::Connected => {}
            Origin::Adopted => self.deregister(stream.connection.stream()),
        }
    }

    /// One accepted connection less.
    fn uncount(&mut self, peer: Option<SocketAddr>) {
        self.accepted -= 1;
        if self.config.connections_per_source.is_some()
            && let Some(peer) = peer
        {
            self.leave(peer.ip());
        }
    }

    /// One connection less from this address.
    pub(super) fn leave(&mut self, ip: IpAddr) {
        let source = source_key(ip);
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// Lets a listener wait: until a source goes, or until the given time if that is earlier.
    pub(super) fn park(&mut self, id: Id, until: Option<Instant>) {
        let Some(listener) = self.table.listener(id) else { return };
        if !listener.parked {
            listener.parked = true;
            listener.retry = until.map(|until| self.timers.once(until, Due::Accept(id)));
            self.parked.push(id);
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
            bytes_out: self.account.sent(),
            buffered: self.account.kept() as u64,
            buffered_peak: self.account.most() as u64,
            ..self.statistics.clone()
        }
    }

    /// Whether new sources may be made.
    pub(super) fn check_going(&self, service: ServiceKey) -> io::Result<()> {
        if self.stopping.going() != Going::On {
            return Err(io::Error::other("the reactor is stopping"));
        }
        self.check_service(service)
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
