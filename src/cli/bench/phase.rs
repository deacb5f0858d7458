//! How far a run is, and what its workers tell each other and whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::seconds::Second;

/// How far a run is.
///
/// ```text
///   Connecting ── all workers' connections are there, or failed ──▶ Warming ── warm-up is over ──▶ Measuring
///     Measuring ── time is up, all replies are there, Ctrl-C ──▶ Draining ── the last reply, or the timeout ──▶ Over
///   any ── no connection is left ──▶ Over
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Connecting,
    Warming,
    Measuring,
    Draining,
    Over,
}

/// What the workers of a run have in common.
pub(super) struct Stage {
    pub(super) workers: usize,
    pub(super) settled: AtomicUsize,
    /// Set by Ctrl-C.
    pub(super) stop: Arc<AtomicBool>,
}

impl Stage {
    pub(super) fn new(workers: usize, stop: Arc<AtomicBool>) -> Stage {
        Stage { workers, settled: AtomicUsize::new(0), stop }
    }
}

/// How the load stands, as the meter asks every now and then.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// Nobody is still to be connected.
    pub(super) settled: bool,
    /// Connections that are there, or may come yet.
    pub(super) alive: usize,
    /// Messages on their way, or due.
    pub(super) pending: u64,
}

/// A sign of life of a worker.
pub(super) struct Report {
    pub(super) worker: usize,
    pub(super) phase: Phase,
    pub(super) connections: usize,
    pub(super) messages: u64,
    pub(super) errors: u64,
    /// The second of the measured time that has just ended.
    pub(super) second: Option<Second>,
}
