use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::values::Local;

/// A batch holds what several senders have sent, in order, and every answer goes to the right one.
#[test]
fn a_batch_from_several_senders_is_answered() {
    let server = udp("127.0.0.1:0");
    let clients: Vec<UdpSocket> = (0..5).map(|_| udp("127.0.0.1:0")).collect();
    for (i, client) in clients.iter().enumerate() {
        client.send_to(format!("hello {i}").as_bytes(), server.local_addr().unwrap()).unwrap();
    }

    let sent = echo(&server, 5, false, true);
    assert_eq!((sent.datagrams, sent.bytes, sent.failed), (5, 35, 0));
    for (i, client) in clients.iter().enumerate() {
        assert_eq!(text(client), format!("hello {i}"));
    }
}

/// More than one system call can hold: nothing is lost and nothing changes places.
#[test]
fn a_long_queue_stays_in_order() {
    let (server, client) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    for offload in [false, true] {
        let mut outbox = Outbox::new();
        for i in 0..300_u32 {
            // Lengths that change all the time, so that trains are short and come in all shapes.
            let payload = [&i.to_be_bytes()[..], &vec![7; i as usize / 3 % 4]].concat();
            outbox.push(Some(&peer(&server)), &payload);
        }
        assert_eq!(outbox.len(), 300);
        assert_eq!(outbox.flush(client.as_fd(), Lent::default(), offload).datagrams, 300);
        assert!(outbox.is_empty());

        let received = collect(&server, 300, false);
        for (i, (from, payload)) in received.iter().enumerate() {
            assert_eq!(*from, peer(&client));
            assert_eq!(payload[..4], (i as u32).to_be_bytes());
            assert_eq!(payload.len(), 4 + i / 3 % 4);
        }
    }
}

/// The largest datagram there is, and the smallest, go through like any other, IPv4 and IPv6.
#[test]
fn the_largest_and_the_empty_datagram_are_echoed() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Some((server, client)) = pair(address) else { continue };
        for length in [65_507, 0, 1] {
            for (gro, offload) in [(false, false), (true, true)] {
                if gro {
                    let _ = enable_gro(server.as_fd());
                }
                let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
                client.send_to(&payload, server.local_addr().unwrap()).unwrap();
                assert_eq!(echo(&server, 1, gro, offload).bytes, length as u64);
                assert_eq!(bytes(&client), payload);
            }
        }
    }
}

/// On a wildcard bind the answer leaves from the address that was asked.
#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    let server = udp("0.0.0.0:0");
    enable_pktinfo(server.as_fd(), false).unwrap();
    let client = udp("127.0.0.1:0");
    for ip in ["127.0.0.2", "127.0.0.1"] {
        let asked = SocketAddr::new(ip.parse().unwrap(), server.local_addr().unwrap().port());
        client.send_to(b"from where?", asked).unwrap();

        let (from, _) = collect(&server, 1, true).remove(0);
        assert_eq!(from.local, Some(Local { ip: asked.ip(), interface: 0 }));
        send_one(server.as_fd(), Some(&from), b"from here").unwrap();
        assert_eq!(again(|| client.recv_from(&mut [0; 16])).unwrap(), (9, asked));
    }
}

/// A socket for both families gets IPv4 as mapped addresses, also for its own address.
#[test]
fn ipv6_and_mapped_ipv4_are_answered_alike() {
    let Ok(server) = Socket::new(Domain::IPV6, Type::DGRAM, None) else { return };
    server.set_only_v6(false).unwrap();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    if server.bind(&any.into()).is_err() {
        return;
    }
    let server = UdpSocket::from(server);
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    enable_pktinfo(server.as_fd(), true).unwrap();
    let port = server.local_addr().unwrap().port();

    for (bind, ask, seen) in
        [("127.0.0.1:0", "127.0.0.3", "::ffff:127.0.0.3"), ("[::1]:0", "::1", "::1")]
    {
        let client = udp(bind);
        let asked = SocketAddr::new(ask.parse().unwrap(), port);
        // Twice the same, so that the answer is a train with packet information.
        for _ in 0..2 {
            client.send_to(b"who?", asked).unwrap();
        }
        let received = collect(&server, 2, true);
        let mut outbox = Outbox::new();
        for (from, payload) in &received {
            assert_eq!(from.local.unwrap().ip, seen.parse::<IpAddr>().unwrap());
            outbox.push(Some(from), payload);
        }
        assert_eq!(outbox.flush(server.as_fd(), Lent::default(), true).datagrams, 2);
        for _ in 0..2 {
            assert_eq!(again(|| client.recv_from(&mut [0; 16])).unwrap(), (4, asked));
        }
    }
}

/// A train is only a way to travel: a plain receiver sees the datagrams that were pushed, one that
/// takes trains sees one message, and both see the same bytes.
#[test]
fn a_train_arrives_as_the_datagrams_that_were_sent() {
    if !offload_supported() {
        return;
    }
    let (plain, modern, client) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    enable_gro(modern.as_fd()).unwrap();
    let arena: Vec<u8> = (0..32 * 1200 + 77).map(|i| (i / 3) as u8).collect();
    let datagrams: Vec<&[u8]> = arena.chunks(1200).collect();

    for (to, offload) in [(&plain, false), (&plain, true), (&modern, false), (&modern, true)] {
        let mut outbox = Outbox::new();
        let lent = Lent { arena: &arena, senders: &[] };
        outbox.open(lent);
        for datagram in &datagrams {
            outbox.push(Some(&peer(to)), datagram);
        }
        assert_eq!(outbox.copied(), 0);
        let sent = outbox.flush(client.as_fd(), lent, offload);
        assert_eq!((sent.datagrams, sent.bytes), (33, arena.len() as u64));

        wait(to);
        let mut inbox = Inbox::new();
        let messages = inbox.receive(to.as_fd(), 1, true).unwrap();
        assert_eq!(messages, 1);
        if offload && std::ptr::eq(to, &modern) {
            let message = inbox.message(0);
            assert_eq!((message.bytes.len(), message.segment), (arena.len(), 1200));
            assert_eq!(message.datagrams().collect::<Vec<_>>(), datagrams);
        } else {
            assert_eq!(inbox.message(0).bytes, datagrams[0]);
            let rest = collect(to, 32, true);
            assert!(rest.iter().zip(&datagrams[1..]).all(|((_, got), sent)| got == sent));
        }
    }
}

/// Numbers stand for senders, also where trains are made of them and others are in between.
#[test]
fn each_answer_goes_to_the_sender_with_its_number() {
    let (server, one, two) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let to = server.local_addr().unwrap();
    let senders = [&one, &one, &two, &one, &two];
    for (from, text) in senders.into_iter().zip(["a", "b", "c", "d", "e"]) {
        from.send_to(text.as_bytes(), to).unwrap();
    }
    for offload in [false, true] {
        if offload {
            for from in senders {
                from.send_to(&bytes(from), to).unwrap(); // What they were answered goes round again.
            }
        }
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        assert_eq!(inbox.receive(server.as_fd(), 32, false).unwrap(), 5);
        outbox.open(inbox.lend());
        for (i, number) in [0, 0, 2, 0, 2].into_iter().enumerate() {
            outbox.answer(number, inbox.message(i).bytes);
        }
        assert_eq!(outbox.flush(server.as_fd(), inbox.lend(), offload).datagrams, 5);
    }
    assert_eq!([(); 3].map(|()| text(&one)), ["a", "b", "d"]);
    assert_eq!([(); 2].map(|()| text(&two)), ["c", "e"]);
}

/// What was received as a train is answered as one, from where it lies.
#[test]
fn a_train_is_echoed_without_a_copy() {
    let (server, client) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let gro = enable_gro(server.as_fd()).is_ok();
    let payload = [[1; 500], [2; 500], [3; 500]].concat();
    let mut outbox = Outbox::new();
    for datagram in payload.chunks(500) {
        outbox.push(Some(&peer(&server)), datagram);
    }
    outbox.flush(client.as_fd(), Lent::default(), true);
    assert_eq!(echo(&server, 3, gro, true).datagrams, 3);
    for datagram in payload.chunks(500) {
        assert_eq!(bytes(&client), datagram);
    }
}

/// Only what a train may hold goes as one: the same peer, the same length, one shorter at the end,
/// nothing empty, 64 datagrams, 65,487 bytes. The result is the same with and without.
#[test]
fn mixed_lengths_and_peers_arrive_unchanged() {
    let (one, two, client) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let lengths = [9, 9, 4, 9, 4, 4, 0, 0, 5, 5, 5, 0, 7, 8, 1, 1, 30_000, 30_000, 30_000, 20_000];
    for offload in [false, true] {
        let mut outbox = Outbox::new();
        for (i, &length) in lengths.iter().enumerate() {
            outbox.push(Some(&peer(&one)), &vec![i as u8; length]);
        }
        for length in [20_000, 3, 3] {
            outbox.push(Some(&peer(&two)), &vec![99; length]);
        }
        let sent = outbox.flush(client.as_fd(), Lent::default(), offload);
        assert_eq!((sent.datagrams, sent.failed, sent.refused), (23, 0, 0));

        let received = collect(&one, lengths.len(), false);
        for (i, (&length, (_, payload))) in lengths.iter().zip(&received).enumerate() {
            assert_eq!(*payload, vec![i as u8; length]);
        }
        assert_eq!([20_000, 3, 3], [(); 3].map(|()| bytes(&two).len()));
    }
}

/// A train that the kernel refuses goes one by one.
#[cfg(target_os = "linux")]
#[test]
fn a_refused_train_goes_one_by_one() {
    let (server, client) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    // The kernel does not cut up what it may not put checksums on.
    raw::set_option(client.as_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    let mut outbox = Outbox::new();
    for payload in [&b"abc"[..], b"def", b"g", b"long enough", b"hij", b"klm"] {
        outbox.push(Some(&peer(&server)), payload);
    }
    let sent = outbox.flush(client.as_fd(), Lent::default(), true);
    assert_eq!((sent.datagrams, sent.bytes, sent.failed), (6, 24, 0));
    assert!(sent.last_error.is_none());
    let all: Vec<u8> =
        collect(&server, 6, false).into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(all, b"abcdefglong enoughhijklm");
}

/// The same bytes for many peers are held once.
#[test]
fn a_broadcast_is_copied_once() {
    let clients: Vec<UdpSocket> = (0..40).map(|_| udp("127.0.0.1:0")).collect();
    let mut outbox = Outbox::new();
    for client in &clients {
        outbox.push(Some(&peer(client)), String::from("news").as_bytes());
    }
    assert_eq!(outbox.copied(), 4);
    let server = udp("127.0.0.1:0");
    assert_eq!(outbox.flush(server.as_fd(), Lent::default(), true).datagrams, 40);
    assert!(clients.iter().all(|client| text(client) == "news"));
}

/// News of an unreachable peer takes no other datagram with it. Linux tells an unconnected socket
/// only if it asks for it (`IP_RECVERR`), as this one does.
#[cfg(target_os = "linux")]
#[test]
fn an_unreachable_peer_does_not_harm_the_next() {
    let (server, open) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    // Nobody is there, and nobody else can come, since the port is taken on another address.
    let closed = SocketAddr::from(([127, 0, 0, 9], open.local_addr().unwrap().port()));
    let closed = Peer::from(closed);
    raw::set_option(server.as_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, 1).unwrap();
    let mut outbox = Outbox::new();
    for round in 0..3_u8 {
        for to in [closed, peer(&open), closed, closed, peer(&open)] {
            outbox.push(Some(&to), &[round]);
        }
        let sent = outbox.flush(server.as_fd(), Lent::default(), true);
        assert_eq!((sent.datagrams, sent.failed), (5, 0));
        assert_eq!([bytes(&open), bytes(&open)], [[round], [round]]);
    }
    send_one(server.as_fd(), Some(&closed), b"into the void").unwrap();
    send_one(server.as_fd(), Some(&peer(&open)), b"still here").unwrap();
    assert_eq!(text(&open), "still here");
}

/// A connected socket needs no address; the peer may be away for a while.
#[test]
fn a_connected_socket_outlives_its_peer() {
    let (client, server) = (udp("127.0.0.1:0"), udp("127.0.0.8:0"));
    let address = server.local_addr().unwrap();
    client.connect(address).unwrap();
    let mut outbox = Outbox::new();
    let mut flush = |payload: &[u8]| {
        outbox.push(None, payload);
        outbox.push(None, payload);
        outbox.flush(client.as_fd(), Lent::default(), true)
    };
    flush(b"here");
    assert_eq!([text(&server), text(&server)], ["here", "here"]);
    drop(server);
    flush(b"gone");
    flush(b"gone");

    let server = udp(&address.to_string());
    let sent = flush(b"back");
    assert_eq!((sent.datagrams, sent.failed), (2, 0));
    assert_eq!([text(&server), text(&server)], ["back", "back"]);
}

/// One that can't be sent is counted, says why, and the others go on.
#[test]
fn what_cannot_be_sent_is_dropped_alone() {
    let (server, client) = (udp("127.0.0.1:0"), udp("127.0.0.1:0"));
    let mut outbox = Outbox::new();
    outbox.push(Some(&peer(&server)), b"first");
    outbox.push(Some(&peer(&server)), &[0; 65_508]); // One byte too long.
    outbox.push(Some(&Peer::from(SocketAddr::from(([127, 0, 0, 1], 0)))), b"port 0");
    outbox.push(Some(&peer(&server)), b"last");
    let sent = outbox.flush(client.as_fd(), Lent::default(), true);
    assert_eq!((sent.datagrams, sent.bytes, sent.failed, sent.refused), (2, 9, 2, 0));
    assert!(sent.last_error.is_some());
    assert_eq!([text(&server), text(&server)], ["first", "last"]);
}

/// A socket with nothing to read says so at once, and an inbox can be moved to another thread.
#[test]
fn nothing_to_receive_is_would_block() {
    let socket = udp("127.0.0.1:0");
    let mut inbox = Inbox::new();
    for most in [1, 32] {
        let error = inbox.receive(socket.as_fd(), most, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    socket.send_to(b"me", socket.local_addr().unwrap()).unwrap();
    let thread = std::thread::spawn(move || {
        wait(&socket);
        assert_eq!(inbox.receive(socket.as_fd(), 32, false).unwrap(), 1);
        assert_eq!(inbox.message(0).bytes, b"me");
    });
    thread.join().unwrap();
}

/// Receives `count` datagrams and sends each back from where it lies.
#[track_caller]
fn echo(socket: &UdpSocket, count: usize, gro: bool, offload: bool) -> Sent {
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    let mut total = Sent::default();
    while (total.datagrams as usize) < count {
        wait(socket);
        let messages = inbox.receive(socket.as_fd(), 32, gro).unwrap();
        outbox.open(inbox.lend());
        for i in 0..messages {
            inbox.message(i).datagrams().for_each(|datagram| outbox.answer(i, datagram));
        }
        assert_eq!(outbox.copied(), 0);
        let sent = outbox.flush(socket.as_fd(), inbox.lend(), offload);
        total.datagrams += sent.datagrams;
        total.bytes += sent.bytes;
    }
    total
}

#[track_caller]
fn bytes(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; SLOT];
    let length = again(|| socket.recv(&mut buffer)).expect("something to receive");
    buffer[..length].to_vec()
}

#[track_caller]
fn text(socket: &UdpSocket) -> String {
    String::from_utf8(bytes(socket)).unwrap()
}

/// With a receive buffer that holds all that a test sends at once.
#[track_caller]
pub(super) fn udp(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Two sockets; `None` if this machine does not have the family.
fn pair(address: &str) -> Option<(UdpSocket, UdpSocket)> {
    UdpSocket::bind(address).is_ok().then(|| (udp(address), udp(address)))
}

pub(super) fn peer(socket: &UdpSocket) -> Peer {
    Peer::from(socket.local_addr().unwrap())
}
