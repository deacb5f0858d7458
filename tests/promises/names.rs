//! Connecting by name: nothing waits for a resolver, and addresses are tried side by side.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use echoloop::{Cause, Config, Echo, Id, Reactor, Stop, describe};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::support::*;

type Found = io::Result<Vec<SocketAddr>>;

/// A resolver in the test's hand.
pub(crate) struct Resolver {
    questions: mpsc::Receiver<Question>,
}

/// A name that a thread is asked for, and waits for.
pub(crate) struct Question {
    pub(crate) name: String,
    reply: mpsc::Sender<Found>,
}

impl Resolver {
    pub(crate) fn of(reactor: &mut Reactor) -> Resolver {
        let (ask, questions) = mpsc::channel();
        reactor.set_resolver(move |host, port| {
            let (reply, answer) = mpsc::channel();
            let _ = ask.send(Question { name: format!("{host}:{port}"), reply }); // The test may be over.
            answer.recv().map_err(io::Error::other)?
        });
        Resolver { questions }
    }

    /// Waits for the next question.
    #[track_caller]
    pub(crate) fn asked(&self) -> Question {
        self.questions.recv_timeout(DEADLINE).expect("a question")
    }
}

impl Question {
    pub(crate) fn answer(&self, addresses: &[SocketAddr]) {
        self.reply.send(Ok(addresses.to_vec())).unwrap();
    }
}

/// A service that says `opened`, what it receives, and why it was closed.
pub(crate) fn tells() -> (Does, mpsc::Receiver<String>) {
    let (sender, told) = mpsc::channel();
    let (opened, received) = (sender.clone(), sender.clone());
    let service = Does::new()
        .opened(move |_| opened.send("opened".to_owned()).unwrap())
        .received(move |_, input| {
            received.send(String::from_utf8(input.to_vec()).unwrap()).unwrap();
            input.len()
        })
        .closed(move |_, cause| {
            let text = match cause {
                Cause::ConnectFailed(error) => describe(error),
                other => format!("{other:?}"),
            };
            let _ = sender.send(text);
        });
    (service, told)
}

/// Turns until something is told.
#[track_caller]
pub(crate) fn next(reactor: &mut Reactor, told: &mpsc::Receiver<String>) -> String {
    let mut next = None;
    turn_until(reactor, |_| {
        next = told.try_recv().ok();
        next.is_some()
    });
    next.unwrap()
}

/// While one name has no answer, everything else goes on: connect has returned, others are served, the
/// loop sleeps. What was sent meanwhile leaves when the name is known.
#[test]
fn nobody_waits_for_a_resolver() {
    let mut reactor = reactor(Config::default());
    let resolver = Resolver::of(&mut reactor);
    let echo = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let (service, told) = tells();
    let service = reactor.add(service);
    let id = reactor.context(service).connect(&endpoint("tcp://slow.example:80")).unwrap();
    let mut cx = reactor.context(service);
    let mut cx = cx.source(id);
    assert_eq!((cx.send(b"early"), cx.queued(), cx.peer(), cx.local()), (5, 5, None, None));
    let question = resolver.asked();
    assert_eq!(question.name, "slow.example:80");

    let (other, others) = tells();
    reactor.connect(&endpoint(&format!("tcp://{echo}")), other).unwrap();
    assert_eq!(next(&mut reactor, &others), "opened"); // It has overtaken the name.
    turn_until_quiet(&mut reactor);
    assert!(reactor.poll_timeout().is_some_and(|timeout| timeout > Duration::from_secs(1)));
    assert!(told.try_recv().is_err());

    question.answer(&[echo]);
    assert_eq!(next(&mut reactor, &told), "opened");
    assert_eq!(next(&mut reactor, &told), "early");
    assert_eq!(reactor.context(service).source(id).peer(), Some(echo.into()));
}

/// The answer wakes a loop that sleeps in `run`, and one that a foreign loop waits for.
#[test]
fn an_answer_wakes_the_loop() {
    let server = serve(Config::default(), Echo);
    let (service, told) = tells();
    let mut reactor = reactor(Config::default());
    let resolver = Resolver::of(&mut reactor);
    reactor.connect(&endpoint("tcp://a.example:1"), service).unwrap();
    turn_until_quiet(&mut reactor);
    resolver.asked().answer(&[server.made]);
    let mut host = Poll::new().unwrap();
    let descriptor = reactor.as_fd().as_raw_fd();
    host.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(8);
    host.poll(&mut events, Some(DEADLINE)).unwrap();
    assert!(!events.is_empty());
    let handle = reactor.handle();
    let stopper = std::thread::spawn(move || {
        let opened = told.recv_timeout(DEADLINE);
        handle.stop(Stop::AtOnce).unwrap();
        opened
    });
    reactor.run().unwrap(); // No timeout of its own ends this.
    assert_eq!(stopper.join().unwrap().unwrap(), "opened");
}

/// A name that is not known is told later, with the deed and its object, and so is a resolver that
/// panics, finds nothing, or never comes to an end.
#[test]
fn a_failed_look_up_is_told() {
    let in_no_time = Config { connect_timeout: Duration::from_millis(50), ..Config::default() };
    let (mut patient, mut hasty) = (reactor(Config::default()), reactor(in_no_time));
    for scheme in ["tcp", "udp"] {
        let at = endpoint(&format!("{scheme}://nobody.example:7"));
        let fails = |reactor: &mut Reactor, found: fn() -> Found| {
            reactor.set_resolver(move |_, _| found());
            let (service, told) = tells();
            reactor.connect(&at, service).unwrap();
            assert!(told.try_recv().is_err(), "told before connect had returned");
            next(reactor, &told)
        };
        let unknown = fails(&mut patient, || Err(io::Error::other("no such name")));
        assert_eq!(unknown, "cannot look up nobody.example: no such name");
        let empty = fails(&mut patient, || Ok(Vec::new()));
        assert_eq!(empty, "cannot look up nobody.example: there is no address");
        let panicked = fails(&mut patient, || panic!("a bug in the resolver, on purpose"));
        assert_eq!(panicked, "cannot look up nobody.example: the resolver has panicked");
        let endless = fails(&mut hasty, || {
            loop {
                std::thread::park();
            }
        });
        assert_eq!(endless, "cannot look up nobody.example: timed out");
    }
    assert_eq!(patient.statistics().closed.connect_failed, 6);
    assert_eq!((patient.poll_timeout(), hasty.poll_timeout()), (None, None));
}

/// Closed or aborted while its name is looked up, a connection goes at once, and the late answer finds
/// nothing, not even who has its slot now. What was sent before a close is still delivered.
#[test]
fn a_late_answer_finds_nothing() {
    let mut reactor = reactor(Config::default());
    let resolver = Resolver::of(&mut reactor);
    let echo = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let at = endpoint("tcp://slow.example:80");
    for abort in [false, true] {
        let (service, told) = tells();
        let service = reactor.add(service);
        let id = reactor.context(service).connect(&at).unwrap();
        let late = resolver.asked();
        let mut cx = reactor.context(service);
        match abort {
            true => cx.source(id).abort(),
            false => cx.source(id).close(),
        }
        assert_eq!(next(&mut reactor, &told), "Closed");
        let after = reactor.context(service).connect(&at).unwrap();
        assert_eq!(after.slot(), id.slot());
        let question = resolver.asked();
        late.answer(&[([127, 0, 0, 1], 9).into()]);
        turn_until_quiet(&mut reactor);
        assert!(told.try_recv().is_err());
        question.answer(&[echo]);
        assert_eq!(next(&mut reactor, &told), "opened");
    }

    let (service, told) = tells();
    let service = reactor.add(service);
    let id = reactor.context(service).connect(&at).unwrap();
    let mut cx = reactor.context(service);
    let mut cx = cx.source(id);
    cx.send(b"last words");
    cx.close();
    turn_until_quiet(&mut reactor);
    assert!(told.try_recv().is_err());
    resolver.asked().answer(&[echo]);
    assert_eq!([next(&mut reactor, &told), next(&mut reactor, &told)], ["opened", "Closed"]);
}

/// Many names at once: a few threads look them up, and every one gets its answer. What was given up
/// before its turn isn't looked up at all; too many are refused with a reason.
#[test]
fn many_names_wait_for_a_few_threads() {
    const THREADS: usize = 16;
    const WAITING: usize = 1024;
    let mut reactor = reactor(Config::default());
    let resolver = Resolver::of(&mut reactor);
    let echo = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let service = reactor.add(Does::new());
    let connect = |reactor: &mut Reactor| {
        reactor.context(service).connect(&endpoint("tcp://slow.example:80"))
    };
    let first: Vec<Id> = (0..THREADS).map(|_| connect(&mut reactor).unwrap()).collect();
    let questions: Vec<Question> = first.iter().map(|_| resolver.asked()).collect();
    let waiting: Vec<Id> = (0..WAITING).map(|_| connect(&mut reactor).unwrap()).collect();
    let refused = connect(&mut reactor).unwrap_err();
    assert_eq!(
        describe(&refused),
        "cannot connect to tcp://slow.example:80: too many names wait to be looked up"
    );
    for &id in &waiting[8..] {
        reactor.context(service).source(id).close();
    }
    turn_until_quiet(&mut reactor);
    let after = connect(&mut reactor).unwrap(); // They have made room.
    assert!(resolver.questions.try_recv().is_err(), "one thread too many");
    questions.iter().for_each(|question| question.answer(&[echo]));
    (0..9).for_each(|_| resolver.asked().answer(&[echo]));
    turn_until(&mut reactor, |reactor| reactor.statistics().connected == THREADS as u64 + 9);
    assert!(reactor.context(service).source(after).peer().is_some());
    assert!(resolver.questions.try_recv().is_err(), "asked for nobody");
}

/// A graceful stop doesn't wait for a name that nothing was sent to; for one that something was, it
/// does, as long as it waits for anything that stands still. A stop at once waits for nothing.
#[test]
fn a_stop_does_not_hang_on_a_name() {
    for scheme in ["tcp", "udp"] {
        for (how, sent) in
            [(Stop::Gracefully, false), (Stop::Gracefully, true), (Stop::AtOnce, true)]
        {
            let config = Config { linger: Duration::from_millis(50), ..Config::default() };
            let mut reactor = reactor(config);
            let resolver = Resolver::of(&mut reactor);
            let (service, told) = tells();
            let service = reactor.add(service);
            let at = endpoint(&format!("{scheme}://slow.example:80"));
            let id = reactor.context(service).connect(&at).unwrap();
            let mut cx = reactor.context(service);
            if sent {
                assert!(cx.source(id).send_all(b"kept"));
            }
            cx.stop(how);
            let _question = resolver.asked();
            run(&mut reactor);
            assert_eq!(told.try_recv().unwrap(), "Stopped");
        }
    }
}

/// A name that is found while the reactor is stopping: what was sent to it is delivered.
#[test]
fn a_name_is_found_while_stopping() {
    let peer = udp("127.0.0.1:0", None);
    let server = serve(Config::default(), Echo);
    let mut reactor = reactor(Config::default());
    let resolver = Resolver::of(&mut reactor);
    let (service, told) = tells();
    let service = reactor.add(service);
    for at in ["udp://a.example:1", "tcp://b.example:1"] {
        let id = reactor.context(service).connect(&endpoint(at)).unwrap();
        reactor.context(service).source(id).send(b"kept");
        let question = resolver.asked();
        let address = if at.starts_with("udp") { peer.local_addr().unwrap() } else { server.made };
        if at.starts_with("tcp") {
            reactor.context(service).stop(Stop::Gracefully);
            turn_until_quiet(&mut reactor);
        }
        question.answer(&[address]);
    }
    run(&mut reactor);
    assert_eq!(datagram(&peer), b"kept");
    assert_eq!(server.until(|it| it.bytes_in > 0).bytes_in, 4);
    let told: Vec<_> = told.try_iter().collect(); // What comes back may come too late.
    assert_eq!((told[0].as_str(), told[told.len() - 1].as_str()), ("opened", "Stopped"));
}

/// A reactor that is dropped waits for no thread, and gives back all it has, whatever the threads still do.
#[test]
fn a_dropped_reactor_waits_for_no_name() {
    let mut reactor = reactor(Config::default());
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let ((ask, asked), (answers, answer)) = (mpsc::channel(), mpsc::channel::<()>());
    let answer = Mutex::new(answer);
    reactor.set_resolver(move |_, _| {
        let _held = &held;
        ask.send(()).unwrap();
        let _ = answer.lock().unwrap().recv();
        Ok(Vec::new())
    });
    reactor.connect(&endpoint("tcp://slow.example:80"), Echo).unwrap();
    asked.recv_timeout(DEADLINE).unwrap();
    drop(reactor);
    assert!(weak.upgrade().is_some()); // The thread is still in it,
    drop(answers);
    assert!(asked.recv_timeout(DEADLINE).is_err()); // and when it comes back, all has gone.
}

/// What is sent to a datagram socket before the name of its peer is known is kept with its borders, up to a
/// number, and leaves in order; others are dropped and counted. A close comes behind it.
#[test]
fn early_datagrams_are_kept() {
    const KEPT: usize = 32;
    let peer = udp("127.0.0.1:0", None);
    let mut reactor = reactor(Config::default());
    let resolver = Resolver::of(&mut reactor);
    let (service, told) = tells();
    let service = reactor.add(service);
    for close in [false, true] {
        let at = endpoint("udp://slow.example:80");
        let id = reactor.context(service).connect(&at).unwrap();
        let mut cx = reactor.context(service);
        let mut cx = cx.source(id);
        let dropped = cx.statistics().dropped.no_room;
        for i in 0..KEPT {
            assert!(cx.send_all(&pattern(i)), "{i}"); // The first one is empty.
        }
        assert!(!cx.send_all(b"one too many") && cx.send(b"and another") == 0);
        assert_eq!(cx.statistics().dropped.no_room, dropped + 2);
        cx.finish(); // Means nothing here, as for any datagram socket.
        if close {
            cx.close();
            assert!(!cx.send_all(b"behind the end"));
        }
        resolver.asked().answer(&[peer.local_addr().unwrap()]);
        turn_until(&mut reactor, |reactor| {
            reactor.statistics().datagrams_out >= if close { 2 * KEPT + 1 } else { KEPT } as u64
        });
        for i in 0..KEPT {
            assert_eq!(datagram(&peer), pattern(i));
        }
        let mut cx = reactor.context(service);
        let mut cx = cx.source(id);
        assert_eq!((cx.is_open(), cx.queued()), (!close, 0));
        if !close {
            assert_eq!(cx.peer(), Some(peer.local_addr().unwrap().into()));
            assert!(cx.send_all(b"later"));
            turn_until_quiet(&mut reactor);
            assert_eq!(datagram(&peer), b"later");
            reactor.context(service).source(id).close();
        }
        assert_eq!(reactor.statistics().buffered, 0);
    }
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["Closed"]); // Of the one that was still looked up.
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
}
