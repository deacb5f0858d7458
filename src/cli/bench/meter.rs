//! The clock, the phases and the counts of one worker: what all kinds of load have in common.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use echoloop::{Context, Stop};
use hdrhistogram::Histogram;

use super::load::{Length, Load};
use super::process::{Probe, Usage, thread_cpu, thread_waited};
use super::tally::{Tally, Times};

/// How often a worker looks at the clock to see whether its phase is over. What is measured is
/// divided by the time that it took in fact, so this needs no precision.
pub(super) const CONTROL: Duration = Duration::from_millis(5);

/// How often a worker reports.
const REPORT: u64 = 250_000_000;

/// How often its report has a histogram: the interval of the log.
const INTERVAL: u64 = 1_000_000_000;

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
    workers: usize,
    settled: AtomicUsize,
    /// Set by Ctrl-C.
    pub(super) stop: Arc<AtomicBool>,
}

impl Stage {
    pub(super) fn new(workers: usize, stop: Arc<AtomicBool>) -> Stage {
        Stage { workers, settled: AtomicUsize::new(0), stop }
    }
}

/// How the load stands, as the meter asks every now and then.
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
    /// Latencies of the interval that has just ended, and which one that was.
    pub(super) interval: Option<(u64, Histogram<u64>)>,
}

pub(super) struct Meter {
    pub(super) load: Load,
    pub(super) phase: Phase,
    pub(super) tally: Tally,
    /// What isn't in the tally yet.
    pub(super) recent: Times,
    /// Replies that came after the measured time.
    pub(super) drained: u64,
    /// Messages that may still be begun.
    pub(super) left: u64,
    /// Replies after which it is over.
    goal: u64,
    started: Instant,
    /// When this phase began, and when it has to end.
    since: u64,
    until: u64,
    /// The measured time.
    pub(super) from: u64,
    ended: u64,
    /// Processor time of this thread: at the beginning of the measured time, and within it.
    cpu_before: Duration,
    pub(super) cpu: Duration,
    /// The same for time waited for a processor.
    waited_before: Duration,
    pub(super) waited: Duration,
    /// The server's, where this worker is the one that looks.
    probe: Option<Probe>,
    pub(super) server: Option<Usage>,
    settled: bool,
    /// The last reply, for whoever waits for a number of them.
    moved: (u64, u64),
    reported: u64,
    intervals: u64,
    worker: usize,
    stage: Arc<Stage>,
    reports: mpsc::Sender<Report>,
}

impl Meter {
    pub(super) fn new(
        load: Load,
        worker: usize,
        probe: Option<Probe>,
        stage: Arc<Stage>,
        reports: mpsc::Sender<Report>,
    ) -> Meter {
        Meter {
            load,
            phase: Phase::Connecting,
            tally: Tally::new(),
            recent: Times::new(),
            drained: 0,
            left: u64::MAX,
            goal: u64::MAX,
            started: Instant::now(),
            since: 0,
            until: u64::MAX,
            from: 0,
            ended: 0,
            cpu_before: Duration::ZERO,
            cpu: Duration::ZERO,
            waited_before: Duration::ZERO,
            waited: Duration::ZERO,
            probe,
            server: None,
            settled: false,
            moved: (0, 0),
            reported: 0,
            intervals: 0,
            worker,
            stage,
            reports,
        }
    }

    /// Nanoseconds since the worker began: one read of the clock, some 25 ns.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// Replies that were right, in a closed loop: so many, after so long.
    #[inline]
    pub(super) fn replied(&mut self, latency: u64, replies: u64, now: u64) {
        self.recent.latency.saturating_record_n(latency, replies);
        self.count(replies, now);
    }

    /// The same in an open loop: with the time when it was due, and when it was sent.
    #[inline]
    pub(super) fn replied_to(&mut self, due: u64, sent: u64, now: u64) {
        if self.phase <= Phase::Warming || due >= self.from {
            self.recent.latency.saturating_record(now.saturating_sub(due));
            self.recent.uncorrected.saturating_record(now.saturating_sub(sent));
        }
        self.count(1, now);
    }

    #[inline]
    fn count(&mut self, replies: u64, now: u64) {
        if self.phase == Phase::Draining {
            self.drained += replies;
            return;
        }
        self.tally.messages += replies;
        if self.tally.messages >= self.goal {
            self.enter(Phase::Draining, now);
        }
    }

    /// So many messages will have no reply.
    pub(super) fn gave_up(&mut self, messages: u64) {
        self.tally.errors.unanswered += messages;
        if self.goal != u64::MAX {
            self.goal -= messages.min(self.goal);
        }
    }

    /// A datagram without a reply in time.
    pub(super) fn lost(&mut self) {
        self.tally.errors.lost += 1;
        if self.goal != u64::MAX {
            self.goal -= 1.min(self.goal);
        }
    }

    /// Whether new messages are begun.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        match self.phase {
            Phase::Warming | Phase::Measuring => true,
            Phase::Connecting => self.load.ramp.is_some() && self.load.rate.is_none(),
            Phase::Draining | Phase::Over => false,
        }
    }

    /// Goes to the next phase if it is time for it, and stops the loop in the end. `true`: the
    /// phase has changed.
    pub(super) fn control(&mut self, cx: &mut Context<'_>, standing: &Standing) -> bool {
        let now = self.now();
        let before = self.phase;
        if let Some(next) = self.next(now, standing) {
            self.enter(next, now);
            if next == Phase::Measuring && self.load.goal().is_some() {
                self.left = self.goal.saturating_sub(standing.pending);
            }
        }
        if now - self.reported >= REPORT || self.phase != before {
            self.report(now, standing);
        }
        if self.phase == Phase::Over {
            self.fold();
            cx.stop(Stop::AtOnce);
        }
        self.phase != before
    }

    fn next(&mut self, now: u64, standing: &Standing) -> Option<Phase> {
        if standing.settled && !std::mem::replace(&mut self.settled, true) {
            self.stage.settled.fetch_add(1, Ordering::SeqCst);
        }
        let all_settled = self.stage.settled.load(Ordering::SeqCst) == self.stage.workers;
        let stop = self.stage.stop.load(Ordering::Relaxed);
        let stuck = self.is_stuck(now);
        match self.phase {
            _ if self.settled && standing.alive == 0 => Some(Phase::Over),
            Phase::Connecting if stop => Some(Phase::Over),
            Phase::Connecting if all_settled => Some(match self.load.warmup {
                Duration::ZERO => Phase::Measuring,
                _ => Phase::Warming,
            }),
            Phase::Warming if stop => Some(Phase::Over),
            Phase::Warming => (now >= self.until).then_some(Phase::Measuring),
            Phase::Measuring
                if stop || now >= self.until || self.tally.messages >= self.goal || stuck =>
            {
                Some(Phase::Draining)
            }
            Phase::Draining if standing.pending == 0 || now >= self.until => Some(Phase::Over),
            _ => None,
        }
    }

    /// Whoever waits for a number of replies doesn't wait for ever: twice the timeout, since after once
    /// lost datagrams make room for new ones.
    fn is_stuck(&mut self, now: u64) -> bool {
        let moved = self.tally.messages + self.tally.errors.lost;
        if self.moved.0 != moved {
            self.moved = (moved, now);
        }
        self.goal != u64::MAX && now - self.moved.1 > 2 * nanos(self.load.timeout)
    }

    fn enter(&mut self, next: Phase, now: u64) {
        if self.phase == Phase::Measuring {
            self.ended = now;
            self.cpu = thread_cpu().saturating_sub(self.cpu_before);
            self.waited = thread_waited().saturating_sub(self.waited_before);
            if let Some(probe) = &mut self.probe {
                self.server = Some(probe.end());
            }
        }
        match next {
            Phase::Warming => self.until = now + nanos(self.load.warmup),
            Phase::Measuring => self.measure(now),
            Phase::Draining => self.until = now + nanos(self.load.timeout),
            Phase::Connecting | Phase::Over => {}
        }
        (self.phase, self.since) = (next, now);
    }

    /// From here on everything counts; what was wrong before remains wrong.
    fn measure(&mut self, now: u64) {
        self.fold();
        let errors = &mut self.tally.errors;
        (errors.lost, errors.late, errors.unreachable) = (0, 0, 0);
        (errors.duplicates, errors.reordered) = (0, 0);
        self.tally.messages = 0;
        if self.load.churn {
            self.tally.connects = 0;
            self.tally.times.connect.reset();
        }
        for histogram in self.tally.times.of_messages() {
            histogram.reset();
        }
        (self.from, self.moved) = (now, (0, now));
        match self.load.length {
            Length::Time(duration) => self.until = now + nanos(duration),
            Length::Count(count) => (self.until, self.goal) = (u64::MAX, count),
        }
        self.cpu_before = thread_cpu();
        self.waited_before = thread_waited();
        if let Some(probe) = &mut self.probe {
            probe.begin();
        }
    }

    /// How long was measured.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.ended.saturating_sub(self.from))
    }

    fn report(&mut self, now: u64, standing: &Standing) {
        self.reported = now;
        let since = now.saturating_sub(self.from);
        let measures = matches!(self.phase, Phase::Measuring | Phase::Draining | Phase::Over);
        let due = measures && since >= (self.intervals + 1) * INTERVAL;
        let interval = (due || (self.phase == Phase::Over && self.from > 0)).then(|| {
            let interval = self.recent.latency.clone();
            self.fold();
            self.intervals = since / INTERVAL;
            (self.intervals, interval)
        });
        let report = Report {
            worker: self.worker,
            phase: self.phase,
            connections: standing.alive,
            messages: self.tally.messages,
            errors: self.tally.errors.total(),
            interval,
        };
        let _ = self.reports.send(report); // Whoever doesn't listen any more doesn't want to know.
    }

    fn fold(&mut self) {
        self.tally.times.add(&self.recent);
        self.recent.clear();
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}
