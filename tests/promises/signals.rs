//! Signals as sources of the loop. Each test has signals of its own, since all of the process hears them.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use echoloop::{Config, Context, Echo, Reactor, Stop, describe};
use signal_hook::consts::{SIGCONT, SIGKILL, SIGTERM, SIGURG, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::low_level::raise;

use crate::support::*;

/// A reactor that tells of a signal.
#[track_caller]
fn hears(signal: i32) -> (Reactor, mpsc::Receiver<()>) {
    let mut reactor = reactor(Config::default());
    let (sender, heard) = mpsc::channel();
    reactor.on_signal(signal, move |_| sender.send(()).unwrap()).unwrap();
    (reactor, heard)
}

#[test]
fn everybody_who_asks_hears_a_signal() {
    let (mut one, ones) = hears(SIGUSR1);
    let (mut other, others) = hears(SIGUSR1);
    for _ in 0..2 {
        raise(SIGUSR1).unwrap();
        turn_until(&mut one, |_| ones.try_recv().is_ok());
        turn_until(&mut other, |_| others.try_recv().is_ok());
    }
    drop(other);
    raise(SIGUSR1).unwrap(); // Nobody but the first one is there to hear it.
    turn_until(&mut one, |_| ones.try_recv().is_ok());
}

/// From inside a callback; the source can be closed, and then the action is dropped.
#[test]
fn nobody_hears_a_signal_once_its_source_is_closed() {
    let mut reactor = reactor(Config::default());
    let (sender, heard) = mpsc::channel();
    let service = reactor.add(Echo);
    let once = reactor.with(service, |_, cx| {
        cx.on_signal(SIGUSR2, move |cx| {
            sender.send(()).unwrap();
            cx.close();
        })
    });
    once.unwrap().unwrap();
    raise(SIGUSR2).unwrap();
    turn_until(&mut reactor, |_| heard.try_recv().is_ok());
    let ended = || heard.try_recv() == Err(mpsc::TryRecvError::Disconnected);
    turn_until(&mut reactor, |_| ended());
    raise(SIGUSR2).unwrap(); // It does nothing any more, also not what it does by default.
    reactor.turn(Some(Duration::ZERO)).unwrap();
}

/// A graceful stop doesn't wait for signals, and they aren't counted as connections.
#[test]
fn a_stop_does_not_wait_for_signals() {
    let (mut reactor, _heard) = hears(SIGWINCH);
    assert_eq!(reactor.statistics().open, 0);
    reactor.handle().stop(Stop::Gracefully).unwrap();
    reactor.turn(None).unwrap();
    assert!(reactor.is_stopped());
    let error = reactor.on_signal(SIGCONT, |_| ()).unwrap_err();
    assert!(describe(&error).ends_with("the reactor has stopped"), "{}", describe(&error));
}

/// The first one is graceful: a client that has said something gets its answer.
/// What tells of a signal inside is no traffic; while the action runs, too.
#[test]
fn signals_are_no_traffic() {
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let (sender, seen) = mpsc::channel();
    let tell = move |cx: &mut Context<'_>| sender.send(cx.statistics()).unwrap();
    reactor.on_signal(SIGURG, tell).unwrap();
    for _ in 0..3 {
        raise(SIGURG).unwrap();
        let within = loop {
            reactor.turn(Some(Duration::from_secs(1))).unwrap();
            if let Ok(statistics) = seen.try_recv() {
                break statistics;
            }
        };
        for statistics in [within, reactor.statistics()] {
            assert_eq!((statistics.bytes_in, statistics.messages_in), (0, 0));
        }
    }
}

#[test]
fn a_signal_stops_gracefully() {
    let mut reactor = reactor(Config::default());
    reactor.stop_on_signals().unwrap();
    let at = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(at);
    std::io::Write::write_all(&mut client, b"hello").unwrap();
    raise(SIGTERM).unwrap();
    let reading = std::thread::spawn(move || rest(&mut client));
    run(&mut reactor);
    assert_eq!(reading.join().unwrap(), b"hello");
}

#[test]
fn what_can_not_be_caught_is_refused() {
    let mut reactor = reactor(Config::default());
    let error = reactor.on_signal(SIGKILL, |_| ()).unwrap_err();
    assert_eq!(describe(&error), "cannot catch signal 9: it can't be caught");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        describe(&reactor.on_signal(12_345, |_| ()).unwrap_err()),
        "cannot catch signal 12345: invalid argument"
    );
}
