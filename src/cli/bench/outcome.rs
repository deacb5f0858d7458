//! What has become of a run.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use super::conditions::{Condition, Figure, Finding};
use super::counts::Kind;
use super::load::{Length, Load};
use super::phase::Phase;
use super::process::Usage;
use super::series::Point;
use super::tally::{Tally, histogram};
use super::tcp::Tcp;

/// What has become of a run.
pub(super) struct Outcome {
    /// What this run is known by; of a merged result, what each of its runs is.
    pub(super) ids: Vec<String>,
    pub(super) load: Load,
    pub(super) tally: Tally,
    /// Of all messages, those without a reply too.
    pub(super) latency: Histogram<u64>,
    /// Replies that came after the measured time; their latencies count, they don't.
    pub(super) drained: u64,
    /// The measured time.
    pub(super) elapsed: Duration,
    /// Processor time of all workers in it, and the most that one of them used, over the elapsed time.
    pub(super) cpu: Duration,
    pub(super) busiest: f64,
    /// The most that a worker waited for a processor, over the elapsed time.
    pub(super) waited: f64,
    pub(super) server: Option<Usage>,
    /// Datagrams that our own kernel had no room for.
    pub(super) no_room: u64,
    /// Ended by Ctrl-C.
    pub(super) stopped: bool,
    /// The last phase that any worker came to.
    pub(super) reached: Phase,
    /// When the measured time began, by the clock on the wall.
    pub(super) began: Option<SystemTime>,
    /// Messages pending after each quarter of the measured time, if it had four.
    pub(super) backlog: Vec<u64>,
    pub(super) series: Vec<Point>,
    /// What the kernel knows of the connections.
    pub(super) tcp: Option<Tcp>,
    /// What the conditions of --fail-if come to.
    pub(super) findings: Vec<Finding>,
    /// What else has to be known about it.
    pub(super) notes: Vec<String>,
}

/// What one worker brings back.
pub(super) struct Part {
    pub(super) tally: Tally,
    pub(super) drained: u64,
    pub(super) elapsed: Duration,
    pub(super) cpu: Duration,
    pub(super) waited: Duration,
    pub(super) server: Option<Usage>,
    pub(super) no_room: u64,
    pub(super) reached: Phase,
    pub(super) began: Option<SystemTime>,
    pub(super) backlog: Vec<u64>,
}

impl Outcome {
    pub(super) fn new(load: &Load, stopped: bool, series: Vec<Point>) -> Outcome {
        Outcome {
            ids: Vec::new(),
            load: load.clone(),
            tally: Tally::new(),
            latency: histogram(),
            drained: 0,
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            busiest: 0.0,
            waited: 0.0,
            server: None,
            no_room: 0,
            stopped,
            reached: Phase::Connecting,
            began: None,
            backlog: Vec::new(),
            series,
            tcp: None,
            findings: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, part: Part) {
        let latency = part.tally.times.latency();
        self.latency.add(latency).expect("all histograms have the same bounds");
        self.tally.add(part.tally);
        self.drained += part.drained;
        self.elapsed = self.elapsed.max(part.elapsed);
        self.cpu += part.cpu;
        if !part.elapsed.is_zero() {
            let share = |time: Duration| time.as_secs_f64() / part.elapsed.as_secs_f64();
            self.busiest = self.busiest.max(share(part.cpu));
            self.waited = self.waited.max(share(part.waited));
        }
        self.server = self.server.or(part.server);
        self.no_room += part.no_room;
        self.reached = self.reached.max(part.reached);
        self.began = self.began.into_iter().chain(part.began).min();
        self.backlog.resize(self.backlog.len().max(part.backlog.len()), 0);
        for (ours, theirs) in self.backlog.iter_mut().zip(part.backlog) {
            *ours += theirs;
        }
    }

    /// How much later than asked for the load began.
    pub(super) fn late(&self) -> Option<Duration> {
        let load_began = self.began? - self.load.warmup;
        load_began.duration_since(self.load.start?).ok()
    }

    /// Messages a second.
    pub(super) fn rate(&self) -> f64 {
        per(self.tally.messages as f64, self.elapsed.as_secs_f64())
    }

    /// What was due a second, in the middle of each second, if that changed.
    pub(super) fn offered(&self) -> Vec<(f64, &Point)> {
        let (Some(rate), Length::Time(time)) = (self.load.rate, self.load.length) else {
            return Vec::new();
        };
        let at = |point: &Point| rate.at((point.number as f64 - 0.5) / time.as_secs_f64());
        let points = self.series.iter().filter(|point| rate.changes() && point.latencies > 0);
        points.map(|point| (at(point), point)).collect()
    }

    /// Messages for each second of the generator's own processor time.
    pub(super) fn per_own_cpu(&self) -> f64 {
        per(self.tally.messages as f64, self.cpu.as_secs_f64())
    }

    /// Messages for each second of the server's processor time.
    pub(super) fn per_server_cpu(&self) -> Option<f64> {
        let cpu = self.server?.cpu?;
        (!cpu.is_zero()).then(|| self.tally.messages as f64 / cpu.as_secs_f64())
    }

    /// How often that came at the server for each message.
    pub(super) fn per_message(&self, kind: Kind) -> Option<f64> {
        let count = self.server?.counts.of(kind).ok()?;
        (self.tally.messages > 0).then(|| count as f64 / self.tally.messages as f64)
    }

    /// The server's instructions for each message, its own and the kernel's for it.
    pub(super) fn instructions_per_message(&self) -> Option<f64> {
        Some(per(self.server?.counts.instructions()? as f64, self.tally.messages as f64))
    }

    /// The server's part of one processor.
    pub(super) fn server_share(&self) -> Option<f64> {
        Some(per(self.server?.cpu?.as_secs_f64(), self.elapsed.as_secs_f64()))
    }

    /// The latency below which this part of all messages stayed, in nanoseconds.
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        self.latency.value_at_percentile(percent)
    }

    /// Finds out what conditions come to.
    pub(super) fn find(&mut self, conditions: &[Condition]) {
        let find = |it: &Condition| it.find(|figure| self.figure(figure));
        self.findings = conditions.iter().map(find).collect();
    }

    /// What a condition asks for.
    fn figure(&self, figure: Figure) -> Option<f64> {
        let is_there = !self.latency.is_empty();
        match figure {
            Figure::Percentile(percent) => is_there.then(|| self.percentile(percent) as f64),
            Figure::Mean => is_there.then(|| self.latency.mean()),
            Figure::Loss => is_there.then(|| self.loss()),
            Figure::Errors => Some(self.tally.errors.total() as f64),
            Figure::Rate => (!self.elapsed.is_zero()).then(|| self.rate()),
            Figure::PerCpu => self.per_server_cpu(),
        }
    }

    /// How many messages were really on their way at a time, on average: those that were answered, by Little's
    /// law. One that is lost keeps its place until nobody waits any longer, and is not on its way.
    pub(super) fn on_the_way(&self) -> f64 {
        let times = &self.tally.times;
        let sent = if self.load.rate.is_some() { &times.uncorrected } else { &times.answered };
        per(sent.mean() * sent.len() as f64, self.elapsed.as_nanos() as f64)
            .min(self.places() as f64)
    }

    /// How many could have been.
    pub(super) fn places(&self) -> u64 {
        (self.load.connections as u64).saturating_mul(self.load.depth as u64)
    }

    /// The part of the messages that had no reply.
    pub(super) fn loss(&self) -> f64 {
        per(self.tally.times.unanswered.len() as f64, self.latency.len() as f64)
    }

    /// Whether there were any replies in the measured time, or soon after.
    pub(super) fn has_replies(&self) -> bool {
        self.tally.messages > 0 || !self.tally.times.answered.is_empty()
    }

    /// Whether the server gave wrong answers.
    pub(super) fn has_faults(&self) -> bool {
        self.tally.errors.faults() > 0
    }

    /// Connections, or sockets, that were made; with churn, as many as there are at a time.
    pub(super) fn connections(&self) -> u64 {
        match self.load.churn {
            true => self.load.connections as u64,
            false => self.tally.connects,
        }
    }
}

fn per(number: f64, part: f64) -> f64 {
    if part > 0.0 { number / part } else { 0.0 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::bench::talk::{Sizes, Talk};
    use crate::cli::bench::values::{Arrival, Rate};

    /// A run of four seconds without a message.
    pub(in crate::cli::bench) fn outcome(rate: Option<f64>) -> Outcome {
        let load = Load {
            endpoint: "tcp://127.0.0.1:8888".parse().unwrap(),
            connections: 10,
            talk: Talk::Echo(Sizes::one(64)),
            depth: 1,
            length: Length::Time(Duration::from_secs(4)),
            warmup: Duration::ZERO,
            ramp: None,
            rate: rate.map(Rate::of),
            arrival: Arrival::Even,
            think: Duration::ZERO,
            churn: false,
            bind: Vec::new(),
            timeout: Duration::from_secs(1),
            allow_losses: false,
            start: None,
            workers: 1,
            pin: Vec::new(),
            offload: true,
        };
        let mut outcome = Outcome::new(&load, false, Vec::new());
        outcome.reached = Phase::Draining;
        outcome.elapsed = Duration::from_secs(4);
        outcome.tally.connects = 10;
        outcome
    }

    /// Ten connections, each with one message on its way for half of the time.
    #[test]
    fn what_is_on_its_way_is_known_from_latency_and_rate() {
        let mut outcome = outcome(None);
        outcome.tally.times.answered.record_n(1_000_000, 20_000).unwrap();
        assert!((outcome.on_the_way() - 5.0).abs() < 0.01, "{}", outcome.on_the_way());
        assert_eq!(outcome.places(), 10);
        outcome.tally.times.answered.record_n(10_000_000, 20_000).unwrap();
        assert_eq!(outcome.on_the_way(), 10.0, "no more than there are places");
    }

    /// One with so many replies, after a microsecond each.
    pub(in crate::cli::bench) fn with_replies(rate: Option<f64>, messages: u64) -> Outcome {
        let mut outcome = outcome(rate);
        outcome.tally.messages = messages;
        outcome.tally.times.answered.record_n(1000, messages).unwrap();
        outcome.latency.record_n(1000, messages).unwrap();
        outcome
    }
}
