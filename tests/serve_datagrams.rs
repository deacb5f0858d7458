//! The built binary as a server of datagrams: whom it answers, and how it names them.
#![cfg(feature = "cli")]

mod again;
mod cli_support;

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use again::again;
use cli_support::{DEADLINE, Server, scratch};

const SIGTERM: i32 = 15;

/// What was sent to everybody is answered by nobody, and by the server if it is told to.
#[test]
fn broadcasts_are_answered_only_if_asked_for() {
    for multicast in [false, true] {
        let options: &[&str] = if multicast { &["--multicast"] } else { &[] };
        let server = Server::start(&[&["echo=udp://0.0.0.0:0"], options].concat());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.set_broadcast(true).unwrap();
        let port = server.address(0).port();
        client.send_to(b"all of you", ("127.255.255.255", port)).unwrap();
        client.send_to(b"just you", ("127.0.0.1", port)).unwrap();
        let mut answer = [0; 16];
        let expected: &[&[u8]] =
            if multicast { &[b"all of you", b"just you"] } else { &[b"just you"] };
        for expected in expected {
            let length = again(|| client.recv(&mut answer)).unwrap();
            assert_eq!(&answer[..length], *expected);
        }
        server.signal(SIGTERM);
        let (_, out, _) = server.wait();
        assert_eq!(out.contains("dropped: 1 forbidden"), !multicast, "{out}");
    }
}

/// Loopback and Unix senders have a rate if they are given one. Their names, and those of our own sockets,
/// are shown on one line whatever is in them; and what is printed can be given back.
#[test]
fn local_senders_have_a_rate_if_asked_for_and_names_without_tricks() {
    let (directory, path) = scratch("a\nb%");
    let offer = format!("echo=unixgram://{}/a%0ab%25", directory.path().display());
    let mut server =
        Server::start(&["--datagram-rate-local", "2", &offer, "pong=udp://127.0.0.1:0"]);
    assert_eq!(server.bound[0], offer.replace("%0a", "%0A"));

    let client =
        UnixDatagram::bind(directory.path().join("evil\x1b[2J\nINFO all is well")).unwrap();
    let local = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    local.set_read_timeout(Some(DEADLINE)).unwrap();
    for _ in 0..5 {
        client.send_to(b"hello", &path).unwrap();
    }
    let line = server.log_line("sends too often");
    assert!(line.contains(r"evil\x1b[2J\nINFO all is well: source"), "{line}");
    again(|| client.recv(&mut [0; 9])).unwrap();

    for _ in 0..5 {
        local.send_to(b"ping", server.address(1)).unwrap();
    }
    again(|| local.recv(&mut [0; 9])).unwrap();
    server.signal(SIGTERM);
    let (_, out, _) = server.wait();
    assert!(out.contains("datagrams: 10 in") && out.contains("over the rate"), "{out}");
}

/// On a Unix datagram socket what peers leave unread takes up the room of all: that is said.
#[test]
fn replies_that_nobody_reads_are_told_of() {
    let (directory, path) = scratch("echo.sock");
    let server =
        Server::start(&["--send-buffer", "16KiB", &format!("echo=unixgram://{}", path.display())]);
    let deaf = UnixDatagram::bind(directory.path().join("deaf")).unwrap();
    deaf.connect(&path).unwrap();
    for _ in 0..500 {
        again(|| deaf.send(b"hello")).unwrap();
    }
    server.signal(SIGTERM);
    let (_, out, log) = server.wait();
    assert!(out.contains("no room"), "{out}");
    let lines = log.lines().filter(|line| line.contains("peers leave replies unread")).count();
    assert!((1..10).contains(&lines), "{log}");
}
