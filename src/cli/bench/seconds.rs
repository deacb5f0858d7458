//! The measured time, second by second.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::tally::histogram;
use super::tcp::Tcp;

/// Nanoseconds of a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// A time in nanoseconds, so long that nobody waits for its end, at most.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

/// A second of the measured time, of one worker or of all. The last one may be shorter; the latencies of
/// replies that came after the end are in it too.
#[derive(Clone)]
pub(super) struct Second {
    /// Which one, counted from 1.
    pub(super) number: u64,
    /// From the last look at the clock of the second before to that of this one, in nanoseconds.
    pub(super) span: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) messages: u64,
    pub(super) errors: u64,
    /// At its end: connections that were there, messages on their way or due.
    pub(super) connections: u64,
    pub(super) pending: u64,
    /// Processor time of the generator, and of the server if it is watched.
    pub(super) cpu: Duration,
    pub(super) server_cpu: Option<Duration>,
    /// What the kernel knows of the connections, of all workers.
    pub(super) tcp: Option<Tcp>,
}

impl Second {
    pub(super) fn new(number: u64) -> Second {
        Second {
            number,
            span: 0,
            latency: histogram(),
            messages: 0,
            errors: 0,
            connections: 0,
            pending: 0,
            cpu: Duration::ZERO,
            server_cpu: None,
            tcp: None,
        }
    }

    /// The same second of another worker.
    pub(super) fn add(&mut self, other: &Second) {
        self.span = self.span.max(other.span);
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.messages += other.messages;
        self.errors += other.errors;
        self.connections += other.connections;
        self.pending += other.pending;
        self.cpu += other.cpu;
        self.server_cpu = self.server_cpu.or(other.server_cpu);
    }

    /// Replies a second.
    pub(super) fn rate(&self) -> f64 {
        match self.span {
            0 => 0.0,
            span => self.messages as f64 * SECOND as f64 / span as f64,
        }
    }
}

/// What has been counted up to a moment of the measured time.
#[derive(Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) at: u64,
    pub(super) messages: u64,
    pub(super) errors: u64,
    pub(super) cpu: Duration,
    pub(super) server_cpu: Option<Duration>,
}

impl Count {
    /// What has come since then, as a second without latencies.
    pub(super) fn since(&self, before: &Count, number: u64) -> Second {
        let server = self.server_cpu.zip(before.server_cpu);
        Second {
            span: self.at.saturating_sub(before.at),
            messages: self.messages.saturating_sub(before.messages),
            errors: self.errors.saturating_sub(before.errors),
            cpu: self.cpu.saturating_sub(before.cpu),
            server_cpu: server.map(|(now, before)| now.saturating_sub(before)),
            ..Second::new(number)
        }
    }
}
