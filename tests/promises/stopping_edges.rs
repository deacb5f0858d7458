//! A graceful stop: always ends, at once where nobody is owed anything, and never cleanly over lost bytes.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use echoloop::{Address, Config, Context, Echo, Half, Id, Rate, Service, Stop};
use socket2::SockRef;

use crate::support::*;

/// So long that nobody waits for it.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn patient() -> Config {
    Config { linger: FOR_EVER, stop_timeout: Duration::MAX, ..Config::default() }
}

/// A thousand clients that say nothing, and don't close, are owed nothing: nobody waits for them.
#[test]
fn idle_clients_are_not_waited_for() {
    let server = serve(patient(), Echo);
    let mut clients: Vec<_> = (0..1000).map(|_| tcp(server.made)).collect();
    for client in &mut clients {
        exchange(client, b"x");
    }
    let statistics = server.stop(Stop::Gracefully);
    assert_eq!((statistics.closed.stopped, statistics.open), (1000, 0));
    for client in &mut clients {
        expect_end(client, b"");
    }
}

/// The same over Unix sockets, and for an adopted one.
#[test]
fn idle_unix_clients_are_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let at = endpoint(&format!("unix://{}", path.display()));
    let (ours, mut adopted) = UnixStream::pair().unwrap();
    let server = Server::start(patient(), move |reactor| {
        reactor.listen(&at, Echo).unwrap();
        let echo = reactor.add(Echo);
        reactor.context(echo).adopt(ours, Half::Both).unwrap();
    });
    let mut client = unix(&path);
    exchange(&mut client, b"x");
    exchange(&mut adopted, b"y");
    server.stop(Stop::Gracefully);
    expect_end(&mut client, b"");
    expect_end(&mut adopted, b"");
}

/// Who doesn't read is owed what was sent to it, however long the others have gone; and once it has read
/// all, its own end is not waited for.
#[test]
fn full_buffers_are_delivered_before_the_end() {
    const LENGTH: usize = 8_000_000;
    let pushes = Does::new().opened(|cx| {
        let taken = cx.send(&pattern(LENGTH));
        assert_eq!(taken, LENGTH);
    });
    let config = Config { output_limit: LENGTH, ..patient() };
    let server = serve(config, pushes);
    let mut slow = tcp(server.made);
    let idle = tcp(server.made);
    server.until(|statistics| statistics.accepted == 2);
    drop(idle);
    server.handle.stop(Stop::Gracefully).unwrap();
    expect_end(&mut slow, &pattern(LENGTH));
    assert_eq!(server.join().closed.lingered, 0); // And `slow` is still open on its side.
}

/// A flood of datagrams doesn't put the stop off: those that come after it are nobody's.
#[test]
fn a_flood_of_datagrams_does_not_put_the_stop_off() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let at = endpoint(&format!("unixgram://{}", path.display()));
    let server = Server::start(patient(), move |reactor| {
        reactor.listen(&at, Echo).unwrap();
        listen(reactor, "udp://127.0.0.1:0", Echo)
    });
    let over = Arc::new(AtomicBool::new(false));
    let (at, is_over) = (server.made, Arc::clone(&over));
    let internet = thread::spawn(move || {
        let socket = udp("127.0.0.1:0", Some(at));
        while !is_over.load(Ordering::Relaxed) {
            let _ = socket.send(&[0; 1000]);
        }
    });
    let is_over = Arc::clone(&over);
    let local = thread::spawn(move || {
        let socket = UnixDatagram::unbound().unwrap();
        socket.set_nonblocking(true).unwrap();
        while !is_over.load(Ordering::Relaxed) {
            let _ = socket.send_to(&[0; 1000], &path);
        }
    });
    server.until(|statistics| statistics.datagrams_in > 10_000);
    server.stop(Stop::Gracefully);
    over.store(true, Ordering::Relaxed);
    internet.join().unwrap();
    local.join().unwrap();
}

/// The accept rate is for newcomers; at a stop, whoever is in the backlog is served at once.
#[test]
fn the_accept_rate_does_not_put_the_stop_off() {
    let rate = Rate { per_second: 1, burst: 1 };
    let mut reactor = reactor(Config { accept_rate: Some(rate), ..patient() });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut clients: Vec<_> = (0..200).map(|_| tcp(address)).collect();
    for client in &mut clients {
        client.write_all(b"hello").unwrap();
    }
    reactor.handle().stop(Stop::Gracefully).unwrap();
    // At one a second it would take two hundred; the helpers give up long before.
    assert_eq!(run(&mut reactor).accepted, 200);
    for client in &mut clients {
        expect_end(client, b"hello");
    }
}

/// However slowly somebody moves, the whole stop has a deadline; what is lost then is no end in order.
#[test]
fn the_whole_stop_has_a_deadline() {
    let config =
        Config { stop_timeout: Duration::from_millis(200), output_limit: 30_000_000, ..patient() };
    let pushes = Does::new().opened(|cx| assert!(cx.send_all(&pattern(30_000_000))));
    let server = serve(config, pushes);
    let mut slow = tcp(server.made);
    server.until(|statistics| statistics.open == 1);
    server.handle.stop(Stop::Gracefully).unwrap();
    let mut byte = [0];
    let ending = loop {
        match slow.read(&mut byte) {
            Ok(0) => break None,
            Ok(_) if server.has_ended() => break Some(rest_of(&mut slow)),
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(ending, Some(ErrorKind::ConnectionReset));
    assert_eq!(server.join().closed.stopped, 1);
}

/// Reads on, until it ends; it must not end well.
fn rest_of(stream: &mut impl Read) -> ErrorKind {
    std::io::copy(stream, &mut std::io::sink()).unwrap_err().kind()
}

/// Whatever is adopted while the reactor is stopping is told of it, and has a deadline.
#[test]
fn what_is_adopted_while_stopping_is_told() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (late, mut latecomer) = UnixStream::pair().unwrap();
    let (sender, told) = mpsc::channel();
    let mut late = Some(OwnedFd::from(late));
    let service = Does::echo().stopping(move |cx| {
        sender.send(cx.id()).unwrap();
        if let Some(late) = late.take() {
            cx.adopt(late, Half::Both).unwrap();
        }
        cx.close();
    });
    let server = Server::start(patient(), move |reactor| {
        let service = reactor.add(service);
        reactor.context(service).adopt(ours, Half::Both).unwrap()
    });
    latecomer.write_all(b"here already").unwrap();
    let first = server.made;
    server.stop(Stop::Gracefully);
    expect_end(&mut theirs, b"");
    expect_end(&mut latecomer, b"here already");
    let told: Vec<Id> = told.try_iter().collect();
    assert!(told.len() == 2 && told[0] == first && told[1] != first, "{told:?}");
}

/// After the stop nothing can be adopted; it says so.
#[test]
fn nothing_is_adopted_after_the_stop() {
    let mut reactor = reactor(patient());
    let service = reactor.add(Echo);
    reactor.context(service).stop(Stop::Gracefully);
    run(&mut reactor);
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let refused = reactor.context(service).adopt(ours, Half::Both).unwrap_err();
    assert_eq!(echoloop::describe(&refused), "cannot adopt a descriptor: the reactor has stopped");
}

/// A Unix peer's bytes wait in its own send buffer's account, which may be larger than our receive buffer:
/// all of them had arrived.
#[test]
fn what_a_larger_buffer_held_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let mut reactor = reactor(Config { output_limit: 16_000_000, ..patient() });
    reactor.listen(&endpoint(&format!("unix://{}", path.display())), Echo).unwrap();
    let mut client = unix(&path);
    SockRef::from(&client).set_send_buffer_size(8_000_000).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    turn_until_quiet(&mut reactor);
    client.set_nonblocking(true).unwrap();
    let bytes = pattern(8_000_000);
    let mut sent = 0;
    while let Ok(count @ 1..) = client.write(&bytes[sent..]) {
        sent += count;
    }
    // Without the right to more, the kernel gives twice what `wmem_max` says: more than our own buffer.
    let ours = SockRef::from(&client).recv_buffer_size().unwrap();
    assert!(sent > ours, "{sent} bytes fit in, {ours} would have anyway");
    client.set_nonblocking(false).unwrap();
    reactor.handle().stop(Stop::Gracefully).unwrap();
    let reading = thread::spawn(move || expect_end(&mut client, &bytes[..sent]));
    run(&mut reactor);
    reading.join().unwrap();
}

/// All that a pipe holds had arrived.
#[test]
fn what_a_pipe_holds_is_served() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let bytes = pattern(1 << 20);
    let mut held = 0;
    while let Ok(count @ 1..) = writer.write(&bytes[held..]) {
        held += count;
    }
    assert!(held > 4096);
    let (sender, shown) = mpsc::channel();
    let reads = Does::new().received(move |_, input| {
        sender.send(input.len()).unwrap();
        input.len()
    });
    // Each read brings less than there is, so that one read alone would lose most of it.
    let mut reactor = reactor(Config { read_buffer: 4096, read_budget: 1, ..patient() });
    let service = reactor.add(reads);
    reactor.context(service).adopt(reader, Half::Read).unwrap();
    reactor.handle().stop(Stop::Gracefully).unwrap();
    run(&mut reactor);
    assert_eq!(shown.try_iter().sum::<usize>(), held);
    drop(writer); // It was still open: not its end, but the stop, has ended the reading.
}

/// Passes bytes on between two connections, and slows one down while the other is full; as in the guide.
struct Proxy {
    client: Option<Id>,
    server: Id,
}

impl Proxy {
    fn other(&self, id: Id) -> Id {
        if id == self.server { self.client.expect("it came first") } else { self.server }
    }
}

impl Service for Proxy {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.client = self.client.or((cx.id() != self.server).then_some(cx.id()));
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

/// A proxy's client is paused while its server doesn't read. All that it had sent by the stop is passed on,
/// before anybody is told of the stop.
#[test]
fn a_paused_connection_is_served_as_soon_as_it_goes_on() {
    let config = Config { output_limit: 20_000, ..patient() };
    let mut reactor = reactor(config);
    let sink = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&sink).set_recv_buffer_size(4096).unwrap();
    let at = endpoint(&format!("tcp://{}", sink.local_addr().unwrap()));
    let mut address = None;
    reactor
        .start(|cx| {
            let listener = cx.listen(&endpoint("tcp://127.0.0.1:0"))?;
            address = cx.source(listener).local();
            Ok(Proxy { client: None, server: cx.connect(&at)? })
        })
        .unwrap();
    let Some(Address::Ip(address)) = address else { panic!("{address:?}") };
    let mut client = tcp(address);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 2);
    let (mut server, _) = sink.accept().unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let bytes = pattern(50_000_000);
    let mut sent = 0;
    // Until the whole way is full, and the client paused.
    loop {
        let more = stuff(&mut client, &bytes[sent..]);
        sent += more;
        turn_until_quiet(&mut reactor);
        if more == 0 {
            break;
        }
    }
    reactor.handle().stop(Stop::Gracefully).unwrap();
    let arrived = unread(&client, sent);
    let reading = thread::spawn(move || {
        let came = rest(&mut server);
        assert!(came == bytes[..came.len()], "what came is not what was sent");
        came.len()
    });
    let statistics = run(&mut reactor);
    let came = reading.join().unwrap();
    assert!(came >= arrived, "{came} bytes of {arrived} that had arrived, of {sent}");
    assert_eq!(statistics.closed.lingered, 0);
}

/// How many of these bytes are not waiting in our own kernel any more: they have arrived.
fn unread(client: &std::net::TcpStream, sent: usize) -> usize {
    // What isn't acknowledged may have arrived or not: a window's worth at most counts as not.
    let buffer = SockRef::from(client).send_buffer_size().unwrap();
    sent.saturating_sub(buffer)
}

/// One that is paused for ever is told when it has stood still for the linger time. Its end is no end in
/// order, since what it had sent is lost.
#[test]
fn a_pause_that_never_ends_ends_unclean() {
    let config = Config { linger: Duration::from_millis(100), ..patient() };
    let server = serve(config, Pauses);
    let mut client = tcp(server.made);
    client.write_all(b"work").unwrap();
    server.until(|statistics| statistics.messages_in == 1);
    server.handle.stop(Stop::Gracefully).unwrap();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.join().closed.because, 1);
}

/// Wants nothing, and leaves it to the crate what a stop does.
struct Pauses;

impl Service for Pauses {
    fn received(&mut self, cx: &mut Context<'_>, _input: &[u8]) -> usize {
        cx.pause();
        0
    }
}

/// Whoever was told, and closed, and could not deliver what it had sent, has lingered: that it was to end anyway
/// doesn't say that it has ended well.
#[test]
fn a_stop_that_loses_bytes_says_so() {
    let config =
        Config { linger: Duration::from_millis(50), output_limit: 30_000_000, ..Config::default() };
    let pushes = Does::new().opened(|cx| assert!(cx.send_all(&pattern(30_000_000))));
    let (pushes, causes) = pushes.tells_causes();
    let server = serve(config, pushes);
    let mut deaf = tcp(server.made);
    server.until(|statistics| statistics.buffered > 0);
    server.stop(Stop::Gracefully);
    assert_eq!(causes.recv_timeout(DEADLINE).unwrap().1, "Lingered");
    assert_eq!(rest_of(&mut deaf), ErrorKind::ConnectionReset);
}

/// Bytes that were kept for a peer and can't be delivered are lost, and TCP says so, whatever ended it.
#[test]
fn what_is_lost_is_no_end_in_order() {
    let config = Config { linger: Duration::from_millis(50), ..Config::default() };
    let server = serve(config, Echo);
    let mut stalled = tcp(server.made);
    server.stall(&mut stalled);
    server.stop(Stop::Gracefully);
    assert_eq!(rest_of(&mut stalled), ErrorKind::ConnectionReset);
}
