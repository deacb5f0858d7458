//! A graceful stop loses nothing.

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo, Half, Stop};

use crate::support::*;

/// So long that nobody waits for it.
fn patient() -> Config {
    Config { linger: Duration::from_secs(3600), ..Config::default() }
}

/// Clients that were still waiting in the backlog are served, and everybody gets an end in order.
#[test]
fn clients_in_the_backlog_are_served() {
    let mut reactor = reactor(patient());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut clients: Vec<_> = (0..100).map(|_| tcp(address)).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.write_all(format!("client {i}").as_bytes()).unwrap();
    }
    reactor.handle().stop(Stop::Gracefully).ok();
    let reading = thread::spawn(move || {
        for (i, mut client) in clients.into_iter().enumerate() {
            expect_end(&mut client, format!("client {i}").as_bytes());
        }
    });
    let statistics = run(&mut reactor);
    reading.join().unwrap();
    assert_eq!((statistics.accepted, statistics.closed.stopped), (100, 100));
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// What a client had sent before the stop is echoed to the last byte, then comes our end.
#[test]
fn what_has_arrived_is_echoed() {
    let mut reactor = reactor(patient());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(address);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    turn_until_quiet(&mut reactor);
    client.write_all(&pattern(50_000)).unwrap(); // Less than the first window: it has all arrived.
    client.shutdown(Shutdown::Write).unwrap();
    reactor.handle().stop(Stop::Gracefully).ok();
    let reading = thread::spawn(move || expect_end(&mut client, &pattern(50_000)));
    let statistics = run(&mut reactor);
    reading.join().unwrap();
    assert_eq!(statistics.bytes_in, 50_000);
}

/// What arrives in the very turn that stops is echoed too, also where the next poll has no room for the
/// events that would tell of it.
#[test]
fn what_arrives_at_the_last_moment_is_echoed() {
    let pairs = [(); 5].map(|()| UnixStream::pair().unwrap());
    let mut clients = pairs.each_ref().map(|(theirs, _)| theirs.try_clone().unwrap());
    let mut reactor = reactor(Config { events: 1, ..patient() });
    let service = reactor.add(Does::echo().timer(move |cx, _| {
        clients.iter_mut().for_each(|client| client.write_all(b"just in time").unwrap());
        cx.stop(Stop::Gracefully);
    }));
    let theirs = pairs.map(|(theirs, ours)| {
        reactor.context(service).adopt(ours, Half::Both).unwrap();
        theirs
    });
    turn_until_quiet(&mut reactor);
    reactor.context(service).after(Duration::ZERO);
    assert_eq!(run(&mut reactor).bytes_out, 5 * 12);
    for mut client in theirs {
        expect_end(&mut client, b"just in time");
    }
}

/// One who never ceases to send is served what he had sent by then, and gets our end.
#[test]
fn a_flood_does_not_put_the_stop_off() {
    let config = Config { linger: Duration::from_millis(200), ..Config::default() };
    let server = serve(config, Does::new());
    let mut client = tcp(server.made);
    let mut reader = client.try_clone().unwrap();
    let flood = thread::spawn(move || {
        let bytes = pattern(1 << 20);
        while client.write_all(&bytes).is_ok() {}
    });
    server.until(|statistics| statistics.bytes_in > 1 << 20);
    server.stop(Stop::Gracefully);
    flood.join().unwrap();
    let _ = std::io::Read::read(&mut reader, &mut [0]);
}

/// A client that does not move at all is not waited for longer than the deadline, and one that is owed
/// nothing isn't waited for.
#[test]
fn a_client_that_does_not_move_is_left_behind() {
    let config = Config { linger: Duration::from_millis(50), ..Config::default() };
    let server = serve(config, Echo);
    let mut silent = tcp(server.made);
    exchange(&mut silent, b"x");
    let mut stalled = tcp(server.made);
    server.stall(&mut stalled);
    let statistics = server.stop(Stop::Gracefully);
    assert_eq!((statistics.closed.lingered, statistics.closed.stopped), (1, 1));
    assert_eq!((statistics.open, statistics.buffered), (0, 0));
}

/// The second stop doesn't wait for anybody.
#[test]
fn the_second_stop_is_at_once() {
    let server = serve(patient(), Echo);
    let mut client = tcp(server.made);
    exchange(&mut client, b"x");
    server.handle.stop(Stop::Gracefully).ok();
    expect_end(&mut client, b""); // It has begun, and waits for our end.
    let statistics = server.stop(Stop::Gracefully);
    assert_eq!((statistics.closed.stopped, statistics.open), (1, 0));
}

/// At once means at once, whatever is open or kept.
#[test]
fn at_once_is_at_once() {
    let server = Server::start(patient(), |reactor| {
        reactor.connect(&endpoint("udp://127.0.0.1:9"), Does::new()).unwrap();
        listen(reactor, "udp://127.0.0.1:0", Echo);
        listen(reactor, "tcp://127.0.0.1:0", Echo)
    });
    let mut stalled = tcp(server.made);
    stuff(&mut stalled, &pattern(20_000_000));
    let mut idle = tcp(server.made);
    exchange(&mut idle, b"x");
    let statistics = server.stop(Stop::AtOnce);
    assert_eq!((statistics.closed.stopped, statistics.open, statistics.buffered), (2, 0, 0));
}

/// A reactor without any source stops when it is asked to, also if it is asked before it runs.
#[test]
fn an_empty_reactor_stops() {
    for how in [Stop::Gracefully, Stop::AtOnce] {
        let server = Server::start(Config::default(), |_| ());
        server.stop(how);

        let mut reactor = reactor(Config::default());
        let service = reactor.add(Echo);
        reactor.context(service).stop(how);
        run(&mut reactor);
    }
}

/// The last source may go outside of any turn.
#[test]
fn a_stop_sees_that_the_last_source_has_gone() {
    let mut reactor = reactor(patient());
    let service = reactor.add(Does::new().stopping(|_| {}));
    let (ours, _theirs) = UnixStream::pair().unwrap();
    reactor.context(service).adopt(ours, Half::Both).unwrap();
    let listener = reactor.context(service).listen(&endpoint("udp://127.0.0.1:0")).unwrap();
    reactor.context(service).stop(Stop::Gracefully);
    reactor.turn(Some(Duration::ZERO)).unwrap();
    reactor.context(service).source(listener).close();
    assert!(!reactor.is_stopped());
    reactor.context(service).stop(Stop::AtOnce);
    run(&mut reactor);
}

/// A background source isn't waited for: it goes with the last of the others.
#[test]
fn background_sources_are_not_waited_for() {
    let (service, causes) = Does::new().tells_causes();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let server = Server::start(patient(), move |reactor| {
        let service = reactor.add(service);
        let mut cx = reactor.context(service);
        let id = cx.adopt(ours, Half::Read).unwrap();
        cx.source(id).unref();
    });
    server.stop(Stop::Gracefully);
    assert_eq!(causes.recv_timeout(DEADLINE).unwrap().1, "Stopped");
}

/// A connection whose peer has ended, and one that only writes, belong to services that want to know of
/// the stop; neither is left to the deadline.
#[test]
fn who_only_writes_is_told_of_the_stop() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    let (sender, told) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    let service = Does::new()
        .ended(move |_| ended.send(()).unwrap()) // And stays.
        .stopping(move |cx| {
            sender.send(()).unwrap();
            cx.close();
        });
    let server = Server::start(patient(), move |reactor| {
        let service = reactor.add(service);
        reactor.context(service).adopt(writer, Half::Write).unwrap();
        reactor.context(service).adopt(ours, Half::Both).unwrap();
    });
    ends.recv_timeout(DEADLINE).unwrap();
    server.stop(Stop::Gracefully);
    assert_eq!(told.try_iter().count(), 2);
}

/// A service that still owes an answer when it is told of the stop may give it later.
#[test]
fn an_answer_may_be_given_after_the_stop() {
    let service = Does::new()
        .received(|_, input| input.len())
        .stopping(|cx| {
            cx.after(Duration::from_millis(20));
        })
        .timer(|cx, _| {
            cx.send(b"here it is");
            cx.close();
        });
    let server = serve(patient(), service);
    let mut client = tcp(server.made);
    client.write_all(b"?").unwrap();
    server.until(|statistics| statistics.bytes_in == 1);
    server.handle.stop(Stop::Gracefully).ok();
    expect_end(&mut client, b"here it is");
    drop(client);
    server.join();
}

/// Datagrams that had arrived are answered.
#[test]
fn datagrams_that_have_arrived_are_answered() {
    let mut reactor = reactor(patient());
    let address = listen(&mut reactor, "udp://127.0.0.1:0", Echo);
    let client = udp("127.0.0.1:0", Some(address));
    for i in 0..50_u8 {
        client.send(&[i]).unwrap();
    }
    reactor.handle().stop(Stop::Gracefully).ok();
    run(&mut reactor);
    for i in 0..50_u8 {
        assert_eq!(datagram(&client), [i]);
    }
}

/// Nothing new is begun during a stop.
#[test]
fn nothing_new_is_begun_during_a_stop() {
    let mut reactor = reactor(patient());
    let service = reactor.add(Echo);
    reactor.context(service).stop(Stop::Gracefully);
    for result in [
        reactor.context(service).listen(&endpoint("tcp://127.0.0.1:0")),
        reactor.context(service).connect(&endpoint("tcp://127.0.0.1:1")),
    ] {
        assert!(echoloop::describe(&result.unwrap_err()).ends_with("the reactor is stopping"));
    }
}

/// While the backlog of a Unix listener is served, newcomers are told that nobody listens any more:
/// none of them is taken in and then dropped.
#[cfg(target_os = "linux")]
#[test]
fn newcomers_are_refused_while_the_backlog_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let config = Config { connections: Some(1), ..patient() };
    let mut reactor = reactor(config);
    reactor.listen(&endpoint(&format!("unix://{}", path.display())), Echo).unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| unix(&path)).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
    }
    reactor.handle().stop(Stop::Gracefully).ok();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    let newcomer = UnixStream::connect(&path);
    assert_eq!(newcomer.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let reading = thread::spawn(move || {
        for mut client in clients {
            expect_end(&mut client, b"hello");
        }
    });
    assert_eq!(run(&mut reactor).accepted, 3);
    reading.join().unwrap();
}

/// A service that has paused a connection, and doesn't go on, is asked what to do with it when nothing has moved
/// for the linger time.
#[test]
fn a_paused_connection_hears_of_the_stop() {
    let service = Does::new()
        .received(|cx, _| {
            cx.pause();
            0
        })
        .stopping(|cx| {
            cx.send(b"stopping");
            cx.close();
        });
    let config = Config { linger: Duration::from_millis(50), ..patient() };
    let server = serve(config, service);
    let mut client = tcp(server.made);
    client.write_all(b"work").unwrap();
    server.until(|statistics| statistics.messages_in == 1);
    server.handle.stop(Stop::Gracefully).unwrap();
    expect_end(&mut client, b"stopping");
}
