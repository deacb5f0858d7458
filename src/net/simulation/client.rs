//! The other end, scripted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::net::service::{Context, Service};
use crate::values::{Cause, Peer, TimerId};

/// What a [`Client`] does, one thing after the other. What comes is received meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: VecDeque<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Await(usize),
    Pause(Duration),
    Deaf(Duration),
    End,
    Abort,
}

impl Script {
    /// Connects, and stays.
    pub fn new() -> Script {
        Script::default()
    }

    fn then(mut self, step: Step) -> Script {
        self.steps.push_back(step);
        self
    }

    /// Sends these bytes, as fast as they are taken; on a datagram socket, as one datagram.
    pub fn sends(self, bytes: impl Into<Vec<u8>>) -> Script {
        self.then(Step::Send(bytes.into()))
    }

    /// Waits until so many bytes have come in all, be it in datagrams.
    pub fn awaits(self, bytes: usize) -> Script {
        self.then(Step::Await(bytes))
    }

    /// Waits for so long.
    pub fn waits(self, time: Duration) -> Script {
        self.then(Step::Pause(time))
    }

    /// Takes nothing in for so long.
    pub fn is_deaf(self, time: Duration) -> Script {
        self.then(Step::Deaf(time))
    }

    /// Says that it has sent its last byte, and goes when the service has done so too; a datagram socket is
    /// closed.
    pub fn ends(self) -> Script {
        self.then(Step::End)
    }

    /// Goes at once.
    pub fn aborts(self) -> Script {
        self.then(Step::Abort)
    }
}

/// A client of a [`Simulation`](crate::Simulation): what has become of it.
#[derive(Clone, Debug)]
pub struct Client {
    seen: Rc<RefCell<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    received: Vec<u8>,
    datagrams: Vec<Vec<u8>>,
    sent: usize,
    opened: usize,
    closed: usize,
    has_ended: bool,
    cause: Option<String>,
}

impl Seen {
    fn heard(&self) -> usize {
        self.received.len() + self.datagrams.iter().map(Vec::len).sum::<usize>()
    }
}

impl Client {
    /// All bytes that have come so far.
    pub fn received(&self) -> Vec<u8> {
        self.seen.borrow().received.clone()
    }

    /// The datagrams that have come so far.
    pub fn datagrams(&self) -> Vec<Vec<u8>> {
        self.seen.borrow().datagrams.clone()
    }

    /// How many bytes have been taken from it so far.
    pub fn sent(&self) -> usize {
        self.seen.borrow().sent
    }

    /// Whether the service has sent its last byte, in order.
    pub fn has_ended(&self) -> bool {
        self.seen.borrow().has_ended
    }

    /// How often it has been told that it is connected, and that it has gone: once each, at most.
    pub fn opened_and_closed(&self) -> (usize, usize) {
        (self.seen.borrow().opened, self.seen.borrow().closed)
    }

    /// Why it has gone, in words.
    pub fn cause(&self) -> Option<String> {
        self.seen.borrow().cause.clone()
    }
}

/// Plays a script, and tells what it sees.
pub(super) fn play(script: Script, is_datagram: bool) -> (impl Service, Client) {
    let seen = Rc::<RefCell<Seen>>::default();
    let (steps, shared) = (script.steps, Rc::clone(&seen));
    let player = Player { steps, is_datagram, sent: 0, seen: shared, wakes: None };
    (player, Client { seen })
}

struct Player {
    steps: VecDeque<Step>,
    is_datagram: bool,
    /// Of the first step's bytes.
    sent: usize,
    seen: Rc<RefCell<Seen>>,
    /// The timer that the first step waits for.
    wakes: Option<TimerId>,
}

impl Player {
    fn go_on(&mut self, cx: &mut Context<'_>) {
        while let Some(step) = self.steps.front() {
            match step {
                Step::Send(bytes) if self.is_datagram => {
                    self.seen.borrow_mut().sent += cx.send(bytes); // Or it is lost.
                }
                Step::Send(bytes) => {
                    let taken = cx.send(&bytes[self.sent..]);
                    self.sent += taken;
                    self.seen.borrow_mut().sent += taken;
                    if self.sent < bytes.len() {
                        return; // Until there is room.
                    }
                    self.sent = 0;
                }
                Step::Await(bytes) if self.seen.borrow().heard() < *bytes => return,
                Step::Await(_) => {}
                Step::Pause(time) | Step::Deaf(time) => {
                    if self.wakes.is_none() {
                        self.wakes = Some(cx.after(*time));
                        if matches!(step, Step::Deaf(_)) {
                            cx.pause();
                        }
                    }
                    return;
                }
                Step::End if self.is_datagram => cx.close(),
                Step::End => cx.finish(),
                Step::Abort => cx.abort(),
            }
            self.steps.pop_front();
        }
    }
}

impl Service for Player {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.seen.borrow_mut().opened += 1;
        self.go_on(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.seen.borrow_mut().received.extend_from_slice(input);
        if let Some(Step::Await(_)) = self.steps.front() {
            self.go_on(cx);
        }
        input.len()
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _: &Peer, payload: &[u8]) {
        self.seen.borrow_mut().datagrams.push(payload.to_vec());
        if let Some(Step::Await(_)) = self.steps.front() {
            self.go_on(cx);
        }
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if self.wakes == Some(timer) {
            self.wakes = None;
            self.steps.pop_front();
            cx.resume();
            self.go_on(cx);
        } else if self.is_datagram {
            self.go_on(cx); // It begins.
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, _: &[u8]) {
        self.seen.borrow_mut().has_ended = true;
        if self.steps.is_empty() {
            cx.close();
        }
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.steps.clear();
        cx.finish(); // It hears the service out.
    }

    fn closed(&mut self, _: &mut Context<'_>, cause: &Cause) {
        let mut seen = self.seen.borrow_mut();
        seen.closed += 1;
        seen.cause = Some(cause.to_string());
    }
}
