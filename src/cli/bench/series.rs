//! The seconds of all workers, put together.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::encoded::{decoded, encoded};
use super::phase::{Phase, Report};
use super::seconds::{SECOND, Second};
use super::tcp::Tcp;

/// What is kept of a second: of its histogram, which is large, the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    pub(super) number: u64,
    pub(super) span: Duration,
    pub(super) messages: u64,
    pub(super) rate: f64,
    pub(super) errors: u64,
    pub(super) connections: u64,
    pub(super) pending: u64,
    /// All latencies of it, if they are known, and what follows from them.
    pub(super) histogram: Option<String>,
    pub(super) latencies: u64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
    /// Parts of one processor.
    pub(super) cpu: f64,
    pub(super) server_cpu: Option<f64>,
    pub(super) tcp: Option<Tcp>,
}

impl From<&Second> for Point {
    fn from(second: &Second) -> Point {
        let share = |time: Duration| time.as_nanos() as f64 / second.span.max(1) as f64;
        let mut point = Point {
            number: second.number,
            span: Duration::from_nanos(second.span),
            messages: second.messages,
            rate: second.rate(),
            errors: second.errors,
            connections: second.connections,
            pending: second.pending,
            cpu: share(second.cpu),
            server_cpu: second.server_cpu.map(share),
            tcp: second.tcp,
            ..Point::default()
        };
        point.set_latency(&second.latency);
        point
    }
}

impl Point {
    /// These are the latencies of this second.
    pub(super) fn set_latency(&mut self, latency: &Histogram<u64>) {
        let at = |percent| latency.value_at_percentile(percent);
        self.histogram = Some(encoded(latency));
        self.latencies = latency.len();
        (self.p50, self.p90, self.p99, self.max) = (at(50.0), at(90.0), at(99.0), latency.max());
    }

    /// Those of another generator in the same second are added. Where one's aren't known, the sum isn't.
    pub(super) fn add_latency(&mut self, other: &Point) {
        let known = |point: &Point| point.histogram.as_deref().and_then(decoded);
        if let (Some(mut sum), Some(more)) = (known(self), known(other)) {
            sum.add(more).expect("all histograms have the same bounds");
            self.set_latency(&sum);
        } else {
            (self.histogram, self.latencies) = (None, 0);
            (self.p50, self.p90, self.p99, self.max) = (0, 0, 0, 0);
        }
    }
}

/// Puts the seconds of the workers together: one is whole when every worker has reported it, or is over.
pub(super) struct Series {
    /// The last second of each worker.
    reported: Vec<u64>,
    open: BTreeMap<u64, Second>,
}

impl Series {
    pub(super) fn new(workers: usize) -> Series {
        Series { reported: vec![0; workers], open: BTreeMap::new() }
    }

    /// Takes what a worker reports, and gives out the seconds that are whole now.
    pub(super) fn take(&mut self, report: &mut Report) -> Vec<Second> {
        if let Some(second) = report.second.take() {
            self.reported[report.worker] = second.number;
            match self.open.entry(second.number) {
                std::collections::btree_map::Entry::Occupied(mut sum) => sum.get_mut().add(&second),
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(second)),
            }
        }
        if report.phase == Phase::Over {
            self.reported[report.worker] = u64::MAX;
        }
        let whole = self.reported.iter().copied().min().unwrap_or(u64::MAX);
        let later = self.open.split_off(&whole.saturating_add(1));
        let seconds: Vec<Second> = std::mem::replace(&mut self.open, later).into_values().collect();
        seconds
    }
}

/// How long after the beginning of the measured time this second ended, as far as it was a whole one.
pub(super) fn end_of(second: &Second) -> Duration {
    let before = Duration::from_secs(second.number - 1);
    before + Duration::from_nanos(second.span.min(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(worker: usize, phase: Phase, number: u64, messages: u64) -> Report {
        let second = (number > 0).then(|| Second { messages, ..Second::new(number) });
        Report { worker, phase, connections: 1, messages, errors: 0, second }
    }

    /// One worker is quicker, misses a second altogether, and ends earlier: each second comes out once, in
    /// order, with what all have done in it.
    #[test]
    fn a_second_comes_out_once_with_everybody_in_it() {
        let mut series = Series::new(2);
        let mut out = |worker, phase, number, messages| {
            let seconds = series.take(&mut report(worker, phase, number, messages));
            seconds.iter().map(|it| (it.number, it.messages)).collect::<Vec<_>>()
        };
        assert_eq!(out(0, Phase::Measuring, 1, 5), []);
        assert_eq!(out(0, Phase::Measuring, 2, 6), []);
        assert_eq!(out(1, Phase::Measuring, 2, 7), [(1, 5), (2, 13)]);
        assert_eq!(out(0, Phase::Over, 3, 1), []);
        assert_eq!(out(1, Phase::Draining, 0, 0), []);
        assert_eq!(out(1, Phase::Over, 3, 2), [(3, 3)]);
    }
}
