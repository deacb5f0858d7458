//! One peer's trouble ends one connection; a stale event finds nothing.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use echoloop::{Config, Echo, Half, Id};
use socket2::SockRef;

use crate::support::*;

/// Closes with a reset.
fn reset(stream: std::net::TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Clients that reset at every moment of their lives end nobody but themselves.
#[test]
fn a_reset_ends_one_connection() {
    let (service, causes) = Does::echo().tells_causes();
    let server = serve(Config::default(), service);
    let mut friend = tcp(server.made);
    exchange(&mut friend, b"before");

    reset(tcp(server.made)); // Perhaps before it was even accepted.
    let mut client = tcp(server.made);
    exchange(&mut client, b"x");
    reset(client); // Idle.
    let mut client = tcp(server.made);
    client.write_all(&pattern(100_000)).unwrap();
    reset(client); // With bytes under way in both directions.
    let mut client = tcp(server.made);
    stuff(&mut client, &pattern(20_000_000));
    reset(client); // While its answers are kept.

    let statistics = server.until(|statistics| statistics.open == 1);
    assert_eq!(statistics.buffered, 0);
    exchange(&mut friend, b"after");
    for (_, cause) in causes.try_iter() {
        assert!(cause.starts_with("Failed"), "{cause}");
    }
}

/// Clients that vanish without reading what they are owed end nobody but themselves.
#[test]
fn a_client_that_goes_without_reading_ends_one_connection() {
    let server = serve(Config::default(), Echo);
    let mut friend = tcp(server.made);
    for _ in 0..20 {
        let mut client = tcp(server.made);
        client.write_all(&pattern(50_000)).unwrap();
        drop(client);
        exchange(&mut friend, b"still there?");
    }
    server.until(|statistics| statistics.open == 1);
}

/// Two messages lie in the same batch, and the service closes the other connection while it handles the
/// first: nobody hears of the second.
#[test]
fn a_connection_closed_in_the_same_batch_is_not_heard_again() {
    let heard: Arc<Mutex<Vec<Id>>> = Arc::default();
    let (all, log) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&heard));
    let (members, gone) = (Arc::clone(&all), Arc::new(Mutex::new(Vec::new())));
    let gone_too = Arc::clone(&gone);
    let service = Does::new()
        .opened(move |cx| all.lock().unwrap().push(cx.id()))
        .received(move |cx, input| {
            log.lock().unwrap().push(cx.id());
            let me = cx.id();
            for &other in members.lock().unwrap().iter().filter(|&&other| other != me) {
                cx.source(other).abort();
            }
            input.len()
        })
        .closed(move |cx, _| gone_too.lock().unwrap().push(cx.id()));
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut clients: Vec<_> = (0..5).map(|_| tcp(address)).collect();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 5);
    turn_until_quiet(&mut reactor);
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    turn_until_quiet(&mut reactor);
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert_eq!(gone.lock().unwrap().len(), 4);
    assert!(!gone.lock().unwrap().contains(&heard.lock().unwrap()[0]));
}

/// A slot is used again for the next connection; what remembers the one before finds nothing: neither
/// its id nor its timer.
#[test]
fn an_old_id_does_not_reach_the_next_user_of_its_slot() {
    let (sender, opened) = mpsc::channel();
    let (fired, timers) = mpsc::channel();
    let mut first = Some(());
    let service = Does::echo()
        .opened(move |cx| {
            if first.take().is_some() {
                cx.after(Duration::from_millis(50));
            }
            sender.send(cx.id()).unwrap();
        })
        .timer(move |cx, _| {
            let reached = (cx.id(), cx.is_open(), cx.send(b"for somebody else"));
            fired.send(reached).unwrap();
            cx.close();
        });
    let mut reactor = reactor(Config::default());
    let id = reactor.listen(&endpoint("tcp://127.0.0.1:0"), service).unwrap();
    let address = internet(reactor.local(id));

    drop(tcp(address));
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 1);
    let first = opened.try_recv().unwrap();
    let mut client = tcp(address);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    let second = opened.try_recv().unwrap();
    let slot = |id: Id| id.to_string().split('.').next().unwrap().to_owned();
    assert_eq!(slot(first), slot(second));
    assert_ne!(first, second);

    let mut reached = None;
    turn_until(&mut reactor, |_| {
        reached = timers.try_recv().ok();
        reached.is_some()
    });
    assert_eq!(reached, Some((first, false, 0)));
    assert_eq!(reactor.local(first), None);
    client.write_all(b"mine").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out > 0);
    expect(&mut client, b"mine");
}

/// A descriptor that lives on elsewhere sends no events for a source that has gone.
#[test]
fn a_closed_copy_of_a_descriptor_makes_no_events() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let copy = ours.try_clone().unwrap();
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Echo);
    let id = reactor.context(service).adopt(ours, Half::Both).unwrap();
    turn_until_quiet(&mut reactor);
    reactor.context(service).source(id).abort();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    let before = reactor.statistics().events;
    theirs.write_all(b"anybody?").unwrap();
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.statistics().events, before);
    let mut bytes = [0; 8];
    (&copy).read_exact(&mut bytes).unwrap();
}

/// Garbage of all kinds is answered or ends its own connection.
#[test]
fn garbage_harms_nobody() {
    let server = serve(Config::default(), echoloop::Pong::default());
    let mut friend = tcp(server.made);
    for garbage in [vec![0; 100_000], vec![0xff; 8193], b"\r\r\r\n\n\n\r".to_vec(), pattern(70_000)]
    {
        let mut client = tcp(server.made);
        let _ = client.write_all(&garbage);
        let _ = client.shutdown(std::net::Shutdown::Write);
        let mut bytes = Vec::new();
        let _ = client.read_to_end(&mut bytes);
        friend.write_all(b"ping\n").unwrap();
        expect(&mut friend, b"pong\n");
    }
}

/// A write has failed, and the service tries again whenever it is told to: it is told of the end, once.
#[test]
fn who_writes_to_somebody_gone_is_not_asked_for_ever() {
    let mut reactor = reactor(Config::default());
    let (service, causes) = Does::new()
        .writable(|cx| {
            cx.send(b"more");
        })
        .tells_causes();
    let service = reactor.add(service);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let id = reactor.context(service).adopt(ours, Half::Both).unwrap();
    drop(theirs);
    assert_eq!(reactor.context(service).source(id).send(b"hello"), 0);
    assert!(!reactor.context(service).source(id).send_all(b"hello"));
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    let (_, cause) = causes.try_recv().unwrap();
    assert!(cause.starts_with("Failed"), "{cause}");
}
