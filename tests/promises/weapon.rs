//! UDP can't be turned into a weapon.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;

use echoloop::{Config, Echo, Peer, Rate, ReusePort, describe};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::*;

fn echo_at(config: Config, at: &'static str) -> Server<SocketAddr> {
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
    for privileged_ports in [false, true] {
        let server = echo_at(Config { privileged_ports, ..Config::default() }, "udp://127.0.0.1:0");
        low.connect(server.made).unwrap();
        low.send(b"hello").unwrap();
        if privileged_ports {
            assert_eq!(datagram(&low), b"hello");
        } else {
            server.until(|statistics| statistics.dropped.forbidden == 1);
        }
    }
}

/// Loopback has no rate unless it is given one, which then holds for all its addresses and all sockets of the
/// reactor together.
#[test]
fn loopback_has_a_rate_only_if_asked_for() {
    let rate = Some(Rate { per_second: 1, burst: 1 });
    let server = echo_at(Config { datagram_rate: rate, ..Config::default() }, "udp://127.0.0.1:0");
    let client = udp("127.0.0.1:0", Some(server.made));
    for _ in 0..20 {
        client.send(b"again").unwrap();
        assert_eq!(datagram(&client), b"again");
    }

    let local = Some(Rate { per_second: 1, burst: 20 });
    let config = Config { datagram_rate: None, datagram_rate_local: local, ..Config::default() };
    let mut reactor = reactor(config);
    let servers = [(); 2].map(|()| listen(&mut reactor, "udp://127.0.0.1:0", Echo));
    for n in 1..=60_u8 {
        let client = udp(&format!("127.0.0.{n}:0"), None);
        client.send_to(b"again", servers[usize::from(n % 2)]).unwrap();
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 60);
    let statistics = reactor.statistics();
    assert_eq!((statistics.datagrams_out, statistics.dropped.rate), (20, 40));
}

/// What was sent to everybody is answered by nobody, on a socket of one family or of both, unless that is
/// switched on.
#[test]
fn what_was_sent_to_a_group_gets_no_answer() {
    for at in ["udp://0.0.0.0:0", "udp://[::]:0", "udp://[::ffff:0.0.0.0]:0"] {
        if at.contains("::") && UdpSocket::bind("[::]:0").is_err() {
            eprintln!("skipped: no IPv6 here");
            continue;
        }
        for multicast in [false, true] {
            let server = echo_at(Config { multicast, ..Config::default() }, at);
            let client = udp("127.0.0.1:0", None);
            client.set_broadcast(true).unwrap();
            SockRef::from(&client).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
            // The last group is one whose packets stay on their host.
            let (client_v6, second) = match at == "udp://[::]:0" {
                true => (Some(udp("[::]:0", None)), "ff01::1"),
                false => (None, if at.contains("::") { "127.255.255.255" } else { "224.0.0.1" }),
            };
            let second = (client_v6.as_ref().unwrap_or(&client), second);
            let groups = [(&client, "127.255.255.255"), second];
            for (n, (client, group)) in (1..).zip(groups) {
                let to = SocketAddr::new(group.parse().unwrap(), server.made.port());
                if let Err(error) = client.send_to(b"all of you", to) {
                    eprintln!("skipped {group}: {error}"); // No interface here has such groups.
                } else if multicast {
                    assert_eq!(datagram(client), b"all of you", "{group} at {at}");
                } else {
                    server.until(|statistics| statistics.dropped.forbidden == n);
                }
            }
            client.send_to(b"just you", ("127.0.0.1", server.made.port())).unwrap();
            assert_eq!(datagram(&client), b"just you");
        }
    }
}

/// A socket that is bound to a group would never be shown anything, and isn't made unless that is switched on.
#[test]
fn a_group_is_listened_to_only_if_asked_for() {
    for at in ["udp://224.0.0.1:0", "udp://127.255.255.255:0", "udp://255.255.255.255:0"] {
        let mut cautious = reactor(Config::default());
        let error = cautious.listen(&endpoint(at), Echo).unwrap_err();
        let why = "all that it receives is sent to a group, and multicast is not switched on";
        assert_eq!(describe(&error), format!("cannot listen on {at}: {why}"));

        let mut open = reactor(Config { multicast: true, ..Config::default() });
        let address = listen(&mut open, at, Echo);
        if at.contains("127") {
            let client = udp("127.0.0.1:0", None);
            client.set_broadcast(true).unwrap();
            client.send_to(b"all of you", address).unwrap();
            turn_until(&mut open, |reactor| reactor.statistics().datagrams_out == 1);
            assert_eq!(datagram(&client), b"all of you");
        }
    }
}

/// Two sockets of one reactor that echo can't be set upon each other, whichever addresses they are bound to;
/// by one forged datagram, or here by one that one of them really sends.
#[test]
fn our_own_sockets_do_not_answer_each_other() {
    let has_v6 = UdpSocket::bind("[::]:0").is_ok();
    for (one, other, asked) in [
        ("udp://127.0.0.1:0", "udp://127.0.0.1:0", "127.0.0.1"),
        ("udp://127.0.0.1:0", "udp://127.0.0.2:0", "127.0.0.2"),
        ("udp://0.0.0.0:0", "udp://127.0.0.1:0", "127.0.0.1"),
        ("udp://127.0.0.1:0", "udp://0.0.0.0:0", "127.0.0.5"),
        ("udp://127.0.0.1:0", "udp://[::]:0", "127.0.0.1"),
        ("udp://[::]:0", "udp://127.0.0.1:0", "::ffff:127.0.0.1"),
        ("udp://[::]:0", "udp://[::1]:0", "::1"),
    ] {
        if !has_v6 && (one.contains("::") || other.contains("::")) {
            eprintln!("skipped: no IPv6 here");
            continue;
        }
        for own_sockets in [false, true] {
            let mut reactor = reactor(Config { own_sockets, ..Config::default() });
            // With the switch it must not go on for ever, and the first only listens.
            let first = reactor.add(Does::new().datagram(move |cx, _, payload| {
                if !own_sockets {
                    cx.reply(payload);
                }
            }));
            let echo = reactor.add(Echo);
            let one = reactor.context(first).listen(&endpoint(one)).unwrap();
            let other = reactor.context(echo).listen(&endpoint(other)).unwrap();
            let port = internet(reactor.local(other)).port();
            let to = Peer::from(SocketAddr::new(asked.parse().unwrap(), port));
            assert!(reactor.context(first).source(one).send_to(&to, b"go"));
            turn_until(&mut reactor, |reactor| {
                let done = reactor.statistics();
                done.dropped.forbidden == 1 || own_sockets && done.datagrams_in == 2
            });
            turn_until_quiet(&mut reactor);
            let sent = if own_sockets { 2 } else { 1 };
            assert_eq!(reactor.statistics().datagrams_out, sent, "{asked}");
        }
    }
}

/// Only sockets that are there are ours: when one has gone, whoever gets its port is served like anybody.
#[test]
fn a_port_is_ours_for_as_long_as_its_socket_is_there() {
    let mut reactor = reactor(Config { reuse_port: ReusePort::Join, ..Config::default() });
    let server = listen(&mut reactor, "udp://127.0.0.1:0", Echo);
    let sibling = reactor.listen(&endpoint("udp://127.0.0.1:0"), Echo).unwrap();
    let address = internet(reactor.local(sibling));
    let client = reuse_port(address);
    client.connect(server).unwrap();
    client.send(b"one").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().dropped.forbidden == 1);

    let service = reactor.add(Echo);
    reactor.context(service).source(sibling).close();
    client.send(b"two").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_out == 1);
    assert_eq!(datagram(&client), b"two");

    // Others on the same port of another address are not ours.
    let sibling = listen(&mut reactor, "udp://127.0.0.7:0", Echo);
    let stranger = reuse_port(SocketAddr::new(client.local_addr().unwrap().ip(), sibling.port()));
    stranger.connect(server).unwrap();
    stranger.send(b"three").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_out == 2);
    assert_eq!(datagram(&stranger), b"three");
}

/// A socket that the host has made is as careful as one of ours. One that may send to everybody isn't taken
/// unless that is switched on: the source of a question can be a broadcast address.
#[test]
fn an_adopted_socket_is_no_weapon_either() {
    for multicast in [false, true] {
        let mut reactor = reactor(Config { multicast, ..Config::default() });
        let sockets = [udp("0.0.0.0:0", None), udp("127.0.0.1:0", None)];
        let [one, other] = [0, 1].map(|i| sockets[i].local_addr().unwrap());
        let service = reactor.add(Echo);
        let mut adopt = |i: usize| {
            let socket = sockets[i].try_clone().unwrap();
            reactor.context(service).listen_on(socket).map_err(|error| describe(&error))
        };
        sockets[0].set_broadcast(true).unwrap();
        if !multicast {
            let why = "it may send to broadcast addresses, and multicast is not switched on";
            assert!(adopt(0).unwrap_err().ends_with(why));
            sockets[0].set_broadcast(false).unwrap();
        }
        let [id, _] = [0, 1].map(|i| adopt(i).unwrap());

        reactor.context(service).source(id).send_to(&Peer::from(other), b"each other");
        let client = udp("127.0.0.1:0", None);
        client.set_broadcast(true).unwrap();
        client.send_to(b"all of you", ("127.255.255.255", one.port())).unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 2);
        turn_until_quiet(&mut reactor);
        let forbidden = if multicast { 1 } else { 2 };
        assert_eq!(reactor.statistics().dropped.forbidden, forbidden);
    }
}

/// Also one that has no port yet: it is known before it sends anything.
#[test]
fn an_unbound_socket_does_not_answer_itself() {
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Echo);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let id = reactor.context(service).listen_on(socket).unwrap();
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, internet(reactor.local(id)).port()));
    reactor.context(service).source(id).send_to(&Peer::from(own), b"to myself");
    turn_until(&mut reactor, |reactor| reactor.statistics().dropped.forbidden == 1);
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.statistics().datagrams_out, 1);
}

#[track_caller]
fn reuse_port(at: SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.bind(&at.into()).unwrap();
    socket.into()
}

/// A Unix sender whose name is that of one of our own sockets, which it has had before us, gets no answer.
#[test]
fn a_unix_sender_with_our_own_name_gets_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut reactor = reactor(Config::default());
    let forgers = ["one", "two"].map(|name| {
        let forger = UnixDatagram::bind(path(name)).unwrap();
        std::fs::remove_file(path(name)).unwrap();
        reactor.listen(&endpoint(&format!("unixgram://{}", path(name).display())), Echo).unwrap();
        forger
    });
    forgers[0].send_to(b"to yourself", path("one")).unwrap();
    forgers[1].send_to(b"to each other", path("one")).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().dropped.forbidden == 2);
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.statistics().datagrams_out, 0);
}

/// A relative name is one in the sender's directory, which isn't ours.
#[test]
fn a_unix_sender_with_a_relative_name_gets_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = directory.path().join("server");
    let up = "../".repeat(std::env::current_dir().unwrap().components().count() - 1);
    let relative = format!("{up}{}", &directory.path().join("client").display().to_string()[1..]);
    let client = UnixDatagram::bind(relative).unwrap();
    let mut reactor = reactor(Config::default());
    reactor.listen(&endpoint(&format!("unixgram://{}", server.display())), Echo).unwrap();
    client.send_to(b"where am I?", &server).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().dropped.forbidden == 1);
    assert_eq!(reactor.statistics().datagrams_out, 0);
}

/// The rate of this machine holds for Unix senders too, for each name by itself.
#[test]
fn unix_senders_have_a_rate_if_asked_for() {
    let local = Some(Rate { per_second: 1, burst: 2 });
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut reactor = reactor(Config { datagram_rate_local: local, ..Config::default() });
    let at = format!("unixgram://{}", path("server").display());
    reactor.listen(&endpoint(&at), Echo).unwrap();
    for (n, name) in (1..).zip(["a", "b", "c", "d"]) {
        let client = UnixDatagram::bind(path(name)).unwrap();
        for _ in 0..3 {
            client.send_to(b"again", path("server")).unwrap();
        }
        turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 3 * n);
    }
    // All three of a client came in one turn. One in 4,096 pairs of names shares what is left.
    let statistics = reactor.statistics();
    assert!((6..=8).contains(&statistics.datagrams_out), "{statistics}");
    assert_eq!(statistics.dropped.rate, 12 - statistics.datagrams_out);
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
