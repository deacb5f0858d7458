//! The half of the reactor that services may touch while they are called.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};
use std::{io, mem};

use mio::Poll;

use super::outgoing::Outgoing;
use super::packets::{Lent, Outbox};
use super::service::Service;
use super::socket::StreamSocket;
use super::table::{Entry, Origin, Phase, Polled, Source, StreamSource, Table};
use crate::machines::{Connection, Latch, SourceKey, Timers, TokenBucket, source_key};
use crate::values::{Config, Id, LOG_INTERVAL, Pool, ServiceId, Statistics};

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// A service set it, while it was called for this source.
    Service(ServiceId, Id),
    /// A connection has been quiet for long, or takes long to close.
    Deadline(Id),
    /// A listener may try again.
    Accept(Id),
    /// An outgoing connection has taken too long.
    DialTimeout(Id),
    /// An outgoing connection may try again.
    DialRetry(Id),
}

/// Whether the reactor goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    On,
    /// Asked to stop gracefully, not yet begun.
    Asked,
    /// Stopping: no new sources.
    Draining,
    /// Asked to stop at once.
    AtOnce,
    Stopped,
}

/// Everything but the services.
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) poll: Poll,
    pub(super) table: Table,
    /// Sources that can move, in the order of their turns.
    pub(super) runnable: Vec<Id>,
    pub(super) timers: Timers<Due>,
    pub(super) pool: Pool,
    pub(super) statistics: Statistics,
    /// The time when this turn began.
    pub(super) now: Instant,
    /// When the reactor was made.
    start: Instant,
    /// Milliseconds from then to now, modulo 50 days: good for differences.
    pub(super) tick: u32,
    pub(super) going: Going,
    /// What each connection may still bring in once the reactor is stopping: as much as its receive
    /// buffer can have held by then.
    pub(super) allowance: HashMap<Id, usize>,
    /// Services that were added while others were called.
    pub(super) arrivals: Vec<Box<dyn Service>>,
    pub(super) services: u32,
    /// Listeners that wait for something.
    pub(super) parked: Vec<Id>,
    /// Streams that a graceful stop doesn't wait for.
    pub(super) background: usize,
    /// Accepted connections now.
    pub(super) accepted: usize,
    /// The same by source, if that is limited.
    pub(super) by_source: HashMap<SourceKey, u32>,
    pub(super) accept_bucket: Option<TokenBucket>,
    pub(super) accept_log: Throttle,
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
        let now = Instant::now();
        Ok(Core {
            poll: Poll::new()?,
            table: Table::default(),
            runnable: Vec::new(),
            timers: Timers::new(),
            pool: Pool::new(config.kept_total),
            statistics: Statistics::default(),
            now,
            start: now,
            tick: 0,
            going: Going::On,
            allowance: HashMap::new(),
            arrivals: Vec::new(),
            services: 1, // Nobody, who is there from the beginning.
            parked: Vec::new(),
            background: 0,
            accepted: 0,
            by_source: HashMap::new(),
            accept_bucket: config.accept_rate.map(|rate| TokenBucket::new(rate, now)),
            accept_log: Throttle::default(),
            datagram_log: Throttle::default(),
            gathering: false,
            outgoing: Outgoing::default(),
            outbox: Outbox::new(),
            outbox_of: Id::NONE,
            lent: false,
            config,
        })
    }

    /// Names a service that is on its way to the other half.
    pub(super) fn add_service(&mut self, service: Box<dyn Service>) -> ServiceId {
        self.arrivals.push(service);
        self.services += 1;
        ServiceId(self.services - 1)
    }

    /// Drops the service that was added last, before anything has named it.
    pub(super) fn withdraw_service(&mut self, service: ServiceId) {
        assert!(service.0 + 1 == self.services && !self.arrivals.is_empty());
        self.services -= 1;
        self.arrivals.pop();
    }

    /// Reads the clock, which is done once a turn.
    pub(super) fn read_clock(&mut self) {
        self.now = Instant::now();
        let since = self.now.duration_since(self.start);
        self.tick = (since.as_secs() as u32).wrapping_mul(1000).wrapping_add(since.subsec_millis());
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
        service: ServiceId,
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
        let (active, phase) = (self.tick, Phase::Serving);
        let polled = match connection.stream() {
            StreamSocket::Unix(_) if origin == Origin::Accepted => Polled::Input,
            _ => Polled::Both,
        };
        let (gathered, timer) = (0, None);
        StreamSource { connection, peer, active, phase, origin, gathered, polled, timer }
    }

    /// Counts a stream that has just come about, and watches over its idleness.
    pub(super) fn opened(&mut self, id: Id) {
        let is_connection = self.table.stream(id).is_some_and(|it| it.origin.is_connection());
        self.statistics.open += u64::from(is_connection);
        if is_connection && let Some(limit) = self.config.idle_timeout {
            self.arm(id, limit);
        }
    }

    /// Sets the one deadline of a stream.
    pub(super) fn arm(&mut self, id: Id, after: Duration) {
        let at = later(self.now, after);
        let Some(stream) = self.table.stream(id) else { return };
        match stream.timer {
            Some(timer) if self.timers.reset(timer, at) => {}
            _ => stream.timer = Some(self.timers.once(at, Due::Deadline(id))),
        }
    }

    /// Moves a stream to its next phase, in which the linger deadline counts anew.
    pub(super) fn enter(&mut self, id: Id, phase: Phase) {
        let tick = self.tick;
        if let Some(stream) = self.table.stream(id)
            && stream.phase < phase
        {
            stream.phase = phase;
            stream.active = tick;
            self.arm(id, self.config.linger);
        }
    }

    /// Takes a source out of everything that knows it. Dropping what is returned closes it.
    pub(super) fn forget(&mut self, id: Id) -> Option<Entry> {
        if self.outbox_of == id && !self.lent {
            self.flush_outbox(Lent::default()); // What it has gathered leaves before it goes.
        }
        let mut entry = self.table.remove(id)?;
        match &mut entry.source {
            Source::Stream(stream) => self.forget_stream(id, stream),
            Source::Dial(dial) => {
                dial.timeout.map(|timeout| self.timers.cancel(timeout));
            }
            Source::Listener(listener) => {
                listener.retry.map(|retry| self.timers.cancel(retry));
            }
            Source::Datagram(_) => {}
        }
        // Whoever waits for a descriptor or a place may find one now.
        for listener in mem::take(&mut self.parked) {
            self.unpark(listener);
        }
        Some(entry)
    }

    /// Takes away all sources of a service.
    pub(super) fn forget_service(&mut self, service: ServiceId) {
        for id in self.table.ids() {
            if self.table.get(id).is_some_and(|entry| entry.service == service) {
                self.forget(id);
            }
        }
    }

    fn forget_stream(&mut self, id: Id, stream: &mut StreamSource) {
        stream.connection.drop_kept(&mut self.pool);
        stream.timer.map(|timer| self.timers.cancel(timer));
        self.statistics.open -= u64::from(stream.origin.is_connection());
        if self.going == Going::Draining {
            self.allowance.remove(&id);
        }
        match stream.origin {
            Origin::Accepted => {
                self.accepted -= 1;
                if self.config.connections_per_source.is_some()
                    && let Some(peer) = stream.peer
                {
                    self.leave(peer.ip());
                }
            }
            Origin::Connected => {}
            Origin::Adopted => self.deregister(stream.connection.stream()),
            Origin::Background => {
                self.background -= 1;
                self.deregister(stream.connection.stream());
            }
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
            kept: self.pool.used() as u64,
            kept_most: self.pool.most() as u64,
            ..self.statistics.clone()
        }
    }
}

/// That much later, or as late as the clock goes.
pub(super) fn later(now: Instant, after: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(after).unwrap_or_else(|| now + FAR)
}

/// Lets one log line pass in a while, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
    held: u64,
}

impl Throttle {
    /// `Some(n)`: log it, and that it stands for `n` more since the last line.
    pub(super) fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            self.held += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held))
    }
}
