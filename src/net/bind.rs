//! Sockets with an address of their own: listeners, datagram sockets.

use std::io;
use std::net::SocketAddr;

use socket2::{Socket, Type};

use super::making::internet_socket;
use super::paths::{Bound, bind_unix};
use crate::values::{Config, Endpoint, ReusePort};

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

/// A socket that is to be [`ReusePort::First`] is bound like one that shares with no other, so that the kernel
/// itself says whether another is there: to look first would be a race. It asks for the option of those that
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
