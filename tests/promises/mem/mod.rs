//! What is in memory: both ends in one reactor, no thread, no port, nothing to wait for.

mod datagrams;
mod edges;
mod streams;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use echoloop::{Cause, Config, Context, Id, Reactor, Service};

use crate::support::*;

/// What a client has seen.
#[derive(Debug, Default)]
struct Seen {
    opened: u32,
    sent: usize,
    got: Vec<u8>,
    ended: bool,
    causes: Vec<String>,
}

/// The other end of a stream: sends its bytes in pieces, and then its end.
struct Client {
    bytes: Vec<u8>,
    piece: usize,
    seen: Rc<RefCell<Seen>>,
}

impl Client {
    fn new(bytes: &[u8], piece: usize) -> (Client, Rc<RefCell<Seen>>) {
        let seen = Rc::<RefCell<Seen>>::default();
        (Client { bytes: bytes.to_vec(), piece, seen: Rc::clone(&seen) }, seen)
    }

    fn go_on(&mut self, cx: &mut Context<'_>) {
        let mut seen = self.seen.borrow_mut();
        while seen.sent < self.bytes.len() {
            let rest = &self.bytes[seen.sent..];
            let piece = &rest[..rest.len().min(self.piece)];
            let taken = cx.send(piece);
            seen.sent += taken;
            if taken < piece.len() {
                return;
            }
        }
        cx.finish();
    }
}

impl Service for Client {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.seen.borrow_mut().opened += 1;
        self.go_on(cx);
    }

    fn received(&mut self, _: &mut Context<'_>, input: &[u8]) -> usize {
        self.seen.borrow_mut().got.extend_from_slice(input);
        input.len()
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn ended(&mut self, cx: &mut Context<'_>, _: &[u8]) {
        self.seen.borrow_mut().ended = true;
        cx.close();
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        cx.finish(); // It still wants to hear the rest.
    }

    fn closed(&mut self, _: &mut Context<'_>, cause: &Cause) {
        self.seen.borrow_mut().causes.push(cause.to_string());
    }
}

/// A reactor with a service at `mem://x`.
#[track_caller]
fn served(config: Config, service: impl Service) -> (Reactor, Id) {
    let mut reactor = reactor(config);
    let listener = reactor.listen(&endpoint("mem://x"), service).unwrap();
    (reactor, listener)
}

#[track_caller]
fn connect(reactor: &mut Reactor, bytes: &[u8], piece: usize) -> Rc<RefCell<Seen>> {
    let (client, seen) = Client::new(bytes, piece);
    reactor.connect(&endpoint("mem://x"), client).unwrap();
    seen
}

/// Turns for as long as there is something to do, which in memory is until all is done, without waiting.
#[track_caller]
fn settle(reactor: &mut Reactor) {
    for _ in 0..1_000_000 {
        if reactor.poll_timeout() != Some(Duration::ZERO) {
            return;
        }
        reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    panic!("it never comes to rest: {}", reactor.statistics());
}
