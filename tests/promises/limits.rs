//! Who is let in, and how many.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use echoloop::{Config, Echo, Rate};
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

/// A configuration that makes no sense is refused with its name.
#[test]
fn numbers_must_make_sense() {
    let config = Config { read_buffer: 100, ..Config::default() };
    let error = echoloop::Reactor::new(config).unwrap_err();
    let text = "cannot make a reactor: read_buffer is 100 and must be from 4096 to 1073741824";
    assert_eq!(echoloop::describe(&error), text);
}
