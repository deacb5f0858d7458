//! What is on its way out and not yet connected.

use std::io;
use std::net::SocketAddr;

use super::clock::Tick;
use super::names::Lookup;
use super::socket::StreamSocket;
use crate::machines::{Connection, Race};
use crate::values::TimerId;

/// An outgoing connection that is being made.
#[derive(Debug)]
pub(super) struct Dial {
    /// Where from, if it matters.
    pub(super) local: Option<SocketAddr>,
    pub(super) stage: Stage,
    /// What it will be. Everything can be asked of it already: what is sent is kept.
    pub(super) connection: Connection<StreamSocket>,
    /// If it will be a datagram socket: the lengths of the datagrams that are kept.
    pub(super) datagrams: Option<Vec<usize>>,
    /// Its latch: the kernel has said something.
    pub(super) answered: bool,
    /// The poller said that it is broken already.
    pub(super) hung_up: Option<bool>,
    /// The service doesn't want it any more.
    pub(super) abandoned: bool,
    /// When the reactor began to stop.
    pub(super) active: Tick,
    pub(super) timeout: Option<TimerId>,
    /// When the next address is to be tried.
    pub(super) next: Option<TimerId>,
}

/// How far an outgoing connection is.
#[derive(Debug)]
pub(super) enum Stage {
    LookingUp(Lookup),
    LookedUp(Lookup, io::Result<Vec<SocketAddr>>),
    /// All attempts have the dial's token. So an event tells that one of them has an answer, not which.
    Racing(Race<StreamSocket>),
}

/// With nobody in the race.
impl Default for Stage {
    fn default() -> Stage {
        Stage::Racing(Race::default())
    }
}

impl Dial {
    pub(super) fn new(stage: Stage, local: Option<SocketAddr>, active: Tick) -> Dial {
        Dial {
            local,
            stage,
            connection: Connection::new(StreamSocket::Unmade),
            datagrams: None,
            answered: false,
            hung_up: None,
            abandoned: false,
            active,
            timeout: None,
            next: None,
        }
    }

    /// Whether something was sent to it that is to be delivered.
    pub(super) fn has_kept(&self) -> bool {
        self.connection.queued() > 0 || self.datagrams.as_ref().is_some_and(|it| !it.is_empty())
    }

    /// The timers that go with it.
    pub(super) fn take_timers(&mut self) -> impl Iterator<Item = TimerId> + use<> {
        [self.timeout.take(), self.next.take()].into_iter().flatten()
    }
}
