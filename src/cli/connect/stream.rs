//! Talking over a stream.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use echoloop::{Cause, Context, Endpoint, Half, Id, Service, Stop, TimerId, describe};

use super::screen::Screen;
use super::text::{Crlf, LeaveLine};
use super::{Args, Ending, READ, Talk, cannot, greet};

/// How long a user who leaves waits for a peer that takes nothing, or doesn't say goodbye.
const LEAVE: Duration = Duration::from_secs(1);

/// How long a peer that has ended its own direction may take nothing of what was typed before.
const PATIENCE: Duration = Duration::from_secs(10);

/// The word of the timer that waits for a peer's answers after the end of input. The others have none.
const WAIT: u64 = 1;

/// A talk over a stream.
///
/// ```text
///   keyboard ── translated ──▶ to_socket ──▶ socket     pauses the keyboard while it is full
///   screen   ◀──────────────── rest ◀─────── socket     pauses the socket while it is full
/// ```
///
/// Neither direction waits for the other, so whatever the peer does, nothing is ever stuck.
pub(super) struct Stream {
    endpoint: Endpoint,
    keyboard: Option<OwnedFd>,
    keyboard_id: Option<Id>,
    socket: Option<Id>,
    screen: Screen,
    leave: LeaveLine,
    leave_word: Option<Vec<u8>>,
    crlf: Option<Crlf>,
    to_socket: Vec<u8>,
    input_over: bool,
    /// Where a client is waited for.
    listener: Option<Id>,
    /// How long to wait for an answer after the end of input, and when the last one came.
    wait: Option<Duration>,
    last: Option<Instant>,
    state: State,
    ending: Ending,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialling,
    /// Also when the peer has ended its own direction, and the input goes on.
    Talking,
    /// The peer has ended, and a terminal ends with it; it may have what it was sent, so many bytes when we
    /// last looked.
    PeerOver {
        queued: usize,
    },
    /// Somebody has left: what was sent goes out, nothing else counts.
    Leaving {
        queued: usize,
    },
    /// The connection has gone; what it brought is being printed.
    Printing,
}

impl Stream {
    pub(super) fn new(args: &Args, keyboard: OwnedFd, screen: Screen) -> Stream {
        Stream {
            endpoint: args.endpoint.clone(),
            keyboard: Some(keyboard),
            keyboard_id: None,
            socket: None,
            screen,
            leave: LeaveLine::new(args.leave_line()),
            leave_word: args.leave_line(),
            crlf: args.crlf.then(Crlf::default),
            to_socket: Vec::new(),
            input_over: false,
            listener: None,
            wait: args.wait,
            last: None,
            state: State::Dialling,
            ending: Ending::default(),
        }
    }

    fn is_keyboard(&self, id: Id) -> bool {
        self.keyboard_id == Some(id)
    }

    /// Sends what was typed, and what the socket doesn't take waits here.
    fn upload(&mut self, cx: &mut Context<'_>, typed: &[u8]) {
        match &mut self.crlf {
            Some(crlf) => crlf.translate(typed, &mut self.to_socket),
            None => self.to_socket.extend_from_slice(typed),
        }
        let translated = std::mem::take(&mut self.to_socket);
        if !typed.is_empty() {
            self.screen.sent(cx, &translated);
        }
        self.to_socket = translated;
        self.push(cx);
        if !self.may_type()
            && let Some(keyboard) = self.keyboard_id
        {
            cx.source(keyboard).pause();
        }
    }

    fn push(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = self.socket else { return };
        let taken = cx.source(socket).send(&self.to_socket);
        self.to_socket.drain(..taken);
        if self.to_socket.is_empty() && self.input_over {
            cx.source(socket).finish();
        }
    }

    /// Whether there is room for more, on the socket and, if it shows what is sent, on the screen.
    fn may_type(&self) -> bool {
        self.to_socket.is_empty() && self.screen.is_clear()
    }

    fn go_on_typing(&mut self, cx: &mut Context<'_>) {
        if self.may_type()
            && let Some(keyboard) = self.keyboard_id
        {
            cx.source(keyboard).resume();
        }
    }

    /// Says goodbye politely, which has a deadline as long as nothing moves.
    fn leave(&mut self, cx: &mut Context<'_>) {
        let Some(socket) = self.socket else { return };
        let mut cx = cx.source(socket);
        cx.close();
        self.state = State::Leaving { queued: cx.queued() };
        cx.after(LEAVE);
        if let Some(keyboard) = self.keyboard_id {
            cx.source(keyboard).close();
        }
    }

    /// Whether the peer hasn't taken all of the input yet.
    fn is_sending(&self, cx: &mut Context<'_>) -> bool {
        !self.to_socket.is_empty() || self.socket.is_some_and(|id| cx.source(id).queued() > 0)
    }

    /// Leaves, if nothing has come for long enough. What the screen hasn't taken yet has come.
    fn wait_for_answers(&mut self, cx: &mut Context<'_>) {
        let (Some(wait), Some(last)) = (self.wait, self.last) else { return };
        let quiet = cx.now().saturating_duration_since(last);
        match wait.checked_sub(quiet).filter(|left| !left.is_zero()) {
            Some(left) => drop(cx.after_with(left, WAIT)),
            None if self.state != State::Talking => {}
            None if !self.screen.is_clear() || self.is_sending(cx) => {
                cx.after_with(wait, WAIT);
            }
            None => self.hang_up(cx),
        }
    }

    /// Leaves a peer that has taken all of the input and been silent for long enough: its goodbye is not
    /// waited for in addition.
    fn hang_up(&mut self, cx: &mut Context<'_>) {
        self.leave(cx);
        if let Some(socket) = self.socket {
            cx.source(socket).abort();
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        self.socket = Some(cx.id());
        self.state = State::Talking;
        let deed = match self.listener.take() {
            Some(listener) => {
                cx.source(listener).close(); // Nobody else may come.
                match cx.peer() {
                    Some(peer) => format!("{peer} has connected"),
                    None => "a client has connected".to_string(),
                }
            }
            None => format!("connected to {}", self.endpoint),
        };
        self.screen.open(cx)?;
        if let Some(keyboard) = self.keyboard.take() {
            self.keyboard_id = Some(cx.adopt(keyboard, Half::Read).map_err(cannot(READ))?);
        }
        greet(&deed, self.leave_word.as_deref());
        Ok(())
    }

    /// The connection has gone: says why if that is no good end.
    fn judge(&mut self, cause: &Cause) {
        let endpoint = &self.endpoint;
        match (self.state, cause) {
            (State::Leaving { .. }, _) | (_, Cause::Stopped) => return,
            (_, Cause::ConnectFailed(error)) => {
                let why = describe(error);
                return self.ending.fail(format!("cannot connect to {endpoint}: {why}"));
            }
            (_, Cause::Failed(_)) => self.ending.fail(format!("{endpoint}: {cause}")),
            _ if self.input_over => {}
            _ => self.ending.note = Some("the peer has ended the connection"),
        }
        if !self.to_socket.is_empty() || !(self.input_over || io::stdin().is_terminal()) {
            let why = "the peer ended the connection before the input did";
            self.ending.fail(format!("{endpoint}: {why}"));
        }
    }
}

impl Talk for Stream {
    fn listens(&mut self, _cx: &mut Context<'_>, listener: Id) -> Result<(), String> {
        self.listener = Some(listener);
        Ok(())
    }

    fn ending(&mut self) -> &mut Ending {
        &mut self.ending
    }
}

impl Service for Stream {
    fn opened(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.begin(cx) {
            self.ending.fail(error);
            cx.stop(Stop::AtOnce);
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if self.is_keyboard(cx.id()) {
            let scan = self.leave.scan(input);
            self.upload(cx, &input[..scan.pass]);
            if scan.leave {
                self.leave(cx);
            }
            return scan.pass;
        }
        self.last = Some(cx.now());
        self.screen.received(cx, input);
        if !self.screen.is_clear() {
            cx.pause();
        }
        input.len()
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        if self.screen.is(cx.id()) {
            if self.screen.writable(cx)
                && let Some(socket) = self.socket
            {
                cx.source(socket).resume();
            }
        } else {
            self.push(cx);
        }
        self.go_on_typing(cx);
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        if self.is_keyboard(cx.id()) {
            if self.leave.is(rest) {
                return self.leave(cx);
            }
            self.input_over = true;
            self.upload(cx, rest);
            cx.close();
            self.last = Some(cx.now());
            self.wait.map(|wait| cx.after_with(wait, WAIT));
        } else if io::stdin().is_terminal() && !self.input_over {
            cx.close(); // Whoever types wouldn't know that only one direction has ended.
            self.state = State::PeerOver { queued: cx.queued() };
            cx.after(PATIENCE);
        }
        // Another peer that has ended may still read, and gets the rest of the input.
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let id = cx.id();
        if self.screen.is(id) {
            self.screen.closed(cause, &mut self.ending);
            cx.stop(Stop::AtOnce);
        } else if self.is_keyboard(id) {
            if let Cause::Failed(error) = cause {
                self.ending.fail(format!("cannot read standard input: {}", describe(error)));
                self.leave(cx);
            }
            self.keyboard_id = None;
        } else {
            self.judge(cause);
            self.state = State::Printing;
            match self.screen.is_open() {
                true => self.screen.close(cx),
                false => cx.stop(Stop::AtOnce),
            }
        }
    }

    /// The end may take as long as bytes move.
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        if cx.word() == WAIT {
            return self.wait_for_answers(cx);
        }
        let left = cx.queued();
        match self.state {
            State::Leaving { queued } if 0 < left && left < queued => {
                self.state = State::Leaving { queued: left };
                cx.after(LEAVE);
            }
            State::PeerOver { queued } if 0 < left && left < queued => {
                self.state = State::PeerOver { queued: left };
                cx.after(PATIENCE);
            }
            State::Leaving { .. } => cx.abort(),
            State::PeerOver { .. } => {
                let why = format!("{}: the peer doesn't take what is left for it", self.endpoint);
                self.ending.fail(why);
                cx.abort();
            }
            State::Dialling | State::Talking | State::Printing => {}
        }
    }
}
