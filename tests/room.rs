//! When there is no room, and when there is again: what a service may rely on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use echoloop::{Address, Config, Context, Half, Pong, Reactor, Service};

/// Turns until this holds.
#[track_caller]
fn turn_until(reactor: &mut Reactor, mut holds: impl FnMut(&mut Reactor) -> bool) {
    for _ in 0..10_000 {
        if holds(reactor) {
            return;
        }
        reactor.turn(Some(Duration::from_millis(1))).unwrap();
    }
    panic!("it never happened");
}

/// Many answers to few bytes: lines that the first answers left no room for are answered when those
/// have gone, although nothing more arrives that would have them shown again.
#[test]
fn pong_goes_on_with_the_lines_that_had_no_room() {
    const LINES: usize = 60_000;

    let config = Config { output_limit: 10_000, send_buffer: Some(8_192), ..Config::default() };
    let mut reactor = Reactor::new(config).unwrap();
    let listener = reactor.listen(&"tcp://127.0.0.1:0".parse().unwrap(), Pong::default()).unwrap();
    let Some(Address::Ip(address)) = reactor.local(listener) else { panic!("not bound") };
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(&[b'\n'; LINES]).unwrap();
    client.set_nonblocking(true).unwrap();
    let (mut answers, mut buffer) = (0, [0; 4096]);
    turn_until(&mut reactor, |_| {
        while let Ok(read) = client.read(&mut buffer) {
            answers += read;
        }
        answers == LINES * "pong\n".len()
    });
}

/// Sends a little more than the kernel takes, and asks to be told when it is out.
struct Sender {
    writable: usize,
}

impl Service for Sender {
    fn writable(&mut self, cx: &mut Context<'_>) {
        self.writable += 1;
        assert_eq!(cx.queued(), 0);
        assert!(!cx.await_writable(), "there is nothing to wait for");
    }
}

#[test]
fn who_asks_for_room_is_told_once_when_all_is_out() {
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let service = reactor.add(Sender { writable: 0 });
    let mut cx = reactor.context(service);
    let id = cx.adopt(ours, Half::Both).unwrap();
    let mut cx = cx.source(id);
    assert!(!cx.await_writable());
    let mut sent = 0;
    while cx.queued() == 0 {
        sent += cx.send(&[7; 1000]);
    }
    assert!(cx.await_writable());

    theirs.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65_536];
    turn_until(&mut reactor, |reactor| {
        while let Ok(read) = theirs.read(&mut buffer) {
            sent -= read;
        }
        sent == 0 && reactor.with(service, |it: &mut Sender, _| it.writable).unwrap() > 0
    });
    for _ in 0..10 {
        reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    assert_eq!(reactor.with(service, |it: &mut Sender, _| it.writable).unwrap(), 1);
}

/// Answers a small message, and looks whether that is kept.
struct Asker {
    kept: Vec<bool>,
}

impl Service for Asker {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        cx.send(input);
        self.kept.push(cx.await_writable());
        input.len()
    }
}

/// Small sends may be gathered for a moment; whether anything is kept is known all the same.
#[test]
fn what_is_gathered_is_not_taken_for_what_is_kept() {
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let service = reactor.add(Asker { kept: Vec::new() });
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        reactor.context(service).adopt(ours, Half::Both).unwrap();
        theirs.write_all(b"x").unwrap();
        clients.push(theirs);
    }
    turn_until(&mut reactor, |reactor| {
        reactor.with(service, |it: &mut Asker, _| it.kept.clone()).unwrap() == [false; 3]
    });
}

/// Takes a byte each time it is called, however many there are.
struct Nibbler {
    seen: Vec<u8>,
}

impl Service for Nibbler {
    fn received(&mut self, _cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.seen.push(input[0]);
        1
    }
}

/// No pause is needed to leave a message for later.
#[test]
fn resume_shows_again_what_was_not_taken() {
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let service = reactor.add(Nibbler { seen: Vec::new() });
    let id = reactor.context(service).adopt(ours, Half::Both).unwrap();
    theirs.write_all(b"abc").unwrap();
    for expected in [&b"a"[..], b"ab", b"abc"] {
        turn_until(&mut reactor, |reactor| {
            reactor.with(service, |it: &mut Nibbler, _| it.seen.clone()).unwrap() == expected
        });
        for _ in 0..3 {
            reactor.turn(Some(Duration::ZERO)).unwrap();
        }
        assert_eq!(reactor.with(service, |it: &mut Nibbler, _| it.seen.clone()).unwrap(), expected);
        reactor.context(service).source(id).resume();
    }
}
