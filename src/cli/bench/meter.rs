//! The clock, the phases and the counts of one worker: what all kinds of load have in common.

mod fates;

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use echoloop::{Context, Stop};

use super::load::{Length, Load};
use super::pacer::Pacer;
use super::patience::Patience;
use super::phase::{Phase, Report, Stage, Standing};
use super::process::{Probe, Usage, thread_cpu, thread_waited};
use super::seconds::{Count, SECOND, Second, nanos};
use super::tally::{Tally, Times};
use super::values::Rate;

/// How often a worker looks at the clock to see whether its phase is over. What is measured is
/// divided by the time that it took in fact, so this needs no precision.
pub(super) const CONTROL: Duration = Duration::from_millis(5);

/// How often a worker reports.
const REPORT: u64 = 250_000_000;

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
    /// The same by the clock on the wall.
    pub(super) began: Option<SystemTime>,
    /// The phase that was the last before it was over.
    pub(super) reached: Phase,
    /// Messages that were pending after each quarter of the measured time.
    pub(super) backlog: Vec<u64>,
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
    patience: Patience,
    reported: u64,
    /// Seconds of the measured time that have been reported, and how everything stood then.
    seconds: u64,
    counted: Count,
    worker: usize,
    pub(super) stage: Arc<Stage>,
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
            began: None,
            reached: Phase::Connecting,
            backlog: Vec::new(),
            cpu_before: Duration::ZERO,
            cpu: Duration::ZERO,
            waited_before: Duration::ZERO,
            waited: Duration::ZERO,
            probe,
            server: None,
            settled: false,
            patience: Patience::default(),
            reported: 0,
            seconds: 0,
            counted: Count::default(),
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

    /// The schedule of this worker. Workers don't send at the same moments, but in turn.
    pub(super) fn pacer(&self, rate: Rate, now: u64) -> Pacer {
        let part = self.worker as f64 / self.stage.workers as f64;
        let pacer = Pacer::new(rate, self.load.arrival, self.load.connections, now, part);
        match self.load.length {
            Length::Time(time) => pacer.changing(self.load.warmup, time),
            Length::Count(_) => pacer,
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

    /// Goes to the next phase if it is time for it. `true`: the phase has changed. When it is over, what
    /// has no reply is to be given up, and then `finish` to be called.
    pub(super) fn control(&mut self, standing: &Standing) -> bool {
        let now = self.now();
        let before = self.phase;
        self.watch_backlog(now, standing.pending);
        if let Some(next) = self.next(now, standing) {
            self.enter(next, now);
            if next == Phase::Measuring && self.load.goal().is_some() {
                self.left = self.goal.saturating_sub(standing.pending);
            }
        }
        if self.phase != Phase::Over {
            self.report(now, standing, self.phase != before);
        }
        self.phase != before
    }

    /// The last report, and the end of the loop.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>, standing: &Standing) {
        self.report(self.now(), standing, true);
        self.fold();
        if self.reached < Phase::Measuring {
            self.tally.forget_messages();
        }
        cx.stop(Stop::AtOnce);
    }

    fn next(&mut self, now: u64, standing: &Standing) -> Option<Phase> {
        if standing.settled && !std::mem::replace(&mut self.settled, true) {
            self.stage.settled.fetch_add(1, Ordering::SeqCst);
        }
        let all_settled = self.stage.settled.load(Ordering::SeqCst) == self.stage.workers;
        let (phase, stop) = (self.phase, self.stage.stop.load(Ordering::Relaxed));
        match phase {
            _ if self.settled && standing.alive == 0 => Some(Phase::Over),
            Phase::Connecting if stop => Some(Phase::Over),
            Phase::Connecting if all_settled && self.stage.has_begun() => {
                Some(match self.load.warmup {
                    Duration::ZERO => Phase::Measuring,
                    _ => Phase::Warming,
                })
            }
            Phase::Warming if stop => Some(Phase::Over),
            Phase::Warming => (now >= self.until).then_some(Phase::Measuring),
            Phase::Measuring if stop || now >= self.until || self.tally.messages >= self.goal => {
                Some(Phase::Draining)
            }
            Phase::Measuring if self.is_stuck(now, standing) => {
                self.tally.trouble.fell_silent = true;
                Some(Phase::Draining)
            }
            Phase::Draining if standing.pending == 0 || now >= self.until => Some(Phase::Over),
            _ => None,
        }
    }

    /// Whether a number of replies is waited for that won't come.
    fn is_stuck(&mut self, now: u64, standing: &Standing) -> bool {
        let Load { rate, think, timeout, .. } = &self.load;
        if standing.pending == 0 && (rate.is_some() || !think.is_zero() && self.left > 0) {
            self.patience.rest(now);
        }
        self.goal != u64::MAX && self.patience.is_at_its_end(&self.tally, nanos(*timeout), now)
    }

    fn enter(&mut self, next: Phase, now: u64) {
        self.reached = self.phase;
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
        self.tally.forget_messages();
        if self.load.churn {
            self.tally.connects = 0;
            self.tally.times.connect.reset();
        }
        (self.from, self.patience) = (now, Patience::since(now));
        self.began = Some(SystemTime::now());
        match self.load.length {
            Length::Time(duration) => self.until = now + nanos(duration),
            Length::Count(count) => (self.until, self.goal) = (u64::MAX, count),
        }
        self.cpu_before = thread_cpu();
        self.waited_before = thread_waited();
        if let Some(probe) = &mut self.probe {
            probe.begin();
        }
        self.counted = self.count_now(now);
    }

    /// Notes how many messages are pending when another quarter of the measured time has gone by.
    fn watch_backlog(&mut self, now: u64, pending: u64) {
        if self.phase != Phase::Measuring {
            return;
        }
        let done = match self.load.length {
            Length::Time(time) => (now - self.from) as f64 / nanos(time) as f64,
            Length::Count(count) => self.tally.messages as f64 / count as f64,
        };
        while self.backlog.len() < ((done * 4.0) as usize).min(4) {
            self.backlog.push(pending);
        }
    }

    /// How long was measured.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.ended.saturating_sub(self.from))
    }

    fn report(&mut self, now: u64, standing: &Standing, at_once: bool) {
        let second = self.second(now, standing);
        if second.is_none() && !at_once && now - self.reported < REPORT {
            return;
        }
        self.reported = now;
        let report = Report {
            worker: self.worker,
            phase: self.phase,
            connections: standing.alive,
            messages: self.tally.messages,
            errors: self.tally.errors.total(),
            second,
        };
        let _ = self.reports.send(report); // Whoever doesn't listen any more doesn't want to know.
    }

    /// The second that is over. What comes after the end belongs to the last one, so that one is over when
    /// everything is: then it is the same one for all workers.
    fn second(&mut self, now: u64, standing: &Standing) -> Option<Second> {
        let last = match self.load.length {
            Length::Time(time) => nanos(time).div_ceil(SECOND),
            Length::Count(_) => u64::MAX,
        };
        let measured = now.saturating_sub(self.from) / SECOND;
        let number = match self.phase {
            Phase::Measuring if measured > self.seconds && measured < last => measured,
            Phase::Over if self.ended > 0 => {
                (self.ended - self.from).div_ceil(SECOND).max(self.seconds + 1).min(last)
            }
            _ => return None,
        };
        let count = self.count_now(if self.ended > 0 { self.ended } else { now });
        let second = Second {
            latency: self.recent.latency(),
            connections: standing.alive as u64,
            pending: standing.pending,
            ..count.since(&self.counted, number)
        };
        (self.seconds, self.counted) = (number, count);
        self.fold();
        Some(second)
    }

    fn count_now(&self, now: u64) -> Count {
        Count {
            at: now,
            messages: self.tally.messages,
            errors: self.tally.errors.total(),
            cpu: match self.ended {
                0 => thread_cpu(),
                _ => self.cpu_before + self.cpu,
            },
            server_cpu: self.probe.as_ref().and_then(Probe::cpu),
        }
    }

    fn fold(&mut self) {
        self.tally.times.add(&self.recent);
        self.recent.clear();
    }
}
