//! Over real sockets, on loopback; and without, where somebody else watches the pointers.

#![cfg_attr(miri, allow(dead_code, unused_imports, reason = "they are for sockets"))]

#[cfg(not(miri))] // Miri has no datagram sockets.
mod known;
mod played;
#[cfg(not(miri))]
mod udp;
#[cfg(not(miri))]
mod unix;

use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::SockRef;

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
    again(|| socket.peek(&mut [MaybeUninit::uninit()])).expect("something to receive");
}

/// The call once more for as long as something interrupts it: what has a time limit is not taken up again
/// by itself when the process has been stopped or frozen for a while, signal(7).
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
