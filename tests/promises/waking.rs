//! Nothing waits that could move: outside of turns, under other loops, beside a connection that is being
//! made, behind a short read.

use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Context, Echo, Half, HandleError, Id, Peer, Service, Stop};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::support::*;

/// What is sent before the loop runs leaves: a datagram from a bound socket, one from a connected one, bytes
/// on a stream. The host is told that there is something to do.
#[test]
fn what_is_sent_outside_a_turn_leaves() {
    let receiver = udp("127.0.0.1:0", None);
    let at = receiver.local_addr().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Does::new());
    let mut cx = reactor.context(service);
    let bound = cx.listen(&endpoint("udp://127.0.0.1:0")).unwrap();
    let connected = cx.connect(&endpoint(&format!("udp://{at}"))).unwrap();
    let stream = cx.adopt(ours, Half::Both).unwrap();
    assert!(cx.source(bound).send_to(&Peer::from(at), b"bound"));
    assert_eq!(cx.source(connected).send(b"connected"), 9);
    assert_eq!(cx.source(stream).send(b"stream"), 6);
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    reactor.turn(Some(Duration::ZERO)).unwrap();
    let mut came = [datagram(&receiver), datagram(&receiver)];
    came.sort();
    assert_eq!(came, [b"bound".to_vec(), b"connected".to_vec()]);
    expect(&mut theirs, b"stream");
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
}

/// Passes on what comes to a server that it dials for the first client, as in the guide.
struct Proxy {
    to: echoloop::Endpoint,
    pair: Option<(Id, Id)>,
}

impl Proxy {
    fn other(&self, id: Id) -> Id {
        let (client, server) = self.pair.expect("a client came first");
        if id == client { server } else { client }
    }
}

impl Service for Proxy {
    fn opened(&mut self, cx: &mut Context<'_>) {
        if self.pair.is_none() {
            self.pair = Some((cx.id(), cx.connect(&self.to).unwrap()));
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let other = self.other(cx.id());
        let taken = cx.source(other).send(input);
        if taken < input.len() {
            cx.pause();
        }
        taken
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        let other = self.other(cx.id());
        cx.source(other).resume();
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        let other = self.other(cx.id());
        cx.source(other).finish();
    }
}

/// What is sent to a connection that is being made is kept, and leaves when it is there, in order, with the
/// half-close behind it: a client that speaks at once is not stuck. Once with little, once with more than may
/// be kept.
#[test]
fn a_connection_that_is_being_made_takes_what_is_sent() {
    for (length, limit) in [(5, 256 * 1024), (300_000, 1000)] {
        let echo = serve(Config::default(), Echo);
        let to = endpoint(&format!("tcp://{}", echo.made));
        let config = Config { output_limit: limit, ..Config::default() };
        let proxy = Server::start(config, move |reactor| {
            listen(reactor, "tcp://127.0.0.1:0", Proxy { to, pair: None })
        });
        let mut client = tcp(proxy.made);
        let mut writer = client.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&pattern(length)).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        expect_end(&mut client, &pattern(length));
        writing.join().unwrap();
    }
}

/// A connection that is closed while it is being made, after something was sent to it, delivers that first.
#[test]
fn what_was_sent_before_it_was_connected_is_delivered() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = endpoint(&format!("tcp://{}", listener.local_addr().unwrap()));
    let mut reactor = reactor(Config::default());
    let (service, causes) = Does::new().tells_causes();
    let service = reactor.add(service);
    let id = reactor.context(service).connect(&to).unwrap();
    let mut cx = reactor.context(service);
    let mut cx = cx.source(id);
    assert_eq!((cx.send(b"hello"), cx.send_all(b", server"), cx.queued()), (5, true, 13));
    cx.close_because("said all");
    let server = thread::spawn(move || rest(&mut listener.accept().unwrap().0));
    turn_until(&mut reactor, |_| {
        causes.try_recv() == Ok((id, "Because(\"said all\")".to_string()))
    });
    assert_eq!(server.join().unwrap(), b"hello, server");
}

/// Lines that are pasted into a terminal come a line a read, all with one event: none is left behind.
#[test]
fn no_line_of_a_terminal_is_left_behind() {
    let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let terminal = std::fs::File::options().read(true).write(true).open(name.to_str().unwrap());
    let terminal = terminal.unwrap();
    let mut master = std::fs::File::from(master);
    master.write_all(b"one\ntwo\nthree\n").unwrap(); // All there before anybody looks.
    let (sender, lines) = mpsc::channel();
    let service = Does::new().received(move |_, input| {
        sender.send(input.to_vec()).unwrap();
        input.len()
    });
    let mut reactor = reactor(Config::default());
    let service = reactor.add(service);
    reactor.context(service).adopt(terminal, Half::Read).unwrap();
    turn_until_quiet(&mut reactor);
    assert_eq!(lines.try_iter().collect::<Vec<_>>().concat(), b"one\ntwo\nthree\n");
}

/// A read of a Unix stream stops behind a descriptor that was passed along; what comes after it is read too.
#[test]
fn bytes_behind_a_passed_descriptor_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let mut reactor = reactor(Config::default());
    reactor.listen(&endpoint(&format!("unix://{}", path.display())), Echo).unwrap();
    let mut client = unix(&path);
    client.write_all(b"one ").unwrap();
    let passed = [client.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
    let parts = [IoSlice::new(b"two ")];
    rustix::net::sendmsg(&client, &parts, &mut control, SendFlags::empty()).unwrap();
    client.write_all(b"three").unwrap();
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.statistics().bytes_out, 13);
    expect(&mut client, b"one two three");
}

/// A loop that is told of edges only hears of the reactor's descriptor once, however many sources are ready.
/// The reactor tells it to come again until all have been served.
#[test]
fn an_edge_triggered_host_serves_more_than_one_batch() {
    const CLIENTS: usize = 40;
    let mut reactor = reactor(Config { events: 8, ..Config::default() });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| tcp(address)).collect();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == CLIENTS as u64);
    turn_until_quiet(&mut reactor);

    let mut poll = Poll::new().unwrap(); // Edge-triggered, as mio always is.
    let descriptor = reactor.as_fd().as_raw_fd();
    poll.registry().register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE).unwrap();
    for client in &mut clients {
        client.write_all(b"all at once").unwrap();
    }
    let mut events = Events::with_capacity(8);
    let mut timeout = Some(DEADLINE);
    loop {
        poll.poll(&mut events, timeout.map(|it| it.min(DEADLINE))).unwrap();
        if events.is_empty() && timeout.is_none() {
            break;
        }
        reactor.turn(Some(Duration::ZERO)).unwrap();
        timeout = reactor.poll_timeout();
        if reactor.statistics().bytes_out == CLIENTS as u64 * 11 {
            break;
        }
        assert!(timeout.is_some(), "told to wait, with {}", reactor.statistics());
    }
    for client in &mut clients {
        expect(client, b"all at once");
    }
}

/// The poller tells that a peer has hung up once, and if that is while the connection is still being made, it
/// isn't forgotten.
#[test]
fn a_hangup_while_dialling_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    let listener = UnixListener::bind(&path).unwrap();
    let (service, causes) = Does::new().ended(|_| {}).tells_causes(); // It stays, and only reads.
    let mut reactor = reactor(Config::default());
    let service = reactor.add(service);
    let to = endpoint(&format!("unix://{}", path.display()));
    reactor.context(service).connect(&to).unwrap();
    // The first turn begins to connect. The peer takes the connection and drops it before the second one
    // learns of anything.
    reactor.turn(Some(Duration::ZERO)).unwrap();
    drop(listener.accept().unwrap());
    turn_until(&mut reactor, |_| {
        causes.try_recv().is_ok_and(|(_, cause)| cause.contains("Failed"))
    });
}

/// A flood of commands from other threads has a share like everybody: a whisper is served
/// beside it. Those that were taken are all run.
#[test]
fn a_flood_of_commands_starves_nobody() {
    let config = Config { commands: 100, ..Config::default() };
    let server = serve(config, Echo);
    let handle = server.handle.clone();
    let over = Arc::new(AtomicBool::new(false));
    let (is_over, (sender, ran)) = (Arc::clone(&over), mpsc::channel());
    let flood = thread::spawn(move || {
        let mut taken = 0_u64;
        while !is_over.load(Ordering::Relaxed) {
            let sender = sender.clone();
            match handle.run(move |_| sender.send(()).unwrap()) {
                Ok(()) => taken += 1,
                Err(HandleError::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
        taken
    });
    let mut whisper = tcp(server.made);
    for _ in 0..100 {
        exchange(&mut whisper, b"w");
    }
    over.store(true, Ordering::Relaxed);
    let taken = flood.join().unwrap();
    drop(whisper);
    server.stop(Stop::Gracefully); // It overtakes what still waits, which is run even so.
    assert_eq!(ran.try_iter().count() as u64, taken);
}

/// Commands that wait are bounded, and who comes too many is told; each turn runs a share of them, and as long
/// as there are more, the next one doesn't wait. A stop is never too many.
#[test]
fn commands_that_wait_are_bounded() {
    const MOST: usize = 200;
    let mut reactor = reactor(Config { commands: MOST, ..Config::default() });
    let (handle, (sender, ran)) = (reactor.handle(), mpsc::channel());
    let run = || {
        let sender = sender.clone();
        handle.run(move |_| sender.send(()).unwrap())
    };
    (0..MOST).for_each(|_| run().unwrap());
    assert!(matches!(run(), Err(HandleError::Full)));
    reactor.turn(Some(Duration::ZERO)).unwrap();
    let first = ran.try_iter().count();
    assert!((1..MOST).contains(&first), "{first} in one turn");
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    run().unwrap();
    handle.stop(Stop::AtOnce).unwrap();
    reactor.turn(Some(DEADLINE)).unwrap();
    assert!(reactor.is_stopped());
    assert_eq!(first + ran.try_iter().count(), MOST + 1);
    assert!(matches!(run(), Err(HandleError::Stopped)));
}

/// A loop that looks for events without sleeping looks for timers too, and for what other threads want.
#[test]
fn a_loop_that_never_sleeps_misses_nothing() {
    let (sender, fired) = mpsc::channel();
    let config = Config { spin: Duration::MAX, ..Config::default() };
    let server = Server::start(config, move |reactor| {
        let timers = reactor.add(Does::new().timer(move |_, _| sender.send(()).unwrap()));
        reactor.context(timers).after(Duration::from_millis(10));
        listen(reactor, "tcp://127.0.0.1:0", Echo)
    });
    fired.recv_timeout(DEADLINE).unwrap();
    exchange(&mut tcp(server.made), b"hello");
    server.statistics();
    server.stop(Stop::Gracefully);
}
