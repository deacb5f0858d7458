//! Over real sockets, on loopback.

mod udp;
mod unix;

use std::fmt::Debug;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::SockRef;

use super::outbox::Sent;
use super::*;
use crate::values::Peer;

const DEADLINE: Duration = Duration::from_secs(5);

/// Receives `count` datagrams, and makes sure that there are no more.
#[track_caller]
fn collect<S: AsFd + Debug>(socket: &S, count: usize, control: bool) -> Vec<(Peer, Vec<u8>)> {
    let mut inbox = Inbox::new();
    let mut all = Vec::new();
    while all.len() < count {
        wait(socket);
        let messages = inbox.receive(socket.as_fd(), 32, control).unwrap();
        for message in (0..messages).map(|i| inbox.message(i)) {
            assert!(!message.truncated);
            all.extend(message.datagrams().map(|datagram| (*message.from, datagram.to_vec())));
        }
    }
    assert_eq!(all.len(), count);
    let more = inbox.receive(socket.as_fd(), 1, control);
    assert_eq!(more.unwrap_err().kind(), ErrorKind::WouldBlock);
    all
}

/// Until there is something to receive, or the deadline.
#[track_caller]
fn wait<S: AsFd>(socket: &S) {
    let socket = SockRef::from(socket);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.peek(&mut [MaybeUninit::uninit()]).expect("something to receive");
}
