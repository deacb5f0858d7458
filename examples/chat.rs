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
//! up to a limit. From then on he is *behind*, and has some seconds to catch up, or is dropped.
//! Somebody who talks faster than the others can read is slowed down meanwhile: while anybody is
//! more than half full, no new line is taken from anybody. So nothing that was said is lost, a flood
//! doesn't throw out those who read, and memory is bounded.

mod support;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::IsTerminal;
use std::time::Duration;

use echoloop::{Cause, Config, Context, Half, Id, Lines, Reactor, Service, TimerId};
use support::{Arguments, Failure, listening, stdio, stop_on_ctrl_c};

/// Bytes kept for a member beyond what the kernel takes.
const KEPT: usize = 256 * 1024;

const TOO_SLOW: &str = "was dropped: reads too slowly";

struct Chat {
    keyboard: Id,
    screen: Id,
    patience: Duration,
    members: BTreeMap<Id, String>,
    /// Members who are behind, and until when.
    behind: HashMap<Id, TimerId>,
    /// Speakers who wait until the others have caught up.
    waiting: Vec<Id>,
    guests: u64,
}

impl Service for Chat {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.guests += 1;
        let (id, name) = (cx.id(), format!("guest{}", self.guests));
        cx.send_all(format!("you are {name}, of {}\n", self.members.len() + 1).as_bytes());
        self.members.insert(id, name.clone());
        self.tell(cx, Some(id), format!("{name} has joined"));
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let lines = Lines::new(cx.config().line_length);
        let (id, mut taken) = (cx.id(), 0);
        loop {
            if self.somebody_is_half_full(cx) {
                cx.pause();
                self.waiting.push(id);
                break;
            }
            match lines.next(&input[taken..]) {
                Ok(Some(line)) => {
                    taken += line.len();
                    if !self.said(cx, line.text) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    cx.send_all(format!("{error}, goodbye\n").as_bytes());
                    self.leave(cx, id, "sent too long a line");
                    break;
                }
            }
        }
        taken
    }

    /// The last line may have no ending.
    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        self.said(cx, rest);
        let id = cx.id();
        self.leave(cx, id, "has left");
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let id = cx.id();
        self.leave(cx, id, &format!("has vanished: {cause}"));
    }

    /// The server stops, and nobody needs to hear that the others leave.
    fn stopping(&mut self, cx: &mut Context<'_>) {
        cx.send_all(b"the chat is over\n");
        self.members.remove(&cx.id());
        cx.close();
    }

    /// He has caught up.
    fn refilled(&mut self, cx: &mut Context<'_>) {
        let id = cx.id();
        self.is_no_longer_behind(cx, id);
    }

    /// He has not.
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        let id = cx.id();
        self.leave(cx, id, TOO_SLOW);
    }
}

impl Chat {
    /// Somebody has said a line. `false`: that was his last.
    fn said(&mut self, cx: &mut Context<'_>, line: &[u8]) -> bool {
        let id = cx.id();
        let readable = |text: &&str| !text.chars().any(|c| c.is_control() && c != '\t');
        let Some(text) = str::from_utf8(line).ok().filter(readable) else {
            let speaker = if id == self.keyboard { self.screen } else { id };
            cx.on(speaker).send_all(b"not passed on: it isn't plain UTF-8 text\n");
            return true;
        };
        match self.members.get(&id) {
            _ if text.is_empty() => {}
            _ if id == self.keyboard => self.operator_said(cx, text),
            Some(_) if text == "quit" => self.leave(cx, id, "has left"),
            Some(name) => {
                let text = format!("{name}: {text}");
                self.tell(cx, Some(id), text);
            }
            None => {}
        }
        id == self.keyboard || self.members.contains_key(&id)
    }

    fn operator_said(&mut self, cx: &mut Context<'_>, text: &str) {
        let Some((name, text)) =
            text.strip_prefix('@').map(|it| it.split_once(' ').unwrap_or((it, "")))
        else {
            return self.tell(cx, None, format!("operator: {text}"));
        };
        match self.members.iter().find(|(_, known)| *known == name) {
            Some((&id, _)) => {
                self.send(cx, id, &format!("operator, to you: {text}\n"));
            }
            None => {
                cx.on(self.screen).send_all(format!("nobody is called {name}\n").as_bytes());
            }
        }
    }

    /// Tells everybody but one, and the operator. Whoever has no room for it is dropped, of which the
    /// others are told in turn.
    fn tell(&mut self, cx: &mut Context<'_>, except: Option<Id>, text: String) {
        let mut texts = VecDeque::from([(except, text + "\n")]);
        while let Some((except, text)) = texts.pop_front() {
            cx.on(self.screen).send_all(text.as_bytes());
            let members: Vec<Id> = self.members.keys().copied().collect();
            for id in members.into_iter().filter(|id| Some(*id) != except) {
                if !self.send(cx, id, &text)
                    && let Some(name) = self.remove(cx, id)
                {
                    let vanished = cx.on(id).queued() == 0;
                    let how = if vanished { "has vanished" } else { TOO_SLOW };
                    texts.push_back((None, format!("{name} {how}\n")));
                }
            }
        }
    }

    /// Sends to a member, and notes whether he is behind. `false`: there was no room.
    fn send(&mut self, cx: &mut Context<'_>, id: Id, text: &str) -> bool {
        let mut member = cx.on(id);
        let sent = member.send_all(text.as_bytes());
        if member.await_room() {
            let patience = self.patience;
            self.behind.entry(id).or_insert_with(|| member.after(patience));
        }
        sent
    }

    fn leave(&mut self, cx: &mut Context<'_>, id: Id, how: &str) {
        if let Some(name) = self.remove(cx, id) {
            self.tell(cx, None, format!("{name} {how}"));
        }
    }

    fn remove(&mut self, cx: &mut Context<'_>, id: Id) -> Option<String> {
        let name = self.members.remove(&id)?;
        cx.on(id).close();
        self.is_no_longer_behind(cx, id);
        Some(name)
    }

    fn is_no_longer_behind(&mut self, cx: &mut Context<'_>, id: Id) {
        if let Some(timer) = self.behind.remove(&id) {
            cx.cancel(timer);
            for speaker in self.waiting.drain(..) {
                cx.on(speaker).resume();
            }
        }
    }

    fn somebody_is_half_full(&self, cx: &mut Context<'_>) -> bool {
        self.behind.keys().any(|&id| cx.on(id).queued() > KEPT / 2)
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
    stop_on_ctrl_c(&mut reactor)?;
    let (input, output) = (stdio::input()?, stdio::output()?);
    let _restored_at_the_end = (input.restore, output.restore);
    let (input, output) = (input.descriptor, output.descriptor);
    reactor.start(|cx| {
        let (keyboard, screen) = (cx.adopt(input, Half::Read)?, cx.adopt(output, Half::Write)?);
        cx.on(keyboard).in_background();
        cx.on(screen).in_background();
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        if std::io::stdin().is_terminal() {
            support::say("what you type goes to all, @guest1 text to one");
        }
        let (members, behind, waiting) = Default::default();
        Ok(Chat { keyboard, screen, patience, members, behind, waiting, guests: 0 })
    })?;
    Ok(reactor.run()?)
}
