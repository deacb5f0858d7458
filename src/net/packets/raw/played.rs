//! The kernel, played: what the system calls do with the pointers that they are given, in Rust, so that Miri
//! can watch.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ptr::copy_nonoverlapping;
use std::slice;

#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::mmsghdr;
use libc::{c_int, msghdr};

use super::control::Control;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use super::mmsghdr;
use super::{Envelope, Inbox};
use crate::values::Address;

/// A network on which everything that is sent comes back to its sender, who then takes it for the peer's.
#[derive(Default)]
pub(in crate::net::packets) struct Played {
    on_the_way: VecDeque<Carried>,
}

/// A message outside of anybody's memory.
struct Carried {
    name: Vec<u8>,
    control: Control,
    control_length: usize,
    payload: Vec<u8>,
}

impl Played {
    /// Plays sendmmsg(2).
    pub(in crate::net::packets) fn send(
        &mut self,
        envelopes: &[Envelope],
        parts: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        super::send_by(envelopes, parts, |headers, count| {
            for i in 0..count {
                // SAFETY: there are so many headers, and they have been written.
                let header = unsafe { &(*headers.wrapping_add(i)).msg_hdr };
                // SAFETY: `send_by` vouches for where they point.
                self.on_the_way.push_back(unsafe { Carried::collect(header) });
            }
            Ok(count)
        })
    }

    /// Plays recvmmsg(2).
    pub(in crate::net::packets) fn receive(
        &mut self,
        inbox: &mut Inbox,
        from: Option<&Address>,
        most: usize,
        control: bool,
    ) -> io::Result<usize> {
        inbox.receive_by(from, most, control, |headers| {
            if self.on_the_way.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = headers.len().min(self.on_the_way.len());
            for (header, carried) in headers.iter_mut().zip(self.on_the_way.drain(..count)) {
                // SAFETY: `receive_by` vouches for where they point.
                unsafe { carried.deliver(header) };
            }
            Ok(count)
        })
    }
}

impl Carried {
    /// # Safety
    /// The pointers in `header` are valid for reading, for the lengths that go with them.
    unsafe fn collect(header: &msghdr) -> Carried {
        let bytes = |start: *const u8, length: usize| match length {
            0 => Vec::new(), // Perhaps a null pointer.
            // SAFETY: the caller vouches for it.
            _ => unsafe { slice::from_raw_parts(start, length) }.to_vec(),
        };
        let count: usize = header.msg_iovlen as _; // Of another type elsewhere, as those below.
        // SAFETY: the caller vouches for it.
        let parts = (0..count).map(|i| unsafe { *header.msg_iov.wrapping_add(i) });
        // Copied part by part: byte by byte, interpreted, would take minutes.
        let parts: Vec<_> = parts.map(|part| bytes(part.iov_base.cast(), part.iov_len)).collect();
        let mut sent = Control::new();
        let length: usize = header.msg_controllen as _;
        if length > 0 {
            assert!(header.msg_control.cast::<libc::cmsghdr>().is_aligned());
            // SAFETY: the caller vouches for where it points, and no more than a `Control` is ever sent.
            unsafe {
                copy_nonoverlapping(header.msg_control.cast::<u8>(), (&raw mut sent).cast(), length)
            };
        }
        let (control, control_length) = as_received(&sent, length);
        Carried {
            name: bytes(header.msg_name.cast(), header.msg_namelen as usize),
            control,
            control_length,
            payload: parts.concat(),
        }
    }

    /// # Safety
    /// The pointers in `header` are valid for writing, for the lengths that go with them.
    unsafe fn deliver(&self, header: &mut mmsghdr) {
        let message = &mut header.msg_hdr;
        let write = |bytes: *const u8, length: usize, to: *mut u8, room: usize| {
            let length = length.min(room);
            // SAFETY: the caller vouches for where it goes to, and it comes from a slice.
            unsafe { copy_nonoverlapping(bytes, to, length) };
            length
        };
        let (name, room) = (&self.name, message.msg_namelen as usize);
        // Where nobody's name is asked for, there is no place for one.
        assert_eq!(message.msg_name.is_null(), room == 0);
        message.msg_namelen = write(name.as_ptr(), name.len(), message.msg_name.cast(), room) as _;
        let (control, to) = ((&raw const self.control).cast(), message.msg_control.cast());
        let room: usize = message.msg_controllen as _;
        message.msg_controllen = write(control, self.control_length, to, room) as _;
        // SAFETY: the caller vouches for it; there is one part.
        let part = unsafe { *message.msg_iov };
        let payload = &self.payload;
        let taken = write(payload.as_ptr(), payload.len(), part.iov_base.cast(), part.iov_len);
        header.msg_len = taken as _;
        header.msg_hdr.msg_flags = if taken < payload.len() { libc::MSG_TRUNC } else { 0 };
    }
}

/// Control messages as the receiver sees them: a train has its length in another type.
fn as_received(sent: &Control, length: usize) -> (Control, usize) {
    let (mut received, mut at) = (Control::new(), 0);
    sent.each(length, |level, kind, data| {
        at += match (level, kind) {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            (libc::SOL_UDP, libc::UDP_SEGMENT) => {
                let segment = c_int::from(u16::from_ne_bytes(data.try_into().unwrap()));
                received.put(at, libc::SOL_UDP, libc::UDP_GRO, segment)
            }
            _ => match data.len() {
                12 => received.put(at, level, kind, <[u8; 12]>::try_from(data).unwrap()),
                20 => received.put(at, level, kind, <[u8; 20]>::try_from(data).unwrap()),
                other => panic!("packet information of {other} bytes"),
            },
        };
    });
    (received, at)
}
