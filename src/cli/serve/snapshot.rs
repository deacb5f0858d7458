//! What all workers have done up to one moment: what is shown, served and told, always the same.

use std::rc::Rc;
use std::time::{Duration, Instant};

use echoloop::{Histogram, Statistics};

use super::offer::Bound;

/// All workers at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    pub(crate) is_stopping: bool,
    /// By number.
    pub(crate) workers: Vec<WorkerView>,
}

/// One worker.
#[derive(Clone, Debug)]
pub(crate) struct WorkerView {
    pub(crate) state: State,
    /// The last that is known of it.
    pub(crate) sample: Sample,
    /// The endpoints that the counts of the sample are of.
    pub(crate) bound: Rc<[Bound]>,
}

/// What a worker tells of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) statistics: Statistics,
    pub(crate) doors: Vec<Door>,
}

/// Connections through one endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Door {
    pub(crate) accepted: u64,
    pub(crate) open: u64,
}

/// Whether a worker goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It was asked, and its loop has answered.
    Turns,
    /// It has not, for as long as it is waited for.
    Late,
    /// It has stopped, in order.
    Stopped,
}

/// Something that is counted.
pub(crate) type Part = fn(&Statistics) -> u64;

impl Snapshot {
    fn statistics(&self) -> impl Iterator<Item = &Statistics> {
        self.workers.iter().map(|worker| &worker.sample.statistics)
    }

    /// Of all workers together.
    pub(crate) fn sum(&self, part: Part) -> u64 {
        self.statistics().map(part).sum()
    }

    pub(crate) fn longest_turn(&self) -> Duration {
        self.statistics().map(|it| it.longest_turn).max().unwrap_or_default()
    }

    /// The numbers of the workers whose loops don't turn.
    pub(crate) fn late(&self) -> impl Iterator<Item = usize> {
        let late = |(number, worker): (usize, &WorkerView)| {
            (worker.state == State::Late).then_some(number)
        };
        self.workers.iter().enumerate().filter_map(late)
    }
}

/// What has happened between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference<'a> {
    pub(crate) before: &'a Snapshot,
    pub(crate) now: &'a Snapshot,
}

/// How long something took.
pub(crate) type Times = fn(&Statistics) -> &Histogram;

pub(crate) const TURNS: Times = |it| &it.turn_times;

/// How long sources waited for their go: those that use little, and those that used much lately.
pub(crate) const WAITS: [(&str, Times); 2] =
    [("sparse", |it| &it.sparse_waits), ("busy", |it| &it.busy_waits)];

impl Difference<'_> {
    /// Of all workers together.
    pub(crate) fn times(&self, times: Times) -> Histogram {
        let mut sum = Histogram::default();
        for (now, before) in self.now.statistics().zip(self.before.statistics()) {
            sum.add(&times(now).since(times(before)));
        }
        sum
    }

    pub(crate) fn count(&self, part: Part) -> u64 {
        self.now.sum(part).saturating_sub(self.before.sum(part))
    }

    /// So many a second.
    pub(crate) fn rate(&self, part: Part) -> f64 {
        let seconds = self.now.at.saturating_duration_since(self.before.at).as_secs_f64();
        if seconds > 0.0 { self.count(part) as f64 / seconds } else { 0.0 }
    }
}

/// Why connections were closed, refused, or had to wait, and datagrams were dropped: a word for machines,
/// and what is counted.
pub(crate) const CLOSED: [(&str, Part); 11] = [
    ("ended", |it| it.closed.ended),
    ("by_service", |it| it.closed.by_service),
    ("because", |it| it.closed.because),
    ("idle", |it| it.closed.idle),
    ("lingered", |it| it.closed.lingered),
    ("limits", |it| it.closed.limits),
    ("connect_failed", |it| it.closed.connect_failed),
    ("failed", |it| it.closed.failed),
    ("detached", |it| it.closed.detached),
    ("panicked", |it| it.closed.panicked),
    ("stopped", |it| it.closed.stopped),
];

pub(crate) const REFUSED: [(&str, Part); 4] = [
    ("denied", |it| it.refused.denied),
    ("per_source", |it| it.refused.per_source),
    ("proxy_header", |it| it.refused.proxy_header),
    ("failed", |it| it.refused.failed),
];

/// Times that accepting had to wait, which refuses nobody.
pub(crate) const WAITED: [(&str, Part); 3] = [
    ("connections", |it| it.refused.connections),
    ("accept_rate", |it| it.refused.accept_rate),
    ("descriptors", |it| it.refused.descriptors),
];

pub(crate) const DROPPED: [(&str, Part); 7] = [
    ("denied", |it| it.dropped.denied),
    ("forbidden", |it| it.dropped.forbidden),
    ("rate", |it| it.dropped.rate),
    ("cut", |it| it.dropped.cut),
    ("amplified", |it| it.dropped.amplified),
    ("no_room", |it| it.dropped.no_room),
    ("failed", |it| it.dropped.failed),
];
