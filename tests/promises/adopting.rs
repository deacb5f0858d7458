//! What the host already has is served as what it is; and services go when nothing needs them any more.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use echoloop::{Address, Config, Context, Echo, Half, Service, Stop, describe};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::*;

/// Both ends of a TCP connection.
fn pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = tcp(listener.local_addr().unwrap());
    (listener.accept().unwrap().0, theirs)
}

/// An adopted socket knows its peer, and closes politely: last bytes arrive although the peer has sent what
/// nobody read, and then comes an end in order.
#[test]
fn an_adopted_socket_is_closed_politely() {
    let greets = || {
        Does::new().received(|cx, _| {
            cx.send(&pattern(10_000));
            cx.close();
            0
        })
    };
    let mut reactor = reactor(Config::default());
    let service = reactor.add(greets());
    let (ours, mut theirs) = pair();
    let id = reactor.context(service).adopt(ours, Half::Both).unwrap();
    let peer = reactor.context(service).source(id).peer();
    assert_eq!(peer, Some(Address::Ip(theirs.local_addr().unwrap())));
    let (unix_ours, mut unix_theirs) = UnixStream::pair().unwrap();
    reactor.context(service).adopt(unix_ours, Half::Both).unwrap();
    theirs.write_all(&pattern(1000)).unwrap();
    unix_theirs.write_all(&pattern(1000)).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 20_000);
    theirs.write_all(b"more that nobody reads").unwrap();
    unix_theirs.write_all(b"more that nobody reads").unwrap();
    turn_until_quiet(&mut reactor);
    expect_end(&mut theirs, &pattern(10_000));
    expect_end(&mut unix_theirs, &pattern(10_000));
}

/// Its own direction can be ended alone, and the other one goes on.
#[test]
fn an_adopted_socket_can_be_half_closed() {
    for kind in ["tcp", "unix"] {
        let (sender, heard) = mpsc::channel();
        let service = Does::new().received(move |_, input| {
            sender.send(input.to_vec()).unwrap();
            input.len()
        });
        let mut reactor = reactor(Config::default());
        let service = reactor.add(service);
        let mut theirs: Box<dyn ReadWrite>;
        let ours = match kind {
            "tcp" => {
                let (ours, other) = pair();
                theirs = Box::new(other);
                OwnedFd::from(ours)
            }
            _ => {
                let (ours, other) = UnixStream::pair().unwrap();
                theirs = Box::new(other);
                OwnedFd::from(ours)
            }
        };
        let id = reactor.context(service).adopt(ours, Half::Both).unwrap();
        reactor.context(service).source(id).send(b"goodbye");
        reactor.context(service).source(id).finish();
        turn_until_quiet(&mut reactor);
        expect_end(&mut theirs, b"goodbye");
        theirs.write_all(b"not yet").unwrap();
        turn_until(&mut reactor, |_| heard.try_recv().is_ok_and(|bytes| bytes == b"not yet"));
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Urgent bytes are bytes like any other, also on a connection that somebody else has accepted.
#[test]
fn urgent_bytes_of_an_adopted_socket_are_bytes() {
    let (ours, mut theirs) = pair();
    let mut reactor = reactor(Config::default());
    let echo = reactor.add(Echo);
    reactor.context(echo).adopt(ours, Half::Both).unwrap();
    theirs.write_all(b"before ").unwrap();
    SockRef::from(&theirs).send_out_of_band(b"!").unwrap();
    theirs.write_all(b" behind").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 15);
    expect(&mut theirs, b"before ! behind");
}

/// Unix sockets have urgent bytes too, since Linux 5.15: nothing is left out there either.
#[test]
fn urgent_bytes_of_a_unix_socket_are_bytes() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut reactor = reactor(Config::default());
    let echo = reactor.add(Echo);
    reactor.context(echo).adopt(ours, Half::Both).unwrap();
    theirs.write_all(b"before ").unwrap();
    if let Err(error) = SockRef::from(&theirs).send_out_of_band(b"!") {
        return println!("skipped, there are none here: {error}");
    }
    theirs.write_all(b" behind").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 15);
    expect(&mut theirs, b"before ! behind");
}

/// Each kind of socket goes where it belongs, or is refused by name.
#[test]
fn what_is_no_stream_is_not_taken_for_one() {
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Echo);
    let stream = UnixStream::pair().unwrap();
    let refused_as_stream: [(OwnedFd, &str); 4] = [
        (
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            "cannot adopt a descriptor: it is a listening socket, which listen_on serves",
        ),
        (
            UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            "cannot adopt a descriptor: it is a datagram socket, which listen_on serves",
        ),
        (
            UnixDatagram::unbound().unwrap().into(),
            "cannot adopt a descriptor: it is a datagram socket, which listen_on serves",
        ),
        (
            Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap().into(),
            "cannot adopt a descriptor: it is a socket with packets, and not a stream",
        ),
    ];
    for (descriptor, why) in refused_as_stream {
        let error = reactor.context(service).adopt(descriptor, Half::Both).unwrap_err();
        assert_eq!(describe(&error), why);
    }
    let refused_as_listener: [(OwnedFd, &str); 3] = [
        (
            stream.0.into(),
            "cannot listen on a descriptor: the socket doesn't listen; a connection is taken by adopt",
        ),
        (
            std::fs::File::open("/dev/null").unwrap().into(),
            "cannot listen on a descriptor: it is not a socket",
        ),
        (
            Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap().into(),
            "cannot listen on a descriptor: it is a socket of a kind that can't be served",
        ),
    ];
    for (descriptor, why) in refused_as_listener {
        let error = reactor.context(service).listen_on(descriptor).unwrap_err();
        assert_eq!(describe(&error), why);
    }
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.statistics().open, 0);
}

/// Listeners and datagram sockets that the host made are served like our own.
#[test]
fn existing_sockets_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let (stream_path, datagram_path) = (directory.path().join("s"), directory.path().join("d"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let wildcard = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = wildcard.local_addr().unwrap().port();
    let client = udp("127.0.0.1:0", None);
    let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect(client.local_addr().unwrap()).unwrap();
    client.connect(connected.local_addr().unwrap()).unwrap();
    let sockets: Vec<OwnedFd> = vec![
        listener.into(),
        UnixListener::bind(&stream_path).unwrap().into(),
        wildcard.into(),
        UnixDatagram::bind(&datagram_path).unwrap().into(),
        connected.into(),
    ];
    let server = Server::start(Config::default(), move |reactor| {
        let echo = reactor.add(Echo);
        for socket in sockets {
            reactor.context(echo).listen_on(socket).unwrap();
        }
    });
    exchange(&mut tcp(address), b"tcp");
    exchange(&mut unix(&stream_path), b"unix");
    // The answer comes from the address that was asked, also where the socket is bound to all of them.
    let asker = udp("127.0.0.1:0", Some(SocketAddr::from(([127, 0, 0, 9], port))));
    asker.send(b"udp").unwrap();
    assert_eq!(datagram(&asker), b"udp");
    let local = UnixDatagram::bind(directory.path().join("client")).unwrap();
    local.set_read_timeout(Some(DEADLINE)).unwrap();
    local.send_to(b"unixgram", &datagram_path).unwrap();
    let mut bytes = [0; 16];
    let length = local.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"unixgram");
    client.send(b"connected").unwrap();
    assert_eq!(datagram(&client), b"connected");
    server.stop(Stop::Gracefully);
    assert!(stream_path.exists() && datagram_path.exists(), "they are not ours to remove");
}

/// A listener that two reactors share, as two processes do at a restart: one stops, and the other takes in
/// all who come, those included who were waiting.
#[test]
fn a_shared_listener_outlives_one_of_its_servers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = listener.try_clone().unwrap();
    let first = Server::start(Config::default(), move |reactor| {
        let echo = reactor.add(Echo);
        reactor.context(echo).listen_on(listener).unwrap();
    });
    exchange(&mut tcp(address), b"one of them");
    first.stop(Stop::Gracefully);
    let mut waiting = tcp(address);
    let second = Server::start(Config::default(), move |reactor| {
        let echo = reactor.add(Echo);
        reactor.context(echo).listen_on(shared).unwrap();
    });
    exchange(&mut waiting, b"the other one");
    drop(second);
}

/// Tells by its drop that it has gone.
struct Counted<S>(S, #[allow(dead_code, reason = "it is counted")] Arc<()>);

impl<S: Service> Service for Counted<S> {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.0.received(cx, input)
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &echoloop::Cause) {
        self.0.closed(cx, cause);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: echoloop::TimerId) {
        self.0.timer(cx, timer);
    }
}

/// A hundred reconnects don't keep a hundred services, whether they are made from outside or from within.
#[test]
fn services_go_with_their_last_source() {
    let server = serve(Config::default(), Echo);
    let to = endpoint(&format!("tcp://{}", server.made));
    let count = Arc::new(());
    let mut reactor = reactor(Config::default());
    for _ in 0..100 {
        let closes = Does::new().closed(|_, _| {});
        let id = reactor.connect(&to, Counted(closes, Arc::clone(&count))).unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
        let nobody = reactor.add(Echo);
        reactor.context(nobody).source(id).close();
        turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
        reactor.context(nobody).release(nobody);
    }
    reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(Arc::strong_count(&count), 1);
}

/// A name keeps a service, a timer does, a source does; when the last of them has gone, so has the service, and
/// its name finds nothing.
#[test]
fn a_service_stays_as_long_as_anything_needs_it() {
    let count = Arc::new(());
    let counted = |service| Counted(service, Arc::clone(&count));
    let mut reactor = reactor(Config::default());
    let named = reactor.add(counted(Does::new()));
    reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(Arc::strong_count(&count), 2);
    let mut cx = reactor.context(named);
    let listener = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    let beat = cx.every(Duration::from_millis(1));
    cx.release(named);
    reactor.context(named).source(listener).close();
    for _ in 0..3 {
        reactor.turn(None).unwrap(); // It beats.
    }
    assert_eq!(Arc::strong_count(&count), 2);
    assert!(reactor.context(named).cancel(beat));
    reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(Arc::strong_count(&count), 1);

    assert!(reactor.with(named, |_, _| ()).is_none());
    let other = reactor.add(Echo); // In the same place, and under another name.
    assert!(reactor.with(other, |_, _| ()).is_some());
    let error = reactor.context(named).listen(&endpoint("tcp://127.0.0.1:0")).unwrap_err();
    assert_eq!(describe(&error), "cannot listen on tcp://127.0.0.1:0: the service has gone");
    reactor.context(named).after(Duration::ZERO); // For nobody.
    reactor.turn(Some(Duration::ZERO)).unwrap();
}

/// A timer that cancels itself while it fires, and a one-shot that is cancelled too late, count once.
#[test]
fn timers_are_counted_once() {
    let count = Arc::new(());
    let mut reactor = reactor(Config::default());
    let (sender, fired) = mpsc::channel();
    let cancels = Does::new().timer(move |cx, timer| {
        cx.cancel(timer);
        sender.send(()).unwrap();
    });
    let service = reactor.add(Counted(cancels, Arc::clone(&count)));
    let mut cx = reactor.context(service);
    cx.every(Duration::from_millis(1));
    cx.after(Duration::from_millis(1));
    cx.release(service);
    let mut times = 0;
    turn_until(&mut reactor, |_| {
        times += fired.try_iter().count();
        times == 2
    });
    reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(Arc::strong_count(&count), 1);
}

/// A connection that was half-closed by the peer before it was adopted is told so.
#[test]
fn an_end_from_before_the_adoption_is_told() {
    let (ours, theirs) = pair();
    theirs.shutdown(Shutdown::Write).unwrap();
    let (sender, ended) = mpsc::channel();
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Does::new().ended(move |_| sender.send(()).unwrap()));
    reactor.context(service).adopt(ours, Half::Both).unwrap();
    turn_until(&mut reactor, |_| ended.try_recv().is_ok());
}

/// What is in the background goes on until all others have gone, whatever kind of source it is: a listener
/// there even takes in newcomers, who are in the background too.
#[test]
fn the_background_goes_on_during_a_stop() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stays = Does::new().stopping(|_| {});
    let server = Server::start(
        Config { linger: Duration::from_secs(3600), ..Config::default() },
        move |reactor| {
            let stays = reactor.add(stays);
            reactor.context(stays).adopt(ours, Half::Both).unwrap();
            let echo = reactor.add(Echo);
            let mut cx = reactor.context(echo);
            ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"].map(|at| {
                let id = cx.listen(&endpoint(at)).unwrap();
                cx.source(id).unref();
                internet(cx.source(id).local())
            })
        },
    );
    let [stream, datagrams] = server.made;
    server.handle.stop(Stop::Gracefully).unwrap();
    server.until(|_| true); // It has begun: commands are run after that.
    let mut newcomer = tcp(stream);
    exchange(&mut newcomer, b"are you still there?");
    let socket = udp("127.0.0.1:0", Some(datagrams));
    socket.send(b"and you?").unwrap();
    assert_eq!(datagram(&socket), b"and you?");
    theirs.shutdown(Shutdown::Both).unwrap();
    let statistics = server.join();
    assert_eq!((statistics.open, statistics.closed.stopped), (0, 1)); // Who stayed, and no other.
    assert_eq!(statistics.accepted, 0); // What isn't counted when it goes isn't when it comes.
    expect_end(&mut newcomer, b"");
}
