//! What all threads know: what has been done, what went wrong, and a clock that stands still with the server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How long an answer may take: so long that no busy machine explains it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Counts, faults and the clock.
pub(crate) struct Tally {
    pub(crate) messages: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// Datagrams without an answer, which the kernel may drop when a queue is full.
    pub(crate) lost: AtomicU64,
    pub(crate) forged: AtomicU64,
    is_calm: AtomicBool,
    has_failed: AtomicBool,
    faults: Mutex<Vec<String>>,
    /// How long whispers waited, in microseconds, since the last line.
    waits: Mutex<Histogram<u64>>,
    clock: Mutex<Clock>,
}

/// Time that the server had.
struct Clock {
    began: Instant,
    /// How long it has been stopped by now.
    stopped: Duration,
    /// Since when it is stopped.
    since: Option<Instant>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        // Up to an hour, in microseconds; what is longer counts as that.
        let waits = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("these are bounds");
        let clock = Clock { began: Instant::now(), stopped: Duration::ZERO, since: None };
        Tally {
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            forged: AtomicU64::new(0),
            is_calm: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            faults: Mutex::new(Vec::new()),
            waits: Mutex::new(waits),
            clock: Mutex::new(clock),
        }
    }

    /// Something that must never happen has happened. The first is what the verdict tells.
    pub(crate) fn fault(&self, what: String) {
        lock(&self.faults).push(what);
        self.has_failed.store(true, Ordering::Release);
    }

    /// The same, which explains all others.
    pub(crate) fn put_first(&self, what: String) {
        lock(&self.faults).insert(0, what);
        self.has_failed.store(true, Ordering::Release);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }

    /// From now on nothing new is begun, and what is under way is brought to its end.
    pub(crate) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::Release);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Acquire)
    }

    /// Time that the server had since the beginning: what it spent stopped by a signal is no wait.
    pub(crate) fn moment(&self) -> Duration {
        let clock = lock(&self.clock);
        let now = clock.since.unwrap_or_else(Instant::now);
        now.saturating_duration_since(clock.began).saturating_sub(clock.stopped)
    }

    /// The server is about to stop, or has just gone on.
    pub(crate) fn set_stopped(&self, stopped: bool) {
        let mut clock = lock(&self.clock);
        match (stopped, clock.since.take()) {
            (true, since) => clock.since = Some(since.unwrap_or_else(Instant::now)),
            (false, Some(since)) => clock.stopped += since.elapsed(),
            (false, None) => {}
        }
    }

    pub(crate) fn waited(&self, wait: Duration) {
        lock(&self.waits).saturating_record(wait.as_micros() as u64);
    }

    /// The longest wait and the 99th percentile since this was asked the last time.
    pub(crate) fn take_waits(&self) -> (Duration, Duration) {
        let mut waits = lock(&self.waits);
        let of = |micros| Duration::from_micros(micros);
        let taken = (of(waits.max()), of(waits.value_at_quantile(0.99)));
        waits.reset();
        taken
    }
}

/// A thread that panicked has said so; what it counted is still true.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One more, or so many more.
pub(crate) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}
