//! Sends, recognises replies, and keeps time.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use echoloop::{Cause, Context, Id, Peer, Service, Stop, TimerId, describe};

use super::Args;
use super::payload::Payload;
use super::report::{Fault, Reply, Report};
use super::tally::Tally;
use super::window::{Verdict, Window};
use crate::cli::printer;

/// The pieces in which a message is made: as much as a socket takes at once, more or less.
const PIECE: usize = 64 * 1024;

/// How long a flood waits for a reply before it sends on, as ping(8) does: a hundred a second.
const FLOOD: Duration = Duration::from_millis(10);

/// How many messages may be made up for in one turn after the loop was late.
const CATCH_UP: u32 = 64;

/// The longest answer line; also what is shown of a wrong one.
const LONGEST_LINE: usize = 32 * 1024;
const SHOWN: usize = 40;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) payload: Payload,
    pub(super) count: Option<u64>,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) flood: bool,
    /// What a server that doesn't echo answers each line with.
    pub(super) expected: Option<Vec<u8>>,
    pub(super) is_datagram: bool,
}

/// Pings.
///
/// ```text
///   next due ──▶ send ──▶ Window: waiting ──▶ reply: checked, timed, told
///      ▲                      └── timeout ──▶ lost
///      └── interval, or (flood) the reply
/// ```
pub(super) struct Pinger {
    plan: Plan,
    report: Report,
    window: Window,
    tally: Tally,
    started: Instant,
    socket: Option<Id>,
    /// When the next message is due.
    next: Instant,
    send_timer: Option<TimerId>,
    loss_timer: Option<TimerId>,
    /// A message that a stream has not taken to its end: its number and how much of it is out.
    outgoing: Option<(u64, usize)>,
    incoming: Incoming,
    error: Option<String>,
    is_interrupted: bool,
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
    pub(super) fn new(plan: Plan, report: Report) -> Pinger {
        let now = Instant::now();
        Pinger {
            plan,
            report,
            window: Window::default(),
            tally: Tally::default(),
            started: now,
            socket: None,
            next: now,
            send_timer: None,
            loss_timer: None,
            outgoing: None,
            incoming: Incoming::default(),
            error: None,
            is_interrupted: false,
            scratch: Vec::new(),
        }
    }

    /// The connection begins to be made now: names have been looked up.
    pub(super) fn begin(&mut self, now: Instant) {
        self.started = now;
    }

    /// Tells the result.
    /// Somebody has had enough.
    pub(super) fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    pub(super) fn finish(&mut self, args: &Args) -> ExitCode {
        if self.socket.is_some() {
            self.tally.elapsed = self.started.elapsed();
        }
        self.report.ends(args, &self.tally, self.error.as_deref(), self.is_interrupted);
        if let Some(error) = &self.error {
            printer::complain(&format!("echoloop: {error}\n"));
        }
        let good = self.tally.received > 0 && self.tally.wrong == 0 && self.error.is_none();
        if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
    }

    pub(super) fn connected(&mut self, cx: &mut Context<'_>) {
        self.socket = Some(cx.id());
        if !self.plan.is_datagram {
            self.tally.connect = Some(self.started.elapsed());
        }
        self.report.begins(cx.peer().map(|peer| peer.to_string()), self.tally.connect);
        self.started = Instant::now();
        self.next = self.started;
        self.send_due(cx);
    }
}

/// Sending.
impl Pinger {
    fn may_send(&self) -> bool {
        let enough = self.plan.count.is_some_and(|count| self.window.next() >= count);
        !enough && self.outgoing.is_none() && !self.window.is_full()
    }

    /// Sends what is due, and sets the timer for the next.
    fn send_due(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = self.socket else { return };
        let mut cx = cx.source(socket);
        let now = Instant::now();
        for _ in 0..CATCH_UP {
            if self.next > now || !self.may_send() {
                break;
            }
            self.send_one(&mut cx, now);
            self.next += self.step();
        }
        if self.next <= now {
            self.next = now + self.step(); // Too late to catch up, or waiting for a reader.
        }
        self.set_timers(&mut cx);
    }

    fn step(&self) -> Duration {
        if self.plan.flood { FLOOD } else { self.plan.interval }
    }

    fn set_timers(&mut self, cx: &mut Context<'_>) {
        let now = Instant::now();
        if self.may_send() {
            self.send_timer.take().map(|timer| cx.cancel(timer));
            self.send_timer = Some(cx.after(self.next.saturating_duration_since(cx.now())));
        }
        if self.loss_timer.is_none()
            && let Some(patience) = self.window.patience(now, self.plan.timeout)
        {
            self.loss_timer = Some(cx.after(now + patience - cx.now()));
        }
    }

    fn send_one(&mut self, cx: &mut Context<'_>, now: Instant) {
        let number = self.window.send(now);
        self.tally.sent += 1;
        self.report.sent();
        if self.plan.is_datagram {
            self.plan.payload.piece(number, 0, usize::MAX, &mut self.scratch);
            cx.send(&self.scratch);
        } else {
            self.outgoing = Some((number, 0));
            self.push(cx);
        }
    }

    /// Sends on, as far as the stream takes it.
    fn push(&mut self, cx: &mut Context<'_>) {
        while let Some((number, sent)) = self.outgoing {
            self.plan.payload.piece(number, sent, PIECE, &mut self.scratch);
            let taken = cx.send(&self.scratch);
            let sent = sent + taken;
            self.outgoing = (sent < self.plan.payload.size()).then_some((number, sent));
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
        let size = self.plan.payload.size();
        let mut taken = 0;
        while taken < input.len() {
            let Incoming { number, bytes, .. } = self.incoming;
            if number >= self.window.next() {
                self.answered(cx, number, input.len() - taken, None); // To nothing that we sent.
                return input.len();
            }
            let part = &input[taken..input.len().min(taken + size - bytes)];
            let wrong = self.plan.payload.check(number, bytes, part, &mut self.scratch);
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
            self.incoming.number += u64::from(number < self.window.next());
            self.answered(cx, number, newline + 1, compare(line, expected));
        }
        if input.len() - taken > LONGEST_LINE {
            cx.close_because("the server sent a line without an end");
        }
        taken
    }

    /// A reply is complete.
    fn answered(&mut self, cx: &mut Context<'_>, number: u64, bytes: usize, fault: Option<Fault>) {
        let verdict = self.window.reply(number, Instant::now());
        let tally = &mut self.tally;
        match verdict {
            Verdict::Reply { time, late, reordered } => {
                tally.received += 1;
                tally.late += u64::from(late);
                tally.reordered += u64::from(reordered);
                tally.times.add(time);
            }
            Verdict::Duplicate { .. } => tally.duplicates += 1,
            Verdict::Unexpected => tally.unexpected += 1,
        }
        tally.wrong += u64::from(fault.is_some());
        self.report.reply(&Reply { number, bytes, verdict, fault });
        if self.plan.flood && number.checked_add(1) == Some(self.window.next()) {
            self.next = Instant::now();
            self.send_due(cx);
        } else if self.send_timer.is_none() {
            self.set_timers(cx); // The window was full.
        }
        self.end_if_done(cx);
    }

    /// Ends when there is nothing left to wait for, or nobody who reads.
    fn end_if_done(&mut self, cx: &mut Context<'_>) {
        let enough = self.plan.count.is_some_and(|count| self.window.next() >= count);
        if enough && self.window.waiting() == 0 || self.report.is_broken() {
            cx.stop(Stop::AtOnce);
        }
    }

    /// Which message a datagram answers, and whether it is right.
    fn recognise(&mut self, payload: &[u8]) -> (u64, Option<Fault>) {
        let oldest = self.window.oldest_waiting();
        if let Some(expected) = &self.plan.expected {
            let line = payload.strip_suffix(b"\n").unwrap_or(payload);
            return (oldest.unwrap_or(u64::MAX), compare(line, expected));
        }
        let expected = &self.plan.payload;
        let carried = expected.number(payload, self.window.next());
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
        match self.plan.expected.take() {
            Some(expected) => {
                let taken = self.told(cx, input, &expected);
                self.plan.expected = Some(expected);
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
        self.tally.errors += 1;
        self.report.error(&describe(error));
        self.end_if_done(cx);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if self.loss_timer == Some(timer) {
            self.loss_timer = None;
            while let Some(number) = self.window.expire(Instant::now(), self.plan.timeout) {
                self.report.lost(number);
            }
            self.end_if_done(cx);
            return self.set_timers(cx);
        }
        if self.send_timer == Some(timer) {
            self.send_timer = None;
            self.send_due(cx);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let endpoint = self.report.endpoint();
        match cause {
            Cause::Stopped => return,
            Cause::ConnectFailed(error) => {
                self.error = Some(format!("cannot connect to {endpoint}: {}", describe(error)));
            }
            _ => self.error = Some(format!("{endpoint}: {cause}")),
        }
        cx.stop(Stop::AtOnce);
    }
}
