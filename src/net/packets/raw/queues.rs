//! What the kernel holds for a stream, and what a plain read doesn't say of it.

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, c_ulong};

/// Reads from a Unix stream. The flag tells that the read has stopped behind descriptors that the peer passed
/// along, unix(7), with perhaps more bytes in line. The descriptors themselves are closed by the kernel.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn read_unix(stream: &impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut message = super::control::empty_header();
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    let socket = stream.as_fd().as_raw_fd();
    // SAFETY: the one part is `buffer`, borrowed until after the call, and its length.
    let read = super::checked(|| unsafe { libc::recvmsg(socket, &raw mut message, 0) })?;
    Ok((read, message.msg_flags & libc::MSG_CTRUNC != 0))
}

/// Bytes that have arrived and that nobody has read, `FIONREAD`. `None` if that can't be told.
pub(crate) fn unread(stream: &impl AsFd) -> Option<usize> {
    ask(stream, libc::FIONREAD as c_ulong)
}

/// Bytes that were sent and that the peer's kernel has not acknowledged yet, tcp(7) `SIOCOUTQ`: those that
/// only we can still deliver. A shut direction counts as one more. `None` if that can't be told.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn unacknowledged(stream: &impl AsFd) -> Option<usize> {
    ask(stream, libc::TIOCOUTQ as c_ulong) // SIOCOUTQ is another name for it.
}

/// The same where it is an option of the socket, `SO_NWRITE`.
#[cfg(target_vendor = "apple")]
pub(crate) fn unacknowledged(stream: &impl AsFd) -> Option<usize> {
    let (mut bytes, mut length): (c_int, _) = (0, size_of::<c_int>() as libc::socklen_t);
    // SAFETY: the kernel writes an int to `bytes`, and its length to `length`.
    let result = unsafe {
        let (bytes, length) = ((&raw mut bytes).cast(), &raw mut length);
        let socket = stream.as_fd().as_raw_fd();
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_NWRITE, bytes, length)
    };
    usize::try_from(bytes).ok().filter(|_| result == 0)
}

/// Not known here: the peer's end is waited for.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn unacknowledged(_stream: &impl AsFd) -> Option<usize> {
    None
}

fn ask(stream: &impl AsFd, request: c_ulong) -> Option<usize> {
    let mut bytes: c_int = 0;
    // SAFETY: both requests write an int to where the third argument points.
    let result = unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), request as _, &raw mut bytes) };
    usize::try_from(bytes).ok().filter(|_| result == 0)
}
