//! A service panics, and its host catches that and turns on: one connection has gone, and nothing else is
//! different.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use echoloop::{Config, Context, Echo, Half, Reactor, Service, ServiceId, Stop};

use crate::support::*;

/// What these services panic with.
struct Fault;

/// Past the hook, which would print each of them.
fn fault() -> ! {
    std::panic::resume_unwind(Box::new(Fault))
}

/// Turns by hand, as a host that catches panics, until something holds. Returns how many it has caught.
#[track_caller]
fn catch_until(reactor: &mut Reactor, mut holds: impl FnMut(&mut Reactor) -> bool) -> usize {
    let (start, mut caught) = (Instant::now(), 0);
    while !holds(reactor) {
        assert!(start.elapsed() < DEADLINE, "it never came to that: {}", reactor.statistics());
        let turn = || reactor.turn(Some(Duration::from_millis(1))).unwrap();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(turn)) {
            assert!(
                panic.is::<Fault>(),
                "another panic than the one that was meant: {}",
                text(&*panic)
            );
            caught += 1;
        }
    }
    caught
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default()
}

/// Echoes; and panics once, at one moment.
struct Faulty {
    moment: &'static str,
    has_panicked: bool,
    told: Sender<String>,
}

impl Faulty {
    fn new(moment: &'static str) -> (Faulty, Receiver<String>) {
        let (told, causes) = mpsc::channel();
        (Faulty { moment, has_panicked: false, told }, causes)
    }

    fn at(&mut self, moment: &str) {
        if self.moment == moment && !std::mem::replace(&mut self.has_panicked, true) {
            fault();
        }
    }
}

impl Service for Faulty {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.at("opened");
        if self.moment == "timer" && !self.has_panicked {
            cx.after_with(Duration::ZERO, 7);
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if self.moment == "again" && !self.has_panicked {
            cx.resume();
            self.moment = "received";
            return 0;
        }
        self.at("received");
        if self.moment == "too much" && !std::mem::replace(&mut self.has_panicked, true) {
            return input.len() + 1;
        }
        if self.moment == "writable" && !self.has_panicked {
            assert!(cx.send(&pattern(6_000_000)) > 0 && cx.await_writable());
            return input.len();
        }
        cx.send(input)
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        self.at("ended");
        cx.close();
    }

    fn writable(&mut self, _cx: &mut Context<'_>) {
        self.at("writable");
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &echoloop::Cause) {
        self.told.send(format!("{} {cause:?}", cx.id())).unwrap();
        self.at("closed");
    }

    fn timer(&mut self, _cx: &mut Context<'_>, _timer: echoloop::TimerId) {
        self.at("timer");
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.at("stopping");
        cx.close();
    }
}

/// Whether the end of a connection is a reset, and not one in order.
#[track_caller]
fn expect_reset(client: &mut TcpStream) {
    let error = client.read_to_end(&mut Vec::new()).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// Wherever it panics, that one connection ends: by a reset, since what it was shown is lost, and the service is
/// told once. The others go on, the one behind it in the backlog too, and at the end everything stops in order.
#[test]
fn a_panic_ends_one_connection() {
    let moments =
        ["opened", "received", "again", "ended", "writable", "closed", "timer", "stopping"];
    for moment in moments {
        let (service, causes) = Faulty::new(moment);
        let mut reactor = reactor(Config { output_limit: 8_000_000, ..Config::default() });
        let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
        let mut faulty = tcp(address);
        let mut behind = tcp(address); // In the same batch of the backlog.
        faulty.write_all(b"first").unwrap();
        if ["ended", "closed"].contains(&moment) {
            faulty.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut caught = 0;
        if moment == "writable" {
            let mut reader = faulty.try_clone().unwrap();
            let reading = std::thread::spawn(move || expect_reset(&mut reader));
            caught += catch_until(&mut reactor, |reactor| reactor.statistics().open == 1);
            reading.join().unwrap();
        }
        if moment == "stopping" {
            catch_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
            reactor.handle().stop(Stop::Gracefully).unwrap();
            drop(behind);
            caught += catch_until(&mut reactor, |reactor| reactor.is_stopped());
        } else {
            caught += catch_until(&mut reactor, |reactor| reactor.statistics().open == 1);
            behind.write_all(b"second").unwrap();
            let before = reactor.statistics().bytes_out;
            catch_until(&mut reactor, |reactor| reactor.statistics().bytes_out == before + 6);
            expect(&mut behind, b"second");
            drop(behind);
            catch_until(&mut reactor, |reactor| reactor.statistics().open == 0);
            reactor.handle().stop(Stop::Gracefully).unwrap();
            catch_until(&mut reactor, |reactor| reactor.is_stopped());
        }
        assert_eq!(caught, 1, "{moment}");
        let causes: Vec<_> = causes.try_iter().collect();
        assert_eq!(causes.len(), 2, "{moment}: each is told of once: {causes:?}");
        let panicked = causes.iter().filter(|cause| cause.ends_with("Panicked")).count();
        let statistics = reactor.statistics();
        assert_eq!(panicked, usize::from(moment != "closed"), "{moment}: {causes:?}");
        assert_eq!(statistics.closed.panicked, panicked as u64, "{moment}");
        assert_eq!((statistics.open, statistics.buffered), (0, 0), "{moment}");
        match moment {
            "closed" => expect_end(&mut faulty, b"first"),
            "writable" => {} // It has read to its end all the time, or nothing would be writable.
            _ => expect_reset(&mut faulty),
        }
    }
}

/// A service that says it has taken more than it was shown is as wrong.
#[test]
fn a_wrong_count_ends_one_connection() {
    let (service, causes) = Faulty::new("too much");
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut faulty = tcp(address);
    faulty.write_all(b"first").unwrap();
    let turn = |reactor: &mut Reactor| {
        catch_unwind(AssertUnwindSafe(|| turn_until(reactor, |it| it.statistics().open == 0)))
    };
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    let panic = turn(&mut reactor).unwrap_err();
    assert_eq!(text(&*panic), "a service took 6 bytes of 5");
    turn(&mut reactor).unwrap();
    assert!(causes.try_recv().unwrap().ends_with("Panicked"));
    expect_reset(&mut faulty);
}

/// What others had sent in the same turn, and was only gathered, leaves; and whoever stands behind in the turn
/// gets its go.
#[test]
fn the_rest_of_the_turn_is_made_up_for() {
    let mut reactor = reactor(Config::default());
    let echo = reactor.add(Does::new().received(|cx, input| {
        if input == b"panic" {
            fault();
        }
        cx.send(input)
    }));
    let mut clients = [(); 5].map(|()| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(DEADLINE)).unwrap();
        reactor.context(echo).adopt(ours, Half::Both).unwrap();
        theirs
    });
    turn_until_quiet(&mut reactor);
    for (i, client) in clients.iter_mut().enumerate() {
        client.write_all(if i == 2 { b"panic" } else { b"hello" }).unwrap();
    }
    let caught = catch_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 20);
    assert_eq!(caught, 1);
    turn_until_quiet(&mut reactor);
    for (i, client) in clients.iter_mut().enumerate() {
        match i {
            2 => expect_end(client, b""),
            _ => expect(client, b"hello"),
        }
    }
    // From here on nothing is held back either: alone, each is written to at once.
    assert!(reactor.with(echo, |_, cx| cx.is_open()).is_some());
    clients[0].write_all(b"again").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 25);
    expect(&mut clients[0], b"again");
}

/// Who stands behind in the turn is not forgotten when nothing else happens: no event, no timeout.
#[test]
fn nobody_behind_is_forgotten() {
    let mut reactor = reactor(Config::default());
    let other = reactor.add(Echo);
    let mut has_told = false;
    let echo = reactor.add(Does::new().received(move |cx, input| {
        if !std::mem::replace(&mut has_told, true) {
            cx.tell(other, |_, _| fault()); // Called for no connection.
        }
        cx.send(input)
    }));
    let mut clients = [(); 3].map(|()| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(DEADLINE)).unwrap();
        reactor.context(echo).adopt(ours, Half::Both).unwrap();
        theirs
    });
    turn_until_quiet(&mut reactor);
    clients.iter_mut().for_each(|client| client.write_all(b"hello").unwrap());
    let turn = catch_unwind(AssertUnwindSafe(|| reactor.turn(None)));
    assert!(turn.is_err());
    while reactor.statistics().bytes_out < 15 {
        assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO), "it would sleep");
        reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    clients.iter_mut().for_each(|client| expect(client, b"hello"));
}

/// Of what other threads and services have told, one is lost: that which panicked. And a service that was told by
/// it, or timed, is let go in the end.
#[test]
fn what_was_told_behind_a_panic_is_heard() {
    let (heard, hears) = mpsc::channel();
    let count = std::sync::Arc::new(());
    let mut reactor = reactor(Config::default());
    let handle = reactor.handle();
    for i in 0..10 {
        let heard = heard.clone();
        let run = move |_: &mut Context<'_>| if i == 3 { fault() } else { heard.send(i).unwrap() };
        handle.run(run).unwrap();
    }
    let kept = std::sync::Arc::clone(&count);
    let told = reactor.add(Does::new().timer(move |cx, _| {
        assert_eq!((std::sync::Arc::strong_count(&kept), cx.word()), (2, 7));
        fault()
    }));
    let mut cx = reactor.context(told);
    for i in 10..20 {
        let heard = heard.clone();
        assert!(cx.tell(told, move |_, _| if i == 13 { fault() } else { heard.send(i).unwrap() }));
    }
    cx.after_with(Duration::ZERO, 7);
    cx.release(told);
    let mut order = Vec::new();
    let caught = catch_until(&mut reactor, |reactor| {
        order.extend(hears.try_iter());
        std::sync::Arc::strong_count(&count) == 1 && reactor.poll_timeout().is_none()
    });
    assert_eq!(caught, 3);
    // How much of each is heard in one turn says the clock, but each keeps its order.
    let (from_services, from_threads): (Vec<i32>, Vec<i32>) = order.iter().partition(|i| **i >= 10);
    let expected = |from| (from..from + 10).filter(move |i| i % 10 != 3).collect::<Vec<i32>>();
    assert_eq!((from_services, from_threads), (expected(10), expected(0)));
    let echo = reactor.add(Echo);
    assert_eq!(reactor.context(echo).word(), 0);
}

/// A datagram socket goes on, and what was answered before leaves.
#[test]
fn a_datagram_that_is_panicked_at_ends_nothing() {
    let mut reactor = reactor(Config::default());
    let echo = reactor.add(Echo);
    let service = Does::new().datagram(move |cx, _, payload| match payload {
        b"panic" => fault(),
        b"panic elsewhere" => {
            cx.tell(echo, |_, _| fault());
        }
        payload => assert!(cx.reply(payload)),
    });
    let id = reactor.listen(&endpoint("udp://127.0.0.1:0"), service).unwrap();
    let client = udp("127.0.0.1:0", Some(internet(reactor.local(id))));
    for panic in [&b"panic"[..], b"panic elsewhere", b"panic"] {
        let before = reactor.statistics().datagrams_out;
        for payload in [b"one", b"two", panic] {
            client.send(payload).unwrap();
        }
        let mut is_behind = false;
        let caught = catch_until(&mut reactor, |reactor| {
            if !is_behind && reactor.statistics().datagrams_out >= before + 2 {
                client.send(b"four").unwrap();
                is_behind = true;
            }
            reactor.statistics().datagrams_out == before + 3
        });
        assert_eq!(caught, 1);
        for expected in [&b"one"[..], b"two", b"four"] {
            assert_eq!(datagram(&client), expected);
        }
    }
}

/// A host's own panic, in the middle of a service, leaves everything as it is.
#[test]
fn a_panic_of_the_host_is_its_own() {
    let mut reactor = reactor(Config::default());
    let echo: ServiceId<Echo> = reactor.add(Echo);
    let listener = reactor.context(echo).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    let address = internet(reactor.local(listener));
    let with = catch_unwind(AssertUnwindSafe(|| reactor.with(echo, |_, _| panic_any(Fault))));
    assert!(with.is_err());
    let mut client = tcp(address);
    client.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    expect(&mut client, b"hello");
}

/// A service that panics each time it is told of an end can't keep the reactor from stopping, at once or
/// gracefully: each connection is told of once, and the next turn goes on behind it.
#[test]
fn a_stop_gets_by_any_number_of_panics() {
    for how in [Stop::AtOnce, Stop::Gracefully] {
        let (told, causes) = mpsc::channel();
        let service = Does::echo().stopping(|_| fault()).closed(move |cx, _| {
            told.send(cx.id()).unwrap();
            fault()
        });
        let mut reactor = reactor(Config::default());
        let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
        let _clients = [(); 4].map(|()| tcp(address));
        turn_until(&mut reactor, |reactor| reactor.statistics().open == 4);
        reactor.handle().stop(how).unwrap();
        let caught = catch_until(&mut reactor, |reactor| reactor.is_stopped());
        assert_eq!(caught, if how == Stop::AtOnce { 4 } else { 8 });
        let mut ids: Vec<_> = causes.try_iter().collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), reactor.statistics().open), (4, 0));
    }
}

/// In memory as on a network: the other end is told that it was no end in order, though it is of the same reactor.
#[test]
fn a_panic_in_memory_is_a_reset_too() {
    let mut reactor = reactor(Config::default());
    let (faulty, told) = Faulty::new("received");
    reactor.listen(&endpoint("mem://faulty"), faulty).unwrap();
    let (client, causes) = Does::new().opened(|cx| assert!(cx.send_all(b"hello"))).tells_causes();
    reactor.connect(&endpoint("mem://faulty"), client).unwrap();
    let mut ends = Vec::new();
    let caught = catch_until(&mut reactor, |_| {
        ends.extend(causes.try_iter().map(|(_, cause)| cause));
        !ends.is_empty()
    });
    assert_eq!(caught, 1);
    assert!(ends.len() == 1 && ends[0].contains("ConnectionReset"), "{ends:?}");
    catch_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    assert!(told.try_recv().unwrap().ends_with("Panicked"));
}
