//! Whom bound datagram sockets answer.

use std::time::Instant;

use super::throttle::{More, Throttles};
use crate::machines::{DatagramPolicy, DatagramRefusal};
use crate::values::{Address, Cast, Config, Peer};

/// What befalls datagrams: each kind is logged for itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Cut,
    Denied,
    Rate,
    Forbidden,
    /// It could not be sent.
    Unsent,
    /// There was no room for it, as those before it are not read.
    Unread,
}

/// How many kinds there are.
const TROUBLES: usize = Trouble::Unread as usize + 1;

/// The policy of all datagram sockets together, and what is logged of it.
#[derive(Debug)]
pub(super) struct Guard {
    policy: DatagramPolicy,
    log: Throttles<TROUBLES>,
}

impl Guard {
    pub(super) fn new(config: &Config) -> Guard {
        Guard { policy: DatagramPolicy::new(config), log: Throttles::new() }
    }

    /// One of our sockets is bound to this address from here on.
    pub(super) fn bound(&mut self, address: Address) {
        self.policy.bound(address);
    }

    /// It isn't any more.
    pub(super) fn gone(&mut self, address: &Address) {
        self.policy.gone(address);
    }

    /// Whether what comes from there to a socket bound like this may be answered at all.
    #[inline]
    pub(super) fn check(
        &self,
        bound: &Address,
        from: &Peer,
        cast: Cast,
    ) -> Result<(), DatagramRefusal> {
        self.policy.check(bound, from, cast)
    }

    /// Whether this source has a rate, which each of its datagrams counts against.
    #[inline]
    pub(super) fn limits(&self, source: &Address) -> bool {
        self.policy.limits(source)
    }

    /// Whether the rate of this source admits one datagram more.
    #[inline]
    pub(super) fn take(&mut self, source: &Address, now: Instant) -> bool {
        self.policy.take(source, now)
    }

    /// `Some`: a line may be logged, which stands for so many.
    pub(super) fn may_log(&mut self, trouble: Trouble, now: Instant) -> Option<More> {
        self.log.pass(trouble as usize, now)
    }
}
