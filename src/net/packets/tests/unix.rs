use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use socket2::{MsgHdr, SockRef};

use super::*;
use crate::values::{Address, UnixName};

/// Paths and abstract names can be answered; a socket without a name is seen as that, also if
/// something with a name came before.
#[cfg(target_os = "linux")]
#[test]
fn unix_peers_are_known_by_name() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr as UnixAddr;

    let directory = tempfile::tempdir().unwrap();
    // As long a path as std will bind to.
    let room = 107 - directory.path().as_os_str().len() - 1;
    let (short, long) = (directory.path().join("c"), directory.path().join("x".repeat(room)));
    let server = UnixDatagram::bind(directory.path().join("s")).unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let mine = server.local_addr().unwrap();

    let named = format!("echoloop\0{}", std::process::id());
    let abstractly = UnixAddr::from_abstract_name(&named).unwrap();
    let clients = [
        (UnixDatagram::bind(&long).unwrap(), long.as_os_str().as_encoded_bytes().to_vec()),
        (UnixDatagram::bind(&short).unwrap(), short.as_os_str().as_encoded_bytes().to_vec()),
        (UnixDatagram::bind_addr(&abstractly).unwrap(), [b"\0", named.as_bytes()].concat()),
        (UnixDatagram::unbound().unwrap(), Vec::new()),
    ];
    for (client, _) in &clients {
        client.send_to_addr(b"hello", &mine).unwrap();
    }

    let received = collect(&server, 4, false);
    let mut outbox = Outbox::new();
    for ((_, name), (from, payload)) in clients.iter().zip(&received) {
        assert_eq!(from.address, Address::Unix(UnixName::new(name).unwrap()));
        outbox.push(Some(from), payload);
        outbox.push(Some(from), payload); // Not a train, which here would be one long datagram.
    }
    let sent = outbox.flush(server.as_fd(), Lent::default(), true);
    assert_eq!((sent.datagrams, sent.failed), (6, 2)); // Nothing can be sent to no name.
    for (client, _) in &clients[..3] {
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut buffer = [0; 16];
        assert_eq!([(); 2].map(|()| again(|| client.recv(&mut buffer)).unwrap()), [5, 5]);
    }
}

/// A receiver that does not read costs what is sent to it, nothing else.
#[test]
fn a_full_receiver_is_not_waited_for() {
    let (client, server) = UnixDatagram::pair().unwrap();
    client.set_nonblocking(false).unwrap();
    let mut outbox = Outbox::new();
    for _ in 0..10_000 {
        outbox.push(None, b"more");
    }
    let sent = outbox.flush(client.as_fd(), Lent::default(), false);
    assert!(sent.datagrams > 0 && sent.refused > 0, "{sent:?}");
    assert_eq!((sent.datagrams + sent.refused, sent.failed), (10_000, 0));
    drop(server);
}

/// A descriptor that a peer sends along is closed, not collected.
#[cfg(target_os = "linux")]
#[test]
fn descriptors_sent_to_us_are_not_kept() {
    let (client, server) = UnixDatagram::pair().unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut control = Vec::new(); // cmsg(3), for one descriptor
    control.extend_from_slice(&(size_of::<libc::cmsghdr>() + 4).to_ne_bytes());
    for word in [libc::SOL_SOCKET, libc::SCM_RIGHTS, theirs.as_raw_fd(), 0] {
        control.extend_from_slice(&word.to_ne_bytes());
    }
    let bytes = [IoSlice::new(b"a gift")];
    let message = MsgHdr::<'_, '_, '_>::new().with_buffers(&bytes).with_control(&control);
    SockRef::from(&client).sendmsg(&message, 0).unwrap();
    drop(theirs);

    assert_eq!(collect(&server, 1, false)[0].1, b"a gift");
    assert_eq!(ours.read(&mut [0]).unwrap(), 0); // Nobody holds the other end.
}

/// A Unix datagram longer than a slot is cut, and says so.
#[test]
fn a_longer_datagram_is_known_to_be_cut() {
    let (client, server) = UnixDatagram::pair().unwrap();
    client.send(&[5; SLOT + 1]).unwrap();
    client.send(&[6; SLOT]).unwrap();
    let mut inbox = Inbox::new();
    assert_eq!(inbox.receive(server.as_fd(), 2, false).unwrap(), 2);
    assert!(inbox.message(0).truncated);
    assert_eq!(inbox.message(0).bytes, [5; SLOT]);
    assert!(!inbox.message(1).truncated);
    assert_eq!(inbox.message(1).bytes, [6; SLOT]);
}
