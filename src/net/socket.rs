//! What streams run on.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::making::local_address;
use super::mem::MemStream;
use super::packets;
use crate::machines::Stream;
use crate::values::{Address, Id};

/// A stream of any kind. Its kind lies in a byte of its own: found in a gap of the address, it would have to be
/// worked out at each read and each write.
#[derive(Debug)]
#[repr(u8)]
pub(super) enum StreamSocket {
    /// And its peer. It lies here, where those that have none need no room for it.
    Tcp(TcpStream, Option<SocketAddr>),
    /// The flag tells that the last read may have left something behind, however short it was. The peer is
    /// whom a proxy has told of.
    Unix(UnixStream, bool, Option<Box<SocketAddr>>),
    /// Any other descriptor: a pipe, a terminal, a file.
    File(File),
    /// No descriptor at all.
    Mem(MemStream),
    /// Stands for one that is being made.
    Unmade,
}

impl Read for StreamSocket {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            StreamSocket::Tcp(stream, _) => stream.read(buffer),
            _ => self.read_another(buffer),
        }
    }
}

impl Write for StreamSocket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            StreamSocket::Tcp(stream, _) => stream.write(bytes),
            _ => self.write_another(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other kinds, out of the way of the one that matters most: what they need would have to be made ready at
/// each read and each write of that one too.
impl StreamSocket {
    #[inline(never)]
    fn read_another(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            StreamSocket::Tcp(stream, _) => stream.read(buffer),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            StreamSocket::Unix(stream, stops_short, _) => {
                let (read, has_stopped) = packets::read_unix(stream, buffer)?;
                *stops_short = has_stopped;
                Ok(read)
            }
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            StreamSocket::Unix(stream, stops_short, _) => {
                *stops_short = true;
                stream.read(buffer)
            }
            StreamSocket::File(file) => file.read(buffer),
            StreamSocket::Mem(stream) => plain(stream.read(buffer)),
            StreamSocket::Unmade => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    #[inline(never)]
    fn write_another(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            StreamSocket::Tcp(stream, _) => stream.write(bytes),
            StreamSocket::Unix(stream, ..) => stream.write(bytes),
            StreamSocket::File(file) => file.write(bytes),
            StreamSocket::Mem(stream) => plain(stream.write(bytes)),
            StreamSocket::Unmade => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// The error that has this code. So whoever asks what it is knows that it owns nothing.
#[inline]
fn plain(result: Result<usize, i32>) -> io::Result<usize> {
    result.map_err(io::Error::from_raw_os_error)
}

impl Stream for StreamSocket {
    fn shut_write(&mut self) -> io::Result<bool> {
        match self {
            StreamSocket::Tcp(stream, _) => stream.shutdown(Shutdown::Write)?,
            StreamSocket::Unix(stream, ..) => stream.shutdown(Shutdown::Write)?,
            StreamSocket::Mem(stream) => stream.shut_write()?,
            StreamSocket::File(_) | StreamSocket::Unmade => return Ok(false),
        }
        Ok(true)
    }

    #[inline]
    fn short_read_drains(&self) -> bool {
        use StreamSocket::{Mem, Tcp, Unix};

        matches!(self, Tcp(..) | Unix(_, false, _) | Mem(_))
    }
}

impl StreamSocket {
    /// A Unix stream, or another one that is neither TCP nor a file.
    pub(super) fn unix(stream: UnixStream) -> StreamSocket {
        // Urgent bytes are bytes like any other here too, where there are any.
        let _ = SockRef::from(&stream).set_out_of_band_inline(true);
        StreamSocket::Unix(stream, false, None)
    }

    /// What the system knows it by. In memory nothing does.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            StreamSocket::Tcp(stream, _) => Some(stream.as_fd()),
            StreamSocket::Unix(stream, ..) => Some(stream.as_fd()),
            StreamSocket::File(file) => Some(file.as_fd()),
            StreamSocket::Mem(_) | StreamSocket::Unmade => None,
        }
    }

    /// The descriptor alone. In memory there is none.
    pub(super) fn into_descriptor(self) -> Option<OwnedFd> {
        match self {
            StreamSocket::Tcp(stream, _) => Some(stream.into()),
            StreamSocket::Unix(stream, ..) => Some(stream.into()),
            StreamSocket::File(file) => Some(file.into()),
            StreamSocket::Mem(_) | StreamSocket::Unmade => None,
        }
    }

    /// Has events told from here on. `false`: there will be none, for it is always ready.
    pub(super) fn watch(
        &self,
        registry: &Registry,
        id: Id,
        interest: Interest,
    ) -> io::Result<bool> {
        if let StreamSocket::Mem(stream) = self {
            stream.watch(id);
        }
        self.descriptor().map_or(Ok(true), |descriptor| watch(registry, descriptor, id, interest))
    }

    /// The other end; `None` if it has no address.
    pub(super) fn peer(&self) -> Option<Address> {
        match self {
            StreamSocket::Tcp(_, peer) => peer.map(Address::Ip),
            StreamSocket::Unix(.., peer) => peer.as_deref().copied().map(Address::Ip),
            StreamSocket::Mem(stream) => stream.peer().map(Address::Mem),
            StreamSocket::File(_) | StreamSocket::Unmade => None,
        }
    }

    /// The other end on the internet.
    #[inline]
    pub(super) fn internet_peer(&self) -> Option<SocketAddr> {
        match self {
            StreamSocket::Tcp(_, peer) => *peer,
            StreamSocket::Unix(.., peer) => peer.as_deref().copied(),
            _ => None,
        }
    }

    /// Whether its other end is in this reactor too.
    pub(super) fn is_mem(&self) -> bool {
        matches!(self, StreamSocket::Mem(_))
    }

    /// A proxy has told whose connection it is.
    pub(super) fn set_internet_peer(&mut self, told: Option<SocketAddr>) {
        match self {
            StreamSocket::Tcp(_, peer) => *peer = told,
            StreamSocket::Unix(.., peer) => *peer = told.map(Box::new),
            _ => {}
        }
    }

    /// Our own end.
    pub(super) fn local(&self) -> Option<Address> {
        match self {
            StreamSocket::Mem(stream) => stream.local().map(Address::Mem),
            _ => local_address(self.descriptor()?).ok(),
        }
    }

    /// Bytes that have arrived and that nobody has read. `None` if that can't be told.
    pub(super) fn unread(&self) -> Option<usize> {
        match self {
            StreamSocket::Mem(stream) => Some(stream.unread()),
            _ => packets::unread(&self.descriptor()?),
        }
    }

    /// Bytes that were sent and that the other end has not got, or in a pipe not read. `None` if that
    /// can't be told.
    pub(super) fn unacknowledged(&self) -> Option<usize> {
        match self {
            StreamSocket::Mem(stream) => Some(stream.unacknowledged()),
            StreamSocket::File(_) => self.unread(), // A pipe tells at either end.
            _ => packets::unacknowledged(&self.descriptor()?),
        }
    }

    /// Whether closing can't take anything from the other end that was sent to it.
    pub(super) fn has_delivered(&self) -> bool {
        const END: usize = 1; // It takes a place in TCP's numbers, RFC 9293 section 3.4.
        match self {
            StreamSocket::Tcp(..) => self.unacknowledged().is_some_and(|bytes| bytes <= END),
            // What was sent is the peer's.
            _ => true,
        }
    }

    /// Has the kernel refuse what the other end of a Unix stream sends from here on: what arrived between a last
    /// look and the close would reset it. TCP has no way to say so; there, a reset behind the end that was
    /// acknowledged takes nothing away.
    pub(super) fn refuse_more(&self) {
        if let StreamSocket::Unix(stream, ..) = self
            && let Err(error) = stream.shutdown(Shutdown::Read)
        {
            log::trace!("could not be shut for reading: {error}");
        }
    }

    /// How many bytes can have arrived unread.
    pub(super) fn receive_buffer(&self) -> Option<usize> {
        match self {
            StreamSocket::Mem(stream) => Some(stream.capacity()),
            _ => SockRef::from(&self.descriptor()?).recv_buffer_size().ok(),
        }
    }

    /// Bytes will be lost when it is closed, and the other end has to be told, if it can be.
    pub(super) fn reset_when_closed(&self) {
        match self {
            // Fails if the peer was quicker.
            StreamSocket::Tcp(socket, _) => {
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
            StreamSocket::Mem(stream) => stream.reset_when_closed(),
            StreamSocket::Unix(..) | StreamSocket::File(_) | StreamSocket::Unmade => {}
        }
    }
}

/// Has the poller tell, edge-triggered, what happens to a descriptor. `false`: it doesn't take it, as it
/// doesn't take files, since they are always ready.
pub(super) fn watch(
    registry: &Registry,
    descriptor: BorrowedFd<'_>,
    id: Id,
    interest: Interest,
) -> io::Result<bool> {
    let token = Token(id.to_bits());
    match registry.register(&mut SourceFd(&descriptor.as_raw_fd()), token, interest) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the poller tells of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// Nothing: files it doesn't take, since they are always ready.
    Nothing,
    /// That there is something to read. A Unix socket begins like this, since there each read of the
    /// peer makes room, and each time the poller would tell.
    Input,
    /// That, and that there is room again.
    Both,
}

impl Polled {
    /// At first, of an accepted connection.
    pub(super) fn of_accepted(socket: &StreamSocket) -> Polled {
        match socket {
            StreamSocket::Unix(..) => Polled::Input,
            _ => Polled::Both,
        }
    }
}
