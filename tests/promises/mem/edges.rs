//! Limits, crowds, layers, other reactors.

use std::time::Duration;

use echoloop::{Config, Context, Echo, Endpoint, EndpointError, Error, Id, Service};

use super::*;
use crate::support::*;

/// The limits that hold for other connections hold here.
#[test]
fn connections_are_limited_and_idle_ones_closed() {
    let limits = Config { connections: Some(2), ..Config::default() };
    let (mut limited, _) = served(limits, Does::new());
    let nobody = limited.add(Echo);
    let clients: Vec<_> =
        (0..5).map(|_| limited.connect(&endpoint("mem://x"), Does::new()).unwrap()).collect();
    settle(&mut limited);
    assert_eq!((limited.statistics().accepted, limited.poll_timeout()), (2, None));
    for client in clients {
        limited.context(nobody).source(client).close();
    }
    settle(&mut limited);
    assert_eq!((limited.statistics().accepted, limited.statistics().open), (5, 0));

    let idle = Config { idle_timeout: Some(Duration::from_millis(1)), ..Config::default() };
    let (mut reactor, _) = served(idle, Does::new());
    reactor.connect(&endpoint("mem://x"), Does::new()).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.idle > 0);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
}

/// No descriptor is used, however many there are, and a reactor of which all is in memory never sleeps
/// before it is done.
#[test]
fn thousands_need_no_descriptor() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let (mut reactor, _) = served(Config::default(), Echo);
    let before = descriptors();
    let clients: Vec<_> =
        (0..3000_u32).map(|i| connect(&mut reactor, &i.to_be_bytes(), 3)).collect();
    settle(&mut reactor);
    // Other tests open some at the same time.
    assert!(descriptors() < before + 1000);
    for (i, seen) in (0..3000_u32).zip(clients) {
        assert_eq!(seen.borrow().got, i.to_be_bytes());
    }
    assert_eq!(reactor.statistics().open, 0);
}

/// A backlog has its length: the others are let in later.
#[test]
fn who_finds_the_backlog_full_tries_again() {
    let config = Config { backlog: 2, accept_budget: 1, ..Config::default() };
    let (mut reactor, _) = served(config, Echo);
    let clients: Vec<_> = (0..7).map(|_| connect(&mut reactor, b"hello", 5)).collect();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 14);
    clients.iter().for_each(|seen| assert_eq!(seen.borrow().got, b"hello"));
}

/// Dials from inside a callback: a layer in front of a service that knows nothing of it.
#[test]
fn a_front_on_tcp_reaches_a_service_in_memory() {
    /// Passes bytes on, each connection to its other half.
    #[derive(Default)]
    struct Front {
        pairs: Vec<(Id, Id)>,
    }
    impl Front {
        fn other(&self, id: Id) -> Option<Id> {
            self.pairs.iter().find_map(|&(a, b)| match id {
                _ if a == id => Some(b),
                _ if b == id => Some(a),
                _ => None,
            })
        }
    }
    impl Service for Front {
        fn opened(&mut self, cx: &mut Context<'_>) {
            if cx.listener().is_some() {
                let inner: Result<Id, Error> = cx.connect(&endpoint("mem://inner"));
                self.pairs.push((cx.id(), inner.unwrap()));
            }
        }
        fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
            let taken = self.other(cx.id()).map_or(0, |other| cx.source(other).send(input));
            if taken < input.len() {
                cx.pause(); // Until the other one has room.
            }
            taken
        }
        fn writable(&mut self, cx: &mut Context<'_>) {
            if let Some(other) = self.other(cx.id()) {
                cx.source(other).resume();
            }
        }
        fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
            assert!(rest.is_empty());
            if let Some(other) = self.other(cx.id()) {
                cx.source(other).finish();
            }
        }
    }
    let server = Server::start(Config::default(), |reactor| {
        reactor.listen(&endpoint("mem://inner"), Echo).unwrap();
        listen(reactor, "tcp://127.0.0.1:0", Front::default())
    });
    let mut client = tcp(server.made);
    let bytes = pattern(1 << 20);
    let (mut writer, copy) = (client.try_clone().unwrap(), bytes.clone());
    let writing = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, &copy).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    expect_end(&mut client, &bytes);
    writing.join().unwrap();
    let statistics = server.until(|statistics| statistics.open == 0);
    assert_eq!((statistics.closed.failed, statistics.buffered), (0, 0));
}

/// Another reactor, in another thread or in this one, has names of its own.
#[test]
fn each_reactor_has_its_own_names() {
    let (mut one, _) = served(Config::default(), Echo);
    let (mut two, _) = served(Config::default(), Does::new());
    let (first, second) = (connect(&mut one, b"hello", 9), connect(&mut two, b"hello", 9));
    settle(&mut one);
    settle(&mut two);
    assert_eq!((&first.borrow().got[..], &second.borrow().got[..]), (&b"hello"[..], &b""[..]));
    drop(one); // With nothing open, and with a connection.
    connect(&mut two, b"", 1);
    two.turn(Some(Duration::ZERO)).unwrap();
    drop(two);
}

#[test]
fn constructors_say_what_is_wrong_with_a_name() {
    assert_eq!(Endpoint::mem("inner").unwrap().to_string(), "mem://inner");
    assert_eq!(Endpoint::memgram(b"\xff/").unwrap().to_string(), "memgram://%FF/");
    let refused = |endpoint: Result<Endpoint, EndpointError>| endpoint.unwrap_err().to_string();
    let empty = "\"\": empty name, expected something like mem://inner";
    assert_eq!(refused(Endpoint::mem("")), empty);
    let long = "x".repeat(108);
    assert_eq!(
        refused(Endpoint::memgram(&long)),
        format!("\"{long}\": name of 108 bytes, one in memory has at most 107")
    );
}
