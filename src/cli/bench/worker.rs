//! One run: workers, each with a reactor of its own, and what they bring back.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use echoloop::{Config, Reactor, describe};

use super::churn::Churn;
use super::datagrams::Datagrams;
use super::generator::Generator;
use super::load::Load;
use super::meter::Meter;
use super::outcome::{Outcome, Part};
use super::phase::{Report, Stage};
use super::process::{self, Probe, Watched};
use super::seconds::Second;
use super::series::{Point, Series};
use super::streams::Streams;
use super::tally::Tally;
use super::watch::Watch;
use super::words::duration;

/// What begins so much later has begun in time.
const PUNCTUAL: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Something to be seen while it runs.
pub(super) enum Sign<'a> {
    /// Of one worker.
    Report(&'a Report),
    /// Of all of them together.
    Second(&'a Second),
}

/// Runs a load to its end, and calls `watch` with everything that is to be seen on the way.
pub(super) fn run(
    load: &Load,
    server: Watched,
    stop: &Arc<AtomicBool>,
    mut watch: impl FnMut(Sign<'_>),
) -> Result<Outcome, Failure> {
    let (reports, incoming) = mpsc::channel();
    let stage = Arc::new(Stage::new(load, stop.clone()));
    let mut probe = Probe::new(server);
    let mut workers = Vec::new();
    let mut first = 0;
    for worker in 0..load.workers {
        let part = load.part(worker);
        let connections = part.connections as u64;
        let (probe, stage, reports) = (probe.take(), stage.clone(), reports.clone());
        let work = move || {
            process::own_descriptors();
            let probe = probe.map(Probe::counting);
            work(Meter::new(part, worker, probe, stage, reports), worker, first)
        };
        let name = format!("worker {worker}");
        let thread = thread::Builder::new().name(name.clone()).spawn(work);
        let cannot = |error| format!("cannot start {name}: {}", describe(&error));
        workers.push(thread.map_err(cannot)?);
        first += connections;
    }
    drop(reports);
    let (mut series, mut points) = (Series::new(load.workers), Vec::new());
    let mut tcp = Watch::new(load);
    for mut report in incoming {
        tcp.report(&report);
        let mut seconds = series.take(&mut report);
        watch(Sign::Report(&report));
        for second in &mut seconds {
            second.tcp = tcp.second();
            watch(Sign::Second(second));
            points.push(Point::from(&*second));
        }
    }

    let mut outcome = Outcome::new(load, stop.load(Ordering::Relaxed), points);
    outcome.ids.push(format!("{:016x}", RandomState::new().hash_one(SystemTime::now())));
    outcome.tcp = tcp.whole();
    for worker in workers {
        let part = worker.join().map_err(|_| "a worker has panicked")??;
        outcome.add(part);
    }
    if let Some(late) = outcome.late().filter(|late| *late > PUNCTUAL) {
        outcome.notes.push(format!(
            "The load began {} later than --start-at: connecting took until then.",
            duration(late)
        ));
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
    let load = &generator.meter().load;
    let (offload, connect_timeout) = (load.offload, load.timeout);
    let mut reactor = Reactor::new(Config { offload, connect_timeout, ..Config::default() })?;
    let generator = reactor.add(generator);
    reactor.with(generator, |generator, cx| generator.begin(cx));
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
            reached: meter.reached,
            began: meter.began,
            backlog: std::mem::take(&mut meter.backlog),
            tally: std::mem::replace(&mut meter.tally, Tally::new()),
        }
    });
    Ok(part.expect("it has a name"))
}
