//! A room to talk in: lines over TCP, a name for each member; and over UDP the question who is there.
//!
//! `cargo run --example lounge`, then `nc 127.0.0.1 8900` in other terminals, and a name as the first line. Who is
//! there: `printf '%80s' | nc -u -W 1 127.0.0.1 8900`. The guide's chapter `your_own` goes through all of it.

use std::error::Error;
use std::time::Duration;

use echoloop::{
    Cause, Config, Context, Endpoint, Hub, Id, Lines, Peer, Reactor, Service, ServiceId, Session,
    Sessions, TimerId,
};

/// A connection that has said no name by then has to go.
const AT_THE_DOOR: Duration = Duration::from_secs(10);

/// What all members share.
struct Room {
    lines: Lines,
    who: ServiceId<Who>,
}

/// One connection. Until it has a name it stands at the door, and hears nothing.
struct Member {
    name: Option<String>,
}

impl Session for Member {
    type Shared = Room;

    fn opened(_hub: &mut Hub<'_, Member>, cx: &mut Context<'_>) -> Member {
        cx.send_all(b"your name?\n");
        cx.after(AT_THE_DOOR);
        Member { name: None }
    }

    fn timer(&mut self, _hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, _timer: TimerId) {
        if self.name.is_none() {
            cx.close_because("said no name");
        }
    }

    fn received(&mut self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            match hub.shared.lines.next(&input[taken..]) {
                Ok(Some(line)) => {
                    self.line(hub, cx, &printable(line.text));
                    taken += line.len();
                }
                Ok(None) => return taken, // The rest is shown again, with more behind it.
                Err(_) => {
                    cx.send_all(b"line too long\n");
                    cx.close_because("line too long");
                    return input.len();
                }
            }
        }
    }

    fn closed(self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, cause: &Cause) {
        if let Some(name) = self.name {
            tell(hub, cx, &format!("* {name} has left: {cause}\n"));
            cx.tell(hub.shared.who, move |who, _cx| who.names.retain(|other| *other != name));
        }
    }
}

impl Member {
    fn line(&mut self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, text: &str) {
        match &self.name {
            Some(name) => tell(hub, cx, &format!("{name}: {text}\n")),
            None => self.enter(hub, cx, text.trim()),
        }
    }

    fn enter(&mut self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, name: &str) {
        let is_taken = hub.others.iter().any(|(_, other)| other.name.as_deref() == Some(name));
        if name.is_empty() || name.len() > 20 || is_taken {
            cx.send_all(b"another name, please\n");
            return;
        }
        tell(hub, cx, &format!("* {name} has come\n"));
        self.name = Some(name.to_owned());
        let name = name.to_owned();
        cx.tell(hub.shared.who, move |who, _cx| who.names.push(name));
    }
}

/// Says it to all others in the room. One that doesn't read is not waited for.
fn tell(hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, text: &str) {
    for (id, _) in hub.others.iter().filter(|(_, other)| other.name.is_some()) {
        if !cx.source(id).send_all(text.as_bytes()) {
            cx.source(id).abort_because("reads too slowly");
        }
    }
}

/// What comes from one terminal must not move the cursor of another.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|letter| !letter.is_control()).collect()
}

/// Who is there, for anybody who asks with a datagram.
#[derive(Default)]
struct Who {
    names: Vec<String>,
}

impl Service for Who {
    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, question: &[u8]) {
        let names = self.names.join(" ") + "\n";
        cx.reply(&names.as_bytes()[..names.len().min(question.len())]);
    }
}

/// Opens the room: where it listens for members, and where for questions.
fn open(
    reactor: &mut Reactor,
    members: &Endpoint,
    questions: &Endpoint,
) -> Result<[Id; 2], echoloop::Error> {
    let lines = Lines::new(200);
    let who = reactor.add(Who::default());
    let asked = reactor.context(who).listen(questions)?;
    Ok([reactor.listen(members, Sessions::<Member>::new(Room { lines, who }))?, asked])
}

fn main() -> Result<(), Box<dyn Error>> {
    let at = std::env::args().nth(1).unwrap_or("127.0.0.1:8900".into());
    let (tcp, udp) = (format!("tcp://{at}").parse()?, format!("udp://{at}").parse()?);
    let idle_timeout = Some(Duration::from_secs(600));
    let mut reactor = Reactor::new(Config { idle_timeout, ..Config::default() })?;
    for (kind, id) in ["tcp", "udp"].into_iter().zip(open(&mut reactor, &tcp, &udp)?) {
        if let Some(address) = reactor.local(id) {
            println!("listening on {kind}://{address}");
        }
    }
    reactor.stop_on_signals()?; // Ctrl-C: gracefully. Twice: at once.
    Ok(reactor.run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other end: what it has been told so far.
    #[derive(Default)]
    struct Client {
        heard: String,
    }

    impl Service for Client {
        fn received(&mut self, _cx: &mut Context<'_>, input: &[u8]) -> usize {
            self.heard += std::str::from_utf8(input).unwrap();
            input.len()
        }

        fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, answer: &[u8]) {
            self.received(cx, answer);
        }
    }

    /// A reactor with a room in memory, and nothing else.
    fn room() -> Reactor {
        let mut reactor = Reactor::new(Config::default()).unwrap();
        let (members, questions) = ("mem://room".parse(), "memgram://who".parse());
        open(&mut reactor, &members.unwrap(), &questions.unwrap()).unwrap();
        reactor
    }

    /// Turns until there is nothing left to do.
    fn settle(reactor: &mut Reactor) {
        while reactor.poll_timeout() == Some(Duration::ZERO) {
            reactor.turn(Some(Duration::ZERO)).unwrap();
        }
    }

    /// Connects, and says this.
    fn comes(reactor: &mut Reactor, to: &str, says: &str) -> (ServiceId<Client>, Id) {
        let client = reactor.add(Client::default());
        let id = reactor.context(client).connect(&to.parse().unwrap()).unwrap();
        says_it(reactor, (client, id), says);
        (client, id)
    }

    fn says_it(reactor: &mut Reactor, (client, id): (ServiceId<Client>, Id), text: &str) {
        assert!(reactor.context(client).source(id).send_all(text.as_bytes()));
        settle(reactor);
    }

    fn heard(reactor: &mut Reactor, (client, _): (ServiceId<Client>, Id)) -> String {
        reactor.with(client, |client, _cx| std::mem::take(&mut client.heard)).unwrap()
    }

    #[test]
    fn what_one_says_all_others_hear() {
        let mut reactor = room();
        let ann = comes(&mut reactor, "mem://room", "ann\n");
        let bob = comes(&mut reactor, "mem://room", "ann\nbob\nhe");
        says_it(&mut reactor, bob, "llo\n");
        assert_eq!(heard(&mut reactor, ann), "your name?\n* bob has come\nbob: hello\n");
        assert_eq!(heard(&mut reactor, bob), "your name?\nanother name, please\n");

        reactor.context(bob.0).source(bob.1).close();
        settle(&mut reactor);
        assert_eq!(heard(&mut reactor, ann), "* bob has left: ended by the peer\n");
    }

    #[test]
    fn who_is_there_is_told_in_no_more_bytes_than_were_asked_with() {
        let mut reactor = room();
        for says in ["ann\n", "bob\n", ""] {
            comes(&mut reactor, "mem://room", says);
        }
        let asks = comes(&mut reactor, "memgram://who", &" ".repeat(80));
        assert_eq!(heard(&mut reactor, asks), "ann bob\n");
        says_it(&mut reactor, asks, "who?");
        assert_eq!(heard(&mut reactor, asks), "ann ");
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut reactor = room();
        let client = comes(&mut reactor, "mem://room", &"x".repeat(1000));
        assert_eq!(heard(&mut reactor, client), "your name?\nline too long\n");
        assert_eq!(reactor.statistics().open, 0);
    }
}
