//! The one place with `unsafe` code: the system calls, and the C structures that they read and fill.
//! What it offers is safe to use.

mod control;
mod envelope;
mod inbox;
mod name;
#[cfg(test)]
mod played;
mod queues;
#[cfg(feature = "internals")]
mod told;

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::OnceLock;

use libc::c_int;
#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::mmsghdr;

use super::CHUNK;

pub(super) use envelope::Envelope;
pub(crate) use inbox::{Inbox, Message};
#[cfg(test)]
pub(super) use played::Played;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use queues::read_unix;
pub(crate) use queues::{unacknowledged, unread};
#[cfg(feature = "internals")]
pub use told::{Told, told};

/// What `sendmmsg` and `recvmmsg` take; where they don't exist, the same for our own loops.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[allow(non_camel_case_types, reason = "it stands in for the C type of this name")]
#[repr(C)]
struct mmsghdr {
    msg_hdr: libc::msghdr,
    msg_len: libc::c_uint,
}

/// Sends one message an envelope, each made of its own pieces of `parts`. Returns how many have left;
/// an error is the first one's. An error on a later one is not seen until that is the first.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    envelopes: &[Envelope],
    parts: &[IoSlice<'_>],
) -> io::Result<usize> {
    // SAFETY: what `send_by` promises is all that this needs.
    send_by(envelopes, parts, |headers, count| unsafe { send_headers(socket, headers, count) })
}

/// The same by another call than the system's. It is given so many headers, all of which have been written,
/// at least one. They point into `envelopes` and `parts`, which are borrowed until after the call, for
/// lengths that were taken from them, and each has a piece; sending only reads there, although the C
/// types say `*mut`.
fn send_by(
    envelopes: &[Envelope],
    parts: &[IoSlice<'_>],
    send: impl FnOnce(*mut mmsghdr, usize) -> io::Result<usize>,
) -> io::Result<usize> {
    assert!(!envelopes.is_empty());
    let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; CHUNK];
    let headers = &mut headers[..envelopes.len()];
    for (header, envelope) in headers.iter_mut().zip(envelopes) {
        header.write(mmsghdr { msg_hdr: envelope.header(parts), msg_len: 0 });
    }
    send(headers.as_mut_ptr().cast(), headers.len())
}

/// # Safety
/// `headers` points to `count` valid headers, at least one, whose pointers are valid for reading; each
/// has at least one piece.
unsafe fn send_headers(
    socket: BorrowedFd<'_>,
    headers: *mut mmsghdr,
    count: usize,
) -> io::Result<usize> {
    let socket = socket.as_raw_fd();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if count > 1 {
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: the caller vouches for the headers.
        return checked(|| unsafe { libc::sendmmsg(socket, headers, count as _, flags) as isize });
    }
    // One alone; or one of many, where there is no call for more.
    let _ = count;
    // SAFETY: the caller vouches for the headers, and for where they point.
    let (message, part) = unsafe { (&(*headers).msg_hdr, &*(*headers).msg_hdr.msg_iov) };
    if message.msg_iovlen == 1 && message.msg_controllen == 0 {
        // The kernel has less to fetch: 130 ns of 3,800.
        let (to, length) = (message.msg_name.cast_const().cast(), message.msg_namelen);
        // SAFETY: as above.
        checked(|| unsafe {
            libc::sendto(socket, part.iov_base, part.iov_len, libc::MSG_DONTWAIT, to, length)
        })?;
    } else {
        // SAFETY: as above.
        checked(|| unsafe { libc::sendmsg(socket, message, libc::MSG_DONTWAIT) })?;
    }
    Ok(1)
}

/// Receives one message a header: returns for how many, their `msg_len` is set.
///
/// # Safety
/// The pointers in `headers` are valid for writing, for the lengths that go with them.
unsafe fn receive(socket: BorrowedFd<'_>, headers: &mut [mmsghdr]) -> io::Result<usize> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if headers.len() > 1 {
        let (socket, count) = (socket.as_raw_fd(), headers.len());
        let (headers, flags) = (headers.as_mut_ptr(), libc::MSG_DONTWAIT as _);
        let forever = std::ptr::null_mut(); // It does not wait anyway.
        // SAFETY: there are `count` headers, and the caller vouches for where they point.
        return checked(|| unsafe {
            libc::recvmmsg(socket, headers, count as _, flags, forever) as isize
        });
    }
    for (i, header) in headers.iter_mut().enumerate() {
        // SAFETY: the caller's promise, passed on.
        match unsafe { receive_one(socket, header) } {
            Ok(()) => {}
            Err(_) if i > 0 => return Ok(i), // What is wrong, if anything is, concerns no message.
            Err(error) => return Err(error),
        }
    }
    Ok(headers.len())
}

/// # Safety
/// The pointers in `header` are valid for writing, for the lengths that go with them.
unsafe fn receive_one(socket: BorrowedFd<'_>, header: &mut mmsghdr) -> io::Result<()> {
    let socket = socket.as_raw_fd();
    let message = &raw mut header.msg_hdr;
    // SAFETY: the caller vouches for where `message` points.
    let length = checked(|| unsafe { libc::recvmsg(socket, message, libc::MSG_DONTWAIT) })?;
    header.msg_len = length as libc::c_uint; // At most a slot.
    Ok(())
}

/// The result of a system call, which is made again when a signal has come in between.
fn checked(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(result) = usize::try_from(call()) {
            return Ok(result);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Whether a read or an accept would not have to wait, poll(2). If that can't be told: yes, and the call
/// itself will say.
pub(crate) fn is_readable(socket: BorrowedFd<'_>) -> bool {
    let mut socket = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: there is one `pollfd`, borrowed until after the call, which doesn't wait.
    checked(|| unsafe { libc::poll(&raw mut socket, 1, 0) as isize })
        .map_or(true, |ready| ready > 0)
}

/// Lets the kernel hand over runs of equal datagrams in one piece ([`Message::segment`]).
pub(crate) fn enable_gro(socket: BorrowedFd<'_>) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return unsupported(socket);
}

/// Lets bind(2) with port 0 leave the choice of the port to connect(2), ip(7).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn bind_address_no_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Makes received messages say to which of our addresses they were sent, and whether to others too:
/// `Peer::local`, `Message::cast`.
pub(crate) fn enable_pktinfo(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        // Of IPv4 datagrams on a socket for both families, IPv6's information can't tell broadcasts.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        return Ok(());
    }
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    return set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    return unsupported(socket);
}

/// Whether the kernel knows trains of datagrams: Linux 4.18 and later. One without would ignore the
/// control message and send a train as one long datagram; so this is asked, once, before any is sent.
pub(crate) fn offload_supported() -> bool {
    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    SUPPORTED.get().copied().unwrap_or_else(|| {
        let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .or_else(|_| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)));
        // Without a socket there is no answer: perhaps next time there is a free descriptor.
        probe.is_ok_and(|socket| *SUPPORTED.get_or_init(|| set_segment(socket.as_fd()).is_ok()))
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_segment(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 1200)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use unsupported as set_segment;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn unsupported(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    let length = mem::size_of::<c_int>() as libc::socklen_t;
    let socket = socket.as_raw_fd();
    // SAFETY: the kernel reads an int from `value`.
    checked(|| unsafe {
        libc::setsockopt(socket, level, name, (&raw const value).cast(), length) as isize
    })?;
    Ok(())
}
