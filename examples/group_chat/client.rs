//! The client: what is typed is sent until it is acknowledged, what comes is printed.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echoloop::{Cause, Config, Context, Half, Id, Lines, Peer, Reactor, Service, Stop, TimerId};

use super::support::{Arguments, Failure, say, stdio};
use super::{ACKNOWLEDGEMENT, HEARTBEAT, WINDOW};

const BEAT: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(500);
const TRIES: u32 = 5;

/// No message has this number.
const BEATS: u64 = 0;

struct Client {
    keyboard: Id,
    socket: Id,
    acks: bool,
    next: u64,
    /// Not acknowledged yet.
    unanswered: BTreeMap<u64, Message>,
    is_leaving: bool,
    failure: Option<String>,
}

struct Message {
    text: String,
    tries: u32,
}

impl Service for Client {
    /// The keyboard.
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let lines = Lines::new(cx.config().line_length);
        let mut taken = 0;
        while self.unanswered.len() < WINDOW && !self.is_leaving {
            match lines.next(&input[taken..]) {
                Ok(Some(line)) => {
                    taken += line.len();
                    self.typed(cx, line.text);
                }
                Ok(None) => break,
                Err(error) => {
                    say(format_args!("{error}: not sent"));
                    return input.len();
                }
            }
        }
        taken
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        for line in rest.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            self.typed(cx, line);
        }
        self.leave(cx);
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        let id = text.strip_prefix(ACKNOWLEDGEMENT).and_then(|id| id.parse().ok());
        match id.map(|id| self.unanswered.remove(&id)) {
            Some(Some(_)) => self.answered(cx),
            Some(None) => {} // A late one.
            None => say(text.trim_end()),
        }
    }

    /// Of the socket only if the server's name could not be found.
    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        if cx.id() == self.socket && !cx.is_stopping() {
            self.failure = Some(format!("cannot join: {cause}"));
            cx.stop(Stop::AtOnce);
        }
    }

    fn unreachable(&mut self, _cx: &mut Context<'_>, error: &io::Error) {
        say(format_args!("the server can't be reached: {error}"));
    }

    /// The word of a timer is the message that it is about, if that isn't answered by now.
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        let id = cx.word();
        if id == BEATS {
            cx.source(self.socket).send(HEARTBEAT);
            return;
        }
        let Some(message) = self.unanswered.get_mut(&id) else { return };
        if message.tries < TRIES {
            message.tries += 1;
            cx.after_with(AGAIN, id);
            cx.source(self.socket).send(message.datagram(id).as_bytes());
        } else {
            say(format_args!("not delivered: {}", message.text));
            self.unanswered.remove(&id);
            self.answered(cx);
        }
    }
}

impl Client {
    fn typed(&mut self, cx: &mut Context<'_>, line: &[u8]) {
        match str::from_utf8(line) {
            Err(_) => say("not sent: it isn't UTF-8"),
            Ok("") => {}
            Ok("quit") => self.leave(cx),
            Ok(text) if self.acks => {
                let message = Message { text: text.to_owned(), tries: 1 };
                self.next += 1;
                cx.after_with(AGAIN, self.next);
                cx.source(self.socket).send(message.datagram(self.next).as_bytes());
                self.unanswered.insert(self.next, message);
            }
            Ok(text) => {
                cx.source(self.socket).send(text.as_bytes());
            }
        }
    }

    /// One message less to wait for.
    fn answered(&mut self, cx: &mut Context<'_>) {
        cx.source(self.keyboard).resume(); // It may have been left waiting.
        if self.is_leaving {
            self.leave(cx);
        }
    }

    /// As soon as everything is acknowledged or given up.
    fn leave(&mut self, cx: &mut Context<'_>) {
        self.is_leaving = true;
        if self.unanswered.is_empty() {
            cx.source(self.socket).send(b"quit");
            cx.stop(Stop::Gracefully);
        }
    }
}

impl Message {
    fn datagram(&self, id: u64) -> String {
        format!("^msg^{id}^{}", self.text)
    }
}

pub(super) fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let acks = !arguments.flag("--no-acks");
    let endpoint = arguments.endpoint("udp://127.0.0.1:8893")?;
    arguments.end()?;
    let next = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    let input = stdio::input()?;
    let _restored_at_the_end = input.restore;
    let client = reactor.start(|cx| {
        let (socket, keyboard) = (cx.connect(&endpoint)?, cx.adopt(input.descriptor, Half::Read)?);
        cx.source(keyboard).unref();
        cx.source(socket).send(HEARTBEAT); // Joins.
        cx.every_with(BEAT, BEATS);
        let (unanswered, is_leaving, failure) = Default::default();
        Ok(Client { keyboard, socket, acks, next, unanswered, is_leaving, failure })
    })?;
    reactor.run()?;
    let failure = reactor.with(client, |client, _| client.failure.take()).flatten();
    failure.map_or(Ok(()), |why| Err(Failure::new(why)))
}
