//! The last moments of a stop, and what is left after a beginning that failed: nothing.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use echoloop::{Config, Echo, Error, Half, Stop};

use crate::support::*;

/// Who is told of the end can't begin anything any more: it would be neither served nor closed.
#[test]
fn nothing_is_begun_while_all_is_closed() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (late, _latecomer) = UnixStream::pair().unwrap();
    let mut late = Some(OwnedFd::from(late));
    let (sender, refused) = mpsc::channel();
    let service = Does::new().closed(move |cx, _| {
        let adopted = cx.adopt(late.take().unwrap(), Half::Both);
        let listens = cx.listen(&endpoint("tcp://127.0.0.1:0"));
        sender.send(adopted.is_err() && listens.is_err()).unwrap();
        cx.after(Duration::ZERO);
    });
    let mut reactor = reactor(Config::default());
    let service = reactor.add(service);
    reactor.context(service).adopt(ours, Half::Both).unwrap();
    reactor.context(service).stop(Stop::AtOnce);
    let statistics = run(&mut reactor);
    assert_eq!((refused.try_recv(), statistics.open), (Ok(true), 0));
    assert_eq!(reactor.poll_timeout(), None);
    expect_end(&mut theirs, b"");
}

/// Who has been served, and is put into the background before all others are, isn't told any more.
#[test]
fn who_goes_into_the_background_is_not_told() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (paused, mut waits) = UnixStream::pair().unwrap();
    let (sender, told) = mpsc::channel();
    let quiet = Does::new().stopping(move |cx| sender.send(cx.id()).unwrap());
    let pauses = Does::new().received(|cx, _| {
        cx.pause();
        0
    });
    let config = Config { linger: Duration::from_secs(3600), ..Config::default() };
    let mut reactor = reactor(config);
    let (quiet, pauses) = (reactor.add(quiet), reactor.add(pauses));
    let background = reactor.context(quiet).adopt(ours, Half::Both).unwrap();
    let busy = reactor.context(pauses).adopt(paused, Half::Both).unwrap();
    waits.write_all(b"work").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().messages_in == 1);
    reactor.context(quiet).stop(Stop::Gracefully);
    for _ in 0..3 {
        reactor.turn(Some(Duration::ZERO)).unwrap(); // The first is served, the second holds it up.
    }
    reactor.context(quiet).source(background).unref();
    reactor.context(pauses).source(busy).abort();
    run(&mut reactor);
    assert_eq!(told.try_iter().count(), 0);
    expect_end(&mut theirs, b"");
}

/// A set-up that fails leaves nothing behind, timers included.
#[test]
fn a_failed_beginning_leaves_nothing() {
    let mut reactor = reactor(Config::default());
    let made = reactor.start(|cx| -> Result<Echo, Error> {
        cx.every(Duration::from_secs(1));
        cx.listen(&endpoint("tcp://127.0.0.1:0"))?;
        Err(cx.listen(&endpoint("unix:///no/such/directory/x")).unwrap_err())
    });
    assert!(made.is_err());
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
}

/// After the stop there is nothing to do, whatever timers there were; the host isn't woken for any.
#[test]
fn nothing_comes_due_after_the_stop() {
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Does::echo().timer(|_, _| panic!("it has stopped")));
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(address);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    let beat = reactor.context(service).every(Duration::from_secs(3600));
    reactor.context(service).stop(Stop::Gracefully);
    run(&mut reactor);
    expect_end(&mut client, b"");
    reactor.context(service).after(Duration::ZERO);
    assert!(!reactor.context(service).cancel(beat));
    assert_eq!(reactor.poll_timeout(), None);
    reactor.turn(Some(Duration::ZERO)).unwrap();
}
