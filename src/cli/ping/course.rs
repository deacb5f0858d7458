//! What all ways of pinging share: when the next message is due, what waits, what is told, and the end.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use echoloop::{Cause, Context, Stop, TimerId, describe};

use super::args::Args;
use super::report::{Fault, Reply, Report};
use super::tally::Tally;
use super::window::{Verdict, Window};
use crate::cli::printer;

/// How long a flood waits for a reply before it sends on, as ping(8) does: a hundred a second.
const FLOOD: Duration = Duration::from_millis(10);

/// How many messages may be made up for in one turn after the loop was late.
pub(super) const CATCH_UP: u32 = 64;

/// How often, and how long.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) count: Option<u64>,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) deadline: Option<Duration>,
    pub(super) flood: bool,
    /// Say before each message that the last one has no answer yet.
    pub(super) outstanding: bool,
}

/// How far it is.
///
/// ```text
///   next due ──▶ send ──▶ Window: waiting ──▶ reply: timed, told
///      ▲                      └── timeout ──▶ lost
///      └── interval, or (flood) the reply
/// ```
pub(super) struct Course {
    pace: Pace,
    report: Report,
    window: Window,
    pub(super) tally: Tally,
    started: Instant,
    /// When the next message is due.
    next: Instant,
    send_timer: Option<TimerId>,
    loss_timer: Option<TimerId>,
    deadline_timer: Option<TimerId>,
    error: Option<String>,
    /// Why there is no connection so far.
    unreached: Option<String>,
    is_interrupted: bool,
    has_begun: bool,
    /// A stream has brought more than it was asked for.
    has_surplus: bool,
}

/// What a timer has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// A message may be due.
    Due,
    /// So long has this message waited; there may be more.
    Lost(u64),
    Nothing,
}

/// Beginning and end.
impl Course {
    pub(super) fn new(pace: Pace, report: Report) -> Course {
        let now = Instant::now();
        Course {
            pace,
            report,
            window: Window::default(),
            tally: Tally::default(),
            started: now,
            next: now,
            send_timer: None,
            loss_timer: None,
            deadline_timer: None,
            error: None,
            unreached: None,
            is_interrupted: false,
            has_begun: false,
            has_surplus: false,
        }
    }

    /// The connection begins to be made now: names have been looked up.
    pub(super) fn prepare(&mut self, cx: &mut Context<'_>) {
        self.started = Instant::now();
        self.deadline_timer = self.pace.deadline.map(|deadline| cx.after(deadline));
    }

    /// The first message is due; or, after some that found no connection, the next one.
    pub(super) fn begin(&mut self, peer: Option<String>) {
        let now = Instant::now();
        match self.has_begun {
            false => self.report.begins(peer),
            true => self.report.has_peer(peer),
        }
        if let Some(connect) = self.tally.connect {
            self.report.connected(connect);
        }
        if !self.has_begun {
            self.started = now;
        }
        (self.next, self.has_begun, self.unreached) = (now, true, None);
    }

    /// There is no connection for the message that is due, for this reason; the next one tries again.
    pub(super) fn unreached(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        if !self.has_begun {
            self.begin(None);
        }
        let why = describe(error);
        let deed = format!("cannot connect to {}: ", self.endpoint());
        self.unreached = Some(if why.starts_with(&deed) { why } else { deed + &why });
        if let Some(number) = self.due() {
            self.refused(cx, number, error);
        }
        self.skip_overdue();
        self.set_timers(cx, true);
    }

    /// The connection is there no more. With a deadline it is waited for: the next message makes another one, and what
    /// waits for its reply is lost. `false`: this is the end.
    pub(super) fn disconnected(&mut self, cx: &mut Context<'_>, cause: &Cause) -> bool {
        let error = format!("{}: {cause}", self.endpoint());
        if self.pace.deadline.is_none() {
            self.fail(cx, error);
            return false;
        }
        self.tally.errors += 1;
        self.report.error(&cause.to_string());
        self.unreached = Some(error);
        // They were set in the name of the connection, and have gone with it.
        for timer in [self.send_timer.take(), self.loss_timer.take()].into_iter().flatten() {
            cx.cancel(timer);
        }
        self.skip_overdue();
        self.set_timers(cx, true);
        true
    }

    /// Somebody has had enough.
    pub(super) fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    /// Ends it, for this reason.
    pub(super) fn fail(&mut self, cx: &mut Context<'_>, error: String) {
        self.error = Some(error);
        cx.stop(Stop::AtOnce);
    }

    /// Shows how it stands, on standard error.
    pub(super) fn show_status(&mut self) {
        printer::complain(&self.tally.status());
    }

    pub(super) fn endpoint(&self) -> &echoloop::Endpoint {
        self.report.endpoint()
    }

    /// Tells the result.
    pub(super) fn finish(&mut self, args: &Args) -> ExitCode {
        if !self.has_begun {
            self.begin(None);
            self.due(); // It was on its way to a connection.
        }
        self.tally.elapsed = self.started.elapsed();
        self.error = self.error.take().or(self.unreached.take());
        self.report.ends(args, &self.tally, self.error.as_deref(), self.is_interrupted);
        if let Some(error) = &self.error {
            printer::complain(&format!("echoloop: {error}\n"));
        }
        if let Some(error) = self.report.unwritable() {
            printer::complain(&format!("echoloop: {error}\n"));
            return ExitCode::from(2);
        }
        let wanted = self.pace.deadline.and(self.pace.count).unwrap_or(1);
        let enough = self.tally.received >= wanted;
        let right = self.tally.wrong == 0 && !self.has_surplus;
        let good = enough && right && self.error.is_none();
        if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
    }
}

/// Sending.
impl Course {
    /// The number of the next message.
    pub(super) fn next_number(&self) -> u64 {
        self.window.next()
    }

    /// The message that is meant by a reply that doesn't say.
    pub(super) fn oldest_waiting(&self) -> Option<u64> {
        self.window.oldest_waiting()
    }

    /// Whether as many have been sent as should be. With a deadline it is the replies that count.
    fn has_sent_all(&self) -> bool {
        let enough = self.pace.count.is_some_and(|count| self.window.next() >= count);
        enough && self.pace.deadline.is_none()
    }

    /// The message that is due, which counts as sent from now on.
    pub(super) fn due(&mut self) -> Option<u64> {
        let now = Instant::now();
        if self.next > now || self.has_sent_all() || self.window.is_full() {
            return None;
        }
        self.next += self.step();
        if self.pace.outstanding
            && let Some(last) = self.window.last_waiting()
        {
            self.report.outstanding(last);
        }
        self.tally.sent += 1;
        self.report.sent();
        let number = self.window.send(now);
        self.tally.most_waiting = self.tally.most_waiting.max(self.window.waiting());
        Some(number)
    }

    fn step(&self) -> Duration {
        if self.pace.flood { FLOOD } else { self.pace.interval }
    }

    /// What is overdue by now is left out: it was too late to catch up, or waits for a reader.
    pub(super) fn skip_overdue(&mut self) {
        let now = Instant::now();
        if self.next <= now {
            self.next = now + self.step();
        }
    }

    /// Sets what timers are needed. `may_send`: nothing is in the way of the next message.
    pub(super) fn set_timers(&mut self, cx: &mut Context<'_>, may_send: bool) {
        let now = Instant::now();
        if may_send && !self.has_sent_all() && !self.window.is_full() {
            self.send_timer.take().map(|timer| cx.cancel(timer));
            self.send_timer = Some(cx.after(self.next.saturating_duration_since(cx.now())));
        }
        if self.loss_timer.is_none()
            && let Some(patience) = self.window.patience(now, self.pace.timeout)
        {
            self.loss_timer = Some(cx.after(now + patience - cx.now()));
        }
    }

    /// What this timer is about.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>, timer: TimerId) -> Tick {
        if self.deadline_timer == Some(timer) {
            if !self.has_begun {
                let endpoint = self.endpoint();
                self.error = Some(format!("cannot connect to {endpoint}: the deadline has passed"));
            }
            cx.stop(Stop::AtOnce);
            return Tick::Nothing;
        }
        if self.loss_timer == Some(timer) {
            let Some(number) = self.window.expire(Instant::now(), self.pace.timeout) else {
                self.loss_timer = None;
                return Tick::Nothing;
            };
            return Tick::Lost(number);
        }
        if self.send_timer == Some(timer) {
            self.send_timer = None;
            return Tick::Due;
        }
        Tick::Nothing
    }
}

/// Receiving.
impl Course {
    /// A reply is complete. Returns whether the next message is to be looked after.
    pub(super) fn answered(
        &mut self,
        cx: &mut Context<'_>,
        number: u64,
        bytes: usize,
        fault: Option<Fault>,
    ) -> bool {
        if self.has_all() {
            return false; // It has been stopped: what else had come by then is not wanted any more.
        }
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
        // A datagram may be anybody's, and come at any time; what a stream brings is the server's word.
        self.has_surplus |= number >= self.window.next() && !self.report.endpoint().is_datagram();
        self.report.reply(&Reply { number, bytes, verdict, fault });
        self.end_if_done(cx);
        let is_last = number.checked_add(1) == Some(self.window.next());
        if self.pace.flood && is_last {
            self.next = Instant::now();
            return true;
        }
        self.send_timer.is_none() // The window was full.
    }

    /// This message got no reply, and will get none.
    pub(super) fn lost(&mut self, cx: &mut Context<'_>, number: u64) {
        self.report.lost(number, None);
        self.end_if_done(cx);
    }

    /// Nor will this one, and it is known why.
    pub(super) fn refused(&mut self, cx: &mut Context<'_>, number: u64, error: &io::Error) {
        if self.window.lose(number) {
            self.tally.error(error);
            self.report.lost(number, Some(&describe(error)));
            self.end_if_done(cx);
        }
    }

    /// The network has said that something didn't arrive.
    pub(super) fn error(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        self.tally.error(error);
        self.report.error(&describe(error));
        self.end_if_done(cx);
    }

    /// Ends when there is nothing left to wait for, or nobody who reads.
    fn end_if_done(&mut self, cx: &mut Context<'_>) {
        let is_done = self.has_all() || self.has_sent_all() && self.window.waiting() == 0;
        if is_done || self.report.is_broken() {
            cx.stop(Stop::AtOnce);
        }
    }

    /// Whether as much has come back as is wanted.
    fn has_all(&self) -> bool {
        let settled = match self.pace.deadline {
            // An error stands for the reply that will not come, as in ping(8).
            None => self.tally.received + self.tally.errors,
            Some(_) => self.tally.received,
        };
        self.pace.count.is_some_and(|count| settled >= count)
    }
}
