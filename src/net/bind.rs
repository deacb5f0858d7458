//! Sockets with an address of their own: listeners, datagram sockets.

use std::io;
use std::net::SocketAddr;

use socket2::{Socket, Type};

pub(super) use super::paths::SocketFile;
use super::paths::bind_unix;
use super::socket::internet_socket;
use super::table::ListenerSocket;
use crate::values::{Config, Endpoint, ReusePort};

/// A bound socket, and the file that goes with it if it has one.
pub(super) struct Bound {
    /// Before the socket, see [`SocketFile`].
    pub(super) file: Option<SocketFile>,
    pub(super) socket: Socket,
}

/// Binds to the endpoint: to the first of its addresses that can be bound.
pub(super) fn bind(endpoint: &Endpoint, config: &Config) -> io::Result<Bound> {
    let kind = if endpoint.is_datagram() { Type::DGRAM } else { Type::STREAM };
    if let Endpoint::Unix(name) | Endpoint::UnixDatagram(name) = endpoint {
        return bind_unix(name, kind, config);
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in endpoint.resolve()? {
        match bind_internet(address, kind, config) {
            Ok(socket) => return Ok(Bound { file: None, socket }),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A socket that is to be [`ReusePort::First`] is bound like one that shares with nobody, so that the kernel
/// itself says whether somebody is there: to look first would be a race. It asks for the option of those that
/// are there when the next one is bound, and so it can be set afterwards.
fn bind_internet(address: SocketAddr, kind: Type, config: &Config) -> io::Result<Socket> {
    let socket = internet_socket(address, kind, config)?;
    if kind == Type::STREAM {
        // A server that is started again must not wait for its old connections to time out.
        socket.set_reuse_address(true)?;
    }
    if config.reuse_port == ReusePort::Join {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    if config.reuse_port == ReusePort::First {
        socket.set_reuse_port(true)?;
    }
    Ok(socket)
}

/// From here on clients that come anew are not taken in, so that none of them is accepted by the
/// kernel, and then reset with the listener. Those that are in the backlog can still be served. Only
/// Linux has this; elsewhere the gap stays open for an instant.
pub(super) fn stop_admitting(listener: &ListenerSocket) {
    #[cfg(target_os = "linux")]
    {
        let listening = socket2::SockRef::from(listener);
        let stopped = match listener {
            // They get no answer, try again, and find nobody. One instruction of the classic packet
            // filter: return 0, keep nothing of the packet.
            ListenerSocket::Tcp(_) => {
                listening.attach_filter(&[socket2::SockFilter::new(libc::BPF_RET as u16, 0, 0, 0)])
            }
            // They are refused.
            ListenerSocket::Unix(_) => listening.shutdown(std::net::Shutdown::Read),
        };
        if let Err(error) = stopped {
            log::debug!("cannot close the backlog: {error}");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = listener;
}
