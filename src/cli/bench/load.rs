//! What is to be done in one run.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use echoloop::Endpoint;

use super::talk::Talk;
use super::values::{Arrival, Rate};

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Length {
    Time(Duration),
    /// After so many replies.
    Count(u64),
}

/// What is to be done in one run, by all workers or by one.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// Resolved, so that nobody has to be asked for its address during the run.
    pub(super) endpoint: Endpoint,
    pub(super) connections: usize,
    /// What is sent, and what must come back.
    pub(super) talk: Talk,
    /// Most messages on their way at a time, each connection.
    pub(super) depth: usize,
    pub(super) length: Length,
    pub(super) warmup: Duration,
    /// New connections a second; the load begins before all are there.
    pub(super) ramp: Option<f64>,
    /// Messages a second, all connections together: an open loop.
    pub(super) rate: Option<Rate>,
    /// How its messages follow each other.
    pub(super) arrival: Arrival,
    /// In a closed loop, from a reply to the next message.
    pub(super) think: Duration,
    /// Connect, one exchange, close, and again.
    pub(super) churn: bool,
    /// Where to connect from, in turn.
    pub(super) bind: Vec<IpAddr>,
    /// How long a reply may take.
    pub(super) timeout: Duration,
    /// Whether the run may be a success without some of the connections and replies.
    pub(super) allow_losses: bool,
    /// When the load begins, if not at once.
    pub(super) start: Option<SystemTime>,
    pub(super) workers: usize,
    /// The processors of the workers, in turn.
    pub(super) pin: Vec<usize>,
    /// Whether the kernel may join and split datagrams.
    pub(super) offload: bool,
}

impl Load {
    /// This worker's part of it.
    pub(super) fn part(&self, worker: usize) -> Load {
        let whole =
            |number: usize| number / self.workers + usize::from(worker < number % self.workers);
        let connections = whole(self.connections);
        let fraction = connections as f64 / self.connections as f64;
        Load {
            connections,
            length: match self.length {
                Length::Count(count) => Length::Count(
                    count / self.workers as u64
                        + u64::from((worker as u64) < count % self.workers as u64),
                ),
                time => time,
            },
            rate: self.rate.map(|rate| rate.part(fraction)),
            ramp: self.ramp.map(|ramp| ramp * fraction),
            bind: match self.bind.len() {
                0 => Vec::new(),
                // Each worker begins with another address.
                addresses => (0..addresses).map(|i| self.bind[(i + worker) % addresses]).collect(),
            },
            ..self.clone()
        }
    }

    /// Where connection number `index` comes from, if it matters.
    pub(super) fn local(&self, index: usize) -> Option<SocketAddr> {
        let &ip = self.bind.get(index.checked_rem(self.bind.len())?)?;
        Some(SocketAddr::new(ip, 0))
    }

    /// Replies after which it is over, if it isn't over by time.
    pub(super) fn goal(&self) -> Option<u64> {
        match self.length {
            Length::Count(count) => Some(count),
            Length::Time(_) => None,
        }
    }
}
