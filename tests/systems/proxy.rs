//! A proxy between clients and a server.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::program::{Client, DEADLINE, Program};

/// A server that the test plays itself, and a proxy to it.
struct Pair {
    proxy: Program,
    server: TcpListener,
}

impl Pair {
    #[track_caller]
    fn start(options: &[&str]) -> Pair {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("tcp://{}", server.local_addr().unwrap());
        let proxy = Program::start("proxy", &[&[&to, "tcp://127.0.0.1:0"], options].concat());
        Pair { proxy, server }
    }

    /// Both ends of a connection through it.
    #[track_caller]
    fn connect(&self) -> (Client, TcpStream) {
        let client = self.proxy.connect();
        let (server, _) = self.server.accept().unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        server.set_write_timeout(Some(DEADLINE)).unwrap();
        (client, server)
    }
}

#[track_caller]
fn expect_reset(stream: &TcpStream) {
    let error = (&*stream).read(&mut [0]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// An end goes through in either direction, alone, and the other direction goes on.
#[test]
fn half_closes_go_through_a_proxy() {
    let pair = Pair::start(&[]);
    let (mut client, mut server) = pair.connect();
    client.send(b"question");
    client.finish();
    let mut question = Vec::new();
    server.read_to_end(&mut question).unwrap();
    assert_eq!(question, b"question");
    server.write_all(b"answer").unwrap(); // After the end of the other one.
    assert_eq!(client.bytes(6), b"answer");
    drop(server);
    assert_eq!(client.rest(), b"");

    let (client, mut server) = pair.connect();
    server.write_all(b"greeting").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let mut client = client;
    assert_eq!(client.rest(), b"greeting");
    client.send(b"and still talking");
    client.finish();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"and still talking");
}

/// What a client says before the server is there waits for it, and so does its end.
#[test]
fn a_proxy_keeps_what_comes_too_early() {
    let pair = Pair::start(&[]);
    let mut client = pair.proxy.connect();
    client.send(b"hello");
    client.finish();
    let (mut server, _) = pair.server.accept().unwrap();
    let mut heard = String::new();
    server.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
    drop(server);
    assert_eq!(client.rest(), b"");
}

/// Who doesn't read slows the other one down, and nothing is lost or kept without bound: in either direction.
#[test]
fn a_proxy_passes_slowness_on() {
    const ALL: usize = 64 * 1024 * 1024;

    let pair = Pair::start(&[]);
    for from_client in [true, false] {
        let (client, server) = pair.connect();
        let client = client.socket().try_clone().unwrap();
        let (mut from, mut to) = if from_client { (client, server) } else { (server, client) };
        from.set_nonblocking(true).unwrap();
        let (chunk, mut sent, mut refused) = (vec![b'x'; 64 * 1024], 0, 0);
        // It comes to a standstill: again and again there is no room.
        while refused < 50 {
            match from.write(&chunk) {
                Ok(count) => (sent, refused) = (sent + count, 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    refused += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("{error}"),
            }
            assert!(sent < ALL, "nothing slows it down");
        }
        if let Some(kib) = pair.proxy.status("VmHWM:") {
            assert!(kib < 64 * 1024, "{kib} KiB");
        }
        from.shutdown(Shutdown::Write).unwrap();
        let mut arrived = Vec::new();
        to.read_to_end(&mut arrived).unwrap();
        assert_eq!(arrived.len(), sent);
    }
}

/// A reset is passed on as one: a part of an answer must not be taken for the whole.
#[test]
fn a_proxy_passes_resets_on() {
    let pair = Pair::start(&[]);
    let (mut client, mut server) = pair.connect();
    server.write_all(b"half an ans").unwrap();
    assert_eq!(client.bytes(11), b"half an ans");
    SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    expect_reset(client.socket());

    let (client, mut server) = pair.connect();
    client.send(b"half a quest");
    server.read_exact(&mut [0; 12]).unwrap();
    SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    expect_reset(&server);
}

/// A client whose server can't be reached hears so at once, by a reset, and the proxy says why.
#[test]
fn a_proxy_tells_that_nobody_is_there() {
    let Pair { proxy, server } = Pair::start(&[]);
    drop(server);
    for words in [&b""[..], b"hello"] {
        let client = proxy.connect();
        let _ = client.socket().write_all(words); // It may be gone already.
        let mut socket = client.socket();
        assert!(socket.read(&mut [0]).is_err(), "a reset");
        assert_eq!(proxy.line(), "a client is turned away: connection refused");
    }
}

/// A pair on which nothing moves is ended, on both sides. One where something moves in one direction only stays.
#[test]
fn a_proxy_ends_idle_pairs() {
    let pair = Pair::start(&["--idle", "0.3"]);
    let (mut idle, idle_server) = pair.connect();
    let (mut busy, mut server) = pair.connect();
    let mut is_over = false;
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rest = Vec::new();
            let _ = idle.stream.read_to_end(&mut rest);
            let _ = (&idle_server).read_to_end(&mut rest);
            assert_eq!(rest, b"");
        });
        for i in 0..100_u8 {
            server.write_all(&[i]).unwrap();
            assert_eq!(busy.bytes(1), [i]);
            thread::sleep(Duration::from_millis(10));
        }
        is_over = true;
    });
    assert!(is_over);
    busy.send(b"still there");
    server.read_exact(&mut [0; 11]).unwrap();
}

/// A stop cuts nobody's answer.
#[test]
fn a_stopping_proxy_lets_answers_through() {
    let mut pair = Pair::start(&[]);
    let (mut client, mut server) = pair.connect();
    client.send(b"question");
    server.read_exact(&mut [0; 8]).unwrap();
    pair.proxy.signal();
    // It has stopped listening, so it has begun.
    while TcpStream::connect(pair.proxy.address(0)).is_ok() {}
    server.write_all(b"answer").unwrap();
    drop(server);
    assert_eq!(client.bytes(6), b"answer");
    client.finish();
    assert_eq!(client.rest(), b"");
    assert!(pair.proxy.interrupt().success());
}

#[test]
fn a_proxy_needs_somewhere_to_go() {
    let error = Program::fails("proxy", &[]);
    assert_eq!(error, "Error: where to? proxy TO [ENDPOINT], say proxy tcp://example.com:80\n");
    let error = Program::fails("proxy", &["udp://127.0.0.1:1"]);
    assert_eq!(
        error,
        "Error: udp://127.0.0.1:1 won't do, it must be something like tcp://example.com:80\n"
    );
    assert!(Program::fails("proxy", &["nonsense"]).starts_with("Error: "));
    assert_eq!(
        Program::fails("proxy", &["tcp://127.0.0.1:1", "tcp://127.0.0.1:0", "x"]),
        "Error: x: what is that?\n"
    );
}
