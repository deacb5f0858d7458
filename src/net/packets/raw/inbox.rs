//! Where datagrams arrive.

use std::io;
use std::iter;
use std::mem::{self, size_of};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::ptr;

#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::mmsghdr;
use libc::{iovec, msghdr};

use super::control::Control;
use super::envelope::{Envelope, Extra};
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use super::mmsghdr;
use super::name::Name;
use crate::net::packets::{Lent, SLOT, SLOTS, STRIDE};
use crate::values::{Address, Buffer, Cast, Peer};

/// A batch of received messages, each in a slot of its own. One serves all sockets of a reactor.
///
/// ```text
///   headers[i] ──▶ parts[i] ──▶ arena[i * STRIDE ..]         the bytes
///       └────────▶ envelopes[i] ──▶ senders[i], extras[i]    who, and what the kernel adds
/// ```
///
/// The pointers are set once, each made of the raw beginning of its vector. From then on only the kernel
/// writes there: a `&mut` to any of it would end them. Of the headers only what the kernel has overwritten
/// is put right again, for as many as it has used: a batch of one pays for one.
pub(crate) struct Inbox {
    headers: Vec<mmsghdr>,
    /// Never touched again; `headers` point to it.
    _parts: Vec<iovec>,
    envelopes: Vec<Envelope>,
    /// The raw beginning of `envelopes`.
    first_envelope: *mut Envelope,
    senders: Vec<Peer>,
    extras: Vec<Extra>,
    arena: Buffer,
    /// How many messages there are.
    received: usize,
    /// Whether the headers offer room for control messages.
    control: bool,
    /// Whether they offer room for the senders' names.
    names: bool,
    /// Whether the messages received last are all the first sender's.
    from_one: bool,
    /// How many headers have to be told their lengths again.
    stale: usize,
}

// SAFETY: `first_envelope` and the pointers in `headers` and `_parts` lead only to the heap memory of the other fields, which
// stays where it is when the inbox is moved and is used by nobody else.
unsafe impl Send for Inbox {}

impl Inbox {
    /// Reserves addresses for all slots; memory only for what has been received.
    pub(crate) fn new() -> Inbox {
        let mut arena = Buffer::new(SLOTS * STRIDE); // Zero pages from the kernel, not yet touched.
        let mut envelopes = vec![Envelope::new(); SLOTS];
        let base = arena.base();
        let slot = |i| iovec {
            // `wrapping_add`, being safe, stays within the arena as `i` is less than SLOTS.
            iov_base: base.wrapping_add(i * STRIDE).cast(),
            iov_len: SLOT,
        };
        let mut parts: Vec<iovec> = (0..SLOTS).map(slot).collect();
        let (first_envelope, first_part) = (envelopes.as_mut_ptr(), parts.as_mut_ptr());
        let header = |i| {
            let envelope = first_envelope.wrapping_add(i);
            // SAFETY: as a msghdr is integers and raw pointers, zero is a value of theirs; and
            // `envelope` points to one of `envelopes`.
            let (mut header, name, control) = unsafe {
                (mem::zeroed::<msghdr>(), &raw mut (*envelope).name, &raw mut (*envelope).control)
            };
            header.msg_name = name.cast();
            header.msg_control = control.cast();
            header.msg_iov = first_part.wrapping_add(i);
            header.msg_iovlen = 1;
            mmsghdr { msg_hdr: header, msg_len: 0 }
        };
        let headers = (0..SLOTS).map(header).collect();
        Inbox {
            headers,
            _parts: parts,
            envelopes,
            first_envelope,
            senders: vec![Peer::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))); SLOTS],
            extras: vec![Extra::NONE; SLOTS],
            arena,
            received: 0,
            control: false,
            names: true,
            from_one: false,
            stale: SLOTS,
        }
    }

    /// Receives up to `most` messages (at least one, at most 32) with one system call, which does not
    /// wait. Messages received before are gone. Returns how many; an error is `WouldBlock` if there is
    /// nothing, or an ICMP error that the kernel had to tell, which says nothing about the socket.
    ///
    /// `control` says whether to take control messages: after [`enable_gro`](super::enable_gro) or
    /// [`enable_pktinfo`](super::enable_pktinfo), and never from a Unix socket, whose peers could send
    /// us open descriptors in them, until we have no more. Not taken, they are closed by the kernel.
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        most: usize,
        control: bool,
    ) -> io::Result<usize> {
        // SAFETY: what `receive_by` promises is all that this needs.
        self.receive_by(None, most, control, |headers| unsafe { super::receive(socket, headers) })
    }

    /// The same from a socket that only `peer` can have sent to: nobody's name is asked for, which saves a
    /// twentieth of what a small datagram costs.
    pub(crate) fn receive_from(
        &mut self,
        peer: &Address,
        socket: BorrowedFd<'_>,
        most: usize,
        control: bool,
    ) -> io::Result<usize> {
        // SAFETY: what `receive_by` promises is all that this needs.
        self.receive_by(Some(peer), most, control, |headers| unsafe {
            super::receive(socket, headers)
        })
    }

    /// The same by another call than the system's. The headers that it is given point into the vectors of
    /// this inbox, at places and for lengths that [`new`](Inbox::new) took from them; none of them has
    /// changed its size, and all of them are borrowed by us.
    pub(super) fn receive_by(
        &mut self,
        peer: Option<&Address>,
        most: usize,
        control: bool,
        receive: impl FnOnce(&mut [mmsghdr]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.received = 0;
        self.freshen(control, peer.is_none());
        self.from_one = peer.is_some();
        self.received = receive(&mut self.headers[..most.clamp(1, SLOTS)])?;
        self.stale = self.received;
        if let Some(peer) = peer {
            self.senders[0].address = *peer;
        }
        let envelopes = self.envelopes.iter().zip(&self.headers).take(self.received);
        for (i, (envelope, header)) in envelopes.enumerate() {
            let from = &mut self.senders[if self.from_one { 0 } else { i }];
            self.extras[i] = envelope.read(&header.msg_hdr, from);
        }
        Ok(self.received)
    }

    /// The same without a socket: `receive` puts a datagram at the front of a slot, and says how long it is and
    /// who sent it. `WouldBlock`: there is none.
    pub(crate) fn fill(
        &mut self,
        most: usize,
        mut receive: impl FnMut(&mut [u8]) -> Option<(usize, Peer)>,
    ) -> io::Result<usize> {
        (self.received, self.from_one) = (0, false);
        while self.received < most.clamp(1, SLOTS) {
            let i = self.received;
            let Some((length, from)) = receive(&mut self.arena[i * STRIDE..][..SLOT]) else {
                break;
            };
            assert!(length <= SLOT, "{length} bytes in a slot");
            self.headers[i].msg_len = length as _;
            self.headers[i].msg_hdr.msg_flags = 0;
            (self.senders[i], self.extras[i]) = (from, Extra::NONE);
            self.received += 1;
        }
        if self.received == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(self.received) }
    }

    /// The message `i` of those received last.
    #[inline]
    pub(crate) fn message(&self, i: usize) -> Message<'_> {
        assert!(i < self.received, "message {i} of {}", self.received);
        let (header, extra) = (&self.headers[i], &self.extras[i]);
        // Without its last control messages, it might be a train that looks like one datagram.
        let cut = libc::MSG_TRUNC | if self.control { libc::MSG_CTRUNC } else { 0 };
        let bytes = &self.arena[i * STRIDE..][..header.msg_len as usize];
        Message {
            from: &self.senders[if self.from_one { 0 } else { i }],
            bytes,
            segment: extra.segment.unwrap_or(bytes.len()),
            cast: extra.cast,
            truncated: header.msg_hdr.msg_flags & cut != 0,
        }
    }

    /// The memory that all messages are in, and who has sent them: one by one, or the first one all.
    #[inline]
    pub(crate) fn lend(&self) -> Lent<'_> {
        Lent { arena: &self.arena, senders: &self.senders }
    }

    /// Puts right what the kernel has overwritten.
    fn freshen(&mut self, control: bool, names: bool) {
        if (self.control, self.names) != (control, names) {
            (self.control, self.names) = (control, names);
            self.stale = SLOTS;
            for (i, header) in self.headers.iter_mut().enumerate() {
                let envelope = self.first_envelope.wrapping_add(i);
                // SAFETY: it points to one of `envelopes`, which has as many as there are headers.
                let name = unsafe { &raw mut (*envelope).name };
                header.msg_hdr.msg_name = if names { name.cast() } else { ptr::null_mut() };
            }
        }
        let name = if names { size_of::<Name>() } else { 0 };
        let room = if control { size_of::<Control>() } else { 0 };
        for header in &mut self.headers[..self.stale] {
            header.msg_hdr.msg_namelen = name as _;
            header.msg_hdr.msg_controllen = room as _;
        }
        self.stale = 0;
    }
}

/// A datagram, or a train of them.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// Who sent it.
    pub(crate) from: &'a Peer,
    /// All of its bytes.
    pub(crate) bytes: &'a [u8],
    /// How long each datagram of a train is, except that the last may be shorter.
    pub(crate) segment: usize,
    /// Whether others have got it too.
    pub(crate) cast: Cast,
    /// Whether the datagram was longer than a slot, or more was told of it than there was room for; the
    /// rest is lost.
    pub(crate) truncated: bool,
}

impl<'a> Message<'a> {
    /// The datagrams, as they were sent. At least one, which may be empty.
    #[inline]
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = Some(self.bytes);
        let segment = self.segment;
        iter::from_fn(move || {
            let (first, behind) = rest?.split_at_checked(segment).unwrap_or((rest?, &[]));
            rest = Some(behind).filter(|behind| !behind.is_empty());
            Some(first)
        })
    }
}
