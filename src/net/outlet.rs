//! The outbox, and the one datagram socket that it gathers for.

use std::mem;

use super::packets::{Lent, Outbox, Sent};
use super::receiving::DatagramSocket;
use crate::values::{Id, Peer};

/// Datagrams that wait to leave together, all by the same socket.
///
/// ```text
///   idle ──── open(id) ───▶ gathers for id ◀── ends the loan, flushed ──┐
///    ▲ └───────────────────── lend(id, batch) ──▶ gathers, and may refer to the batch
///    └──────────── take ───────────┘
/// ```
pub(super) struct Outlet {
    outbox: Outbox,
    /// The socket, or none.
    socket: Id,
    /// Whether it may hold pieces of the batch that is being received, which stays as it is until they
    /// have been sent.
    is_lent: bool,
}

impl Outlet {
    pub(super) fn new() -> Outlet {
        Outlet { outbox: Outbox::new(), socket: Id::NONE, is_lent: false }
    }

    /// Whether it gathers for any socket.
    #[inline]
    pub(super) fn is_in_use(&self) -> bool {
        self.socket != Id::NONE
    }

    #[inline]
    pub(super) fn gathers_for(&self, socket: Id) -> bool {
        self.socket == socket
    }

    #[inline]
    pub(super) fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// From here to the next flush it gathers for this socket.
    pub(super) fn open(&mut self, socket: Id) {
        self.socket = socket;
    }

    /// The same, and may refer to what is lent.
    pub(super) fn lend(&mut self, socket: Id, lent: Lent<'_>) {
        self.socket = socket;
        self.outbox.open(lent);
        self.is_lent = true;
    }

    /// It refers to nothing that is lent any more: it has been flushed.
    pub(super) fn end_loan(&mut self) {
        self.is_lent = false;
    }

    pub(super) fn push(&mut self, to: Option<&Peer>, payload: &[u8]) {
        self.outbox.push(to, payload);
    }

    /// To the sender that has this number in what is lent.
    #[inline]
    pub(super) fn answer(&mut self, sender: usize, payload: &[u8]) {
        self.outbox.answer(sender, payload);
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.outbox.is_full()
    }

    /// The socket that it has gathered for, and does no more. `None`: there is nothing to send.
    pub(super) fn take(&mut self) -> Option<Id> {
        let socket = mem::replace(&mut self.socket, Id::NONE);
        (!self.outbox.is_empty()).then_some(socket)
    }

    /// Sends what has been gathered, by the socket that was taken.
    pub(super) fn flush(&mut self, socket: &DatagramSocket, lent: Lent<'_>, offload: bool) -> Sent {
        socket.flush(&mut self.outbox, lent, offload)
    }

    /// Throws it away. Returns how many datagrams there were.
    pub(super) fn discard(&mut self) -> u64 {
        self.outbox.discard()
    }
}
