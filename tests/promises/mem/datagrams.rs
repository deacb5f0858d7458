//! Datagrams in memory.

use std::cell::RefCell;
use std::rc::Rc;

use echoloop::{Address, Config, Context, Echo, MemName, Peer, Service, Stop};

use super::settle;
use crate::support::*;

type Heard = Rc<RefCell<Vec<(String, Vec<u8>)>>>;

/// Notes what comes, and from whom.
#[derive(Clone, Default)]
struct Ear(Heard);

impl Service for Ear {
    fn datagram(&mut self, _: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        self.0.borrow_mut().push((from.to_string(), payload.to_vec()));
    }
}

fn peer(name: &str) -> Peer {
    Peer::from(Address::Mem(MemName::new(name.as_bytes()).unwrap()))
}

/// From none to the most bytes that a datagram can have, there and back, in order.
#[test]
fn datagrams_of_every_length_are_echoed_in_order() {
    let mut reactor = reactor(Config::default());
    reactor.listen(&endpoint("memgram://echo"), Echo).unwrap();
    let ear = Ear::default();
    let id = reactor.connect(&endpoint("memgram://echo"), ear.clone()).unwrap();
    let nobody = reactor.add(Echo);
    let bytes = pattern(65_535);
    let lengths = [0, 1, 2, 511, 512, 65_534, 65_535, 0, 7];
    for length in lengths {
        assert_eq!(reactor.context(nobody).source(id).send(&bytes[..length]), length);
        settle(&mut reactor);
    }
    let heard = ear.0.take();
    assert_eq!(heard.len(), lengths.len());
    for ((from, payload), length) in heard.iter().zip(lengths) {
        assert_eq!((&from[..], &payload[..]), ("echo", &bytes[..length]));
    }
    // A burst, of which each keeps its place.
    for i in 0..200_u8 {
        assert_eq!(reactor.context(nobody).source(id).send(&[i]), 1);
    }
    settle(&mut reactor);
    let heard: Vec<_> = ear.0.take().into_iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(heard, (0..200).collect::<Vec<_>>());
    // One byte more is none that there could be.
    reactor.context(nobody).source(id).send(&pattern(65_536));
    settle(&mut reactor);
    let statistics = reactor.statistics();
    assert_eq!((statistics.dropped.failed, statistics.dropped.no_room), (1, 0));
    assert_eq!((statistics.datagrams_in, statistics.datagrams_out), (418, 418));
}

/// A bound socket hears the name of whoever sent, and can write to any name; a connected one hears only from
/// its peer.
#[test]
fn bound_sockets_write_to_each_other_by_name() {
    let mut reactor = reactor(Config::default());
    let (a, b, c) = (Ear::default(), Ear::default(), Ear::default());
    let at_a = reactor.listen(&endpoint("memgram://a"), a.clone()).unwrap();
    let at_b = reactor.listen(&endpoint("memgram://b"), b.clone()).unwrap();
    let from_c = reactor.connect(&endpoint("memgram://a"), c.clone()).unwrap();
    let Some(Address::Mem(name)) = reactor.local(from_c) else { panic!("it has a name") };
    let nobody = reactor.add(Echo);
    let mut cx = reactor.context(nobody);
    assert!(cx.source(at_a).send_to(&peer("b"), b"from a"));
    assert!(cx.source(at_b).send_to(&peer("a"), b"from b"));
    assert_eq!(cx.source(from_c).send(b"from c"), 6);
    assert!(cx.source(at_a).send_to(&Peer::from(Address::Mem(name)), b"to c"));
    assert!(cx.source(at_b).send_to(&Peer::from(Address::Mem(name)), b"it has a peer already"));
    assert!(cx.source(at_a).send_to(&peer("nobody"), b"nobody is there"));
    let udp: std::net::SocketAddr = "127.0.0.1:9".parse().unwrap();
    assert!(cx.source(at_a).send_to(&Peer::from(udp), b"not from here"));
    settle(&mut reactor);
    let pairs = |ear: &Ear| -> Vec<String> {
        let heard = ear.0.take();
        heard.iter().map(|(from, text)| format!("{from}: {}", text.escape_ascii())).collect()
    };
    assert_eq!(pairs(&a), ["b: from b".to_owned(), format!("{name}: from c")]);
    assert_eq!(pairs(&b), ["a: from a"]);
    assert_eq!(pairs(&c), ["a: to c"]);
    assert_eq!((reactor.statistics().dropped.failed, reactor.statistics().datagrams_out), (3, 4));
}

/// A socket of the system can't reach a name in memory: that one datagram fails, and nothing else.
#[test]
fn sockets_of_the_system_do_not_reach_into_memory() {
    let mut reactor = reactor(Config::default());
    reactor.listen(&endpoint("memgram://x"), Echo).unwrap();
    let ear = Ear::default();
    let udp = reactor.listen(&endpoint("udp://127.0.0.1:0"), ear.clone()).unwrap();
    let nobody = reactor.add(Echo);
    reactor.context(nobody).source(udp).send_to(&peer("x"), b"hello");
    settle(&mut reactor);
    assert_eq!((reactor.statistics().dropped.failed, ear.0.borrow().len()), (1, 0));
}

/// A mailbox has its size. What doesn't fit is dropped, and counted with the sender.
#[test]
fn a_full_mailbox_drops_and_counts() {
    let mut reactor = reactor(Config { receive_buffer: Some(10_000), ..Config::default() });
    let ear = Ear::default();
    reactor.listen(&endpoint("memgram://x"), ear.clone()).unwrap();
    let id = reactor.connect(&endpoint("memgram://x"), Echo).unwrap();
    let nobody = reactor.add(Echo);
    for i in 0..20_u8 {
        reactor.context(nobody).source(id).send(&[i; 744]); // With what it takes up, 1,000.
    }
    settle(&mut reactor);
    assert_eq!(ear.0.take().len(), 10);
    assert_eq!((reactor.statistics().dropped.no_room, reactor.statistics().datagrams_in), (10, 10));
    // One that is longer than the whole mailbox finds it empty.
    reactor.context(nobody).source(id).send(&[7; 60_000]);
    settle(&mut reactor);
    assert_eq!(ear.0.take().len(), 1);
}

/// Who connects must find somebody; when that one has gone, what is sent fails. The name is free again.
#[test]
fn nobody_there_is_an_error() {
    let mut reactor = reactor(Config::default());
    let refused = reactor.connect(&endpoint("memgram://x"), Echo).unwrap_err();
    assert_eq!(format!("{refused:#}"), "cannot connect to memgram://x: connection refused");
    let x = reactor.listen(&endpoint("memgram://x"), Echo).unwrap();
    let taken = reactor.listen(&endpoint("memgram://x"), Echo).unwrap_err();
    assert_eq!(format!("{taken:#}"), "cannot listen on memgram://x: address already in use");
    let id = reactor.connect(&endpoint("memgram://x"), Ear::default()).unwrap();
    let nobody = reactor.add(Echo);
    reactor.context(nobody).source(x).close();
    reactor.context(nobody).source(id).send(b"hello");
    settle(&mut reactor);
    assert_eq!(reactor.statistics().dropped.failed, 1);
    reactor.listen(&endpoint("memgram://x"), Echo).unwrap();
    reactor.context(nobody).source(id).send(b"hello");
    settle(&mut reactor);
    assert_eq!(reactor.statistics().dropped.failed, 1);
}

/// A service answers as it would a stranger: no more than it was asked with. Another of our own sockets is
/// answered, since nobody can forge its name; itself never.
#[test]
fn policies_hold_as_far_as_they_make_sense() {
    struct Louder;
    impl Service for Louder {
        fn datagram(&mut self, cx: &mut Context<'_>, _: &Peer, payload: &[u8]) {
            assert!(!cx.reply(&[payload, b"!"].concat()));
            assert!(cx.reply(payload));
        }
    }
    let mut reactor = reactor(Config::default());
    let (ear, own) = (Ear::default(), Ear::default());
    reactor.listen(&endpoint("memgram://louder"), Louder).unwrap();
    let id = reactor.listen(&endpoint("memgram://ear"), ear.clone()).unwrap();
    let nobody = reactor.add(Echo);
    assert!(reactor.context(nobody).source(id).send_to(&peer("louder"), &[b'x'; 100]));
    settle(&mut reactor);
    assert_eq!(ear.0.take(), [("louder".to_owned(), vec![b'x'; 100])]);
    assert_eq!(reactor.statistics().dropped.amplified, 1);
    let id = reactor.listen(&endpoint("memgram://own"), own.clone()).unwrap();
    assert!(reactor.context(nobody).source(id).send_to(&peer("own"), b"me"));
    settle(&mut reactor);
    assert_eq!((own.0.take().len(), reactor.statistics().dropped.forbidden), (0, 1));
}

/// What had arrived when the stop began is answered.
#[test]
fn a_stop_serves_what_has_arrived() {
    let mut reactor = reactor(Config::default());
    let ear = Ear::default();
    reactor.listen(&endpoint("memgram://x"), ear.clone()).unwrap();
    let id = reactor.connect(&endpoint("memgram://x"), Echo).unwrap();
    let nobody = reactor.add(Echo);
    for _ in 0..100 {
        reactor.context(nobody).source(id).send(b"hello");
    }
    reactor.context(nobody).stop(Stop::Gracefully);
    run(&mut reactor);
    assert_eq!(ear.0.take().len(), 100);
}
