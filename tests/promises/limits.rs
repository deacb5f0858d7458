//! Who is let in, and how many.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo, KeepAlive, Rate, Reactor, ReusePort, describe};
use socket2::{Domain, Socket, Type};

use crate::support::*;

/// A client at another loopback address.
#[track_caller]
fn tcp_from(ip: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Not served: it ends without a byte.
#[track_caller]
fn expect_refusal(mut client: TcpStream) {
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "an end or a reset");
}

/// Only those are served whom the list has, and of them none that the other list has.
#[test]
fn allow_and_deny_are_obeyed() {
    let config = Config {
        allow: vec!["127.0.0.0/28".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        deny: vec!["127.0.0.4/30".parse().unwrap()],
        ..Config::default()
    };
    let server = serve(config, Echo);
    exchange(&mut tcp_from([127, 0, 0, 1], server.made), b"hello");
    exchange(&mut tcp_from([127, 0, 0, 8], server.made), b"hello");
    expect_refusal(tcp_from([127, 0, 0, 5], server.made));
    expect_refusal(tcp_from([127, 0, 0, 16], server.made));
    let statistics = server.statistics();
    assert_eq!((statistics.refused.denied, statistics.accepted), (2, 2));
}

/// One address can have so many connections and no more; others aren't concerned, and a place that
/// becomes free can be had again.
#[test]
fn one_source_cannot_have_all_places() {
    let config = Config { connections_per_source: Some(2), ..Config::default() };
    let server = serve(config, Echo);
    let mut first = tcp(server.made);
    let mut second = tcp(server.made);
    exchange(&mut first, b"1");
    exchange(&mut second, b"2");
    expect_refusal(tcp(server.made));
    exchange(&mut tcp_from([127, 0, 0, 2], server.made), b"elsewhere");
    drop(first);
    server.until(|statistics| statistics.closed.ended == 2);
    exchange(&mut tcp(server.made), b"again");
    assert_eq!(server.statistics().refused.per_source, 1);
}

/// An IPv4 address is one source, also where it comes in IPv6 clothes.
#[test]
fn a_source_is_the_same_whatever_it_wears() {
    let config = Config { connections_per_source: Some(2), ..Config::default() };
    let server = Server::start(config, |reactor| {
        ["tcp://127.0.0.1:0", "tcp://[::]:0"].map(|at| listen(reactor, at, Echo))
    });
    let [plain, dressed] = server.made.map(|at| SocketAddr::from(([127, 0, 0, 1], at.port())));
    let (mut first, mut second) = (tcp(plain), tcp(dressed));
    exchange(&mut first, b"1");
    exchange(&mut second, b"2");
    expect_refusal(tcp(plain));
    expect_refusal(tcp(dressed));
    drop((first, second));
    server.until(|statistics| statistics.closed.ended == 2);
    exchange(&mut tcp(dressed), b"again");
}

/// Those who are not served don't use up what the others may come at.
#[test]
fn who_is_refused_takes_nothing_of_the_accept_rate() {
    let config = Config {
        accept_rate: Some(Rate { per_second: 1, burst: 2 }),
        deny: vec!["127.0.0.4/30".parse().unwrap()],
        connections_per_source: Some(1),
        ..Config::default()
    };
    let server = serve(config, Echo);
    (0..10).for_each(|_| expect_refusal(tcp_from([127, 0, 0, 5], server.made)));
    let mut first = tcp(server.made);
    exchange(&mut first, b"1");
    (0..10).for_each(|_| expect_refusal(tcp(server.made)));
    exchange(&mut tcp_from([127, 0, 0, 2], server.made), b"2");
    let refused = server.statistics().refused;
    assert_eq!((refused.denied, refused.per_source, refused.accept_rate), (10, 10, 0));
}

/// Beyond the connection limit clients wait in the backlog, and each has its turn.
#[test]
fn the_connection_limit_makes_clients_wait() {
    let config = Config { connections: Some(3), ..Config::default() };
    let server = serve(config, Echo);
    let address = server.made;
    let clients: Vec<_> =
        (0..30).map(|_| thread::spawn(move || exchange(&mut tcp(address), b"my turn"))).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let statistics = server.until(|statistics| statistics.closed.ended == 30);
    assert_eq!((statistics.accepted, statistics.open), (30, 0));

    // While all places are taken nobody else comes in.
    let mut held: Vec<_> = (0..5).map(|_| tcp(address)).collect();
    held.iter_mut().for_each(|client| client.write_all(b"x").unwrap());
    let statistics = server.until(|statistics| statistics.open == 3);
    assert!(statistics.refused.connections > 0);
    held.remove(0);
    expect(&mut held.remove(2), b"x");
}

/// Two listeners share the limit, and both get on.
#[test]
fn the_limit_is_for_all_listeners_together() {
    let config = Config { connections: Some(1), ..Config::default() };
    let server = Server::start(config, |reactor| {
        ["tcp://127.0.0.1:0"; 2].map(|at| listen(reactor, at, Echo))
    });
    for round in 0..10 {
        let mut clients = server.made.map(tcp);
        for client in &mut clients {
            client.write_all(b"hello").unwrap();
        }
        let threads =
            clients.map(|mut client| thread::spawn(move || expect(&mut client, b"hello")));
        threads.into_iter().for_each(|client| client.join().unwrap());
        server.until(|statistics| statistics.closed.ended == 2 * (round + 1));
    }
}

/// Accepting has its rate: what is beyond it waits, and is served.
#[test]
fn the_accept_rate_makes_clients_wait() {
    let rate = Rate { per_second: 50, burst: 2 };
    let config = Config { accept_rate: Some(rate), ..Config::default() };
    let server = serve(config, Echo);
    let mut clients: Vec<_> = (0..8).map(|_| tcp(server.made)).collect();
    for client in &mut clients {
        exchange(client, b"hello");
    }
    let statistics = server.statistics();
    assert_eq!(statistics.accepted, 8);
    assert!((1..20).contains(&statistics.refused.accept_rate));
}

/// What is changed in a configuration, and what is said to that.
type Nonsense = (fn(&mut Config), &'static str);

const NONSENSE: [Nonsense; 17] = [
    (|it| it.read_buffer = 100, "read_buffer is 100 and must be from 4096 to 1073741824"),
    (
        |it| it.read_buffer = 2 << 30,
        "read_buffer is 2147483648 and must be from 4096 to 1073741824",
    ),
    (|it| it.input_limit = 2 << 30, "input_limit is 2147483648 and must be from 1 to 1073741824"),
    (|it| it.output_limit = 0, "output_limit is 0 and must be at least 1"),
    (|it| it.line_length = 0, "line_length is 0 and must be at least 1"),
    (|it| it.events = 1 << 21, "events is 2097152 and must be from 1 to 1048576"),
    (|it| it.connections = Some(0), "connections is 0 and must be at least 1"),
    (
        |it| it.connections_per_source = Some(0),
        "connections_per_source is 0 and must be at least 1",
    ),
    (|it| it.accept_budget = 0, "accept_budget is 0 and must be at least 1"),
    (|it| it.backlog = 0, "backlog is 0 and must be from 1 to 2147483647"),
    (
        |it| it.receive_buffer = Some(1 << 30),
        "receive_buffer is 1073741824 and must be from 1 to 1073741823",
    ),
    (|it| it.send_buffer = Some(0), "send_buffer is 0 and must be from 1 to 1073741823"),
    (|it| it.idle_timeout = Some(Duration::ZERO), "idle_timeout is 0 and must be at least 1ms"),
    (|it| it.unix_mode = Some(0o1777), "unix_mode is 0o1777 and must be from 0 to 0o777"),
    (
        |it| it.keep_alive.as_mut().unwrap().idle /= 100,
        "keep_alive.idle is 150ms and must be from 1s to 32767s",
    ),
    (
        |it| it.keep_alive.as_mut().unwrap().interval *= 10_000,
        "keep_alive.interval is 150000s and must be from 1s to 32767s",
    ),
    (
        |it| it.keep_alive.as_mut().unwrap().probes = 128,
        "keep_alive.probes is 128 and must be from 1 to 127",
    ),
];

/// Numbers that make no sense are refused by name, with what would make some.
#[test]
fn numbers_must_make_sense() {
    for (change, why) in NONSENSE {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(config.check().unwrap_err().to_string(), why);
        let error = Reactor::new(config).unwrap_err();
        assert_eq!(describe(&error), format!("cannot make a reactor: {why}"));
    }
    for all in [usize::MAX, usize::MAX - 4096] {
        let config =
            Config { input_limit: all, read_buffer: all, events: all, ..Config::default() };
        Reactor::new(config).unwrap_err();
    }
}

/// The largest numbers there are stand for no limit, and nothing overflows.
#[test]
fn the_largest_numbers_are_no_limits() {
    let rate = Some(Rate { per_second: u32::MAX, burst: u32::MAX });
    let config = Config {
        connections: Some(usize::MAX),
        connections_per_source: Some(u32::MAX),
        accept_rate: rate,
        output_limit: usize::MAX,
        buffer_limit: usize::MAX,
        line_length: usize::MAX,
        idle_timeout: Some(Duration::MAX),
        connect_timeout: Duration::MAX,
        linger: Duration::MAX,
        stop_timeout: Duration::MAX,
        accept_budget: usize::MAX,
        read_budget: usize::MAX,
        datagram_budget: usize::MAX,
        datagram_rate: rate,
        spin: Duration::MAX,
        backlog: i32::MAX as u32,
        ..Config::default()
    };
    let server = Server::start(config, |reactor| {
        let at = listen(reactor, "tcp://127.0.0.1:0", Echo);
        let gram = listen(reactor, "udp://127.0.0.1:0", Echo);
        reactor.connect(&endpoint(&format!("tcp://{at}")), Does::new()).unwrap();
        (at, gram)
    });
    let (at, gram) = server.made;
    let mut client = tcp(at);
    exchange(&mut client, &pattern(1 << 20));
    let socket = udp("127.0.0.1:0", Some(gram));
    socket.send(b"hello").unwrap();
    assert_eq!(datagram(&socket), b"hello");
    drop(client);
    let statistics = server.until(|statistics| statistics.closed.ended == 1);
    assert_eq!((statistics.connected, statistics.refused.accept_rate), (1, 0));
}

/// A peer that has vanished without a word gives its place back: nobody answers for it.
#[cfg(target_os = "linux")]
#[test]
fn who_has_vanished_holds_no_place() {
    let second = Duration::from_secs(1);
    let keep_alive = KeepAlive { idle: second, interval: second, probes: 1 };
    let config = Config { keep_alive: Some(keep_alive), ..Config::default() };
    let server = serve(config.clone(), Echo);
    let mut client = tcp(server.made);
    exchange(&mut client, b"hello");
    vanish(&client);

    // And so it is with those that we have dialled.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = endpoint(&format!("tcp://{}", listener.local_addr().unwrap()));
    let dialler = Server::start(config, move |reactor| {
        reactor.connect(&at, Does::new()).unwrap();
    });
    let (dialled, _) = listener.accept().unwrap();
    vanish(&dialled);
    for statistics in [
        server.until(|statistics| statistics.open == 0),
        dialler.until(|statistics| statistics.closed.failed == 1),
    ] {
        assert_eq!((statistics.open, statistics.closed.failed), (0, 1));
    }
}

/// Nothing reaches this socket any more.
#[cfg(target_os = "linux")]
fn vanish(stream: &TcpStream) {
    // One instruction of the classic packet filter: return 0, keep nothing of the packet.
    let nothing = socket2::SockFilter::new(libc::BPF_RET as u16, 0, 0, 0);
    socket2::SockRef::from(stream).attach_filter(&[nothing]).unwrap();
}

/// A port is shared with those who were asked to share it, and with nobody else.
#[cfg(target_os = "linux")]
#[test]
fn a_port_is_shared_with_nobody_unasked() {
    use ReusePort::{First, Join, Never};

    for scheme in ["tcp", "udp"] {
        let at = |reuse_port, at: &str| {
            let mut reactor = reactor(Config { reuse_port, ..Config::default() });
            let id = reactor.listen(&endpoint(at), Echo).map_err(|error| describe(&error))?;
            Ok::<_, String>((internet(reactor.local(id)), reactor))
        };
        let any = format!("{scheme}://127.0.0.1:0");
        for (first, then, shared) in [
            (Never, Never, false),
            (Never, First, false),
            (Never, Join, false),
            (First, Never, false),
            (First, First, false),
            (First, Join, true),
            (Join, First, false),
            (Join, Join, true),
        ] {
            let (address, _first) = at(first, &any).unwrap();
            let same = format!("{scheme}://{address}");
            match at(then, &same) {
                Ok(_) => assert!(shared, "{scheme}: {first:?}, {then:?}"),
                Err(why) => {
                    assert!(!shared, "{scheme}: {first:?}, {then:?}");
                    assert_eq!(why, format!("cannot listen on {same}: address already in use"));
                }
            }
        }
    }
}
