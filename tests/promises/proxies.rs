//! Behind proxies: for whom they speak is who is served, counted and refused.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use echoloop::{Config, Stop};
use socket2::SockRef;

use crate::support::*;

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";

/// Version 2: command and family, then addresses, then extensions.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

/// Version 2 of a client at 192.0.2.x:4711, and an extension that doesn't matter.
fn client(x: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, x, 198, 51, 100, 1, 0x12, 0x67, 0, 80];
    version_2(0x21, 0x11, &[&addresses[..], b"\x02\0\x03abc"].concat())
}

/// The proxy itself, which looks whether we are there.
fn check() -> Vec<u8> {
    version_2(0x20, 0, &[])
}

/// Whoever is on this machine is a proxy.
fn proxies() -> Config {
    Config { proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() }
}

/// Says who has come, then gives back what comes.
fn greeter() -> Does {
    Does::echo().opened(|cx| {
        let peer = cx.peer().map_or("nobody".to_string(), |peer| peer.to_string());
        cx.send_all(format!("{peer} ").as_bytes());
    })
}

/// Sends, ends, and returns everything that comes back, perhaps up to a reset.
#[track_caller]
fn answer(mut stream: impl Read + Write, bytes: &[u8], end: impl Fn(&mut dyn Write)) -> String {
    stream.write_all(bytes).unwrap();
    end(&mut stream);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    String::from_utf8(all).unwrap()
}

/// The same over TCP.
#[track_caller]
fn ask(to: SocketAddr, parts: &[&[u8]]) -> String {
    let stream = tcp(to);
    let other = stream.try_clone().unwrap();
    answer(stream, &parts.concat(), |_| drop(other.shutdown(Shutdown::Write)))
}

/// Not served: it ends without a byte.
#[track_caller]
fn expect_refusal(mut stream: TcpStream) {
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "an end or a reset");
}

/// The header is taken off, whatever is behind it in the same segment, and the service sees its client from
/// the first callback on.
#[test]
fn a_proxy_tells_who_the_peer_is() {
    let server = serve(proxies(), greeter());
    let to = server.made;
    assert_eq!(ask(to, &[V1, b"hello"]), "192.0.2.7:4711 hello");
    assert_eq!(ask(to, &[&client(9), b"hello"]), "192.0.2.9:4711 hello");
    assert_eq!(ask(to, &[&client(9)]), "192.0.2.9:4711 ");
    // Who tells of nobody is the peer itself.
    for header in [&b"PROXY UNKNOWN\r\n"[..], &version_2(0x21, 0, &[]), &check()] {
        let answer = ask(to, &[header, b"hello"]);
        assert!(answer.starts_with("127.0.0.1:") && answer.ends_with(" hello"), "{answer}");
    }
    // A Unix socket of the proxy's machine is nobody's address here.
    let names = [&b"/run/client"[..], &[0; 205]].concat();
    assert_eq!(ask(to, &[&version_2(0x21, 0x31, &names), b"hello"]), "nobody hello");
    let statistics = server.until(|statistics| statistics.closed.ended == 7);
    assert_eq!((statistics.accepted, statistics.open, statistics.buffered), (7, 0, 0));
    assert_eq!(statistics.bytes_in, 30, "what is counted is what clients have sent");
}

/// However the header is cut, and whatever is read together with its end.
#[test]
fn a_header_may_come_in_pieces() {
    let mut reactor = reactor(proxies());
    let to = listen(&mut reactor, "tcp://127.0.0.1:0", greeter());
    for (header, expected) in [(V1.to_vec(), "192.0.2.7:4711 "), (client(9), "192.0.2.9:4711 ")] {
        for cut in 1..header.len() {
            let mut stream = tcp(to);
            stream.set_nonblocking(true).unwrap();
            stream.write_all(&header[..cut]).unwrap();
            turn_until_quiet(&mut reactor);
            assert_eq!(reactor.statistics().buffered, cut as u64);
            stream.write_all(&[&header[cut..], b"hello"].concat()).unwrap();
            let expected = format!("{expected}hello");
            let mut seen = Vec::new();
            turn_until(&mut reactor, |_| {
                let mut part = [0; 64];
                let read = stream.read(&mut part).unwrap_or(0);
                seen.extend_from_slice(&part[..read]);
                seen.len() >= expected.len()
            });
            assert_eq!(String::from_utf8(seen).unwrap(), expected);
        }
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    assert_eq!(reactor.statistics().buffered, 0);
}

/// The lists and the number for each source mean the client, not the proxy that all have in common.
#[test]
fn limits_are_those_of_the_client() {
    let config = Config {
        connections_per_source: Some(2),
        allow: vec!["192.0.2.0/24".parse().unwrap()],
        deny: vec!["192.0.2.13".parse().unwrap()],
        ..proxies()
    };
    let server = serve(config, greeter());
    let come = |header: &[u8], greeting: &[u8]| {
        let mut stream = tcp(server.made);
        stream.write_all(header).unwrap();
        expect(&mut stream, greeting);
        stream
    };
    let refused = |header: &[u8]| {
        let mut stream = tcp(server.made);
        stream.write_all(header).unwrap();
        expect_refusal(stream);
    };
    let first = come(&client(1), b"192.0.2.1:4711 ");
    let _second = come(&client(1), b"192.0.2.1:4711 ");
    let _others = [2, 3, 4].map(|x| come(&client(x), format!("192.0.2.{x}:4711 ").as_bytes()));
    refused(&client(1));
    refused(&client(13));
    refused(b"PROXY TCP4 198.51.100.9 198.51.100.1 1 2\r\n");
    refused(b"PROXY UNKNOWN\r\n"); // Whoever that is: the list has not even the proxy.
    let _check = come(&check(), b"127.0.0.1:"); // The proxy itself is trusted.
    let refused = server.statistics().refused;
    assert_eq!((refused.per_source, refused.denied, refused.proxy_header), (1, 3, 0));
    drop(first);
    server.until(|statistics| statistics.closed.ended == 1);
    come(&client(1), b"192.0.2.1:4711 ");
}

/// Where proxies are expected, nobody else is served, whatever it says.
#[test]
fn who_is_no_proxy_is_refused() {
    let config = Config { proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
    let server = serve(config, greeter());
    expect_refusal(tcp(server.made));
    let mut liar = tcp(server.made);
    let _ = liar.write_all(V1);
    expect_refusal(liar);
    let statistics = server.until(|statistics| statistics.refused.denied == 2);
    assert_eq!(statistics.accepted, 0);
}

/// What is no header, a wrong one or one that is too long closes the connection, and only that.
#[test]
fn bad_headers_end_the_connection_and_are_counted() {
    let server = serve(proxies(), greeter());
    let long = format!("PROXY TCP4 {}", "1".repeat(200));
    let bad: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        long.as_bytes(),
        &version_2(0x21, 0x11, &[1, 2, 3]),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    for header in bad {
        assert_eq!(ask(server.made, &[header]), "");
    }
    assert_eq!(ask(server.made, &[&V1[..V1.len() - 1]]), "", "it ends within its header");
    let statistics = server.until(|statistics| statistics.refused.proxy_header == 7);
    assert_eq!((statistics.accepted, statistics.open, statistics.buffered), (0, 0, 0));
    // Who only looks whether somebody listens has done nothing bad.
    drop(tcp(server.made));
    let aborts = tcp(server.made);
    SockRef::from(&aborts).set_linger(Some(Duration::ZERO)).unwrap();
    drop(aborts);
    let statistics = server.until(|statistics| statistics.refused.failed == 2);
    assert_eq!(statistics.refused.proxy_header, 7);
    assert_eq!(ask(server.made, &[V1, b"x"]), "192.0.2.7:4711 x");
}

/// A header must be there in time, however much of it comes; what is served has all the time it likes.
#[test]
fn a_slow_header_is_not_waited_for() {
    let config = Config { proxy_timeout: Duration::from_millis(50), ..proxies() };
    let server = serve(config, greeter());
    let mut served = tcp(server.made);
    served.write_all(V1).unwrap();
    expect(&mut served, b"192.0.2.7:4711 ");
    expect_refusal(tcp(server.made));
    let mut half = tcp(server.made);
    half.write_all(&V1[..20]).unwrap();
    expect_refusal(half);
    let statistics = server.until(|statistics| statistics.refused.proxy_header == 2);
    assert_eq!((statistics.open, statistics.buffered), (1, 0));
    exchange(&mut served, b"hello");
}

/// A place is taken from the accept on, so that nobody can have more by telling nothing.
#[test]
fn who_tells_nothing_takes_a_place() {
    let server = serve(Config { connections: Some(2), ..proxies() }, greeter());
    let silent = [tcp(server.made), tcp(server.made)];
    let mut third = tcp(server.made);
    third.write_all(V1).unwrap();
    server.until(|statistics| statistics.refused.connections > 0);
    drop(silent);
    expect(&mut third, b"192.0.2.7:4711 ");
}

/// A server with both ways in: a Unix socket at this path, and TCP.
fn both(config: Config, path: &Path) -> Server<SocketAddr> {
    let at = format!("unix://{}", path.display());
    Server::start(config, move |reactor| {
        reactor.listen(&endpoint(&at), greeter()).unwrap();
        listen(reactor, "tcp://127.0.0.1:0", greeter())
    })
}

/// Over the Unix socket.
#[track_caller]
fn ask_unix(path: &Path, bytes: &[u8]) -> String {
    let stream = unix(path);
    let other: UnixStream = stream.try_clone().unwrap();
    answer(stream, bytes, |_| drop(other.shutdown(Shutdown::Write)))
}

/// Who listens on a path may have a proxy there too.
#[test]
fn unix_sockets_can_be_behind_a_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo.sock");
    let server = both(Config { unix_proxies: true, ..proxies() }, &path);
    assert_eq!(ask_unix(&path, &[V1, b"hello"].concat()), "192.0.2.7:4711 hello");
    assert_eq!(ask_unix(&path, b"PROXY UNKNOWN\r\nhello"), "nobody hello");
    assert_eq!(ask_unix(&path, b"hello"), "");
    assert_eq!(ask(server.made, &[V1, b"hello"]), "192.0.2.7:4711 hello");
    assert_eq!(server.statistics().refused.proxy_header, 1);
}

/// As soon as there is any proxy, no other way in stays open: not TCP when the proxy is on a Unix socket,
/// and not Unix sockets when it is on TCP, with or without a header.
#[test]
fn a_proxy_closes_the_other_ways_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo.sock");

    let server = both(Config { unix_proxies: true, ..Config::default() }, &path);
    expect_refusal(tcp(server.made));
    let mut liar = tcp(server.made);
    let _ = liar.write_all(V1);
    expect_refusal(liar);
    assert_eq!(ask_unix(&path, &[V1, b"hello"].concat()), "192.0.2.7:4711 hello");
    let statistics = server.until(|statistics| statistics.refused.denied == 2);
    assert_eq!((statistics.accepted, statistics.refused.proxy_header), (1, 0));
    drop(server);

    let server = both(proxies(), &path);
    for bytes in [&b""[..], V1] {
        let mut stream = unix(&path);
        let _ = stream.write_all(bytes);
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "an end or a reset");
    }
    assert_eq!(ask(server.made, &[V1, b"hello"]), "192.0.2.7:4711 hello");
    let statistics = server.until(|statistics| statistics.refused.denied == 2);
    assert_eq!((statistics.accepted, statistics.refused.proxy_header), (1, 0));
}

/// At a stop, who waits in the backlog with its header and its message is served; who has not told yet for whom
/// it speaks is not waited for.
#[test]
fn a_stop_serves_what_has_arrived_behind_a_header() {
    let mut reactor = reactor(proxies());
    let to = listen(&mut reactor, "tcp://127.0.0.1:0", greeter());
    let mut half = tcp(to);
    half.write_all(&V1[..9]).unwrap();
    let mut late = tcp(to);
    turn_until_quiet(&mut reactor);
    late.write_all(&[V1, b"late"].concat()).unwrap();
    let mut waits = tcp(to);
    waits.write_all(&[&client(9)[..], b"hello"].concat()).unwrap();
    reactor.handle().stop(Stop::Gracefully).unwrap();
    let statistics = run(&mut reactor);
    expect_end(&mut late, b"192.0.2.7:4711 late");
    expect_end(&mut waits, b"192.0.2.9:4711 hello");
    expect_refusal(half);
    assert_eq!((statistics.accepted, statistics.open, statistics.buffered), (2, 0, 0));
}

/// A listener in the background counts nobody, also not those who come by way of a proxy.
#[test]
fn in_the_background_nobody_is_counted() {
    let mut reactor = reactor(Config { connections_per_source: Some(1), ..proxies() });
    let service = reactor.add(greeter());
    let mut cx = reactor.context(service);
    let id = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    cx.source(id).unref();
    let to = internet(reactor.local(id));
    let mut streams = [tcp(to), tcp(to), tcp(to)];
    for stream in &mut streams {
        stream.write_all(&V1[..9]).unwrap();
    }
    turn_until_quiet(&mut reactor);
    let [mut first, mut second, third] = streams;
    for stream in [&mut first, &mut second] {
        stream.write_all(&[&V1[9..], b"x"].concat()).unwrap();
        stream.set_nonblocking(true).unwrap();
        turn_until(&mut reactor, |_| stream.peek(&mut [0; 16]).is_ok_and(|bytes| bytes == 16));
        stream.set_nonblocking(false).unwrap();
        expect(stream, b"192.0.2.7:4711 x");
    }
    drop((first, third));
    turn_until_quiet(&mut reactor);
    let statistics = reactor.statistics();
    assert_eq!((statistics.open, statistics.accepted, statistics.refused.per_source), (0, 0, 0));
}

/// A door for operators has no proxy before it, while the others have.
#[test]
fn a_listener_can_do_without_a_proxy() {
    let config = Config { proxies: vec!["10.0.0.1".parse().unwrap()], ..Config::default() };
    let server = Server::start(config, |reactor| {
        let service = reactor.add(greeter());
        ["tcp://127.0.0.1:0"; 2].map(|at| {
            let id = reactor.context(service).listen(&endpoint(at)).unwrap();
            reactor.context(service).source(id).set_proxied(false);
            (internet(reactor.local(id)), id, service)
        })
    });
    let [(direct, ..), (proxied, id, service)] = server.made;
    server.handle.tell(service, move |_, cx| cx.source(id).set_proxied(true)).unwrap();
    server.statistics(); // It has been told.
    expect_refusal(tcp(proxied));
    let mut stream = tcp(direct);
    stream.write_all(b"hello").unwrap();
    let own = format!("{} ", stream.local_addr().unwrap());
    expect(&mut stream, &[own.as_bytes(), b"hello"].concat());
}
