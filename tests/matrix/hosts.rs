//! Those who turn the reactor.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoloop::{Config, Handle, Reactor, ServiceId, Statistics};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::rows::Driver;
use crate::stage::{Probe, Shared};
use crate::support::DEADLINE;

/// After so long a host looks at its own affairs, which are the other ends. The reactor isn't turned for that.
const LOOK: Duration = Duration::from_micros(200);

pub(crate) enum Host {
    /// `run`, in a thread of its own.
    Thread(Option<JoinHandle<Ended>>),
    /// A loop of another program.
    Ours(Box<Reactor>, Waits),
}

/// How such a loop waits.
pub(crate) enum Waits {
    /// Not at all.
    Never,
    Level,
    /// It is told of each edge once.
    Edge(Poll, Events),
}

/// How a reactor is left that has stopped.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) statistics: Statistics,
    pub(crate) poll_timeout: Option<Duration>,
}

/// What a set-up has made that others need.
pub(crate) struct Ready<T> {
    pub(crate) handle: Handle,
    pub(crate) probe: ServiceId<Probe>,
    pub(crate) made: T,
}

impl Host {
    /// Sets up a reactor with what turns it. `afterwards` is done when it has stopped.
    pub(crate) fn start<T: Send + 'static>(
        driver: Driver,
        config: Config,
        stage: &Shared,
        set_up: impl FnOnce(&mut Reactor, ServiceId<Probe>) -> T + Send + 'static,
        afterwards: impl FnOnce(&mut Reactor, ServiceId<Probe>) + Send + 'static,
    ) -> (Host, Ready<T>) {
        let stage = Shared::clone(stage);
        let ready = move || {
            let mut reactor = Reactor::new(config).unwrap();
            let probe = reactor.add(Probe::new(&stage));
            let made = set_up(&mut reactor, probe);
            (Ready { handle: reactor.handle(), probe, made }, reactor)
        };
        if driver != Driver::Run {
            let (ready, reactor) = ready();
            let waits = Waits::new(driver, &reactor);
            return (Host::Ours(Box::new(reactor), waits), ready);
        }
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (ready, mut reactor) = ready();
            let probe = ready.probe;
            sender.send(ready).unwrap();
            reactor.run().unwrap();
            afterwards(&mut reactor, probe);
            Ended::new(&reactor)
        });
        let ready = receiver.recv().expect("it is set up");
        (Host::Thread(Some(thread)), ready)
    }

    /// Lets it go on a little.
    pub(crate) fn go_on(&mut self) {
        match self {
            Host::Thread(_) => thread::park_timeout(Duration::from_micros(50)),
            Host::Ours(reactor, waits) => {
                let timeout = reactor.poll_timeout();
                if waits.are_over(reactor, timeout) {
                    reactor.turn(Some(Duration::ZERO)).unwrap();
                }
            }
        }
    }

    /// The reactor, for those who have it between the turns.
    pub(crate) fn reactor(&mut self) -> Option<&mut Reactor> {
        match self {
            Host::Thread(_) => None,
            Host::Ours(reactor, _) => Some(reactor),
        }
    }

    /// Whether it is turned however little there is to do.
    pub(crate) fn is_turned_blindly(&self) -> bool {
        matches!(self, Host::Ours(_, Waits::Never))
    }

    pub(crate) fn has_stopped(&self) -> bool {
        match self {
            Host::Thread(thread) => thread.as_ref().is_none_or(JoinHandle::is_finished),
            Host::Ours(reactor, _) => reactor.is_stopped(),
        }
    }

    /// It has been asked to stop, and how it does so matters no more.
    pub(crate) fn abandon(&mut self) {
        if let Host::Thread(thread) = self {
            thread.take().map(JoinHandle::join);
        }
    }

    /// How it is left, once it has stopped.
    pub(crate) fn end(&mut self) -> Ended {
        match self {
            Host::Thread(thread) => {
                thread.take().expect("once").join().expect("the loop does not panic")
            }
            Host::Ours(reactor, _) => Ended::new(reactor),
        }
    }
}

impl Ended {
    fn new(reactor: &Reactor) -> Ended {
        Ended { statistics: reactor.statistics(), poll_timeout: reactor.poll_timeout() }
    }
}

impl Waits {
    fn new(driver: Driver, reactor: &Reactor) -> Waits {
        match driver {
            Driver::Run | Driver::Turns => Waits::Never,
            Driver::Level => Waits::Level,
            Driver::Edge => {
                let poll = Poll::new().unwrap(); // Edge-triggered, as mio always is.
                let descriptor = reactor.as_fd().as_raw_fd();
                let mut source = SourceFd(&descriptor);
                poll.registry().register(&mut source, Token(0), Interest::READABLE).unwrap();
                Waits::Edge(poll, Events::with_capacity(8))
            }
        }
    }

    /// Waits, and not for long. Whether the reactor is to be turned then: it is ready, or its time has come.
    pub(crate) fn are_over(&mut self, reactor: &Reactor, timeout: Option<Duration>) -> bool {
        let wait = timeout.unwrap_or(DEADLINE).min(LOOK);
        let begin = Instant::now();
        let is_ready = match self {
            Waits::Never => true,
            Waits::Level => {
                let mut ours = [PollFd::new(reactor, PollFlags::IN)];
                let wait = Timespec::try_from(wait).expect("not long");
                poll(&mut ours, Some(&wait)).is_ok_and(|ready| ready > 0)
            }
            Waits::Edge(edges, events) => {
                // For as long as that; mio rounds up to milliseconds.
                let mut ours = [PollFd::new(edges.registry(), PollFlags::IN)];
                let wait = Timespec::try_from(wait).expect("not long");
                let _ = poll(&mut ours, Some(&wait));
                edges.poll(events, Some(Duration::ZERO)).is_ok() && !events.is_empty()
            }
        };
        is_ready || timeout.is_some_and(|timeout| begin.elapsed() >= timeout)
    }
}
