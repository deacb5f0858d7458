//! What listens, and what datagrams come by: a socket of the system, or one in memory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry};
use socket2::Socket;

use super::making::{local_address, stop_admitting};
use super::mem::{MemListener, MemSocket};
use super::packets::{Inbox, Lent, Outbox, Sent, is_readable, send_one};
use super::socket::{StreamSocket, watch};
use crate::values::{Address, Id, MemName, Peer};

#[derive(Debug)]
pub(super) enum ListenerSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
    Mem(MemListener),
}

impl ListenerSocket {
    pub(super) fn accept(&self) -> io::Result<StreamSocket> {
        match self {
            ListenerSocket::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok(StreamSocket::Tcp(stream, Some(peer)))
            }
            ListenerSocket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok(StreamSocket::unix(stream))
            }
            ListenerSocket::Mem(listener) => listener.accept().map(StreamSocket::Mem),
        }
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            ListenerSocket::Tcp(listener) => Some(listener.as_fd()),
            ListenerSocket::Unix(listener) => Some(listener.as_fd()),
            ListenerSocket::Mem(_) => None,
        }
    }

    /// Has events told from here on.
    pub(super) fn watch(
        &self,
        registry: &Registry,
        id: Id,
        interest: Interest,
    ) -> io::Result<bool> {
        if let ListenerSocket::Mem(listener) = self {
            listener.watch(id);
        }
        self.descriptor().map_or(Ok(true), |descriptor| watch(registry, descriptor, id, interest))
    }

    /// Whether anybody waits in the backlog.
    pub(super) fn is_readable(&self) -> bool {
        match self {
            ListenerSocket::Mem(listener) => listener.is_readable(),
            _ => self.descriptor().is_some_and(is_readable),
        }
    }

    /// See [`stop_admitting`].
    pub(super) fn stop_admitting(&self) {
        match self {
            ListenerSocket::Mem(listener) => listener.stop_admitting(),
            _ => self.descriptor().iter().for_each(stop_admitting),
        }
    }

    pub(super) fn local(&self) -> Option<Address> {
        match self {
            ListenerSocket::Mem(listener) => Some(Address::Mem(listener.local())),
            _ => local_address(self.descriptor()?).ok(),
        }
    }
}

#[derive(Debug)]
pub(super) enum DatagramSocket {
    System(Socket),
    Mem(MemSocket),
}

impl DatagramSocket {
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            DatagramSocket::System(socket) => Some(socket.as_fd()),
            DatagramSocket::Mem(_) => None,
        }
    }

    /// Has events told from here on.
    pub(super) fn watch(
        &self,
        registry: &Registry,
        id: Id,
        interest: Interest,
    ) -> io::Result<bool> {
        match self {
            DatagramSocket::System(socket) => watch(registry, socket.as_fd(), id, interest),
            DatagramSocket::Mem(socket) => {
                socket.watch(id);
                Ok(true)
            }
        }
    }

    /// Receives a batch, see [`Inbox::receive`]; from the one peer that can have sent it, if that is known.
    #[inline]
    pub(super) fn receive(
        &self,
        inbox: &mut Inbox,
        most: usize,
        control: bool,
        peer: Option<&Address>,
    ) -> io::Result<usize> {
        match self {
            DatagramSocket::System(socket) => match peer {
                Some(peer) => inbox.receive_from(peer, socket.as_fd(), most, control),
                None => inbox.receive(socket.as_fd(), most, control),
            },
            DatagramSocket::Mem(socket) => receive_in_memory(socket, inbox, most),
        }
    }

    /// Sends what was gathered, see [`Outbox::flush`].
    #[inline]
    pub(super) fn flush(&self, outbox: &mut Outbox, lent: Lent<'_>, offload: bool) -> Sent {
        match self {
            DatagramSocket::System(socket) => outbox.flush(socket.as_fd(), lent, offload),
            DatagramSocket::Mem(socket) => flush_in_memory(socket, outbox, lent),
        }
    }

    /// Sends one at once; to wherever the socket is connected, if to nobody.
    pub(super) fn send_one(&self, to: Option<&Peer>, payload: &[u8]) -> io::Result<()> {
        match self {
            DatagramSocket::System(socket) => send_one(socket.as_fd(), to, payload),
            DatagramSocket::Mem(socket) => send_in_memory(socket, to, payload),
        }
    }

    /// Whether something has arrived. In memory nobody needs to know.
    pub(super) fn is_readable(&self) -> bool {
        self.descriptor().is_none_or(is_readable)
    }

    /// See [`stop_admitting`].
    pub(super) fn stop_admitting(&self) {
        match self {
            DatagramSocket::System(socket) => stop_admitting(socket),
            DatagramSocket::Mem(socket) => socket.stop_admitting(),
        }
    }

    pub(super) fn local(&self) -> Option<Address> {
        match self {
            DatagramSocket::System(socket) => local_address(socket.as_fd()).ok(),
            DatagramSocket::Mem(socket) => Some(Address::Mem(socket.local())),
        }
    }
}

#[inline(never)] // Beside the system's own way it would only be in the way.
fn receive_in_memory(socket: &MemSocket, inbox: &mut Inbox, most: usize) -> io::Result<usize> {
    inbox.fill(most, |slot| {
        let (length, from) = socket.receive(slot)?;
        Some((length, Peer::from(Address::Mem(from))))
    })
}

#[inline(never)]
fn flush_in_memory(socket: &MemSocket, outbox: &mut Outbox, lent: Lent<'_>) -> Sent {
    outbox.flush_each(lent, |to, payload| send_in_memory(socket, to, payload))
}

fn send_in_memory(socket: &MemSocket, to: Option<&Peer>, payload: &[u8]) -> io::Result<()> {
    socket.send(to.map(name_of).transpose()?, payload)
}

/// From memory nothing else can be reached.
fn name_of(peer: &Peer) -> io::Result<MemName> {
    match peer.address {
        Address::Mem(name) => Ok(name),
        Address::Ip(_) | Address::Unix(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}
