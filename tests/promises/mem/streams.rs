//! Streams: bytes, ends, resets, names, the stop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use echoloop::{Address, Config, Context, Echo, MemName, Service, Stop};

use super::*;
use crate::support::*;

/// Whatever the pieces: far less than what lies between the ends, and far more.
#[test]
fn every_cut_comes_back_and_then_the_end() {
    for (length, piece) in
        [(0, 1), (1, 1), (5000, 1), (5000, 7), (65_536, 65_536), (65_537, 4096), (3 << 20, 1 << 20)]
    {
        let (mut reactor, listener) = served(Config::default(), Echo);
        let bytes = pattern(length);
        let seen = connect(&mut reactor, &bytes, piece);
        settle(&mut reactor);
        let seen = seen.borrow();
        assert!(seen.got == bytes, "{} bytes of {length} in pieces of {piece}", seen.got.len());
        assert_eq!((seen.opened, seen.ended, seen.causes.len()), (1, true, 1));
        let statistics = reactor.statistics();
        assert_eq!((statistics.accepted, statistics.connected), (1, 1));
        assert_eq!(
            (statistics.bytes_in, statistics.bytes_out),
            (2 * length as u64, 2 * length as u64)
        );
        assert_eq!((statistics.open, statistics.buffered, statistics.closed.ended), (0, 0, 2));
        assert_eq!(reactor.poll_timeout(), None, "idle is free");
        assert_eq!(reactor.local(listener), Some(Address::Mem(MemName::new(b"x").unwrap())));
    }
}

/// The server says its piece and ends first; what the client sends after that is still shown.
#[test]
fn the_server_can_end_its_side_first() {
    let got = Rc::new(RefCell::new(Vec::new()));
    struct Speaker(Rc<RefCell<Vec<u8>>>);
    impl Service for Speaker {
        fn opened(&mut self, cx: &mut Context<'_>) {
            assert_eq!(cx.send(b"hello"), 5);
            cx.finish();
        }
        fn received(&mut self, _: &mut Context<'_>, input: &[u8]) -> usize {
            self.0.borrow_mut().extend_from_slice(input);
            input.len()
        }
    }
    /// Answers the end with a word of its own.
    struct Late(Rc<RefCell<Vec<u8>>>);
    impl Service for Late {
        fn received(&mut self, _: &mut Context<'_>, input: &[u8]) -> usize {
            self.0.borrow_mut().extend_from_slice(input);
            input.len()
        }
        fn ended(&mut self, cx: &mut Context<'_>, _: &[u8]) {
            assert_eq!(cx.send(b"goodbye"), 7);
            cx.close();
        }
    }
    let (mut reactor, _) = served(Config::default(), Speaker(Rc::clone(&got)));
    let heard = Rc::new(RefCell::new(Vec::new()));
    reactor.connect(&endpoint("mem://x"), Late(Rc::clone(&heard))).unwrap();
    settle(&mut reactor);
    assert_eq!((&heard.borrow()[..], &got.borrow()[..]), (&b"hello"[..], &b"goodbye"[..]));
    let statistics = reactor.statistics();
    assert_eq!((statistics.closed.ended + statistics.closed.by_service, statistics.open), (2, 0));
}

/// Who doesn't read slows the sender down, within the limits; nothing turns meanwhile, and nothing is lost.
#[test]
fn a_deaf_reader_stops_the_sender() {
    let config = Config { output_limit: 100_000, ..Config::default() };
    let room = 2 * (64 * 1024 + 100_000) + 64 * 1024; // Two pipes, two outputs, and one input not taken.
    let (mut reactor, _) = served(config, Echo);
    let bytes = pattern(4 << 20);
    let (client, seen) = Client::new(&bytes, 1 << 20);
    let client = reactor.connect(&endpoint("mem://x"), client).unwrap();
    let nobody = reactor.add(Echo);
    reactor.context(nobody).source(client).pause();
    settle(&mut reactor);
    let sent = seen.borrow().sent;
    assert!((200_000..=room).contains(&sent), "{sent}");
    assert!(reactor.statistics().buffered_peak <= 2 * 100_000 + 2 * 64 * 1024);
    let turns = reactor.statistics().turns;
    settle(&mut reactor);
    assert_eq!((reactor.statistics().turns, reactor.poll_timeout()), (turns, None));
    reactor.context(nobody).source(client).resume();
    settle(&mut reactor);
    assert!(seen.borrow().got == bytes);
    assert_eq!(reactor.statistics().buffered, 0);
}

/// A connection that goes with bytes unread, or not delivered, is a reset to the other end, after what has
/// arrived. One that has nothing left is an end.
#[test]
fn who_aborts_with_bytes_left_resets_the_other_end() {
    /// Takes one of two bytes, or says something, and leaves at once.
    struct Leaves {
        takes: usize,
        says: &'static [u8],
    }
    impl Service for Leaves {
        fn received(&mut self, cx: &mut Context<'_>, _: &[u8]) -> usize {
            cx.send(self.says);
            cx.abort();
            self.takes
        }
    }
    for (takes, says, cause) in [
        (2, "", "ended by the peer"),
        (1, "", "connection reset by peer"),
        (2, "rest", "connection reset by peer"), // Which had not left yet.
    ] {
        let (mut reactor, _) = served(Config::default(), Leaves { takes, says: says.as_bytes() });
        let seen = connect(&mut reactor, b"ab", 9);
        settle(&mut reactor);
        assert_eq!(seen.borrow().causes, [cause], "{takes} taken, {says:?} said");
    }
    // The client goes, and has not read what was sent to it.
    let (mut reactor, _) = served(Config::default(), Does::echo());
    let nobody = reactor.add(Echo);
    let client = reactor.connect(&endpoint("mem://x"), Does::new()).unwrap();
    settle(&mut reactor);
    let mut cx = reactor.context(nobody);
    let mut cx = cx.source(client);
    cx.pause();
    assert_eq!(cx.send(b"hello"), 5);
    settle(&mut reactor);
    reactor.context(nobody).source(client).abort();
    settle(&mut reactor);
    let statistics = reactor.statistics();
    assert_eq!((statistics.closed.failed, statistics.closed.by_service), (1, 1), "{statistics}");
}

/// Names are held by whoever listens there; a refusal is told like that of any other peer.
#[test]
fn names_are_refused_taken_and_freed() {
    let mut reactor = reactor(Config::default());
    let seen = connect(&mut reactor, b"x", 1);
    settle(&mut reactor);
    assert_eq!(
        (seen.borrow().opened, &seen.borrow().causes[..]),
        (0, &["connection refused".to_owned()][..])
    );
    assert_eq!(reactor.statistics().closed.connect_failed, 1);

    let listener = reactor.listen(&endpoint("mem://x"), Echo).unwrap();
    let taken = reactor.listen(&endpoint("mem://x"), Echo).unwrap_err();
    assert_eq!(format!("{taken:#}"), "cannot listen on mem://x: address already in use");
    reactor.listen(&endpoint("mem://y"), Echo).unwrap();
    reactor.listen(&endpoint("memgram://x"), Echo).unwrap();

    // One that was let in stays; one that still waits in the backlog is reset.
    let stays = connect(&mut reactor, b"", 1);
    settle(&mut reactor);
    assert!(stays.borrow().ended);
    let waits = connect(&mut reactor, b"hello", 5);
    let nobody = reactor.add(Echo);
    reactor.turn(Some(Duration::ZERO)).unwrap(); // It has connected.
    reactor.context(nobody).source(listener).close();
    settle(&mut reactor);
    assert_eq!(waits.borrow().causes, ["connection reset by peer"]);
    reactor.listen(&endpoint("mem://x"), Echo).unwrap();
    let seen = connect(&mut reactor, b"again", 5);
    settle(&mut reactor);
    assert_eq!(seen.borrow().got, b"again");
}

/// What the two ends call each other.
#[test]
fn the_end_that_listens_has_the_name() {
    let told = Rc::new(RefCell::new(Vec::new()));
    struct Ends(&'static str, Rc<RefCell<Vec<String>>>);
    impl Service for Ends {
        fn opened(&mut self, cx: &mut Context<'_>) {
            let line = format!("{} {:?} {:?}", self.0, cx.local(), cx.peer());
            self.1.borrow_mut().push(line);
            assert_eq!(cx.peer_ip(), None);
        }
    }
    let (mut reactor, _) = served(Config::default(), Ends("accepted", Rc::clone(&told)));
    reactor.connect(&endpoint("mem://x"), Ends("connected", Rc::clone(&told))).unwrap();
    settle(&mut reactor);
    let mut told = told.take();
    told.sort();
    assert_eq!(told, ["accepted Some(x) None", "connected None Some(x)"]);
}

/// A stop in the middle of it: all that the service has taken comes back, then the ends.
#[test]
fn a_stop_under_load_loses_nothing() {
    for turns in 0..12 {
        let taken = Rc::new(Cell::new(0));
        struct Counts(Rc<Cell<usize>>);
        impl Service for Counts {
            fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
                let taken = cx.send(input);
                self.0.update(|all| all + taken);
                taken
            }
        }
        let (mut reactor, _) = served(Config::default(), Counts(Rc::clone(&taken)));
        let bytes = pattern(300_000);
        let clients: Vec<_> = (0..20).map(|_| connect(&mut reactor, &bytes, 8192)).collect();
        for _ in 0..turns {
            reactor.turn(Some(Duration::ZERO)).unwrap();
        }
        reactor.handle().stop(Stop::Gracefully).unwrap();
        run(&mut reactor);
        let mut got = 0;
        for seen in clients {
            let seen = seen.borrow();
            assert!(bytes.starts_with(&seen.got), "{} bytes of {}", seen.got.len(), seen.sent);
            assert_eq!(seen.causes.len(), 1);
            got += seen.got.len();
        }
        assert_eq!(got, taken.get(), "stopped after {turns} turns");
        assert_eq!((reactor.statistics().open, reactor.statistics().buffered), (0, 0));
        assert_eq!(reactor.poll_timeout(), None);
    }
}

/// A stop at once leaves nothing to be done, whatever the ends had to tell each other.
#[test]
fn after_a_stop_there_is_nothing_to_do() {
    let (mut reactor, _) = served(Config::default(), Echo);
    connect(&mut reactor, &pattern(300_000), 8192);
    (0..3).for_each(|_| reactor.turn(Some(Duration::ZERO)).unwrap());
    reactor.handle().stop(Stop::AtOnce).unwrap();
    reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!((reactor.is_stopped(), reactor.poll_timeout()), (true, None));
}
