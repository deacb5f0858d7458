//! In other programs: handles, loops of their own, descriptors of all kinds, timers.

use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Context, Echo, Half, HandleError, Stop};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::support::*;

/// Another thread can have something done on the loop, in order, and wake it; of a reactor that is gone
/// it is told so.
#[test]
fn a_handle_reaches_the_loop_from_elsewhere() {
    let server = serve(Config::default(), Echo);
    let handle = server.handle.clone();
    let (sender, done) = mpsc::channel();
    for i in 0..100 {
        let sender = sender.clone();
        handle.run(move |_| sender.send(i).unwrap()).unwrap();
    }
    for i in 0..100 {
        assert_eq!(done.recv_timeout(DEADLINE), Ok(i));
    }
    let before = server.statistics().turns;
    handle.wake().unwrap();
    server.until(|statistics| statistics.turns > before + 1);
    server.stop(Stop::AtOnce);
    let refused = handle.run(|_| panic!("nobody is there to run it"));
    assert!(matches!(refused, Err(HandleError::Stopped)));
    assert!(matches!(handle.stop(Stop::AtOnce), Err(HandleError::Stopped)));
}

/// What is run on a loop without services is served by nobody in particular, and that is no panic.
#[test]
fn a_loop_without_services_can_be_asked_for_anything() {
    let mut reactor = reactor(Config::default());
    let (sender, made) = mpsc::channel();
    let run = move |cx: &mut Context<'_>| {
        cx.after(Duration::ZERO);
        let id = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        sender.send(internet(cx.source(id).local())).unwrap();
    };
    reactor.handle().run(run).unwrap();
    let mut address = None;
    turn_until(&mut reactor, |_| {
        address = made.try_recv().ok();
        address.is_some()
    });
    let mut client = tcp(address.unwrap());
    client.write_all(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 1);
    expect_end(&mut client, b"");
}

/// Through a handle, a service that was added can be given sources while the loop runs.
#[test]
fn sources_can_be_added_from_elsewhere() {
    let server = Server::start(Config::default(), |reactor| reactor.add(Echo));
    let service = server.made;
    let (sender, address) = mpsc::channel();
    let run = move |cx: &mut Context<'_>| {
        let mut cx = cx.as_service(service);
        let id = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        sender.send(internet(cx.source(id).local())).unwrap();
    };
    server.handle.run(run).unwrap();
    let address = address.recv_timeout(DEADLINE).unwrap();
    exchange(&mut tcp(address), b"hello");
}

/// A host with a poll of its own waits for the reactor's descriptor, no longer than its poll timeout, and
/// turns it without waiting: everything works, timers too.
#[test]
fn a_host_can_poll_the_descriptor() {
    let (sender, fired) = mpsc::channel();
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let timers = reactor.add(Does::new().timer(move |_, _| sender.send(()).unwrap()));
    let beat = reactor.context(timers).every(Duration::from_millis(10));
    let client = thread::spawn(move || {
        let mut client = tcp(address);
        for i in 0..50_u32 {
            exchange(&mut client, &i.to_be_bytes());
        }
    });

    let mut poll = Poll::new().unwrap();
    let descriptor = reactor.as_fd().as_raw_fd();
    poll.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(8);
    let mut beats = 0;
    while beats < 3 || !client.is_finished() {
        poll.poll(&mut events, reactor.poll_timeout().map(|it| it.min(DEADLINE))).unwrap();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        beats += fired.try_iter().count();
    }
    client.join().unwrap();
    assert!(reactor.context(timers).cancel(beat));
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
}

/// Several reactors in one process, in one thread and in several, know nothing of each other; one can
/// be the client of another.
#[test]
fn reactors_do_not_know_each_other() {
    let elsewhere = serve(Config::default(), Echo);
    let mut first = reactor(Config::default());
    let mut second = reactor(Config::default());
    let address = listen(&mut first, "tcp://127.0.0.1:0", Echo);
    let (sender, answers) = mpsc::channel();
    for at in [address, elsewhere.made] {
        let sender = sender.clone();
        let service = Does::new()
            .opened(move |cx| assert!(cx.send_all(at.to_string().as_bytes())))
            .received(move |cx, input| {
                sender.send(String::from_utf8(input.to_vec()).unwrap()).unwrap();
                cx.close();
                input.len()
            });
        second.connect(&endpoint(&format!("tcp://{at}")), service).unwrap();
    }
    turn_until(&mut first, |_| {
        second.turn(Some(Duration::ZERO)).unwrap();
        second.statistics().closed.by_service == 2
    });
    let mut answers: Vec<String> = answers.try_iter().collect();
    answers.sort();
    let mut expected = [address.to_string(), elsewhere.made.to_string()];
    expected.sort();
    assert_eq!(answers, expected);
    assert_eq!(first.statistics().accepted, 1);
}

/// Pipes of a child: what we write it reads, its end ends us.
#[test]
fn a_childs_pipes_are_streams() {
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (sender, output) = mpsc::channel();
    let reads = Does::new().received(move |_, input| {
        sender.send(input.to_vec()).unwrap();
        input.len()
    });
    // More than there is room for, so that the service is told when to go on.
    let sent = Arc::new(AtomicUsize::new(0));
    let goes_on = move |cx: &mut Context<'_>| {
        let from = sent.load(Ordering::Relaxed);
        let to = from + cx.send(&pattern(1_000_000)[from..]);
        sent.store(to, Ordering::Relaxed);
        if to == 1_000_000 {
            cx.finish();
        }
    };
    let begins = goes_on.clone();
    let writes = Does::new().timer(move |cx, _| begins(cx)).writable(goes_on);
    let mut reactor = reactor(Config::default());
    let (reads, writes) = (reactor.add(reads), reactor.add(writes));
    reactor.context(reads).adopt(stdout, Half::Read).unwrap();
    let id = reactor.context(writes).adopt(stdin, Half::Write).unwrap();
    reactor.context(writes).source(id).after(Duration::ZERO);
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 2);
    let output: Vec<u8> = output.try_iter().flatten().collect();
    assert!(output == pattern(1_000_000), "{} bytes", output.len());
    assert!(child.wait().unwrap().success());
}

/// A file is a stream that is always ready: read to its end, written to the last byte.
#[test]
fn files_are_streams() {
    let mut source = tempfile::tempfile().unwrap();
    source.write_all(&pattern(700_000)).unwrap();
    source.rewind().unwrap();
    let mut target = tempfile::tempfile().unwrap();
    let mut reactor = reactor(Config::default());
    let (sender, chunks) = mpsc::channel();
    let reads = reactor.add(Does::new().received(move |_, input| {
        sender.send(input.to_vec()).unwrap();
        input.len()
    }));
    reactor.context(reads).adopt(source, Half::Read).unwrap();
    let writes = reactor.add(Does::new());
    let copy = target.try_clone().unwrap();
    let out = reactor.context(writes).adopt(copy, Half::Write).unwrap();
    turn_until(&mut reactor, |reactor| {
        for chunk in chunks.try_iter() {
            assert!(reactor.context(writes).source(out).send_all(&chunk));
        }
        reactor.statistics().closed.ended == 1
    });
    for chunk in chunks.try_iter() {
        assert!(reactor.context(writes).source(out).send_all(&chunk));
    }
    reactor.context(writes).source(out).finish();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 2);
    target.rewind().unwrap();
    let mut copied = Vec::new();
    target.read_to_end(&mut copied).unwrap();
    assert!(copied == pattern(700_000), "{} bytes", copied.len());
}

/// A timer fires once or again and again, never after it was cancelled, and in order.
#[test]
fn timers_fire_in_order() {
    let (sender, fired) = mpsc::channel();
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Does::new().timer(move |_, timer| sender.send(timer).unwrap()));
    let mut cx = reactor.context(service);
    let third = cx.after(Duration::from_millis(30));
    let first = cx.after(Duration::ZERO);
    let never = cx.after(Duration::from_millis(5));
    let second = cx.after(Duration::from_millis(10));
    let beat = cx.every(Duration::from_millis(40));
    assert!(cx.cancel(never) && !cx.cancel(never));
    let mut order = Vec::new();
    turn_until(&mut reactor, |_| {
        order.extend(fired.try_iter());
        order.len() >= 6
    });
    assert_eq!(order[..6], [first, second, third, beat, beat, beat]);
    let mut cx = reactor.context(service);
    assert!(!cx.cancel(first) && cx.cancel(beat));
    assert_eq!(reactor.poll_timeout(), None);
}

/// The delay of a timer counts from when it is set, however long ago the reactor last turned.
#[test]
fn a_delay_begins_when_it_is_set() {
    let (sender, fired) = mpsc::channel();
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Does::new().timer(move |_, _| sender.send(()).unwrap()));
    thread::sleep(Duration::from_millis(50)); // What the host has to do before.
    reactor.context(service).after(Duration::from_secs(3600));
    reactor.context(service).after(Duration::from_millis(40));
    assert!(reactor.poll_timeout() > Some(Duration::from_millis(1)));
    turn_until(&mut reactor, |_| fired.try_recv().is_ok());
}

/// A dropped reactor closes what it has, and calls nobody.
#[test]
fn a_dropped_reactor_calls_nobody() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Does::new().closed(|_, _| panic!("called")));
    reactor.context(service).adopt(ours, Half::Both).unwrap();
    drop(reactor);
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}
