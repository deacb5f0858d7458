//! Talking in datagrams.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use echoloop::{
    Cause, Context, Endpoint, Half, Id, Peer, Service, ServiceId, Stop, TimerId, describe,
};

use super::post::{Fate, Message, OnItsWay};
use super::screen::Screen;
use super::text::LeaveLine;
use super::{Args, Ending, READ, Talk, cannot, greet, say};

/// What a member of a group sends so that it is not taken for gone.
const HEARTBEAT: &[u8] = b"^hb^";

/// The longest payload of a UDP datagram over IPv4: 65,535 less the headers of IP and UDP.
const LONGEST: usize = 65_507;

/// How long to wait before a datagram is sent again that found no room: a peer on a Unix socket has not
/// read the last ones. Nothing tells when it has.
const AGAIN: Duration = Duration::from_millis(1);

/// How long to wait for answers after the end of input, if nobody says otherwise.
const WAIT: Duration = Duration::from_secs(1);

/// The words of the timers.
const BEAT: u64 = 0;
const SEND_AGAIN: u64 = 1;
const WAIT_ON: u64 = 2;

/// What may wait for a slow standard output. Datagrams can't be slowed down, so what is more is
/// dropped, and said at the end.
const WAITING: usize = 1024 * 1024;

/// A talk in datagrams: a line each.
///
/// One datagram is on its way at a time: the loop gathers them, and tells in its statistics what became of
/// them. Only when that is known is the next line read.
///
/// ```text
///   line ──▶ on its way ──▶ sent
///                │   └────▶ failed: counted
///                └── no room ──▶ refused ── a moment later ──▶ on its way
/// ```
pub(super) struct Datagrams {
    me: ServiceId<Datagrams>,
    endpoint: Endpoint,
    keyboard: Option<OwnedFd>,
    keyboard_id: Option<Id>,
    socket: Option<Id>,
    /// Whom to send to and to listen to, if the socket isn't connected: nobody yet, or the first sender.
    peer: Option<Peer>,
    is_listening: bool,
    screen: Screen,
    leave: LeaveLine,
    leave_word: Option<Vec<u8>>,
    line_ending: &'static [u8],
    heartbeat: Option<Duration>,
    wait: Duration,
    on_its_way: Option<OnItsWay>,
    /// What found no room, and waits.
    refused: Option<Message>,
    input: Input,
    beat: Option<TimerId>,
    /// When something came last, or the input ended.
    last: Option<Instant>,
    /// Lines that were sent; that could not be sent.
    sent: u64,
    unsent: u64,
    /// Datagrams that came; among them those that could not be printed.
    received: u64,
    unprinted: u64,
    ending: Ending,
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
    pub(super) fn new(
        args: &Args,
        me: ServiceId<Datagrams>,
        keyboard: OwnedFd,
        screen: Screen,
    ) -> Datagrams {
        Datagrams {
            me,
            endpoint: args.endpoint.clone(),
            keyboard: Some(keyboard),
            keyboard_id: None,
            socket: None,
            peer: None,
            is_listening: args.listen,
            screen,
            leave: LeaveLine::new(args.leave_line()),
            leave_word: args.leave_line(),
            line_ending: match (args.crlf, args.lf) {
                (true, _) => b"\r\n",
                (_, true) => b"\n",
                _ => b"",
            },
            heartbeat: args.heartbeat,
            wait: args.wait.unwrap_or(WAIT),
            on_its_way: None,
            refused: None,
            input: Input::Open,
            beat: None,
            last: None,
            sent: 0,
            unsent: 0,
            received: 0,
            unprinted: 0,
            ending: Ending::default(),
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        self.socket = Some(cx.id());
        self.screen.open(cx)?;
        let deed = format!("sending to {}", self.endpoint);
        self.begin_to_send(cx, &deed)
    }

    fn begin_to_send(&mut self, cx: &mut Context<'_>, deed: &str) -> Result<(), String> {
        if let Some(keyboard) = self.keyboard.take() {
            self.keyboard_id = Some(cx.adopt(keyboard, Half::Read).map_err(cannot(READ))?);
        }
        if let Some(period) = self.heartbeat {
            self.send_heartbeat(cx);
            self.beat = Some(cx.every_with(period, BEAT));
        }
        greet(deed, self.leave_word.as_deref());
        Ok(())
    }

    /// The first one that comes is the peer. Returns whether this is it.
    fn is_from_peer(&mut self, cx: &mut Context<'_>, from: &Peer) -> bool {
        if self.is_listening && self.peer.is_none() {
            self.peer = Some(*from);
            if let Err(error) = self.begin_to_send(cx, &format!("talking to {}", from.address)) {
                self.ending.fail(error);
                cx.stop(Stop::AtOnce);
            }
        }
        !self.is_listening || self.peer.is_some_and(|peer| peer.address == from.address)
    }

    /// A line without its ending becomes a datagram.
    fn send_line(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        let payload = [line, self.line_ending].concat();
        if payload.len() > LONGEST {
            return self.too_long(cx);
        }
        self.screen.sent_datagram(cx, &payload);
        self.transmit(cx, Message { payload, is_line: true });
    }

    /// Unless something is on its way anyhow, which says as much.
    fn send_heartbeat(&mut self, cx: &mut Context<'_>) {
        if self.is_free() {
            self.transmit(cx, Message { payload: HEARTBEAT.to_vec(), is_line: false });
        }
    }

    /// Whether no datagram is on its way.
    fn is_free(&self) -> bool {
        self.on_its_way.is_none() && self.refused.is_none()
    }

    fn transmit(&mut self, cx: &mut Context<'_>, message: Message) {
        let Some(socket) = self.socket else { return };
        self.on_its_way = Some(message.send(&mut cx.source(socket), self.peer.as_ref()));
        if let Some(keyboard) = self.keyboard_id {
            cx.source(keyboard).pause();
        }
        self.look_soon(cx);
    }

    fn look_soon(&self, cx: &mut Context<'_>) {
        cx.tell(self.me, |talk, cx| talk.look(cx));
    }

    /// What has become of the datagram? When it has gone, the next one may come.
    fn look(&mut self, cx: &mut Context<'_>) {
        let Some(sent) = self.on_its_way.take() else { return };
        let is_line = sent.message.is_line;
        match sent.fate(cx) {
            Fate::Unknown => {
                self.on_its_way = Some(sent);
                return self.look_soon(cx);
            }
            Fate::NoRoom => {
                self.refused = Some(sent.message);
                cx.after_with(AGAIN, SEND_AGAIN);
                return;
            }
            Fate::Sent => self.sent += u64::from(is_line),
            Fate::Failed => self.unsent += u64::from(is_line),
        }
        self.go_on(cx);
    }

    /// Reads the next line, or ends, unless something is in the way.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        if !self.is_free() || !self.screen.is_clear() {
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
        self.unsent += u64::from(self.refused.take().is_some_and(|message| message.is_line));
        self.sent += u64::from(self.on_its_way.take().is_some_and(|it| it.message.is_line));
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
                cx.after_with(left, WAIT_ON);
            }
            _ => self.finish(cx),
        }
    }

    /// What is known to be lost is an error. What may be lost is told, if answers were waited for.
    fn count(&mut self) {
        for (what, happened) in [
            (self.unsent, "could not be sent"),
            (self.unprinted, "came faster than they could be printed, and were dropped"),
        ] {
            if what > 0 {
                self.ending.fail(format!("{}: {} {happened}", self.endpoint, datagrams(what)));
            }
        }
        if self.input == Input::Over && self.sent != self.received {
            let sent = datagrams(self.sent);
            self.ending.counts = Some(format!("sent {sent}, received {}", self.received));
        }
    }
}

fn datagrams(count: u64) -> String {
    format!("{count} {}", if count == 1 { "datagram" } else { "datagrams" })
}

impl Talk for Datagrams {
    fn listens(&mut self, cx: &mut Context<'_>, listener: Id) -> Result<(), String> {
        self.socket = Some(listener);
        self.screen.open(cx)
    }

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
        if self.input != Input::Open {
            return; // The line that leaves was the last one.
        }
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

    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        if !self.is_from_peer(cx, from) {
            return;
        }
        self.last = Some(cx.now());
        self.received += 1;
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
            self.ending.fail(error);
            cx.stop(Stop::AtOnce);
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        match cx.word() {
            BEAT => self.send_heartbeat(cx),
            SEND_AGAIN => {
                if let Some(message) = self.refused.take() {
                    self.transmit(cx, message);
                }
            }
            _ if self.input == Input::Over => self.wait_for_answers(cx),
            _ => {}
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let id = cx.id();
        if self.screen.is(id) {
            self.screen.closed(cause, &mut self.ending);
            self.count();
            cx.stop(Stop::AtOnce);
        } else if let Cause::Failed(error) = cause {
            self.ending.fail(format!("cannot read standard input: {}", describe(error)));
            self.finish(cx);
        }
    }
}
