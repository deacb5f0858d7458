//! A chat over UDP. There are no connections, so membership is a matter of time.
//!
//! `cargo run --example group_chat -- [ENDPOINT] [--interval SECONDS] [--members COUNT] [--show-sender]`,
//! then `cargo run --example group_chat -- client [ENDPOINT]` or `nc -u 127.0.0.1 8893` in other terminals.
//!
//! One datagram is one message; a line ending behind it stays behind it.
//!
//! | datagram | from a client | means |
//! |---|---|---|
//! | `^hb^` | every 3 s | I am still here; not passed on |
//! | `quit` | once | I leave |
//! | `^msg^<id>^<text>` | until it is acknowledged | the text, with an acknowledgement, please |
//! | anything else | | text: every member gets it, the sender too, as `<text>--******` |
//!
//! The first datagram joins, unless it is `quit`, or the chat is full; that is answered if the datagram is
//! longer than the answer, so that a forged address is not hit harder than by its forger. A member not heard of for the interval, 10 s, is
//! dropped by a timer, whether or not anybody speaks. With `--show-sender` the sender's address stands in
//! place of the stars.
//!
//! Acknowledgements are for clients who ask for them. The id is a decimal number below 2^64. The
//! server answers each `^msg^<id>^<text>` with `^ack^<id>`, and passes the text on when it sees the id
//! from this member for the first time, among the last 64. A client keeps at most 64 unanswered,
//! sends each again every half second, five times in all, and then says that it is lost. It counts
//! from its clock's nanoseconds, so that the next program on the same port is not taken for it.
//!
//! Whoever forges a sender's address makes that one a member, who gets what the others say until
//! the interval is over: a group chat multiplies. It is for loopback and for networks that are yours.

mod support;

#[path = "group_chat/client.rs"]
mod client;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use echoloop::{Address, Config, Context, Peer, Reactor, Service, TimerId};
use support::{Arguments, Failure, listening, say};

const HEARTBEAT: &[u8] = b"^hb^";
const MESSAGE: &[u8] = b"^msg^";
const ACKNOWLEDGEMENT: &str = "^ack^";
/// The most unanswered messages of a client, and the ids that are remembered of it.
const WINDOW: usize = 64;
/// So that a text with the longest address behind it fits into a datagram.
const LONGEST: usize = 65_000;

struct GroupChat {
    interval: Duration,
    show_sender: bool,
    most: usize,
    members: HashMap<Address, Member>,
    /// Whose timer it is; each member has one.
    timers: HashMap<TimerId, Address>,
}

struct Member {
    peer: Peer,
    heard: Instant,
    timer: TimerId,
    seen: VecDeque<u64>,
}

impl Service for GroupChat {
    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        let ending = payload.iter().rev().take_while(|byte| b"\r\n".contains(byte)).count();
        let (text, ending) = payload.split_at(payload.len() - ending);
        if text == b"quit" {
            if let Some(member) = self.members.remove(&from.address) {
                cx.cancel(member.timer);
                self.timers.remove(&member.timer);
                say(format_args!("{from} has left, {} members", self.members.len()));
            }
        } else if self.is_member(cx, from) && text != HEARTBEAT {
            match numbered(text) {
                Some((id, text)) => self.said_once(cx, from, id, text, ending),
                None => self.said(cx, from, text, ending),
            }
        }
    }

    /// The member was heard of since, or is gone.
    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        let Some(address) = self.timers.remove(&timer) else { return };
        let Some(member) = self.members.get_mut(&address) else { return };
        let quiet = cx.now().duration_since(member.heard);
        if quiet < self.interval {
            member.timer = cx.after(self.interval - quiet);
            self.timers.insert(member.timer, address);
        } else {
            self.members.remove(&address);
            say(format_args!("{address} is dropped: not heard of, {} members", self.members.len()));
        }
    }
}

impl GroupChat {
    /// Whether this is a member, perhaps since now.
    fn is_member(&mut self, cx: &mut Context<'_>, from: &Peer) -> bool {
        let (peer, heard) = (*from, cx.now());
        if let Some(member) = self.members.get_mut(&from.address) {
            member.heard = heard;
        } else if self.members.len() < self.most {
            let (timer, seen) = (cx.after(self.interval), VecDeque::new());
            self.members.insert(from.address, Member { peer, heard, timer, seen });
            self.timers.insert(timer, from.address);
            say(format_args!("{from} has joined, {} members", self.members.len()));
        } else {
            cx.reply(b"the chat is full");
            return false;
        }
        true
    }

    /// A text that was sent again and again until it was acknowledged counts once.
    fn said_once(
        &mut self,
        cx: &mut Context<'_>,
        from: &Peer,
        id: u64,
        text: &[u8],
        ending: &[u8],
    ) {
        cx.reply(format!("{ACKNOWLEDGEMENT}{id}").as_bytes());
        let Some(member) = self.members.get_mut(&from.address) else { return };
        if member.seen.contains(&id) {
            return;
        }
        if member.seen.len() == WINDOW {
            member.seen.pop_front();
        }
        member.seen.push_back(id);
        self.said(cx, from, text, ending);
    }

    fn said(&mut self, cx: &mut Context<'_>, from: &Peer, text: &[u8], ending: &[u8]) {
        if text.len() + ending.len() > LONGEST {
            cx.reply(format!("not passed on: more than {LONGEST} bytes").as_bytes());
            return;
        }
        let sender = if self.show_sender { from.to_string() } else { "******".to_owned() };
        let text = [text, b"--", sender.as_bytes(), ending].concat();
        for member in self.members.values() {
            cx.send_to(&member.peer, &text);
        }
    }
}

/// The id and the text of `^msg^<id>^<text>`.
fn numbered(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.strip_prefix(MESSAGE)?;
    let end = text.iter().position(|&byte| byte == b'^')?;
    let id = str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some((id, &text[end + 1..]))
}

fn main() -> Result<(), Failure> {
    let usage = "group_chat [ENDPOINT] [--interval SECONDS] [--members COUNT] [--show-sender]\n       \
                 group_chat client [ENDPOINT] [--no-acks]";
    let mut arguments = Arguments::new(usage)?;
    if arguments.is("client") {
        return client::run(arguments);
    }
    let interval = Duration::try_from_secs_f64(arguments.option("--interval", 10.0)?)?;
    let most = arguments.option("--members", 1000)?;
    let show_sender = arguments.flag("--show-sender");
    let endpoint = arguments.endpoint("udp://127.0.0.1:8893")?;
    arguments.end()?;
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let socket = cx.listen(&endpoint)?;
        listening(cx, socket, &endpoint);
        let (members, timers) = Default::default();
        Ok(GroupChat { interval, show_sender, most, members, timers })
    })?;
    Ok(reactor.run()?)
}
