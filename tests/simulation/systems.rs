//! Each system in all worlds.

use std::time::Duration;

use echoloop::{Client, Context, Echo, Endpoint, Pong, Script, Service, Sessions};

use crate::services::{Group, Member, Proxy};
use crate::watched::Watched;
use crate::world::{LONG, World, worlds};

fn at(text: &str) -> Endpoint {
    text.parse().unwrap()
}

fn listen(world: &mut World, name: &'static str, service: impl Service) {
    let watched = Watched { inner: service, lives: world.lives.clone(), name };
    world.simulation.reactor().listen(&at(name), watched).unwrap();
}

/// Some clients that send something, in some pieces, at their pace. Some of them go without a word.
fn clients(
    world: &mut World,
    to: &str,
    bytes: impl Fn(&mut World) -> Vec<u8>,
) -> Vec<(Vec<u8>, bool, Client)> {
    let count = 1 + world.rng.below(6);
    let clients = (0..count).map(|_| {
        let bytes = bytes(world);
        let leaves = !world.is_kind && world.rng.below(5) == 0;
        let mut script = Script::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(1 + world.rng.below(rest.len()));
            script = script.sends(piece);
            rest = behind;
            let millis = Duration::from_millis(world.rng.below(2000) as u64);
            script = match world.rng.below(4) {
                0 => script.waits(millis),
                1 => script.is_deaf(millis),
                _ => script,
            };
        }
        let script = if leaves { script.aborts() } else { script.ends() };
        let client = world.simulation.client(&at(to), script).unwrap();
        (bytes, leaves, client)
    });
    clients.collect()
}

/// What holds of each client at the end.
fn came_to_an_end(world: &World, client: &Client) {
    let (opened, closed) = client.opened_and_closed();
    assert!(opened <= 1 && closed == 1, "opened {opened} times, closed {closed} times");
    if world.is_kind {
        assert_eq!((opened, client.has_ended()), (1, true), "{:?}", client.cause());
    }
}

#[test]
fn echo() {
    worlds("echo", |world| {
        listen(world, "mem://echo", Echo);
        let clients = clients(world, "mem://echo", |world| {
            let most = world.rng.pick(&[1, 100, 60_000]);
            world.rng.bytes(most)
        });
        world.run(LONG);
        for (bytes, _, client) in clients {
            let received = client.received();
            assert!(bytes.starts_with(&received), "{} bytes came back", received.len());
            assert!(received.len() <= client.sent());
            came_to_an_end(world, &client);
            if world.is_kind {
                assert_eq!(received.len(), bytes.len(), "{:?}", client.cause());
            }
        }
        assert_eq!(world.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    });
}

/// Asks one byte at a time, and counts the turns until it is answered.
struct Whisper {
    asked: u64,
    left: u32,
    most: u64,
}

impl Whisper {
    fn ask(&mut self, cx: &mut Context<'_>) {
        self.asked = cx.statistics().turns;
        cx.send(b"?");
    }
}

impl Service for Whisper {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.ask(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let turns = cx.statistics().turns - self.asked;
        assert!(turns <= self.most, "answered after {turns} turns");
        self.left -= 1;
        if self.left == 0 {
            cx.close();
        } else {
            self.ask(cx);
        }
        input.len()
    }
}

/// Whoever asks little is answered within few turns, whatever floods there are beside it: there, a turn for the
/// service, back, a turn for the answer.
#[test]
fn whisper() {
    worlds("whisper", |world| {
        listen(world, "mem://echo", Echo);
        let floods: Vec<_> = (0..world.rng.below(5))
            .map(|_| {
                let script = Script::new().sends(vec![7; 300_000]).ends();
                world.simulation.client(&at("mem://echo"), script).unwrap()
            })
            .collect();
        let most = if world.is_still { 6 } else { u64::MAX };
        let whisper = Whisper { asked: 0, left: 50, most };
        world.simulation.reactor().connect(&at("mem://echo"), whisper).unwrap();
        world.run(LONG);
        for flood in floods {
            assert!(!world.is_kind || flood.received().len() == 300_000, "{:?}", flood.cause());
        }
        assert_eq!(world.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    });
}

/// Says something, and closes at once.
struct Goodbye(Vec<u8>);

impl Service for Goodbye {
    fn opened(&mut self, cx: &mut Context<'_>) {
        cx.send(&self.0);
        cx.close();
    }
}

/// What was said before a polite end arrives, whatever the client is saying meanwhile; and no end waits for ever
/// for somebody who has vanished.
#[test]
fn goodbye() {
    worlds("goodbye", |world| {
        let words = world.rng.bytes(4096);
        listen(world, "mem://goodbye", Goodbye(words.clone()));
        let clients = clients(world, "mem://goodbye", |world| world.rng.bytes(60_000));
        world.run(LONG);
        for (_, _, client) in clients {
            let received = client.received();
            assert!(words.starts_with(&received), "{} bytes came", received.len());
            // Some are deaf for longer than the shorter time that an end waits for.
            if world.is_kind && world.config.linger > Duration::from_secs(60) {
                assert_eq!(received.len(), words.len(), "{:?}", client.cause());
            }
        }
        assert_eq!(world.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    });
}

#[test]
fn pong() {
    worlds("pong", |world| {
        listen(world, "mem://pong", Pong::default());
        let clients = clients(world, "mem://pong", |world| {
            let lines = world.rng.below(300);
            (0..lines).flat_map(|_| [&world.rng.bytes(3)[..], b"\n"].concat()).collect()
        });
        world.run(LONG);
        for (bytes, _, client) in clients {
            let received = client.received();
            let lines = bytes.split_inclusive(|&byte| byte == b'\n');
            let expected: Vec<u8> = lines
                .flat_map(|line| if line.ends_with(b"\r\n") { &b"pong\r\n"[..] } else { b"pong\n" })
                .copied()
                .collect();
            assert!(expected.starts_with(&received));
            came_to_an_end(world, &client);
            if world.is_kind {
                assert_eq!(received.len(), expected.len(), "{:?}", client.cause());
            }
        }
        assert_eq!(world.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    });
}

#[test]
fn proxy() {
    worlds("proxy", |world| {
        world.simulation.reactor().listen(&at("mem://inner"), Echo).unwrap();
        listen(world, "mem://front", Proxy::new(at("mem://inner")));
        let clients = clients(world, "mem://front", |world| {
            let most = world.rng.pick(&[1, 100, 60_000]);
            world.rng.bytes(most)
        });
        world.run(LONG);
        for (bytes, _, client) in clients {
            let received = client.received();
            assert!(bytes.starts_with(&received), "{} bytes came back", received.len());
            let (opened, closed) = client.opened_and_closed();
            assert!(opened <= 1 && closed == 1);
            if world.is_kind {
                assert_eq!(received.len(), bytes.len(), "{:?}", client.cause());
            }
        }
        assert_eq!(world.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    });
}

#[test]
fn chat() {
    worlds("chat", |world| {
        listen(world, "mem://chat", Sessions::<Member>::new(0));
        let clients = clients(world, "mem://chat", |world| {
            let lines = 1 + world.rng.below(60);
            (0..lines).flat_map(|line| format!("{line}\n").into_bytes()).collect()
        });
        world.run(LONG);
        for (_, _, client) in clients {
            let received = client.received();
            let (whole, rest) = match received.iter().rposition(|&byte| byte == b'\n') {
                Some(last) => received.split_at(last + 1),
                None => (&b""[..], &received[..]),
            };
            assert!(rest.is_empty() || !client.has_ended(), "an end in the middle of a line");
            // Of each speaker, all lines from the first one on.
            let mut next = std::collections::BTreeMap::new();
            for line in std::str::from_utf8(whole).unwrap().lines() {
                let (speaker, line) = line.split_once(' ').expect("a line as it was said");
                let line: u32 = line.parse().expect("a number as it was said");
                let expected = next.entry(speaker.to_owned()).or_insert(line);
                assert_eq!(*expected, line, "of {speaker}");
                *expected += 1;
            }
            let (opened, closed) = client.opened_and_closed();
            assert!(opened <= 1 && closed == 1);
        }
        assert_eq!(world.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    });
}

#[test]
fn group() {
    worlds("group", |world| {
        listen(world, "memgram://group", Group::default());
        let count = 2 + world.rng.below(5);
        let mut members = Vec::new();
        for member in 0..count {
            let mut script = Script::new();
            for message in 0..world.rng.below(20) {
                script = script.sends(format!("{member} {message}"));
                if world.rng.below(3) == 0 {
                    script = script.waits(Duration::from_millis(world.rng.below(500) as u64));
                }
            }
            members.push(world.simulation.client(&at("memgram://group"), script).unwrap());
        }
        world.run(LONG);
        for (me, client) in members.iter().enumerate() {
            let mut last = std::collections::BTreeMap::new();
            for datagram in client.datagrams() {
                let text = String::from_utf8(datagram).expect("a datagram as it was sent");
                let (from, message) = text.split_once(' ').expect("a datagram as it was sent");
                let (from, message) =
                    (from.parse::<usize>().unwrap(), message.parse::<i32>().unwrap());
                assert!(from < count && from != me && message < 20);
                if world.is_kind {
                    let before = last.insert(from, message);
                    assert!(before.is_none_or(|before| before + 1 == message), "in order, no gap");
                }
            }
        }
        let statistics = world.simulation.reactor().statistics();
        let said = members.iter().map(Client::sent).sum::<usize>();
        assert_eq!(said > 0, statistics.datagrams_out > 0);
        if world.is_kind {
            assert_eq!(statistics.datagrams_in, statistics.datagrams_out, "{statistics}");
        }
    });
}
