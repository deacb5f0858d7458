//! Outgoing connections: in progress, refused, too late are states, not surprises.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use echoloop::{Cause, Config, Echo, Endpoint};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::names::{next, tells};
use crate::support::*;

/// A service that says what becomes of its connection: `opened`, then what it receives, then the cause.
fn reports() -> (Does, mpsc::Receiver<String>) {
    let (sender, reports) = mpsc::channel();
    let (opened, received) = (sender.clone(), sender.clone());
    let service = Does::new()
        .opened(move |cx| {
            cx.send(b"hello");
            opened.send("opened".to_owned()).unwrap();
        })
        .received(move |cx, input| {
            received.send(String::from_utf8(input.to_vec()).unwrap()).unwrap();
            cx.close();
            input.len()
        })
        .closed(move |_, cause| {
            let text = match cause {
                Cause::ConnectFailed(error) => format!("{:?}", error.kind()),
                other => format!("{other:?}"),
            };
            let _ = sender.send(text);
        });
    (service, reports)
}

/// Connects to the endpoint, and gathers the reports to the last one.
#[track_caller]
fn dial(config: Config, to: &Endpoint) -> Vec<String> {
    let (service, reports) = reports();
    let mut reactor = reactor(config);
    reactor.connect(to, service).unwrap();
    assert!(reports.try_recv().is_err(), "told before connect had returned");
    turn_until(&mut reactor, |reactor| {
        let closed = reactor.statistics().closed;
        closed.connect_failed + closed.by_service + closed.failed > 0
    });
    reports.try_iter().collect()
}

/// A backlog so full that nobody else is taken in.
pub(crate) fn full_backlog(domain: Domain, address: &SockAddr) -> (Socket, Vec<Socket>) {
    let listener = Socket::new(domain, Type::STREAM, None).unwrap();
    listener.bind(address).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(domain, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        match client.connect(&address) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (listener, waiting),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                // Loopback answers at once, or not at all.
                if client.peer_addr().is_err() {
                    waiting.push(client);
                    return (listener, waiting);
                }
            }
            Err(error) => panic!("{error}"),
        }
        waiting.push(client);
    }
}

/// An outgoing connection is opened, used and closed like an accepted one.
#[test]
fn a_connection_is_made() {
    let server = serve(Config::default(), Echo);
    let told = dial(Config::default(), &endpoint(&format!("tcp://{}", server.made)));
    assert_eq!(told, ["opened", "hello", "Closed"]);

    let directory = tempfile::tempdir().unwrap();
    let at = endpoint(&format!("unix://{}", directory.path().join("echo").display()));
    let copy = at.clone();
    let _server =
        Server::start(Config::default(), move |reactor| reactor.listen(&copy, Echo).unwrap());
    assert_eq!(dial(Config::default(), &at), ["opened", "hello", "Closed"]);
}

/// Nobody listens: that is told later, once, and never before `connect` has returned.
#[test]
fn a_refusal_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let told = dial(Config::default(), &endpoint(&format!("tcp://{address}")));
    assert_eq!(told, ["ConnectionRefused"]);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody");
    let told = dial(Config::default(), &endpoint(&format!("unix://{}", path.display())));
    assert_eq!(told, ["NotFound"]);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let told = dial(Config::default(), &endpoint(&format!("unix://{}", path.display())));
    assert_eq!(told, ["ConnectionRefused"]);
}

/// A peer that doesn't answer is given up after the connect timeout.
#[test]
fn silence_is_a_timeout() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (listener, _waiting) = full_backlog(Domain::IPV4, &any.into());
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let config = Config { connect_timeout: Duration::from_millis(100), ..Config::default() };
    let told = dial(config, &endpoint(&format!("tcp://{address}")));
    assert_eq!(told, ["TimedOut"]);
}

/// The timeout begins when the connection does, however long ago the reactor last turned.
#[test]
fn the_timeout_begins_with_the_connection() {
    let server = serve(Config::default(), Echo);
    let config = Config { connect_timeout: Duration::from_millis(200), ..Config::default() };
    let mut reactor = reactor(config);
    std::thread::sleep(Duration::from_millis(300)); // What the host has to do before.
    let (service, reports) = reports();
    reactor.connect(&endpoint(&format!("tcp://{}", server.made)), service).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.by_service == 1);
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), ["opened", "hello", "Closed"]);
}

/// A full backlog of a Unix listener is no refusal: it is tried again until there is room.
#[test]
fn a_full_unix_backlog_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("busy");
    let (listener, waiting) = full_backlog(Domain::UNIX, &SockAddr::unix(&path).unwrap());
    let (service, reports) = reports();
    let mut reactor = reactor(Config::default());
    reactor.connect(&endpoint(&format!("unix://{}", path.display())), service).unwrap();
    for _ in 0..5 {
        reactor.turn(Some(Duration::from_millis(20))).unwrap();
    }
    assert!(reactor.statistics().turns <= 10);
    assert!(reports.try_recv().is_err());
    for _ in &waiting {
        listener.accept().unwrap();
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().connected == 1);
    let (mut accepted, _) = listener.accept().unwrap();
    let mut bytes = [0; 5];
    accepted.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

/// Nor is it waited for beyond the timeout.
#[test]
fn a_full_unix_backlog_is_not_waited_for_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("busy");
    let (_listener, _waiting) = full_backlog(Domain::UNIX, &SockAddr::unix(&path).unwrap());
    let config = Config { connect_timeout: Duration::from_millis(50), ..Config::default() };
    assert_eq!(dial(config, &endpoint(&format!("unix://{}", path.display()))), ["TimedOut"]);
}

/// A connection in progress can be closed, and is told to have gone.
#[test]
fn a_connection_in_progress_can_be_closed() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (listener, _waiting) = full_backlog(Domain::IPV4, &any.into());
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    for abort in [false, true] {
        let (service, reports) = reports();
        let mut reactor = reactor(Config::default());
        let service = reactor.add(service);
        let id = reactor.context(service).connect(&endpoint(&format!("tcp://{address}"))).unwrap();
        turn_until_quiet(&mut reactor);
        let mut cx = reactor.context(service);
        let mut cx = cx.source(id);
        assert!(cx.is_open());
        assert_eq!(cx.local(), None);
        if abort {
            assert_eq!((cx.send(b"early"), cx.queued()), (5, 5));
            cx.abort()
        } else {
            cx.close()
        }
        turn_until(&mut reactor, |_| reports.try_recv().is_ok_and(|told| told == "Closed"));
        assert!(!reactor.context(service).source(id).is_open());
        assert_eq!(reactor.poll_timeout(), None);
    }
}

/// A host name is looked up, and what listens there is found.
#[test]
fn a_host_name_is_looked_up() {
    let server =
        Server::start(Config::default(), |reactor| listen(reactor, "tcp://localhost:0", Echo));
    let at = format!("tcp://localhost:{}", server.made.port());
    assert_eq!(dial(Config::default(), &endpoint(&at)), ["opened", "hello", "Closed"]);
    let (mut reactor, (service, told)) = (reactor(Config::default()), tells());
    reactor.connect(&endpoint("tcp://no-such-host.invalid:1"), service).unwrap();
    let unknown = next(&mut reactor, &told);
    assert!(unknown.starts_with("cannot look up no-such-host.invalid: "), "{unknown}");
    assert_eq!(unknown.matches("look").count(), 1);
}

/// The local address can be chosen.
#[test]
fn the_local_address_can_be_chosen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = endpoint(&format!("tcp://{}", listener.local_addr().unwrap()));
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Echo);
    let from = SocketAddr::from(([127, 0, 0, 7], 0));
    let id = reactor.context(service).connect_from(&at, Some(from)).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().connected == 1);
    let (_accepted, peer) = listener.accept().unwrap();
    assert_eq!(peer.ip(), IpAddr::from([127, 0, 0, 7]));
    assert_eq!(internet(reactor.local(id)), peer);

    // Of a name's addresses only those that it can reach.
    let found = listener.local_addr().unwrap();
    reactor.set_resolver(move |_, port| Ok(vec![(Ipv6Addr::LOCALHOST, port).into(), found]));
    let name = endpoint("tcp://both.example:1");
    reactor.context(service).connect_from(&name, Some(from)).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().connected == 2);
    assert_eq!(listener.accept().unwrap().1.ip(), from.ip());
    let (service, told) = tells();
    let service = reactor.add(service);
    let from = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    reactor.set_resolver(move |_, _| Ok(vec![found]));
    reactor.context(service).connect_from(&name, Some(from)).unwrap();
    let none = "cannot look up both.example: there is no address of the family of ::1";
    assert_eq!(next(&mut reactor, &told), none);
}

/// What the peer sends before we look, and its end, are not lost with the beginning.
#[test]
fn an_early_end_is_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (service, reports) = reports();
    let mut reactor = reactor(Config::default());
    let at = endpoint(&format!("tcp://{}", listener.local_addr().unwrap()));
    let service = reactor.add(service);
    reactor.context(service).connect(&at).unwrap();
    reactor.turn(Some(Duration::ZERO)).unwrap(); // The kernel connects, and says so later.
    let (mut accepted, _) = listener.accept().unwrap();
    accepted.write_all(b"welcome").unwrap();
    accepted.shutdown(std::net::Shutdown::Write).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.by_service == 1);
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), ["opened", "welcome", "Closed"]);
}
