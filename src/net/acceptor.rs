//! How many connections there may be, whose they are, and which listeners have to wait.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use std::{fmt, mem};

use super::doors::{Door, Doors};
use super::throttle::{More, Throttles};
use crate::machines::{SourceKey, TokenBucket, source_key};
use crate::values::{Config, Id, Refused};

/// Why a connection is not served, or not yet: each kind is logged for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Where proxies are expected.
    NoProxy,
    Denied,
    PerSource,
    BadHeader,
    /// The proxy has ended within its header.
    HalfHeader,
    LateHeader,
    /// Whoever comes has to wait.
    Connections,
    Descriptors,
}

/// How many kinds there are.
const REFUSALS: usize = Refusal::Descriptors as usize + 1;

impl Refusal {
    /// Where it is counted.
    pub(super) fn counter(self, refused: &mut Refused) -> &mut u64 {
        match self {
            Refusal::NoProxy | Refusal::Denied => &mut refused.denied,
            Refusal::PerSource => &mut refused.per_source,
            Refusal::BadHeader | Refusal::HalfHeader | Refusal::LateHeader => {
                &mut refused.proxy_header
            }
            Refusal::Connections => &mut refused.connections,
            Refusal::Descriptors => &mut refused.descriptors,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NoProxy => "it is none of the proxies",
            Refusal::Denied => "its address is not admitted",
            Refusal::PerSource => "too many connections from its address",
            Refusal::BadHeader => "no PROXY header that can be read",
            Refusal::HalfHeader => "it has ended within its PROXY header",
            Refusal::LateHeader => "no whole PROXY header in time",
            Refusal::Connections => "the connection limit is reached",
            Refusal::Descriptors => "there is no descriptor",
        })
    }
}

/// Counts accepted connections and their tokens, all listeners together.
#[derive(Debug)]
pub(super) struct Acceptor {
    /// Accepted connections now.
    accepted: usize,
    /// The same by source, if that is limited.
    by_source: HashMap<SourceKey, u32>,
    bucket: Option<TokenBucket>,
    /// Listeners that wait for a descriptor, a free place or a token.
    parked: Vec<Id>,
    doors: Doors,
    log: Throttles<REFUSALS>,
}

impl Acceptor {
    pub(super) fn new(config: &Config, now: Instant) -> Acceptor {
        Acceptor {
            accepted: 0,
            by_source: HashMap::new(),
            bucket: config.accept_rate.map(|rate| TokenBucket::new(rate, now)),
            parked: Vec::new(),
            doors: Doors::default(),
            log: Throttles::new(),
        }
    }

    /// Accepted connections now.
    pub(super) fn accepted(&self) -> usize {
        self.accepted
    }

    /// When the rate admits the next one; `None`: now.
    pub(super) fn ready_at(&self, now: Instant) -> Option<Instant> {
        let ready = self.bucket.as_ref()?.ready_at(now);
        (ready > now).then_some(ready)
    }

    /// Counts a connection from this address, if those are limited. `false`: it has as many as it may.
    pub(super) fn enter(&mut self, ip: IpAddr, limit: Option<u32>) -> bool {
        let Some(limit) = limit else { return true };
        let count = self.by_source.entry(source_key(ip)).or_default();
        let is_free = *count < limit;
        *count += u32::from(is_free);
        is_free
    }

    /// One connection less from this address, if those are counted.
    pub(super) fn leave(&mut self, ip: IpAddr) {
        if self.by_source.is_empty() {
            return;
        }
        let source = source_key(ip);
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// Takes a token for a connection that is wanted: there is one, or it is the end.
    pub(super) fn take_token(&mut self, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now);
        }
    }

    /// Counts one accepted connection more.
    pub(super) fn count(&mut self) {
        self.accepted += 1;
    }

    /// One accepted connection less.
    pub(super) fn uncount(&mut self, peer: Option<SocketAddr>) {
        self.accepted -= 1;
        if let Some(peer) = peer {
            self.leave(peer.ip());
        }
    }

    /// A connection came through this listener, which may have a door already.
    pub(super) fn come_through(&mut self, listener: Id, door: &mut Option<Door>) -> Door {
        let door = *door.get_or_insert_with(|| self.doors.open(listener));
        self.doors.enter(door);
        door
    }

    /// The listener has gone, or a connection that came through it.
    pub(super) fn go_out(&mut self, door: Option<Door>) {
        self.doors.leave(door);
    }

    /// The listener by this door.
    pub(super) fn listener(&self, door: Door) -> Id {
        self.doors.listener(door)
    }

    /// The listener has to wait.
    pub(super) fn park(&mut self, listener: Id) {
        self.parked.push(listener);
    }

    /// All that wait: there may be a descriptor, or a place.
    #[inline]
    pub(super) fn take_parked(&mut self) -> Vec<Id> {
        mem::take(&mut self.parked)
    }

    /// `Some`: a line may be logged, which stands for so many.
    pub(super) fn may_log(&mut self, refusal: Refusal, now: Instant) -> Option<More> {
        self.log.pass(refusal as usize, now)
    }
}
