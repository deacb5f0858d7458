//! What is shown in pictures.

use hdrhistogram::Histogram;

use super::outcome::Outcome;
use super::picture::{Line, Panel, Points, svg};
use super::report;
use super::scale::Unit;
use super::series::Point;
use super::values::Axis;

/// One picture: panels one below the other.
pub(super) struct Plot {
    panels: Vec<Panel>,
}

impl Plot {
    /// Latency over the percentile, the far end stretched.
    pub(super) fn percentiles(title: &str) -> Plot {
        Plot { panels: vec![Panel::new(title, Unit::Percentile, Unit::Time)] }
    }

    pub(super) fn latencies(&mut self, name: &str, histogram: &Histogram<u64>) {
        let last = (histogram.len().max(1) as f64).max(10.0);
        let at = |stretched: f64| {
            let quantile = 1.0 - 1.0 / stretched;
            (stretched, histogram.value_at_quantile(quantile) as f64)
        };
        let (mut points, mut stretched) = (Points::new(), 1.0);
        while stretched < last && !histogram.is_empty() {
            points.push(at(stretched));
            stretched *= 1.1;
        }
        points.push((last, histogram.max() as f64));
        // The percentiles that the table shows too.
        let shown = [2.0, 10.0, 100.0, 1e3, 1e4].into_iter().filter(|it| *it < last).map(at);
        let marks = if histogram.is_empty() { Points::new() } else { shown.collect() };
        self.panels[0].add(Line::marked(name, points, marks));
    }

    /// Throughput and latency over something that was varied.
    pub(super) fn sweep(axis: Axis) -> Plot {
        let x = if axis == Axis::Size { Unit::Bytes } else { Unit::Times };
        let rate = Panel::new(&format!("Messages a second by {axis}"), x, Unit::Count);
        let latency = Panel::new(&format!("Latency by {axis}, p99"), x, Unit::Time);
        Plot { panels: vec![rate, latency] }
    }

    pub(super) fn values(&mut self, name: &str, rates: Points, latencies: Points) {
        for (panel, points) in self.panels.iter_mut().zip([rates, latencies]) {
            panel.add(Line::through(name, points));
        }
    }

    /// One run: latency by percentile; if the rate changes, by rate; and the measured time, second by second.
    pub(super) fn single(outcome: &Outcome) -> Plot {
        let times = &outcome.tally.times;
        let mut plot = Plot::percentiles(&report::subject(&outcome.load, None));
        if outcome.load.rate.is_some() {
            plot.latencies("from the scheduled time", &outcome.latency);
            plot.latencies("uncorrected, from sending", &times.uncorrected);
        } else {
            plot.latencies("latency", &outcome.latency);
        }
        if !times.unanswered.is_empty() {
            plot.latencies("of those answered", &times.answered);
        }
        if outcome.series.len() > 1 {
            plot.by_rate(outcome);
            plot.by_second(outcome);
        }
        plot
    }

    fn by_rate(&mut self, outcome: &Outcome) {
        let offered = outcome.offered();
        if offered.is_empty() {
            return;
        }
        let mut panel = Panel::new("Latency by rate, each second", Unit::Count, Unit::Time);
        for (name, pick) in LATENCIES {
            let points = offered.iter().map(|(rate, point)| (*rate, pick(point) as f64));
            panel.add(Line::through(name, points.collect()));
        }
        self.panels.push(panel);
    }

    fn by_second(&mut self, outcome: &Outcome) {
        let series = |value: fn(&Point) -> Option<f64>| -> Points {
            let points = outcome.series.iter();
            points.filter_map(|point| Some((point.number as f64, value(point)?))).collect()
        };
        let mut rate = Panel::new("Replies and errors, each second", Unit::Second, Unit::Count);
        rate.add(Line::through("replies", series(|point| Some(point.rate))));
        if outcome.series.iter().any(|point| point.errors > 0) {
            rate.add(Line::through("errors", series(|point| Some(point.errors as f64))));
        }
        self.panels.push(rate);
        let mut cpu =
            Panel::new("Processor time, per cent of one processor", Unit::Second, Unit::Count);
        cpu.add(Line::through("generator", series(|point| Some(point.cpu * 100.0))));
        let server = series(|point| Some(point.server_cpu? * 100.0));
        if !server.is_empty() {
            cpu.add(Line::through("server", server));
        }
        self.panels.push(cpu);
        if outcome.series.iter().all(|point| point.latencies == 0) {
            return; // A merged result: nobody has kept them.
        }
        let mut latency = Panel::new("Latency of each second", Unit::Second, Unit::Time);
        for (name, pick) in LATENCIES {
            let points = outcome.series.iter().filter(|point| point.latencies > 0);
            let points = points.map(|point| (point.number as f64, pick(point) as f64));
            latency.add(Line::through(name, points.collect()));
        }
        self.panels.push(latency);
    }

    pub(super) fn svg(&self) -> String {
        svg(&self.panels)
    }
}

type Pick = fn(&Point) -> u64;

const LATENCIES: [(&str, Pick); 3] =
    [("p50", |point| point.p50), ("p99", |point| point.p99), ("max", |point| point.max)];
