//! One reactor, or one for each of several threads.

use std::error::Error;
use std::fs::File;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use echoloop::{
    Address, Config, Context, Echo, Endpoint, Handle, Pong, Reactor, ReusePort, Service,
    Statistics, Stop, describe,
};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use super::Args;
use super::args::{Offer, ServiceName, usage};
use super::logged::Logged;
use crate::cli::Done;
use crate::cli::printer;

/// Serves until it is told to stop.
pub(crate) fn run(args: Args) -> Done {
    let config = args.config();
    if let Err(error) = config.check() {
        usage(&error);
    }
    printer::start_output()?;
    if args.workers == 1 { run_one(&args, config) } else { run_many(&args, config) }
}

fn run_one(args: &Args, config: Config) -> Done {
    pin(args, 0);
    let mut reactor = Reactor::new(config)?;
    // First of all: a signal between the two would end the process, and leave the files of its sockets.
    reactor.stop_on_signals()?;
    reactor.on_signal(SIGUSR1, |cx| log::info!("statistics\n{}", cx.statistics()))?;
    let bound = listen(&mut reactor, &args.offers, &args.reply)?;
    check_descriptors()?;
    announce(&bound);
    reactor.run()?;
    conclude("", &reactor.statistics());
    Ok(ExitCode::SUCCESS)
}

/// Whether there is a descriptor for a client. A server that could never accept anybody must not say that it
/// listens.
fn check_descriptors() -> io::Result<()> {
    let none = |error: io::Error| {
        let why = format!("cannot take a descriptor for a client: {}", describe(&error));
        io::Error::new(error.kind(), why)
    };
    File::open("/dev/null").map(drop).map_err(none)
}

/// A thread for each worker; this one only listens to signals. It stops when all the others have.
fn run_many(args: &Args, mut config: Config) -> Done {
    let mut control = Reactor::new(Config::default())?;
    // First, as above. They are obeyed when all have begun.
    let crew = control.add(Crew::default());
    for signal in [SIGINT, SIGTERM] {
        control.on_signal(signal, move |cx| {
            cx.tell(crew, |crew, _| crew.stop());
        })?;
    }
    control.on_signal(SIGUSR1, move |cx| {
        cx.tell(crew, |crew, _| crew.log_statistics());
    })?;
    let mut workers: Vec<Worker> = Vec::new();
    let mut bound = Vec::new();
    let left = Arc::new(AtomicU32::new(args.workers));
    for number in 0..args.workers {
        let is_internet =
            |it: &&Offer| matches!(it.endpoint, Endpoint::Tcp { .. } | Endpoint::Udp { .. });
        let offers = match number {
            0 => args.offers.clone(),
            _ => bound.iter().filter(is_internet).cloned().collect(),
        };
        match start(number, args, offers, config.clone(), (control.handle(), left.clone())) {
            Ok((worker, listens)) => {
                let handle = worker.handle.clone();
                control.with(crew, |crew, _| crew.workers.push(handle));
                workers.push(worker);
                if number == 0 {
                    // The others join it at its ports, which it may have chosen just now.
                    bound = listens;
                    config.reuse_port = ReusePort::Join;
                }
            }
            Err(error) => {
                finish(workers, Some(Stop::AtOnce))?;
                return Err(error);
            }
        }
    }
    if let Err(error) = check_descriptors() {
        finish(workers, Some(Stop::AtOnce))?;
        return Err(error.into());
    }
    announce(&bound);
    control.run()?;
    // If somebody is left, another one has failed, and that is the end for all.
    let failed = left.load(Ordering::Acquire) > 0;
    finish(workers, failed.then_some(Stop::Gracefully))
}

/// All workers: what a signal asks for is asked of each.
#[derive(Default)]
struct Crew {
    workers: Vec<Handle>,
}

impl Service for Crew {}

impl Crew {
    fn stop(&self) {
        for worker in &self.workers {
            worker.stop(Stop::Gracefully).ok();
        }
    }

    fn log_statistics(&self) {
        for (number, worker) in self.workers.iter().enumerate() {
            let tell = move |cx: &mut Context<'_>| {
                log::info!("worker {number} statistics\n{}", cx.statistics());
            };
            if let Err(error) = worker.run(tell) {
                log::info!("worker {number}: {error}");
            }
        }
    }
}

/// A thread that serves.
struct Worker {
    handle: Handle,
    thread: thread::JoinHandle<Result<Statistics, echoloop::Error>>,
}

type Failure = Box<dyn Error + Send + Sync>;

/// Starts a worker, and waits until it listens, or can't.
fn start(
    number: u32,
    args: &Args,
    offers: Vec<Offer>,
    config: Config,
    (control, left): (Handle, Arc<AtomicU32>),
) -> Result<(Worker, Vec<Offer>), Box<dyn Error>> {
    let (ready, listening) = mpsc::sync_channel::<Result<(Handle, Vec<Offer>), Failure>>(1);
    let args = args.clone();
    let serve = move || {
        pin(&args, number as usize);
        let set_up = || -> Result<_, Failure> {
            let mut reactor = Reactor::new(config)?;
            let bound = listen(&mut reactor, &offers, &args.reply)?;
            Ok((reactor, bound))
        };
        let mut reactor = match set_up() {
            Ok((reactor, bound)) => {
                let _ = ready.send(Ok((reactor.handle(), bound)));
                reactor
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return Ok(Statistics::default());
            }
        };
        let served = reactor.run();
        // The last to leave turns off the light; so does one who fails.
        if left.fetch_sub(1, Ordering::AcqRel) == 1 || served.is_err() {
            control.stop(Stop::Gracefully).ok();
        }
        served.map(|()| reactor.statistics())
    };
    let thread = thread::Builder::new().name(format!("worker {number}")).spawn(serve)?;
    let (handle, bound) = listening.recv()?.map_err(|error| error as Box<dyn Error>)?;
    Ok((Worker { handle, thread }, bound))
}

/// Waits for all workers, and shows what each has done.
fn finish(workers: Vec<Worker>, stop: Option<Stop>) -> Done {
    for worker in &workers {
        stop.map(|how| worker.handle.stop(how));
    }
    for (number, worker) in workers.into_iter().enumerate() {
        let served = worker.thread.join().map_err(|_| "a worker has died")?;
        conclude(&format!("worker {number}\n"), &served?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Listens on everything, or on nothing. Returns the offers with the addresses really bound.
fn listen(
    reactor: &mut Reactor,
    offers: &[Offer],
    reply: &str,
) -> Result<Vec<Offer>, echoloop::Error> {
    let log = log::log_enabled!(log::Level::Debug);
    let listen = |offer: &Offer| {
        let (name, endpoint) = (offer.service, &offer.endpoint);
        let id = match (name, log) {
            (ServiceName::Echo, false) => reactor.listen(endpoint, Echo),
            (ServiceName::Echo, true) => reactor.listen(endpoint, logged("echo", Echo)),
            (ServiceName::Pong, false) => reactor.listen(endpoint, Pong::new(reply)),
            (ServiceName::Pong, true) => reactor.listen(endpoint, logged("pong", Pong::new(reply))),
        }?;
        let endpoint = match (endpoint, reactor.local(id)) {
            (Endpoint::Tcp { .. }, Some(Address::Ip(bound))) => Endpoint::tcp(bound),
            (Endpoint::Udp { .. }, Some(Address::Ip(bound))) => Endpoint::udp(bound),
            (endpoint, _) => endpoint.clone(),
        };
        Ok(Offer { service: name, endpoint })
    };
    offers.iter().map(listen).collect()
}

fn logged<S: Service>(name: &'static str, inner: S) -> Logged<S> {
    Logged { inner, name }
}

fn announce(bound: &[Offer]) {
    let text: String = bound.iter().map(|offer| format!("listening on {offer}\n")).collect();
    printer::say(&text);
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
