//! Without system calls: what Miri can run, `.ci/sanitizers miri`.

use std::net::SocketAddr;

use super::super::raw::Played;
use super::*;
use crate::values::{Address, Local, UnixName};

/// Addresses of every kind, with and without a local one.
fn peers() -> Vec<Peer> {
    let ip = |address: &str, local: Option<&str>| Peer {
        address: Address::Ip(address.parse::<SocketAddr>().unwrap()),
        local: local.map(|ip| Local { ip: ip.parse().unwrap(), interface: 0 }),
    };
    let unix = |name: &[u8]| Peer::from(Address::Unix(UnixName::new(name).unwrap()));
    vec![
        ip("192.0.2.1:5000", None),
        ip("192.0.2.2:5000", Some("127.0.0.2")),
        ip("[2001:db8::1]:5000", Some("2001:db8::9")),
        ip("[::ffff:192.0.2.3]:5000", None),
        unix(b"/run/client"),
        unix(&[b'x'; UnixName::MAX]),
    ]
}

/// Every datagram arrives as it was pushed, whatever it travelled in, and its echo, sent from where it lies,
/// once more; while the inbox is moved and its messages are looked at in between.
#[test]
fn what_the_kernel_writes_behind_our_pointers_is_what_we_read() {
    let lengths = [9, 9, 4, 0, 0, 700, 700, 700, 1];
    let pushed: Vec<(Peer, Vec<u8>)> = peers()
        .into_iter()
        .enumerate()
        .flat_map(|(n, peer)| lengths.map(|length| (peer, vec![n as u8; length])))
        .collect();
    for offload in [false, true] {
        let offload = offload && cfg!(any(target_os = "linux", target_os = "android"));
        let (mut kernel, mut outbox) = (Played::default(), Outbox::new());
        for (peer, payload) in &pushed {
            outbox.push(Some(peer), payload);
        }
        assert_eq!(outbox.len(), pushed.len());
        let sent = outbox.flush_by(&mut |e, p| kernel.send(e, p), Lent::default(), offload);
        assert_eq!((sent.datagrams as usize, sent.failed), (pushed.len(), 0));

        let mut inbox = Inbox::new();
        for most in [1, 7, 32] {
            let mut seen = Vec::new();
            let mut answers = Played::default();
            while let Ok(received) = kernel.receive(&mut inbox, None, most, true) {
                let moved = Box::new(inbox);
                outbox.open(moved.lend());
                for (i, message) in (0..received).map(|i| (i, moved.message(i))) {
                    for datagram in message.datagrams() {
                        seen.push((*message.from, datagram.to_vec()));
                        outbox.answer(i, datagram);
                    }
                }
                assert_eq!(outbox.copied(), 0);
                outbox.flush_by(&mut |e, p| answers.send(e, p), moved.lend(), offload);
                inbox = *moved;
            }
            assert_eq!(seen, pushed);
            kernel = answers;
        }
    }
}

/// More than one call takes: the third fits into two calls of 64, in order, and copies are whole.
#[test]
fn more_than_one_call_takes_stays_in_order() {
    let (mut kernel, mut outbox, mut inbox) = (Played::default(), Outbox::new(), Inbox::new());
    let peers = &peers()[..2];
    for n in 0..200_u8 {
        outbox.push(Some(&peers[usize::from(n % 2)]), &[n; 3]);
    }
    outbox.flush_by(&mut |e, p| kernel.send(e, p), Lent::default(), true);
    let mut expected = 0..200_u8;
    while let Ok(received) = kernel.receive(&mut inbox, None, 32, false) {
        for (message, n) in (0..received).map(|i| inbox.message(i)).zip(&mut expected) {
            assert_eq!((message.bytes, message.from.local), (&[n; 3][..], None));
        }
    }
    assert!(expected.is_empty());
}

/// A datagram longer than a slot is cut, and the next one is not.
#[test]
fn a_slot_holds_what_it_can() {
    let (mut kernel, mut outbox, mut inbox) = (Played::default(), Outbox::new(), Inbox::new());
    let lengths = [SLOT + 1, SLOT];
    for length in lengths {
        outbox.push(None, &vec![length as u8; length]);
    }
    outbox.flush_by(&mut |e, p| kernel.send(e, p), Lent::default(), false);
    assert_eq!(kernel.receive(&mut inbox, None, 32, false).unwrap(), 2);
    for (i, length) in lengths.into_iter().enumerate() {
        let message = inbox.message(i);
        assert_eq!(message.truncated, length > SLOT);
        assert!(message.bytes == vec![length as u8; SLOT]);
    }
}

/// Of a socket that only one peer can have sent to, no name is asked for; and the next socket's senders are told
/// again, also by the headers that were not used meanwhile.
#[test]
fn a_peer_that_is_known_is_not_asked_for() {
    let (mut outbox, mut inbox) = (Outbox::new(), Inbox::new());
    for (round, peer) in peers().into_iter().enumerate() {
        for (n, known) in [None, Some(&peer.address)].into_iter().enumerate() {
            let mut kernel = Played::default();
            for length in [3, 0, 700] {
                outbox.push(Some(&peer), &vec![round as u8; length]);
            }
            outbox.flush_by(&mut |e, p| kernel.send(e, p), Lent::default(), false);
            let moved = Box::new(inbox);
            inbox = *moved;
            assert_eq!(kernel.receive(&mut inbox, known, 1 + 31 * n, true).unwrap(), 1 + 2 * n);
            for (i, length) in [3, 0, 700].into_iter().enumerate().take(1 + 2 * n) {
                let message = inbox.message(i);
                assert_eq!((message.from, message.bytes), (&peer, &vec![round as u8; length][..]));
            }
        }
    }
}
