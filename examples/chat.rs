//! A chat over TCP: a line from one goes to all others, and the operator at the server's own keyboard
//! takes part.
//!
//! `cargo run --example chat -- [ENDPOINT] [--patience SECONDS]`, then `nc 127.0.0.1 8892` in other
//! terminals. A client's line `quit` leaves; so does vanishing. The operator's lines go to all,
//! `@guest2 text` to one. Text is UTF-8 without control characters, or is refused.
//!
//! The keyboard is a source like any other, so nobody waits for the operator; so is the screen, so
//! nobody waits when it stands still after Ctrl-S.
//!
//! A member who doesn't read costs the others nothing, at first: what the kernel doesn't take is kept,
//! up to a limit. From then on it is *behind*, and has some seconds to catch up, or is dropped.
//! Somebody who talks faster than the others can read is slowed down meanwhile: while anybody is
//! more than half full, no new line is taken from anybody. So nothing that was said is lost, a flood
//! doesn't throw out those who read, and memory is bounded.

mod support;

use std::io::IsTerminal;
use std::time::Duration;

use echoloop::{Cause, Config, Context, Half, Id, Lines, Reactor, Session, Sessions, TimerId};
use support::{Arguments, Failure, listening, stdio};

/// Bytes kept for a member beyond what the kernel takes.
const KEPT: usize = 256 * 1024;

type Hub<'a> = echoloop::Hub<'a, Member>;

const TOO_SLOW: &str = "was dropped: reads too slowly";

/// What all share.
struct Room {
    keyboard: Id,
    screen: Id,
    patience: Duration,
    /// Speakers who wait until the others have caught up.
    waiting: Vec<Id>,
    guests: u64,
}

/// Somebody who takes part; or the operator at the keyboard, who has no name.
#[derive(Default)]
struct Member {
    /// Until it has left.
    name: Option<String>,
    /// Until when it must have caught up, if it is behind.
    behind: Option<TimerId>,
}

impl Session for Member {
    type Shared = Room;

    fn opened(hub: &mut Hub<'_>, cx: &mut Context<'_>) -> Member {
        hub.shared.guests += 1;
        let name = format!("guest{}", hub.shared.guests);
        let members = 1 + hub.others.iter().filter(|(_, other)| other.name.is_some()).count();
        cx.send_all(format!("you are {name}, of {members}\n").as_bytes());
        tell(hub, cx, &format!("{name} has joined\n"));
        Member { name: Some(name), behind: None }
    }

    fn received(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let lines = Lines::new(cx.config().line_length);
        let mut taken = 0;
        loop {
            if self.somebody_is_half_full(hub, cx) {
                cx.pause();
                hub.shared.waiting.push(cx.id());
                break;
            }
            match lines.next(&input[taken..]) {
                Ok(Some(line)) => {
                    taken += line.len();
                    if !self.said(hub, cx, line.text) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    cx.send_all(format!("{error}, goodbye\n").as_bytes());
                    self.leave(hub, cx, "sent too long a line");
                    break;
                }
            }
        }
        taken
    }

    /// The last line may have no ending.
    fn ended(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, rest: &[u8]) {
        self.said(hub, cx, rest);
        self.leave(hub, cx, "has left");
    }

    fn closed(mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, cause: &Cause) {
        match cause {
            Cause::Because(TOO_SLOW) => self.leave(hub, cx, TOO_SLOW),
            cause => self.leave(hub, cx, &format!("has vanished: {cause}")),
        }
    }

    /// The server stops, and nobody needs to hear that the others leave.
    fn stopping(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        cx.send_all(b"the chat is over\n");
        self.name = None;
        cx.close();
    }

    fn writable(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        self.has_caught_up(hub.shared, cx);
    }

    /// It has not caught up.
    fn timer(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>, _timer: TimerId) {
        cx.abort_because(TOO_SLOW);
    }
}

impl Member {
    /// It has said a line. `false`: that was its last.
    fn said(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, line: &[u8]) -> bool {
        let is_operator = cx.id() == hub.shared.keyboard;
        let readable = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\t');
        let Some(text) = str::from_utf8(line).ok().filter(readable) else {
            let speaker = if is_operator { hub.shared.screen } else { cx.id() };
            cx.source(speaker).send_all(b"not passed on: it isn't plain UTF-8 text\n");
            return true;
        };
        match &self.name {
            _ if text.is_empty() => {}
            _ if is_operator => operator_said(hub, cx, text),
            Some(_) if text == "quit" => self.leave(hub, cx, "has left"),
            Some(name) => tell(hub, cx, &format!("{name}: {text}\n")),
            None => {}
        }
        is_operator || self.name.is_some()
    }

    /// Is told something, and may fall behind by it. Nobody is spared a line: who has no room is dropped.
    fn hears(&mut self, room: &Room, cx: &mut Context<'_>, text: &str) {
        if self.name.is_none() {
            return;
        }
        if !cx.send_all(text.as_bytes()) {
            cx.abort_because(TOO_SLOW);
        } else if cx.await_writable() {
            self.behind.get_or_insert_with(|| cx.after(room.patience));
        }
    }

    fn leave(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, how: &str) {
        if let Some(name) = self.name.take() {
            cx.close();
            self.has_caught_up(hub.shared, cx);
            tell(hub, cx, &format!("{name} {how}\n"));
        }
    }

    fn has_caught_up(&mut self, room: &mut Room, cx: &mut Context<'_>) {
        if let Some(timer) = self.behind.take() {
            cx.cancel(timer);
            room.waiting.drain(..).for_each(|speaker| cx.source(speaker).resume());
        }
    }

    fn somebody_is_half_full(&self, hub: &Hub<'_>, cx: &mut Context<'_>) -> bool {
        let everybody = hub.others.iter().chain([(cx.id(), self)]);
        let mut behind = everybody.filter(|(_, member)| member.behind.is_some());
        behind.any(|(id, _)| cx.source(id).queued() > KEPT / 2)
    }
}

fn operator_said(hub: &mut Hub<'_>, cx: &mut Context<'_>, text: &str) {
    let Some(text) = text.strip_prefix('@') else {
        return tell(hub, cx, &format!("operator: {text}\n"));
    };
    let (name, text) = text.split_once(' ').unwrap_or((text, ""));
    let member = hub.others.iter_mut().find(|(_, it)| it.name.as_deref() == Some(name));
    if let Some((id, member)) = member {
        member.hears(hub.shared, &mut cx.source(id), &format!("operator, to you: {text}\n"));
    } else {
        cx.source(hub.shared.screen).send_all(format!("nobody is called {name}\n").as_bytes());
    }
}

/// Tells all others, and the operator.
fn tell(hub: &mut Hub<'_>, cx: &mut Context<'_>, text: &str) {
    cx.source(hub.shared.screen).send_all(text.as_bytes());
    for (id, member) in hub.others.iter_mut() {
        member.hears(hub.shared, &mut cx.source(id), text);
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("chat [ENDPOINT] [--patience SECONDS]")?;
    let patience = Duration::from_secs(arguments.option("--patience", 5)?);
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8892")?;
    arguments.end()?;
    // The kernel keeps for a member too: as much as it likes, megabytes, unless it is told.
    let config = Config { output_limit: KEPT, send_buffer: Some(KEPT), ..Config::default() };
    let mut reactor = Reactor::new(config)?;
    reactor.stop_on_signals()?;
    let (input, output) = (stdio::input()?, stdio::output()?);
    let _restored_at_the_end = (input.restore, output.restore);
    let (input, output) = (input.descriptor, output.descriptor);
    reactor.start(|cx| {
        let (keyboard, screen) = (cx.adopt(input, Half::Read)?, cx.adopt(output, Half::Write)?);
        cx.source(keyboard).unref();
        cx.source(screen).unref();
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        if std::io::stdin().is_terminal() {
            support::say("what you type goes to all, @guest1 text to one");
        }
        let room = Room { keyboard, screen, patience, waiting: Vec::new(), guests: 0 };
        let mut members = Sessions::new(room);
        members.insert(&mut cx.source(keyboard), Member::default());
        Ok(members)
    })?;
    Ok(reactor.run()?)
}
