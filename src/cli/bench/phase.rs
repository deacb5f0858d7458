//! How far a run is, and what its workers tell each other and whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::SystemTime;

use super::load::Load;
use super::seconds::Second;
use super::stamp::Seal;

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
    /// Connections of all workers.
    pub(super) connections: usize,
    /// When the load is to begin.
    pub(super) start: Option<SystemTime>,
    /// What the datagrams of this run are known by.
    pub(super) seal: Seal,
}

impl Stage {
    pub(super) fn new(load: &Load, stop: Arc<AtomicBool>) -> Stage {
        Stage {
            workers: load.workers,
            settled: AtomicUsize::new(0),
            stop,
            connections: load.connections,
            start: load.start,
            seal: Seal::new(),
        }
    }
}

impl Stage {
    /// Whether it is time to begin.
    pub(super) fn has_begun(&self) -> bool {
        self.start.is_none_or(|start| SystemTime::now() >= start)
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
