//! UDP can't be turned into a weapon.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use echoloop::{Config, Echo, Rate};

use crate::support::*;

fn echo_at(config: Config, at: &'static str) -> Server<std::net::SocketAddr> {
    Server::start(config, move |reactor| listen(reactor, at, Echo))
}

/// An answer that is longer than its question is dropped and counted.
#[test]
fn no_more_bytes_go_out_than_came_in() {
    let service = Does::new().datagram(|cx, _, payload| {
        assert!(!cx.reply(&vec![0; payload.len() + 1]));
        assert!(cx.reply(payload));
    });
    let server =
        Server::start(Config::default(), |reactor| listen(reactor, "udp://127.0.0.1:0", service));
    let client = udp("127.0.0.1:0", Some(server.made));
    for length in [0, 1, 1000] {
        client.send(&pattern(length)).unwrap();
        assert_eq!(datagram(&client), pattern(length));
    }
    assert_eq!(server.statistics().dropped.amplified, 3);
}

/// All answers to one question together are no more on the wire than the question: neither many short ones
/// to a long one, nor many empty ones to an empty one.
#[test]
fn many_answers_are_no_more_than_the_question() {
    // Headers, frame and gap of each on an Ethernet; no packet there is shorter than 84 bytes.
    fn on_the_wire(length: usize, header: usize) -> usize {
        (length + header + 8).max(46) + 38
    }
    let directory = tempfile::tempdir().unwrap();
    let unixgram = format!("unixgram://{}", directory.path().join("server").display());
    for (at, header) in [("udp://127.0.0.1:0", 20), ("udp://[::1]:0", 40), (&unixgram, 20)] {
        if at.contains("::1") && UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("skipped: no IPv6 here");
            continue;
        }
        for (asked, answer) in [(0, 0), (0, 1), (1000, 0), (1000, 1), (1000, 300), (9000, 1000)] {
            let (sender, counts) = std::sync::mpsc::channel();
            let service = Does::new().datagram(move |cx, _, _| {
                let answers = (0..2000).filter(|_| cx.reply(&vec![0; answer])).count();
                sender.send(answers).unwrap();
            });
            let mut reactor = reactor(Config::default());
            let server = reactor.listen(&endpoint(at), service).unwrap();
            if at == unixgram {
                let client = UnixDatagram::bind(directory.path().join("client")).unwrap();
                client.send_to(&pattern(asked), directory.path().join("server")).unwrap();
                turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 1);
                std::fs::remove_file(directory.path().join("client")).unwrap();
            } else {
                let to = internet(reactor.local(server));
                let client = udp(&to.to_string().replace(&to.port().to_string(), "0"), Some(to));
                client.send(&pattern(asked)).unwrap();
                turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 1);
            }
            let answers = counts.recv().unwrap();
            let (question, each) = (on_the_wire(asked, header), on_the_wire(answer, header));
            let expected = if answer > asked { 0 } else { question / each };
            assert_eq!(answers, expected, "{at}: {answer} bytes to {asked}");
            let statistics = reactor.statistics();
            assert_eq!(statistics.dropped.amplified, 2000 - answers as u64);
        }
    }
}

/// Who sends from our own port, on whatever address, is likely a server like us: no answer.
#[test]
fn our_own_port_gets_no_answer() {
    let server = echo_at(Config::default(), "udp://127.0.0.1:0");
    let twin = udp(&format!("127.0.0.2:{}", server.made.port()), Some(server.made));
    twin.send(b"echo this").unwrap();
    server.until(|statistics| statistics.dropped.forbidden == 1);
    let honest = udp("127.0.0.1:0", Some(server.made));
    honest.send(b"hello").unwrap();
    assert_eq!(datagram(&honest), b"hello");
    assert_eq!(server.statistics().datagrams_out, 1);
}

/// Ports below 1024 get answers only when that is switched on.
#[test]
fn low_ports_get_an_answer_only_if_asked_for() {
    let Some(low) = (600..1023).find_map(|port| UdpSocket::bind(("127.0.0.3", port)).ok()) else {
        eprintln!("skipped: not allowed to use a port below 1024");
        return;
    };
    low.set_read_timeout(Some(DEADLINE)).unwrap();
    for low_ports in [false, true] {
        let server = echo_at(Config { low_ports, ..Config::default() }, "udp://127.0.0.1:0");
        low.connect(server.made).unwrap();
        low.send(b"hello").unwrap();
        if low_ports {
            assert_eq!(datagram(&low), b"hello");
        } else {
            server.until(|statistics| statistics.dropped.forbidden == 1);
        }
    }
}

/// Loopback has no rate, since nobody else can send from there.
#[test]
fn loopback_has_no_rate() {
    let rate = Some(Rate { per_second: 1, burst: 1 });
    let server = echo_at(Config { datagram_rate: rate, ..Config::default() }, "udp://127.0.0.1:0");
    let client = udp("127.0.0.1:0", Some(server.made));
    for _ in 0..20 {
        client.send(b"again").unwrap();
        assert_eq!(datagram(&client), b"again");
    }
}

/// Denied sources get no answer and are counted.
#[test]
fn denied_sources_get_no_answer() {
    let config = Config { deny: vec!["127.0.0.2/31".parse().unwrap()], ..Config::default() };
    let server = echo_at(config, "udp://127.0.0.1:0");
    let (denied, admitted) =
        (udp("127.0.0.3:0", Some(server.made)), udp("127.0.0.4:0", Some(server.made)));
    denied.send(b"let me in").unwrap();
    server.until(|statistics| statistics.dropped.denied == 1);
    admitted.send(b"hello").unwrap();
    assert_eq!(datagram(&admitted), b"hello");
    assert_eq!(server.statistics().datagrams_out, 1);
}
