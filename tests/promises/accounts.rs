//! What counts as life, what is charged, what is promised, and what is said of it afterwards.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use echoloop::{Config, Echo, Half, Stop};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::*;

/// Bytes that are sent are life: who is told something again and again is not idle, however silent it is.
#[test]
fn a_subscriber_is_not_idle() {
    let limit = Duration::from_millis(300);
    let started = Instant::now();
    let news = Does::new()
        .opened(|cx| {
            cx.every(Duration::from_millis(20));
        })
        .timer(|cx, _| {
            cx.send(b"news");
        });
    let server = serve(Config { idle_timeout: Some(limit), ..Config::default() }, news);
    let mut subscriber = tcp(server.made);
    while started.elapsed() < 4 * limit {
        expect(&mut subscriber, b"news");
    }
    assert_eq!(server.statistics().closed.idle, 0);
}

/// What nobody but the host has asked for is never idle: descriptors that are adopted, and whatever is in the
/// background. Unless it says so.
#[test]
fn only_connections_from_outside_are_idle_unasked() {
    let limit = Duration::from_millis(20);
    let mut reactor = reactor(Config { idle_timeout: Some(limit), ..Config::default() });
    let (service, causes) = Does::echo().tells_causes();
    let service = reactor.add(service);
    let pairs = [(); 3].map(|()| UnixStream::pair().unwrap());
    let mut theirs = Vec::new();
    let mut ids = Vec::new();
    for (ours, other) in pairs {
        ids.push(reactor.context(service).adopt(ours, Half::Both).unwrap());
        theirs.push(other);
    }
    reactor.context(service).source(ids[1]).unref();
    reactor.context(service).source(ids[2]).set_idle_timeout(Some(limit));
    // The third one shows that more than the limit has passed, then the beats that it still holds.
    turn_until(&mut reactor, |_| causes.try_recv() == Ok((ids[2], "Idle".to_string())));
    let beats = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&beats);
    let beat = reactor.add(Does::new().timer(move |_, _| {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    reactor.context(beat).every(limit);
    turn_until(&mut reactor, |_| beats.load(Ordering::Relaxed) > 3);
    for other in &mut theirs[..2] {
        other.write_all(b"still there?").unwrap();
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 24);
}

/// Each connection may have an idle timeout of its own, a longer one, a shorter one, or none.
#[test]
fn each_connection_has_its_own_idle_timeout() {
    let limit = Duration::from_millis(20);
    let config = Config { idle_timeout: Some(limit), ..Config::default() };
    let (service, causes) = Does::echo()
        .received(|cx, input| {
            match input {
                b"never" => cx.set_idle_timeout(None),
                b"long" => cx.set_idle_timeout(Some(Duration::from_secs(100 * 24 * 3600))),
                _ => {}
            }
            cx.send(input)
        })
        .tells_causes();
    let server = serve(config, service);
    let mut never = tcp(server.made);
    exchange(&mut never, b"never");
    let mut long = tcp(server.made);
    exchange(&mut long, b"long");
    for _ in 0..3 {
        let mut short = tcp(server.made);
        expect_end(&mut short, b"");
        assert_eq!(causes.recv_timeout(DEADLINE).unwrap().1, "Idle");
    }
    exchange(&mut never, b"here");
    exchange(&mut long, b"here");
}

/// A service that takes one byte a call of all that it is shown is charged for what it was shown: others have
/// their go after a few of its calls, not after all 65,536.
#[test]
fn a_service_that_takes_little_at_a_time_delays_nobody() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, most) = (Arc::clone(&calls), Arc::new(AtomicUsize::new(0)));
    let taken = Arc::new(AtomicUsize::new(0));
    let all = Arc::clone(&taken);
    let nibbles = Does::new().received(move |cx, _| {
        count.fetch_add(1, Ordering::Relaxed);
        all.fetch_add(1, Ordering::Relaxed);
        cx.resume();
        1
    });
    let (since, between) = (Arc::clone(&calls), Arc::clone(&most));
    // Has its go whenever its turn comes, since it always has more to do.
    let watch = Does::new().received(move |cx, _| {
        between.fetch_max(since.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        cx.resume();
        0
    });
    let config = Config { read_budget: 256 * 1024, ..Config::default() };
    let mut reactor = reactor(config);
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", nibbles);
    let watched = listen(&mut reactor, "tcp://127.0.0.1:0", watch);
    let mut watcher = tcp(watched);
    watcher.write_all(b"!").unwrap();
    let mut client = tcp(address);
    client.write_all(&pattern(60_000)).unwrap();
    turn_until(&mut reactor, |_| taken.load(Ordering::Relaxed) == 60_000);
    // A share is 256 KiB, and no call is cheaper than a KiB.
    let most = most.load(Ordering::Relaxed);
    assert!((1..=256).contains(&most), "{most} calls before anybody else had its go");
}

/// `room` keeps its word, whatever others have sent that isn't written yet: what they may need is set aside.
#[test]
fn room_keeps_its_word() {
    const TOTAL: usize = 12_000;
    let (asked, answers) = mpsc::channel();
    let config = Config { buffer_limit: TOTAL, output_limit: 100_000, ..Config::default() };
    let mut reactor = reactor(config);
    // Each first sends a little to those that don't read, then asks how much room it has itself.
    let deaf: Vec<(UnixStream, UnixStream)> = (0..3).map(|_| UnixStream::pair().unwrap()).collect();
    let sink = reactor.add(Does::new());
    let mut full = Vec::new();
    let mut theirs = Vec::new();
    for (ours, other) in deaf {
        SockRef::from(&ours).set_send_buffer_size(1).unwrap();
        full.push(reactor.context(sink).adopt(ours, Half::Both).unwrap());
        theirs.push(other);
    }
    let full_ones = full.clone();
    let service = Does::new().received(move |cx, input| {
        for &id in &full_ones {
            cx.source(id).send(&[0; 3000]);
        }
        let room = cx.send_capacity();
        let sent = cx.send_all(&vec![1; room]);
        asked.send((room, sent)).unwrap();
        input.len()
    });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    // Several are driven in one turn, so that what is small is gathered.
    let mut clients: Vec<_> = (0..2).map(|_| tcp(address)).collect();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 5);
    turn_until_quiet(&mut reactor);
    for client in &mut clients {
        client.write_all(b"?").unwrap();
    }
    turn_until_quiet(&mut reactor);
    let answers: Vec<(usize, bool)> = answers.try_iter().collect();
    assert_eq!(answers.len(), 2);
    for (room, sent) in answers {
        assert!(sent, "there was room for {room} bytes, and then there was not");
    }
    assert_eq!(reactor.statistics().closed.limits, 0);
}

/// A write that fails says nothing of what has arrived: all of it is shown, then the connection is gone, for
/// the reason that the write gave.
#[test]
fn a_failed_write_does_not_discard_what_has_arrived() {
    let (sender, shown) = mpsc::channel();
    let (service, causes) = Does::new()
        .received(move |cx, input| {
            sender.send(input.to_vec()).unwrap();
            cx.send(b"thank you"); // The second time, nobody is there.
            input.len()
        })
        .tells_causes();
    let mut reactor = reactor(Config { read_buffer: 4096, read_budget: 1, ..Config::default() });
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let service = reactor.add(service);
    reactor.context(service).adopt(ours, Half::Both).unwrap();
    theirs.write_all(&pattern(50_000)).unwrap();
    theirs.shutdown(Shutdown::Read).unwrap(); // From here on, writing to it fails.
    let mut cause = None;
    turn_until(&mut reactor, |_| {
        cause = causes.try_recv().ok();
        cause.is_some()
    });
    let shown: Vec<u8> = shown.try_iter().flatten().collect();
    assert!(shown == pattern(50_000), "{} bytes of 50,000", shown.len());
    let (_, cause) = cause.unwrap();
    assert!(cause.starts_with("Failed"), "{cause}");
}

/// The same, where the service can't take anything that it can't answer: then it is over at once.
#[test]
fn who_must_answer_ends_with_the_failed_write() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut reactor = reactor(Config::default());
    let echo = reactor.add(Echo);
    reactor.context(echo).adopt(ours, Half::Both).unwrap();
    theirs.write_all(b"hello").unwrap();
    theirs.shutdown(Shutdown::Read).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.failed == 1);
}

/// A send buffer may hold megabytes, and isn't writable before a good part of them has gone. A peer that takes
/// them slowly moves all the same: neither a stop nor its idle timeout cuts it off.
#[test]
fn a_slow_reader_moves_what_the_kernel_holds() {
    let limit = Duration::from_millis(400);
    for stops in [true, false] {
        let config = Config {
            linger: limit,
            idle_timeout: (!stops).then_some(limit),
            stop_timeout: Duration::MAX,
            ..Config::default()
        };
        let server = serve(config, Echo);
        // A small window, so that each few reads are told to the server's kernel.
        let slow = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        slow.set_recv_buffer_size(16 * 1024).unwrap();
        slow.connect(&server.made.into()).unwrap();
        let mut slow = std::net::TcpStream::from(slow);
        slow.set_read_timeout(Some(DEADLINE)).unwrap();
        server.stall(&mut slow);
        if stops {
            server.handle.stop(Stop::Gracefully).unwrap();
        }
        // Far more slowly than the buffer becomes writable in one limit, for several limits.
        let (start, mut bytes) = (Instant::now(), vec![0; 4096]);
        while start.elapsed() < 5 * limit {
            slow.read_exact(&mut bytes).expect("it is waited for");
            std::thread::sleep(limit / 20); // Its pace, not a synchronisation.
        }
        if stops {
            assert!(!server.has_ended());
            std::io::copy(&mut slow, &mut std::io::sink()).expect("an end in order");
            assert_eq!(server.join().closed.lingered, 0);
        }
    }
}
