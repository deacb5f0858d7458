//! One reactor, or one for each of several threads.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use echoloop::{
    Config, Context, Handle, Reactor, Recording, ReusePort, ServiceId, Statistics, Stop, describe,
};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use super::Args;
use super::args::usage;
use super::counted::Reporter;
use super::crew::{Crew, Name};
use super::listen::{
    Failure, Listening, Site, announce, check_descriptors, check_passed, listen, site,
};
use super::offer::{Bound, Offer, ServiceName};
use super::record::{self, Recorder};
use super::systemd::Passed;
use super::watch::watch;
use crate::cli::{self, printer};

/// Serves until it is told to stop.
pub(crate) fn run(args: Args, mut passed: Passed) -> cli::Done {
    let config = args.config();
    if let Err(error) = config.check() {
        usage(&error);
    }
    printer::start_output()?;
    let done = check_passed(&args, &mut passed).and_then(|()| match args.workers {
        1 => run_one(&args, config, passed),
        _ => run_many(&args, config, passed),
    });
    printer::end_block();
    done.map_err(|failure| failure as _)
}

type Served = Result<ExitCode, Failure>;

fn run_one(args: &Args, config: Config, mut passed: Passed) -> Served {
    pin(args, 0);
    let recorder = args.record.as_deref().map(Recorder::open).transpose()?;
    let mut reactor = Reactor::new(config)?;
    let crew = lead(&mut reactor)?;
    reactor.on_signal(SIGUSR1, |cx| log::info!("statistics\n{}", cx.statistics()))?;
    let sites = sites(&args.offers, &mut passed)?;
    let Listening { mut bound, reporter, .. } = listen(&mut reactor, sites, &args.reply)?;
    let name = Name { handle: reactor.handle(), reporter };
    reactor.with(crew, |crew, _| crew.hire(name, bound.clone()));
    bound.extend(watch(&mut reactor, crew, args, &mut passed)?);
    begin(&mut reactor, crew, &bound, &passed)?;
    record::begin(&mut reactor, recorder.is_some());
    reactor.run()?;
    printer::end_block();
    conclude("", &reactor.statistics());
    if let (Some(recorder), Some(recording)) = (recorder, reactor.recording().cloned()) {
        recorder.write(&[recording])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds the crew, which signals stop. First of all: a signal before that would end the process, and leave
/// the files of its sockets. It is obeyed when all have begun.
fn lead(reactor: &mut Reactor) -> Result<ServiceId<Crew>, echoloop::Error> {
    let crew = Crew::join(reactor);
    for signal in [SIGINT, SIGTERM] {
        reactor.on_signal(signal, move |cx| {
            cx.tell(crew, |crew, cx| crew.stop(cx));
        })?;
    }
    Ok(crew)
}

/// The last before the loop: everything is listened on.
fn begin(
    reactor: &mut Reactor,
    crew: ServiceId<Crew>,
    bound: &[Bound],
    passed: &Passed,
) -> io::Result<()> {
    check_descriptors()?;
    announce(bound, passed);
    reactor.with(crew, |crew, cx| crew.ready(cx));
    Ok(())
}

fn sites(offers: &[Offer], passed: &mut Passed) -> Result<Vec<(ServiceName, Site)>, Failure> {
    offers.iter().map(|offer| Ok((offer.service, site(&offer.place, passed)?))).collect()
}

/// A thread for each worker; this one listens to signals, and to those who watch. It stops when all the
/// others have.
fn run_many(args: &Args, mut config: Config, mut passed: Passed) -> Served {
    let recorder = args.record.as_deref().map(Recorder::open).transpose()?;
    let mut control = Reactor::new(Args::control(&config))?;
    let crew = lead(&mut control)?;
    control.on_signal(SIGUSR1, move |cx| {
        cx.tell(crew, |crew, _| crew.log_statistics());
    })?;
    let left = Arc::new(AtomicU32::new(args.workers));
    let (mut workers, mut bound, mut shared) = (Vec::new(), Vec::new(), args.offers.clone());
    for number in 0..args.workers {
        let back = Back { control: control.handle(), crew, left: left.clone() };
        let started = sites(&shared, &mut passed)
            .and_then(|sites| start(number, args, sites, config.clone(), back));
        match started {
            Ok((worker, listening)) => {
                let reporter = listening.reporter;
                let name = Name { handle: worker.handle.clone(), reporter };
                let its = listening.bound.clone();
                control.with(crew, |crew, _| crew.hire(name, its));
                workers.push(worker);
                if number == 0 {
                    (bound, shared) = (listening.bound, listening.shared);
                    config.reuse_port = ReusePort::Join;
                }
            }
            Err(error) => {
                finish(workers, Some(Stop::AtOnce))?; // They have done nothing worth telling.
                return Err(error);
            }
        }
    }
    let begun = watch(&mut control, crew, args, &mut passed).and_then(|watched| {
        bound.extend(watched);
        Ok(begin(&mut control, crew, &bound, &passed)?)
    });
    if let Err(error) = begun {
        finish(workers, Some(Stop::AtOnce))?;
        return Err(error);
    }
    control.run()?;
    printer::end_block();
    // If somebody is left, another one has failed, and that is the end for all.
    let failed = left.load(Ordering::Acquire) > 0;
    let mut recordings = Vec::new();
    for (number, (statistics, recording)) in
        finish(workers, failed.then_some(Stop::Gracefully))?.into_iter().enumerate()
    {
        conclude(&format!("worker {number}\n"), &statistics);
        recordings.extend(recording);
    }
    recorder.map_or(Ok(()), |recorder| recorder.write(&recordings))?;
    Ok(ExitCode::SUCCESS)
}

/// What a worker has done.
type Done = (Statistics, Option<Recording>);

/// A thread that serves.
struct Worker {
    handle: Handle,
    thread: thread::JoinHandle<Result<Done, echoloop::Error>>,
}

/// How a worker tells that it has stopped.
struct Back {
    control: Handle,
    crew: ServiceId<Crew>,
    left: Arc<AtomicU32>,
}

/// Starts a worker, and waits until it listens, or can't.
fn start(
    number: u32,
    args: &Args,
    sites: Vec<(ServiceName, Site)>,
    config: Config,
    back: Back,
) -> Result<(Worker, Listening), Failure> {
    let (ready, is_ready) = mpsc::sync_channel::<Result<(Handle, Listening), Failure>>(1);
    let args = args.clone();
    let serve = move || {
        pin(&args, number as usize);
        let set_up = || -> Result<_, Failure> {
            let mut reactor = Reactor::new(config)?;
            let listening = listen(&mut reactor, sites, &args.reply)?;
            Ok((reactor, listening))
        };
        let (mut reactor, reporter) = match set_up() {
            Ok((reactor, listening)) => {
                let reporter = listening.reporter;
                let _ = ready.send(Ok((reactor.handle(), listening)));
                (reactor, reporter)
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return Ok(Done::default());
            }
        };
        record::begin(&mut reactor, args.record.is_some());
        let served = reactor.run();
        back.retire(number, &mut reactor, reporter, served.is_err());
        served.map(|()| (reactor.statistics(), reactor.recording().cloned()))
    };
    let name = format!("worker {number}");
    let thread = thread::Builder::new().name(name.clone()).spawn(serve);
    let thread = thread.map_err(|error| format!("cannot start {name}: {}", describe(&error)))?;
    let (handle, listening) = is_ready.recv()??;
    Ok((Worker { handle, thread }, listening))
}

impl Back {
    fn retire(
        self,
        number: u32,
        reactor: &mut Reactor,
        reporter: ServiceId<Reporter>,
        has_failed: bool,
    ) {
        let sample = reactor.with(reporter, |reporter, cx| reporter.sample(cx));
        let retire = move |crew: &mut Crew, cx: &mut Context<'_>| {
            crew.retired(cx, number as usize, sample.unwrap_or_default());
        };
        self.control.tell(self.crew, retire).ok();
        // The last to leave turns off the light; so does one that fails.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 || has_failed {
            self.control.stop(Stop::Gracefully).ok();
        }
    }
}

/// Waits for all workers. Returns what each has done.
fn finish(workers: Vec<Worker>, stop: Option<Stop>) -> Result<Vec<Done>, Failure> {
    for worker in &workers {
        stop.map(|how| worker.handle.stop(how));
    }
    let join = |worker: Worker| Ok(worker.thread.join().map_err(|_| "a worker has died")??);
    workers.into_iter().map(join).collect()
}

fn conclude(title: &str, statistics: &Statistics) {
    if log::log_enabled!(log::Level::Warn) {
        printer::say(&format!("{title}{statistics}\n"));
    }
}

/// Keeps this thread on a core of its own, as long as there are any.
fn pin(args: &Args, number: usize) {
    if !args.pin {
        return;
    }
    if let Err(error) = pin_to(number) {
        log::warn!("worker {number} could not be kept on one core: {}", describe(&error));
    }
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly"
))]
fn pin_to(number: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None)?;
    let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
    let mut own = CpuSet::new();
    own.set(cores[number % cores.len()]);
    Ok(sched_setaffinity(None, &own)?)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly"
)))]
fn pin_to(_number: usize) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no way to do that"))
}
