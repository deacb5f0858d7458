//! Talking in datagrams.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use echoloop::{
    Cause, Context, Dropped, Endpoint, Half, Id, Peer, Service, Stop, TimerId, describe,
};

use super::screen::Screen;
use super::text::LeaveLine;
use super::{Args, Ending, Talk, greet, say};

/// What a member of a group sends so that it is not taken for gone.
const HEARTBEAT: &[u8] = b"^hb^";

/// The longest payload of a UDP datagram over IPv4: 65,535 less the headers of IP and UDP.
const LONGEST: usize = 65_507;

/// How long to wait before a datagram is sent again that found no room: a peer on a Unix socket has not
/// read the last ones. Nothing tells when it has.
const AGAIN: Duration = Duration::from_millis(1);

/// What may wait for a slow standard output. Datagrams can't be slowed down, so what is more is
/// dropped, and said at the end.
const WAITING: usize = 1024 * 1024;

/// A talk in datagrams: a line each.
///
/// One datagram is on its way at a time. A turn later it is known whether the kernel took it; only then is the
/// next line read.
pub(super) struct Datagrams {
    endpoint: Endpoint,
    keyboard: Option<OwnedFd>,
    keyboard_id: Option<Id>,
    socket: Option<Id>,
    screen: Screen,
    leave: LeaveLine,
    leave_word: Option<Vec<u8>>,
    line_ending: &'static [u8],
    heartbeat: Option<Duration>,
    wait: Duration,
    on_its_way: Option<OnItsWay>,
    input: Input,
    beat: Option<TimerId>,
    /// When something came last, or the input ended.
    last: Option<Instant>,
    /// Datagrams that came and could not be printed; that could not be sent.
    unprinted: u64,
    unsent: u64,
    ending: Ending,
}

/// A datagram that was given to the loop.
#[derive(Debug)]
struct OnItsWay {
    payload: Vec<u8>,
    /// What had been dropped before. `None`: it found no room, and waits.
    before: Option<Dropped>,
    check: TimerId,
}

/// How far the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// What still comes is waited for.
    Over,
    /// The line that leaves: it goes as soon as the datagram before it has gone.
    Left,
}

impl Datagrams {
    pub(super) fn new(args: &Args, keyboard: OwnedFd, screen: Screen) -> Datagrams {
        Datagrams {
            endpoint: args.endpoint.clone(),
            keyboard: Some(keyboard),
            keyboard_id: None,
            socket: None,
            screen,
            leave: LeaveLine::new(args.leave_line()),
            leave_word: args.leave_line(),
            line_ending: match (args.crlf, args.lf) {
                (true, _) => b"\r\n",
                (_, true) => b"\n",
                _ => b"",
            },
            heartbeat: args.heartbeat,
            wait: args.wait,
            on_its_way: None,
            input: Input::Open,
            beat: None,
            last: None,
            unprinted: 0,
            unsent: 0,
            ending: Ending::default(),
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), echoloop::Error> {
        self.socket = Some(cx.id());
        self.screen.open(cx)?;
        if let Some(keyboard) = self.keyboard.take() {
            self.keyboard_id = Some(cx.adopt(keyboard, Half::Read)?);
        }
        if let Some(period) = self.heartbeat {
            cx.send(HEARTBEAT);
            self.beat = Some(cx.every(period));
        }
        greet(&self.endpoint, self.leave_word.as_deref());
        Ok(())
    }

    /// A line without its ending becomes a datagram.
    fn send_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        let payload = [line, self.line_ending].concat();
        if payload.len() > LONGEST {
            return self.too_long(cx);
        }
        self.screen.sent_datagram(cx, &payload);
        self.transmit(cx, payload);
    }

    fn transmit(&mut self, cx: &mut Context<'_>, payload: Vec<u8>) {
        let Some(socket) = self.socket else { return };
        let before = Some(cx.statistics().dropped);
        let mut to = cx.source(socket);
        to.send(&payload);
        let check = to.after(Duration::ZERO);
        self.on_its_way = Some(OnItsWay { payload, before, check });
        if let Some(keyboard) = self.keyboard_id {
            cx.source(keyboard).pause();
        }
    }

    /// Whether the datagram has gone: then the next one may come.
    fn check(&mut self, cx: &mut Context<'_>, sent: OnItsWay) {
        let Some(before) = sent.before else { return self.transmit(cx, sent.payload) };
        let now = cx.statistics().dropped;
        if now.no_room > before.no_room {
            let check = cx.after(AGAIN);
            self.on_its_way = Some(OnItsWay { before: None, check, ..sent });
            return;
        }
        self.unsent += u64::from(now.failed > before.failed);
        self.go_on(cx);
    }

    /// Reads the next line, or ends, unless something is in the way.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        if self.on_its_way.is_some() || !self.screen.is_clear() {
            return;
        }
        match (self.input, self.keyboard_id) {
            (Input::Left, _) => self.finish(cx),
            (_, Some(keyboard)) => cx.source(keyboard).resume(),
            (_, None) => {}
        }
    }

    /// The line that leaves was typed; a group is told.
    fn left(&mut self, cx: &mut Context<'_>) {
        self.input = Input::Left;
        match (self.heartbeat, self.leave_word.clone()) {
            (Some(_), Some(word)) => self.send_line(cx, &word),
            _ => self.go_on(cx),
        }
    }

    fn too_long(&mut self, cx: &mut Context<'_>) {
        self.ending
            .fail(format!("a line of more than {LONGEST} bytes doesn't fit into a datagram"));
        self.finish(cx);
    }

    /// Leaves when everything has been printed.
    fn finish(&mut self, cx: &mut Context<'_>) {
        self.unsent += u64::from(self.on_its_way.take().is_some_and(|it| it.before.is_none()));
        if let Some(socket) = self.socket.take() {
            cx.source(socket).close();
        }
        self.screen.close(cx);
    }

    /// Leaves, if nothing has come for long enough.
    fn wait_for_answers(&mut self, cx: &mut Context<'_>) {
        let quiet = self.last.map_or(Duration::ZERO, |last| cx.now().duration_since(last));
        match self.wait.checked_sub(quiet) {
            Some(left) if !left.is_zero() => {
                cx.after(left);
            }
            _ => self.finish(cx),
        }
    }

    fn count(&mut self, what: u64, happened: &str) {
        if what > 0 {
            let datagrams = if what == 1 { "datagram" } else { "datagrams" };
            self.ending.fail(format!("{}: {what} {datagrams} {happened}", self.endpoint));
        }
    }
}

impl Talk for Datagrams {
    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}

impl Service for Datagrams {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if self.input != Input::Open {
            return input.len();
        }
        let Some(newline) = input.iter().position(|&byte| byte == b'\n') else {
            if input.len() > LONGEST + b"\r".len() {
                self.too_long(cx);
                return input.len();
            }
            return 0;
        };
        let line = input[..newline].strip_suffix(b"\r").unwrap_or(&input[..newline]);
        match self.leave.is(line) {
            true => self.left(cx),
            false => self.send_line(cx, line),
        }
        newline + 1
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        cx.close();
        self.keyboard_id = None;
        if self.leave.is(rest) {
            return self.left(cx);
        }
        self.input = Input::Over;
        if !rest.is_empty() {
            self.send_line(cx, rest);
        }
        self.beat.take().map(|beat| cx.cancel(beat));
        self.last = Some(cx.now());
        self.wait_for_answers(cx);
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        self.last = Some(cx.now());
        if self.screen.waiting() > WAITING {
            self.unprinted += 1;
        } else {
            self.screen.received_datagram(cx, payload);
        }
    }

    fn unreachable(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        let endpoint = &self.endpoint;
        let text = format!("{endpoint}: {}", describe(error));
        match io::stdin().is_terminal() {
            true => say(&text), // Perhaps somebody will be there later.
            false => {
                self.ending.fail(text);
                self.finish(cx);
            }
        }
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        if self.screen.is(cx.id()) && self.screen.writable(cx) {
            self.go_on(cx);
        }
    }

    fn opened(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.begin(cx) {
            self.ending.fail(describe(&error));
            cx.stop(Stop::AtOnce);
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if self.beat == Some(timer) {
            cx.send(HEARTBEAT);
        } else if self.on_its_way.as_ref().is_some_and(|sent| sent.check == timer) {
            if let Some(sent) = self.on_its_way.take() {
                self.check(cx, sent);
            }
        } else if self.input == Input::Over {
            self.wait_for_answers(cx);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let id = cx.id();
        if self.screen.is(id) {
            self.screen.closed(cause, &mut self.ending);
            self.count(self.unsent, "could not be sent");
            self.count(self.unprinted, "came faster than they could be printed, and were dropped");
            cx.stop(Stop::AtOnce);
        } else if let Cause::Failed(error) = cause {
            self.ending.fail(format!("cannot read standard input: {}", describe(error)));
            self.finish(cx);
        }
    }
}
