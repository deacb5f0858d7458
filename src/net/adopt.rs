//! Descriptors that the host already has: each is served as what it is.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use socket2::{SockRef, Socket, Type};

use super::core::Core;
use super::listen::{join_datagrams, prepare_datagrams};
use super::making::{peer_address, set_up_stream};
use super::receiving::{DatagramSocket, ListenerSocket};
use super::socket::StreamSocket;
use super::table::{DatagramSource, Listener, Origin, Source};
use crate::machines::{Connection, Half};
use crate::values::{Act, Address, Cause, Id, ServiceKey};

/// What a descriptor is.
enum Kind {
    /// A pipe, a terminal, a file.
    NoSocket,
    Stream {
        is_listening: bool,
    },
    Datagrams,
    /// Sequenced packets, raw packets.
    Other,
}

fn kind(descriptor: &OwnedFd) -> io::Result<Kind> {
    let socket = SockRef::from(descriptor);
    match socket.r#type() {
        Ok(Type::STREAM) => Ok(Kind::Stream { is_listening: is_listening(&socket)? }),
        Ok(Type::DGRAM) => Ok(Kind::Datagrams),
        Ok(_) => Ok(Kind::Other),
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Ok(Kind::NoSocket),
        Err(error) => Err(error),
    }
}

/// Whether it listens. Apple's systems don't tell; there, one without a peer does.
fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    #[cfg(not(target_vendor = "apple"))]
    return socket.is_listener();
    #[cfg(target_vendor = "apple")]
    return Ok(socket.peer_addr().is_err());
}

fn refused<T>(why: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// Takes a descriptor as a stream.
pub(super) fn adopt(
    core: &mut Core,
    service: ServiceKey,
    descriptor: OwnedFd,
    half: Half,
) -> io::Result<Id> {
    core.check_not_stopped(service)?;
    let socket = match kind(&descriptor)? {
        Kind::NoSocket => file(descriptor)?,
        Kind::Stream { is_listening: false } => stream(core, descriptor)?,
        Kind::Stream { is_listening: true } => {
            return refused("it is a listening socket, which listen_on serves");
        }
        Kind::Datagrams => return refused("it is a datagram socket, which listen_on serves"),
        Kind::Other => return refused("it is a socket with packets, and not a stream"),
    };
    core.insert_stream(service, Connection::half(socket, half), Origin::Adopted)
}

/// A stream that is no socket, non-blocking. Files never say that they would block, open(2), and so
/// a process that shares one with us is spared a flag.
fn file(descriptor: OwnedFd) -> io::Result<StreamSocket> {
    let file = File::from(descriptor);
    if !file.metadata()?.is_file() {
        SockRef::from(&file).set_nonblocking(true)?;
    }
    Ok(StreamSocket::File(file))
}

/// A connected socket, with the options that one of our own has.
fn stream(core: &Core, descriptor: OwnedFd) -> io::Result<StreamSocket> {
    let socket = Socket::from(descriptor);
    socket.set_nonblocking(true)?;
    if is_internet(&socket)? {
        set_up_stream(&socket, &core.config)?;
        let peer = match peer_address(socket.as_fd()) {
            Ok(Address::Ip(address)) => Some(address),
            _ => None,
        };
        return Ok(StreamSocket::Tcp(mio::net::TcpStream::from_std(socket.into()), peer));
    }
    Ok(StreamSocket::unix(mio::net::UnixStream::from_std(socket.into())))
}

/// Gives a connection away: nothing here knows its descriptor any more. Returns whose it was, too.
pub(super) fn detach(core: &mut Core, id: Id) -> io::Result<(ServiceKey, OwnedFd)> {
    if core.table.stream(id).is_some_and(|stream| stream.gathered > 0) {
        core.write_gathered();
    }
    let Some(entry) = core.table.get(id) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has gone"));
    };
    let (service, is_counted) = (entry.service, !entry.is_background);
    let (connection, origin) = match &entry.source {
        Source::Stream(stream) => (&stream.connection, stream.origin),
        Source::Dial(_) | Source::Proxied(_) => return refused("it is still being made"),
        Source::Listener(_) | Source::Datagram(_) => return refused("it is not a connection"),
    };
    let descriptor = connection.stream().descriptor();
    if descriptor.is_none() {
        return refused("it is in memory, and has no descriptor");
    }
    if let Some(why) = connection.holds() {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
    }
    if origin != Origin::Adopted {
        core.deregister(descriptor); // Those are when they are forgotten.
    }
    core.roster.join(service); // It must not go before it has been told.
    let Some(Source::Stream(stream)) = core.forget(id).map(|entry| entry.source) else {
        unreachable!("it was there");
    };
    log::debug!("{id} is given away");
    core.watch.note(id, || Act::Gone(Cause::Detached.kind()));
    if is_counted {
        core.statistics.closed.count(&Cause::Detached);
    }
    let descriptor = stream.connection.into_stream().into_descriptor();
    Ok((service, descriptor.expect("it had one")))
}

/// Serves a socket that listens, or one for datagrams.
pub(super) fn listen_on(
    core: &mut Core,
    service: ServiceKey,
    descriptor: OwnedFd,
) -> io::Result<Id> {
    core.check_going(service)?;
    let source = match kind(&descriptor)? {
        Kind::Stream { is_listening: true } => listener(core, descriptor)?,
        Kind::Datagrams => datagrams(core, descriptor)?,
        Kind::Stream { is_listening: false } => {
            return refused("the socket doesn't listen; a connection is taken by adopt");
        }
        Kind::NoSocket => return refused("it is not a socket"),
        Kind::Other => return refused("it is a socket of a kind that can't be served"),
    };
    let (id, _) = core.insert(service, source)?;
    log::debug!("{id} listens on a socket that was there");
    Ok(id)
}

fn listener(core: &Core, descriptor: OwnedFd) -> io::Result<Source> {
    let socket = Socket::from(descriptor);
    socket.set_nonblocking(true)?;
    let socket = if is_internet(&socket)? {
        set_up_stream(&socket, &core.config)?; // Those it accepts inherit it.
        ListenerSocket::Tcp(mio::net::TcpListener::from_std(socket.into()))
    } else {
        ListenerSocket::Unix(mio::net::UnixListener::from_std(socket.into()))
    };
    Ok(Source::Listener(Box::new(Listener { is_adopted: true, ..Listener::new(socket) })))
}

fn datagrams(core: &Core, descriptor: OwnedFd) -> io::Result<Source> {
    let socket = Socket::from(descriptor);
    socket.set_nonblocking(true)?;
    let is_udp = is_internet(&socket)?;
    let connected = peer_address(socket.as_fd()).ok();
    let bound = match connected {
        Some(_) if is_udp => {
            join_datagrams(&socket, core);
            None
        }
        Some(_) => None,
        None => Some(prepare_datagrams(&socket, core)?),
    };
    Ok(Source::Datagram(Box::new(DatagramSource {
        bound,
        connected,
        is_adopted: true,
        ..DatagramSource::new(DatagramSocket::System(socket), is_udp, core.config.offload)
    })))
}

fn is_internet(socket: &Socket) -> io::Result<bool> {
    Ok(socket.local_addr()?.as_socket().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_nonblocking_once_adopted(descriptor: impl Into<OwnedFd>) -> bool {
        let descriptor = descriptor.into();
        let shared = descriptor.try_clone().unwrap();
        let _adopted = file(descriptor).unwrap();
        SockRef::from(&shared).nonblocking().unwrap()
    }

    #[test]
    fn the_flags_of_a_shared_file_stay_as_they_are() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(is_nonblocking_once_adopted(reader));
        assert!(is_nonblocking_once_adopted(writer));
        assert!(!is_nonblocking_once_adopted(tempfile::tempfile().unwrap()));
    }
}
