//! Datagrams go both ways as they are, in order, and nobody's trouble is another one's.

use std::net::UdpSocket;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use echoloop::{Address, Config, Context, Echo, Id, Peer, Reactor, UnixName};
use socket2::SockRef;

use crate::again::again;
use crate::support::*;

fn echo_at(config: Config, at: &'static str) -> Server<std::net::SocketAddr> {
    Server::start(config, move |reactor| listen(reactor, at, Echo))
}

/// The empty datagram, the largest one and those in between come back as they are, whether the kernel may
/// join them or not, over IPv4 and IPv6.
#[test]
fn datagrams_of_every_length_are_echoed() {
    for at in ["udp://127.0.0.1:0", "udp://[::1]:0"] {
        if at.contains("::1") && UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("skipped: no IPv6 here");
            continue;
        }
        for offload in [false, true] {
            let server = echo_at(Config { offload, ..Config::default() }, at);
            let own = if server.made.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
            let client = udp(own, Some(server.made));
            for length in [0, 1, 2, 100, 1472, 1473, 9000, 65_506, 65_507, 0] {
                client.send(&pattern(length)).unwrap();
                assert!(datagram(&client) == pattern(length), "{length} bytes");
            }
        }
    }
}

/// Runs of equal datagrams, which may travel as trains, and others in between: each comes back as it was
/// sent, in order, to the one who sent it.
#[test]
fn trains_change_nothing() {
    for offload in [false, true] {
        let server = echo_at(Config { offload, ..Config::default() }, "udp://127.0.0.1:0");
        let clients: Vec<_> = (0..3).map(|_| udp("127.0.0.1:0", Some(server.made))).collect();
        for round in 0..10_usize {
            for (i, client) in clients.iter().enumerate() {
                for n in 0..20_u8 {
                    let length = if n % 7 == 6 { 3 } else { 300 + 10 * round };
                    client.send(&vec![n + 100 * i as u8; length]).unwrap();
                }
            }
            for (i, client) in clients.iter().enumerate() {
                for n in 0..20_u8 {
                    let length = if n % 7 == 6 { 3 } else { 300 + 10 * round };
                    assert!(datagram(client) == vec![n + 100 * i as u8; length]);
                }
            }
        }
        let statistics = server.statistics();
        assert_eq!((statistics.datagrams_in, statistics.datagrams_out), (600, 600));
    }
}

/// On a wildcard bind the answer leaves from the address that was asked, also over a socket that is both
/// IPv4 and IPv6: a connected client hears nobody else.
#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    for at in ["udp://0.0.0.0:0", "udp://[::]:0", "udp://[::ffff:0.0.0.0]:0"] {
        if at.contains("::") && UdpSocket::bind("[::]:0").is_err() {
            eprintln!("skipped: no IPv6 here");
            continue;
        }
        let server = echo_at(Config::default(), at);
        for asked in ["127.0.0.1", "127.0.0.2", "127.8.9.10"] {
            let to = format!("{asked}:{}", server.made.port()).parse().unwrap();
            let client = udp("127.0.0.1:0", Some(to));
            for _ in 0..3 {
                client.send(b"who is there?").unwrap();
                assert_eq!(datagram(&client), b"who is there?");
            }
        }
    }
}

/// Senders that have gone before their answer neither end the socket nor take others' answers with them.
#[test]
fn unreachable_senders_harm_nobody() {
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "udp://127.0.0.1:0", Echo);
    let friend = udp("127.0.0.1:0", Some(address));
    for round in 0..5_u8 {
        for _ in 0..10 {
            udp("127.0.0.1:0", Some(address)).send(b"nobody waits for this").unwrap();
            friend.send(&[round]).unwrap();
        }
        let seen = 20 * u64::from(round + 1);
        turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == seen);
        for _ in 0..10 {
            assert_eq!(datagram(&friend), [round]);
        }
    }
}

/// A connected socket hears that nobody is there, without having to be asked, and goes on.
#[test]
fn a_connected_socket_hears_of_its_peers_absence() {
    let nobody = udp("127.0.0.1:0", None);
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let (sender, told) = mpsc::channel();
    let (answered, answers) = mpsc::channel();
    let service = Does::new()
        .unreachable(move |_| sender.send(()).unwrap())
        .datagram(move |_, from, _| answered.send(from.address).unwrap());
    let mut reactor = reactor(Config::default());
    let id = reactor.connect(&endpoint(&format!("udp://{address}")), service).unwrap();
    let service = reactor.add(Echo);
    assert_eq!(reactor.context(service).source(id).send(b"anybody?"), 8);
    let mut count = 0;
    turn_until(&mut reactor, |_| {
        count += told.try_iter().count();
        count > 0
    });

    let somebody = udp(&address.to_string(), None);
    assert!(reactor.context(service).source(id).send_all(b"now?"));
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_out == 2);
    let mut bytes = [0; 10];
    let (length, from) = again(|| somebody.recv_from(&mut bytes)).unwrap();
    assert_eq!(&bytes[..length], b"now?");
    somebody.send_to(b"yes", from).unwrap();
    let mut from = None;
    turn_until(&mut reactor, |_| {
        from = answers.try_iter().next();
        from.is_some()
    });
    assert_eq!(from, Some(address.into()));
}

/// A service may answer and close the socket in one go: the answer still leaves, and nothing more is heard.
#[test]
fn an_answer_before_a_close_leaves() {
    let (sender, heard) = mpsc::channel();
    let service = Does::new().datagram(move |cx, _, payload| {
        sender.send(payload.to_vec()).unwrap();
        assert!(cx.reply(b"bye"));
        cx.close();
    });
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "udp://127.0.0.1:0", service);
    let client = udp("127.0.0.1:0", Some(address));
    for _ in 0..5 {
        client.send(b"hello").unwrap();
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_out == 1);
    turn_until_quiet(&mut reactor);
    assert_eq!(datagram(&client), b"bye");
    assert_eq!(heard.try_iter().count(), 1);
    assert!(UdpSocket::bind(address).is_ok());
}

/// The same from outside of its own callbacks: what was gathered leaves before the socket goes.
#[test]
fn what_was_gathered_leaves_before_a_close() {
    let client = udp("127.0.0.1:0", None);
    let to = Peer::from(client.local_addr().unwrap());
    let mut reactor = reactor(Config::default());
    let service = reactor.add(Echo);
    let mut cx = reactor.context(service);
    let id = cx.listen(&endpoint("udp://127.0.0.1:0")).unwrap();
    assert!(cx.source(id).send_to(&to, b"bye"));
    cx.source(id).close();
    turn_until_quiet(&mut reactor);
    assert_eq!(datagram(&client), b"bye");
    assert_eq!(reactor.statistics().dropped.failed, 0);
}

/// More than a receiver has room for is dropped, and is no reason to stop or to wait.
#[test]
fn a_full_receiver_stops_nobody() {
    let server = echo_at(Config::default(), "udp://127.0.0.1:0");
    let (full, friend) =
        (udp("127.0.0.1:0", Some(server.made)), udp("127.0.0.1:0", Some(server.made)));
    SockRef::from(&full).set_recv_buffer_size(1).unwrap();
    for _ in 0..300 {
        full.send(&[0; 1000]).unwrap();
    }
    for _ in 0..20 {
        friend.send(b"hello").unwrap();
        assert_eq!(datagram(&friend), b"hello");
    }
}

/// Unix datagrams are echoed to those who have a name; the others can't be answered, and are counted.
/// A receiver that doesn't read is not waited for.
#[test]
fn unix_datagrams_are_echoed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let at = endpoint(&format!("unixgram://{}", path.display()));
    let server =
        Server::start(Config::default(), move |reactor| reactor.listen(&at, Echo).unwrap());
    let named = |name: &str| {
        let client = UnixDatagram::bind(directory.path().join(name)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client
    };
    let (client, deaf) = (named("client"), named("deaf"));
    client.connect(&path).unwrap();
    let mut buffer = vec![0; 100_000];
    for length in [0, 1, 10_000, 60_000] {
        client.send(&pattern(length)).unwrap();
        let received = again(|| client.recv(&mut buffer)).unwrap();
        assert!(buffer[..received] == pattern(length));
    }
    let unnamed = UnixDatagram::unbound().unwrap();
    unnamed.send_to(b"hello", &path).unwrap();
    server.until(|statistics| statistics.dropped.failed == 1);

    let mut sent = 0;
    while server.statistics().dropped.no_room == 0 {
        // Not connected: of one who is, the kernel would take all that our send buffer holds.
        deaf.send_to(&[0; 1000], &path).unwrap();
        sent += 1;
        assert!(sent < 100_000, "its receive buffer has no end");
    }
    client.send(b"still there?").unwrap();
    let received = again(|| client.recv(&mut buffer)).unwrap();
    assert_eq!(&buffer[..received], b"still there?");
}

/// A Unix datagram socket of ours that connects has a name by which it can be answered.
#[cfg(target_os = "linux")]
#[test]
fn a_connected_unix_datagram_socket_gets_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    let at = endpoint(&format!("unixgram://{}", directory.path().join("echo").display()));
    let (sender, answers) = mpsc::channel();
    let service = Does::new()
        .datagram(move |_, _, payload| sender.send(payload.to_vec()).unwrap())
        .timer(|cx, _| assert!(cx.send_all(b"hello")));
    let mut reactor = reactor(Config::default());
    reactor.listen(&at, Echo).unwrap();
    let service = reactor.add(service);
    let id = reactor.context(service).connect(&at).unwrap();
    reactor.context(service).source(id).after(Duration::ZERO);
    let mut answer = None;
    turn_until(&mut reactor, |_| {
        answer = answers.try_recv().ok();
        answer.is_some()
    });
    assert_eq!(answer.unwrap(), b"hello");
}

/// Who sends numbered datagrams, many and short or few and long, so that the outbox overflows.
#[derive(Clone, Copy)]
struct Numbers {
    to: Peer,
    count: u32,
    length: usize,
}

impl Numbers {
    fn send(&self, mut cx: Context<'_>) {
        let mut payload = vec![0; self.length];
        for n in 0..self.count {
            payload[..4].copy_from_slice(&n.to_be_bytes());
            cx.send_to(&self.to, &payload); // Dropped, when the receiver has no room for more.
        }
    }
}

/// How a service comes to send: from which callback, and by which socket.
type Way = fn(&mut Reactor, &Path, Numbers);

/// What one callback sends leaves in that order, however much it is, from whichever callback, by whichever
/// socket. The receiver has little room, and what it has room for must be the first.
#[test]
fn what_one_callback_sends_keeps_its_order() {
    fn bound(reactor: &mut Reactor, directory: &Path, service: Does) -> Id {
        let at = format!("unixgram://{}", directory.join("server").display());
        reactor.listen(&endpoint(&at), service).unwrap()
    }
    fn ask(directory: &Path) {
        let client = UnixDatagram::unbound().unwrap();
        client.send_to(b"go on", directory.join("server")).unwrap();
    }
    let ways: [(&str, Way); 5] = [
        ("the socket's own callback", |reactor, directory, numbers| {
            let service = Does::new().datagram(move |cx, _, _| numbers.send(cx.source(cx.id())));
            bound(reactor, directory, service);
            ask(directory);
        }),
        ("another socket's callback", |reactor, directory, numbers| {
            let server = bound(reactor, directory, Does::new());
            let asks = Does::new().datagram(move |cx, _, _| numbers.send(cx.source(server)));
            let asked = listen(reactor, "udp://127.0.0.1:0", asks);
            udp("127.0.0.1:0", Some(asked)).send(b"go on").unwrap();
        }),
        ("a timer", |reactor, directory, numbers| {
            let server = bound(reactor, directory, Does::new());
            let timer =
                reactor.add(Does::new().timer(move |cx, _| numbers.send(cx.source(server))));
            reactor.context(timer).after(Duration::ZERO);
        }),
        ("the news of another socket", |reactor, directory, numbers| {
            let server = bound(reactor, directory, Does::new());
            let nobody = udp("127.0.0.1:0", None).local_addr().unwrap();
            let told = Does::new().unreachable(move |cx| numbers.send(cx.source(server)));
            let at = endpoint(&format!("udp://{nobody}"));
            let client = reactor.connect(&at, told).unwrap();
            let service = reactor.add(Does::new());
            assert!(reactor.context(service).source(client).send_all(b"anybody?"));
        }),
        ("a stream", |reactor, directory, numbers| {
            let server = bound(reactor, directory, Does::new());
            let service = Does::new().opened(move |cx| numbers.send(cx.source(server)));
            let listener = listen(reactor, "tcp://127.0.0.1:0", service);
            tcp(listener);
        }),
    ];
    for (name, way) in ways {
        for (count, length) in [(3000, 4), (40, 60_000)] {
            let directory = tempfile::tempdir().unwrap();
            let receiver = UnixDatagram::bind(directory.path().join("receiver")).unwrap();
            receiver.set_nonblocking(true).unwrap();
            let path = directory.path().join("receiver");
            let to = UnixName::new(path.as_os_str().as_bytes()).unwrap();
            let to = Peer::from(Address::Unix(to));
            let mut reactor = reactor(Config::default());
            way(&mut reactor, directory.path(), Numbers { to, count, length });
            turn_until(&mut reactor, |reactor| {
                let statistics = reactor.statistics();
                statistics.datagrams_out + statistics.dropped.no_room >= u64::from(count)
            });

            let mut payload = vec![0; length + 1];
            let mut received = Vec::new();
            while let Ok(bytes) = receiver.recv(&mut payload) {
                assert_eq!(bytes, length);
                received.push(u32::from_be_bytes(payload[..4].try_into().unwrap()));
            }
            let expected: Vec<u32> = (0..received.len() as u32).collect();
            assert!(!received.is_empty() && received == expected, "{name}: {received:?}");
        }
    }
}

/// What arrives as trains is counted in datagrams: a flood of them takes no more turns from the others than
/// one of single datagrams, but for one batch that nobody could foresee, which later turns pay for.
#[test]
fn a_share_is_counted_in_datagrams_also_in_trains() {
    const SHARE: u64 = 64;
    const BATCH: u64 = 32 * 64;
    const ALL: u64 = 5 * BATCH;

    let config = Config {
        datagram_budget: SHARE as usize,
        receive_buffer: Some(1 << 20),
        ..Config::default()
    };
    let mut reactor = reactor(config);
    let address = listen(&mut reactor, "udp://127.0.0.1:0", Does::new());
    // What one socket sends in equal pieces leaves as trains, if the kernel knows them.
    let client = Server::start(Config::default(), move |reactor| {
        let id = reactor.connect(&endpoint(&format!("udp://{address}")), Does::new()).unwrap();
        let service = reactor.add(Does::new());
        for _ in 0..ALL {
            assert!(reactor.context(service).source(id).send_all(b"a carriage"));
        }
    });
    let sent = client.until(|sent| sent.datagrams_out + sent.dropped.no_room == ALL).datagrams_out;
    let mut turns = 0;
    turn_until(&mut reactor, |reactor| {
        let received = reactor.statistics().datagrams_in;
        assert!(received <= turns * SHARE + BATCH, "{received} datagrams in {turns} turns");
        turns += 1;
        received == sent
    });
}
