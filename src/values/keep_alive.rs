//! Asking silent peers.

use std::time::Duration;

/// When the kernel asks a silent TCP peer whether it is still there, tcp(7). In whole seconds; what is
/// beyond them is left out.
///
/// The defaults are those of Go's `net` package since 1.23: 15 s, 15 s and nine probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// The silence before the first probe, `TCP_KEEPIDLE`: 1 s to 32,767 s.
    pub idle: Duration,
    /// From probe to probe, `TCP_KEEPINTVL`: 1 s to 32,767 s. OpenBSD and a few others have one for all
    /// sockets, and don't ask this.
    pub interval: Duration,
    /// After so many probes without an answer the peer is taken for lost, `TCP_KEEPCNT`: 1 to 127. Where
    /// `interval` isn't asked, this isn't either.
    pub probes: u32,
}

impl Default for KeepAlive {
    fn default() -> KeepAlive {
        let quarter = Duration::from_secs(15);
        KeepAlive { idle: quarter, interval: quarter, probes: 9 }
    }
}
