//! Sends, and recognises replies.

use std::io;
use std::time::Instant;

use echoloop::{Cause, Context, Error, Id, Peer, Service, TimerId};

use super::Ping;
use super::args::Args;
use super::course::{CATCH_UP, Course, Tick};
use super::payload::Payload;
use super::report::Fault;
use crate::cli::family::Known;

/// The pieces in which a message is made: as much as a socket takes at once, more or less.
const PIECE: usize = 64 * 1024;

/// The longest answer line; also what is shown of a wrong one.
const LONGEST_LINE: usize = 32 * 1024;
const SHOWN: usize = 40;

/// Pings with messages: each is sent whole, and its reply compared byte for byte.
pub(super) struct Pinger {
    course: Course,
    target: Known,
    payload: Payload,
    /// What a server that doesn't echo answers each line with.
    expected: Option<Vec<u8>>,
    is_datagram: bool,
    socket: Option<Id>,
    /// When the last attempt to connect began.
    dialled: Instant,
    /// A message that a stream has not taken to its end: its number and how much of it is out.
    outgoing: Option<(u64, usize)>,
    incoming: Incoming,
    scratch: Vec<u8>,
}

/// The reply that a stream is bringing.
#[derive(Debug, Default)]
struct Incoming {
    number: u64,
    bytes: usize,
    fault: Option<Fault>,
}

/// Set-up and end.
impl Pinger {
    pub(super) fn new(course: Course, target: Known, payload: Payload, args: &Args) -> Pinger {
        Pinger {
            course,
            target,
            payload,
            expected: args.expected(),
            is_datagram: args.endpoint.is_datagram(),
            socket: None,
            dialled: Instant::now(),
            outgoing: None,
            incoming: Incoming::default(),
            scratch: Vec::new(),
        }
    }

    fn connect(&mut self, cx: &mut Context<'_>) {
        self.dialled = Instant::now();
        match self.target.connect(cx) {
            // It is connected at once, and nobody says so.
            Ok(socket) if self.is_datagram => self.connected(&mut cx.source(socket)),
            Ok(_) => {}
            Err(error) => self.course.unreached(cx, &error.into()),
        }
    }

    fn connected(&mut self, cx: &mut Context<'_>) {
        self.socket = Some(cx.id());
        self.incoming = Incoming { number: self.course.next_number(), ..Incoming::default() };
        if !self.is_datagram {
            self.course.tally.connect = Some(self.dialled.elapsed());
        }
        self.course.begin(cx.peer().map(|peer| peer.to_string()));
        self.send_due(cx);
    }
}

impl Ping for Pinger {
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        self.course.prepare(cx);
        self.connect(cx);
        Ok(())
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }
}

/// Sending.
impl Pinger {
    /// Sends what is due, and sets the timer for the next; as long as there is no connection, tries to make one.
    fn send_due(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = self.socket else { return self.connect(cx) };
        let mut cx = cx.source(socket);
        for _ in 0..CATCH_UP {
            if self.outgoing.is_some() {
                break;
            }
            let Some(number) = self.course.due() else { break };
            self.send_one(&mut cx, number);
        }
        self.course.skip_overdue();
        self.set_timers(&mut cx);
    }

    fn set_timers(&mut self, cx: &mut Context<'_>) {
        self.course.set_timers(cx, self.outgoing.is_none());
    }

    fn send_one(&mut self, cx: &mut Context<'_>, number: u64) {
        if self.is_datagram {
            self.payload.piece(number, 0, usize::MAX, &mut self.scratch);
            cx.send(&self.scratch);
        } else {
            self.outgoing = Some((number, 0));
            self.push(cx);
        }
    }

    /// Sends on, as far as the stream takes it.
    fn push(&mut self, cx: &mut Context<'_>) {
        while let Some((number, sent)) = self.outgoing {
            self.payload.piece(number, sent, PIECE, &mut self.scratch);
            let taken = cx.send(&self.scratch);
            let sent = sent + taken;
            self.outgoing = (sent < self.payload.size()).then_some((number, sent));
            if taken < self.scratch.len() {
                return;
            }
        }
    }
}

/// Receiving.
impl Pinger {
    /// Bytes of an echo, compared as they come.
    fn echoed(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let size = self.payload.size();
        let mut taken = 0;
        while taken < input.len() {
            let Incoming { number, bytes, .. } = self.incoming;
            if number >= self.course.next_number() {
                self.answered(cx, number, input.len() - taken, None); // To nothing that we sent.
                return input.len();
            }
            let part = &input[taken..input.len().min(taken + size - bytes)];
            let wrong = self.payload.check(number, bytes, part, &mut self.scratch);
            let incoming = &mut self.incoming;
            incoming.fault = incoming.fault.take().or(wrong.map(Fault::Byte));
            incoming.bytes += part.len();
            taken += part.len();
            if incoming.bytes == size {
                let fault = incoming.fault.take();
                self.incoming = Incoming { number: number + 1, ..Incoming::default() };
                self.answered(cx, number, size, fault);
            }
        }
        taken
    }

    /// Lines of a server that answers in its own words.
    fn told(&mut self, cx: &mut Context<'_>, input: &[u8], expected: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(newline) = input[taken..].iter().position(|&byte| byte == b'\n') {
            let line = &input[taken..taken + newline];
            taken += newline + 1;
            let number = self.incoming.number;
            self.incoming.number += u64::from(number < self.course.next_number());
            self.answered(cx, number, newline + 1, compare(line, expected));
        }
        if input.len() - taken > LONGEST_LINE {
            cx.close_because("the server sent a line without an end");
        }
        taken
    }

    /// A reply is complete.
    fn answered(&mut self, cx: &mut Context<'_>, number: u64, bytes: usize, fault: Option<Fault>) {
        if self.course.answered(cx, number, bytes, fault) {
            self.send_due(cx);
        }
    }

    /// Which message a datagram answers, and whether it is right.
    fn recognise(&mut self, payload: &[u8]) -> (u64, Option<Fault>) {
        let oldest = self.course.oldest_waiting();
        if let Some(expected) = &self.expected {
            let line = payload.strip_suffix(b"\n").unwrap_or(payload);
            return (oldest.unwrap_or(u64::MAX), compare(line, expected));
        }
        let expected = &self.payload;
        let carried = expected.number(payload, self.course.next_number());
        let number = carried.or(oldest).unwrap_or(u64::MAX);
        if payload.len() != expected.size() {
            return (number, Some(Fault::Length));
        }
        let wrong = expected.check(number, 0, payload, &mut self.scratch);
        (number, wrong.map(Fault::Byte))
    }
}

/// What is wrong with the answer, its `\n` left out.
fn compare(line: &[u8], expected: &[u8]) -> Option<Fault> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = || String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
    (line != expected).then(|| Fault::Line(shown()))
}

impl Service for Pinger {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.connected(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        match self.expected.take() {
            Some(expected) => {
                let taken = self.told(cx, input, &expected);
                self.expected = Some(expected);
                taken
            }
            None => self.echoed(cx, input),
        }
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.push(cx);
        self.set_timers(cx);
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        cx.close_because("the server has ended the connection");
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let (number, fault) = self.recognise(payload);
        self.answered(cx, number, payload.len(), fault);
    }

    fn unreachable(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        self.course.error(cx, error);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        loop {
            match self.course.tick(cx, timer) {
                Tick::Due => return self.send_due(cx),
                Tick::Lost(number) => self.course.lost(cx, number),
                Tick::Nothing => return self.set_timers(cx),
            }
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        match cause {
            Cause::Stopped => {}
            Cause::ConnectFailed(error) => self.course.unreached(cx, error),
            _ => {
                if self.course.disconnected(cx, cause) {
                    (self.socket, self.outgoing) = (None, None);
                }
            }
        }
    }
}
