//! One run: workers, each with a reactor of its own, and what they bring back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Reactor, Service};

use super::churn::Churn;
use super::datagrams::Datagrams;
use super::load::Load;
use super::meter::{Meter, Report, Stage};
use super::process::{self, Probe, Usage};
use super::streams::Streams;
use super::tally::Tally;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A service that makes load. It begins with the first timer that is set for it.
pub(super) trait Generator: Service {
    fn meter(&mut self) -> &mut Meter;
}

/// What has become of a run.
pub(super) struct Outcome {
    pub(super) load: Load,
    pub(super) tally: Tally,
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
}

/// What one worker brings back.
struct Part {
    tally: Tally,
    drained: u64,
    elapsed: Duration,
    cpu: Duration,
    waited: Duration,
    server: Option<Usage>,
    no_room: u64,
}

/// Runs a load to its end, and calls `watch` with every report of a worker on the way.
pub(super) fn run(
    load: &Load,
    server: Option<u32>,
    stop: &Arc<AtomicBool>,
    mut watch: impl FnMut(Report),
) -> Result<Outcome, Failure> {
    let (reports, incoming) = mpsc::channel();
    let stage = Arc::new(Stage::new(load.workers, stop.clone()));
    let mut probe = server.map(Probe::new);
    let mut workers = Vec::new();
    let mut first = 0;
    for worker in 0..load.workers {
        let part = load.part(worker);
        let connections = part.connections as u64;
        let meter = Meter::new(part, worker, probe.take(), stage.clone(), reports.clone());
        let work = move || work(meter, worker, first);
        workers.push(thread::Builder::new().name(format!("worker {worker}")).spawn(work)?);
        first += connections;
    }
    drop(reports);
    incoming.iter().for_each(&mut watch);

    let mut outcome = Outcome {
        load: load.clone(),
        tally: Tally::new(),
        drained: 0,
        elapsed: Duration::ZERO,
        cpu: Duration::ZERO,
        busiest: 0.0,
        waited: 0.0,
        server: None,
        no_room: 0,
        stopped: stop.load(Ordering::Relaxed),
    };
    for worker in workers {
        let part = worker.join().map_err(|_| "a worker has panicked")??;
        outcome.add(part);
    }
    Ok(outcome)
}

fn work(meter: Meter, worker: usize, first: u64) -> Result<Part, Failure> {
    let load = meter.load.clone();
    if let Some(&processor) = load.pin.get(worker.checked_rem(load.pin.len()).unwrap_or(0)) {
        process::pin(processor)
            .map_err(|error| format!("cannot pin a worker to processor {processor}: {error}"))?;
    }
    if load.endpoint.is_datagram() {
        drive(Datagrams::new(meter, first))
    } else if load.churn {
        drive(Churn::new(meter, first))
    } else {
        drive(Streams::new(meter, first))
    }
}

fn drive<G: Generator>(mut generator: G) -> Result<Part, Failure> {
    let offload = generator.meter().load.offload;
    let mut reactor = Reactor::new(Config { offload, ..Config::default() })?;
    let generator = reactor.add(generator);
    reactor.context(generator).after(Duration::ZERO);
    reactor.run()?;
    let no_room = reactor.statistics().dropped.no_room;
    let part = reactor.with(generator, |generator, _| {
        let meter = generator.meter();
        Part {
            elapsed: meter.elapsed(),
            drained: meter.drained,
            cpu: meter.cpu,
            waited: meter.waited,
            server: meter.server,
            no_room,
            tally: std::mem::replace(&mut meter.tally, Tally::new()),
        }
    });
    Ok(part.expect("it has a name"))
}

impl Outcome {
    fn add(&mut self, part: Part) {
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
    }

    /// Messages a second.
    pub(super) fn rate(&self) -> f64 {
        per(self.tally.messages as f64, self.elapsed.as_secs_f64())
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

    /// The server's part of one processor.
    pub(super) fn server_share(&self) -> Option<f64> {
        Some(per(self.server?.cpu?.as_secs_f64(), self.elapsed.as_secs_f64()))
    }

    /// The latency below which this part of all replies came, in nanoseconds.
    pub(super) fn latency(&self, quantile: f64) -> u64 {
        self.tally.times.latency.value_at_quantile(quantile)
    }

    /// Whether the server gave wrong answers.
    pub(super) fn has_faults(&self) -> bool {
        self.tally.errors.faults() > 0
    }

    /// Whether it gave wrong answers, or none at all.
    pub(super) fn has_failed(&self) -> bool {
        self.has_faults() || self.tally.times.latency.is_empty()
    }
}

fn per(number: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { number / seconds } else { 0.0 }
}
