//! Polite closing: flush, tell, read to the end under a deadline, close.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use echoloop::{Config, Context, Echo};

use crate::support::*;

/// Its cause.
const SAID: &str = r#"Because("said all there is to say")"#;

/// A service that says something as soon as it hears something, and closes.
fn says_and_closes(length: usize) -> Does {
    Does::new().received(move |cx, input| {
        assert_eq!(cx.send(&pattern(length)), length);
        cx.close_because("said all there is to say");
        input.len()
    })
}

/// What we said last arrives, though the client has sent much that nobody reads, and goes on sending: a
/// plain close would reset the connection and destroy it.
#[test]
fn our_last_bytes_survive_unread_input() {
    for _ in 0..20 {
        let (service, causes) = says_and_closes(200_000).tells_causes();
        let server = serve(Config::default(), service);
        let mut client = tcp(server.made);
        client.write_all(&pattern(300_000)).unwrap();
        client.write_all(&pattern(300_000)).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        expect_end(&mut client, &pattern(200_000));
        let (_, cause) = causes.recv_timeout(DEADLINE).unwrap();
        assert_eq!(cause, SAID);
    }
}

/// A client that doesn't end its side is waited for as long as the linger deadline says. The reason that the
/// service gave is the one that counts.
#[test]
fn a_client_that_never_ends_is_waited_for_no_longer_than_the_deadline() {
    let config = Config { linger: Duration::from_millis(50), ..Config::default() };
    let server = serve(config, says_and_closes(10));
    let mut client = tcp(server.made);
    client.write_all(b"?").unwrap();
    expect_end(&mut client, &pattern(10));
    let statistics = server.until(|statistics| statistics.open == 0);
    assert_eq!((statistics.closed.because, statistics.closed.lingered), (1, 0));
}

/// The deadline also holds for one who never stops sending, so that the loop always finds more to read.
#[test]
fn a_flood_does_not_put_the_deadline_off() {
    let config = Config {
        linger: Duration::from_millis(50),
        read_budget: 1,
        read_buffer: 4096,
        ..Config::default()
    };
    let mut reactor = reactor(config);
    let beats = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&beats);
    let beat = reactor.add(Does::new().timer(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    reactor.context(beat).every(Duration::from_millis(50));
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", says_and_closes(10));
    let (mut flood, bytes) = (tcp(address), pattern(100_000));
    flood.set_nonblocking(true).unwrap();
    turn_until(&mut reactor, |reactor| {
        while flood.write(&bytes).is_ok() {} // Until it is full, or reset.
        reactor.statistics().closed.because == 1
    });
    let beats = beats.load(Ordering::Relaxed);
    assert!(beats < 20, "{beats} times as long as it should have taken");
}

/// A reader who is slow but moves is waited for beyond the deadline: each byte that he takes moves it.
#[test]
fn progress_moves_the_deadline() {
    let config =
        Config { linger: Duration::from_secs(1), send_buffer: Some(4096), ..Config::default() };
    let (beat, beats) = mpsc::channel();
    let (service, causes) = says_and_closes(150_000).tells_causes();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("slow");
    let at = endpoint(&format!("unix://{}", path.display()));
    let _server = Server::start(config, move |reactor| {
        reactor.listen(&at, service).unwrap();
        let beats = Does::new().timer(move |_, _| beat.send(()).unwrap_or(()));
        let beats = reactor.add(beats);
        reactor.context(beats).every(Duration::from_millis(100));
    });
    let mut client = unix(&path);
    client.write_all(b"?").unwrap();
    let mut bytes = Vec::new();
    for _ in 0..15 {
        beats.recv_timeout(DEADLINE).unwrap();
        let mut part = vec![0; 10_000];
        client.read_exact(&mut part).unwrap();
        bytes.extend(part);
    }
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&mut client, b"");
    assert!(bytes == pattern(150_000));
    assert_eq!(causes.recv_timeout(DEADLINE).unwrap().1, SAID);
}

/// A service that only ends its own side still hears its peer.
#[test]
fn who_finishes_still_listens() {
    let (sender, heard) = mpsc::channel();
    let service = Does::new()
        .opened(|cx| {
            cx.send(b"that was all");
            cx.finish();
        })
        .received(move |cx, input| {
            assert_eq!(cx.send(b"no more"), 0);
            sender.send(input.to_vec()).unwrap();
            input.len()
        });
    let server = serve(Config::default(), service);
    let mut client = tcp(server.made);
    expect_end(&mut client, b"that was all");
    client.write_all(b"but listen").unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"but listen");
    drop(client);
    server.until(|statistics| statistics.closed.ended == 1);
}

/// An abort waits for nothing.
#[test]
fn an_abort_is_at_once() {
    let service = Does::new().received(|cx, input| {
        cx.send(&pattern(100_000));
        cx.abort();
        input.len()
    });
    let server = serve(Config::default(), service);
    let mut client = tcp(server.made);
    client.write_all(b"?").unwrap();
    let statistics = server.until(|statistics| statistics.closed.by_service == 1);
    assert_eq!((statistics.open, statistics.buffered), (0, 0));
}

/// A service that closes a connection hears of its end once, and of nothing else after the close.
#[test]
fn nothing_is_heard_after_a_close() {
    let closed = Arc::new(AtomicBool::new(false));
    let (seen, set) = (Arc::clone(&closed), Arc::clone(&closed));
    let service = Does::new()
        .received(move |cx, _| {
            assert!(!seen.load(Ordering::Relaxed), "shown something after the close");
            cx.close();
            cx.close();
            seen.store(true, Ordering::Relaxed);
            0
        })
        .ended(|_| panic!("told of an end after the close"))
        .closed(move |cx, _| {
            assert!(set.load(Ordering::Relaxed));
            assert_eq!(cx.send(b"too late"), 0);
            cx.close();
            cx.abort();
            cx.finish();
        });
    let server = serve(Config::default(), service);
    let mut client = tcp(server.made);
    client.write_all(&pattern(100_000)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&mut client, b"");
    server.until(|statistics| statistics.closed.by_service == 1);
}

/// A connection on which nothing moves is closed after the idle timeout, one that is used isn't, and a
/// client that has stopped reading counts as idle.
#[test]
fn idle_connections_are_closed() {
    let config = Config { idle_timeout: Some(Duration::from_secs(1)), ..Config::default() };
    let (beat, beats) = mpsc::channel();
    let server = Server::start(config, move |reactor| {
        let beats = reactor.add(Does::new().timer(move |_, _| beat.send(()).unwrap_or(())));
        reactor.context(beats).every(Duration::from_millis(100));
        listen(reactor, "tcp://127.0.0.1:0", Echo)
    });
    let bytes = pattern(20_000_000);
    let (mut idle, mut busy, mut stalled) = (tcp(server.made), tcp(server.made), tcp(server.made));
    exchange(&mut idle, b"x");
    stuff(&mut stalled, &bytes);
    for _ in 0..20 {
        beats.recv_timeout(DEADLINE).unwrap();
        exchange(&mut busy, b"still here");
    }
    expect_end(&mut idle, b"");
    while server.statistics().open > 1 {
        exchange(&mut busy, b"still here");
    }
    assert_eq!(server.statistics().closed.idle, 2);
}

/// An abort of a connection that has lost nothing looks like an end. Where something is missing that isn't kept
/// here, as behind a proxy, a reset is one: before anything came, and when all that came was answered.
#[test]
fn a_reset_is_never_taken_for_an_end() {
    for moment in ["opened", "received"] {
        let reset = move |cx: &mut Context<'_>, at: &str| {
            if at == moment {
                cx.reset();
            }
        };
        let (service, causes) = Does::new()
            .opened(move |cx| reset(cx, "opened"))
            .received(move |cx, input| {
                cx.send(input);
                reset(cx, "received");
                input.len()
            })
            .tells_causes();
        let server = serve(Config::default(), service);
        let mut client = tcp(server.made);
        let written = client.write_all(b"hello");
        let error = client.read_to_end(&mut Vec::new()).and(written).expect_err(moment);
        assert!(
            [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()),
            "{moment}: {error}"
        );
        assert_eq!(causes.recv_timeout(DEADLINE).unwrap().1, "Closed");
    }
}

/// What a service has said just before it aborts may have left or not; if not, that is a reset. So is what it
/// was shown and has not taken.
#[test]
fn what_an_abort_takes_with_it_is_a_reset() {
    for (says, takes) in [(&b"last words"[..], 2), (b"", 1)] {
        let mut reactor = reactor(Config::default());
        let service = Does::new().received(move |cx, _| {
            cx.send(says);
            cx.abort();
            takes
        });
        let server = listen(&mut reactor, "tcp://127.0.0.1:0", service);
        let mut clients = [tcp(server), tcp(server)]; // Two, so that what is sent is gathered.
        turn_until(&mut reactor, |reactor| reactor.statistics().open == 2);
        clients.iter_mut().for_each(|client| client.write_all(b"ab").unwrap());
        turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
        for mut client in clients {
            let mut heard = Vec::new();
            match client.read_to_end(&mut heard) {
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
                Ok(_) => assert!(heard == says && takes == 2, "an end in order after {heard:?}"),
            }
        }
    }
}
