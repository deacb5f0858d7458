//! How sockets are made and set up, and what their addresses are.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use crate::values::{Address, Config, KeepAlive, UnixName};

/// Our own end of the socket.
pub(super) fn local_address(socket: BorrowedFd<'_>) -> io::Result<Address> {
    SockRef::from(&socket).local_addr().map(|address| plain_address(&address))
}

/// The other end of the socket.
pub(super) fn peer_address(socket: BorrowedFd<'_>) -> io::Result<Address> {
    SockRef::from(&socket).peer_addr().map(|address| plain_address(&address))
}

/// The address as the rest of the crate knows it.
fn plain_address(address: &SockAddr) -> Address {
    use std::os::unix::ffi::OsStrExt;

    if let Some(address) = address.as_socket() {
        return Address::Ip(address);
    }
    let name = match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => path.as_os_str().as_bytes().to_vec(),
        (None, Some(name)) => [&[0], name].concat(),
        (None, None) => Vec::new(),
    };
    Address::Unix(UnixName::new(&name).expect("it came from a sockaddr_un"))
}

/// The name as the system wants it.
pub(super) fn unix_address(name: &UnixName) -> io::Result<SockAddr> {
    use std::os::unix::ffi::OsStrExt;

    SockAddr::unix(std::ffi::OsStr::from_bytes(name.as_bytes()))
}

/// A non-blocking internet socket with the options that the configuration asks for. On a listener they
/// are set once, and accepted connections inherit them, which saves their system calls.
pub(super) fn internet_socket(
    address: SocketAddr,
    kind: Type,
    config: &Config,
) -> io::Result<Socket> {
    let is_stream = kind == Type::STREAM;
    let protocol = if is_stream { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if is_stream {
        set_up_stream(&socket, config)?;
    }
    set_buffers(&socket, config)?;
    Ok(socket)
}

/// The options of a TCP socket, or of a listener, from which those that it accepts have them.
pub(super) fn set_up_stream(socket: &Socket, config: &Config) -> io::Result<()> {
    socket.set_tcp_nodelay(config.nodelay)?;
    // Urgent bytes are bytes like any other, as RFC 6093 section 6 asks for.
    socket.set_out_of_band_inline(true)?;
    if let Some(keep_alive) = config.keep_alive {
        socket.set_tcp_keepalive(&system_keep_alive(keep_alive))?;
    }
    Ok(())
}

/// As much of it as the system lets us choose for each socket.
fn system_keep_alive(keep_alive: KeepAlive) -> TcpKeepalive {
    let asked = TcpKeepalive::new().with_time(keep_alive.idle);
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "illumos",
        target_vendor = "apple",
    ))]
    let asked = asked.with_interval(keep_alive.interval).with_retries(keep_alive.probes);
    asked
}

/// A non-blocking Unix socket.
pub(super) fn unix_socket(kind: Type, config: &Config) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    set_buffers(&socket, config)?;
    Ok(socket)
}

/// A socket that could connect to this target, bound if it has to be.
pub(super) fn outgoing_socket(
    target: &Address,
    kind: Type,
    local: Option<SocketAddr>,
    config: &Config,
) -> io::Result<(Socket, SockAddr)> {
    match target {
        Address::Ip(address) => {
            let socket = internet_socket(*address, kind, config)?;
            if let Some(local) = local {
                // The port is chosen when the peer is known, ip(7): each peer has all of them.
                #[cfg(any(target_os = "linux", target_os = "android"))]
                if local.port() == 0 {
                    super::packets::bind_address_no_port(socket.as_fd())?;
                }
                socket.bind(&local.into())?;
            }
            Ok((socket, SockAddr::from(*address)))
        }
        Address::Unix(name) => {
            let socket = unix_socket(kind, config)?;
            if kind == Type::DGRAM {
                // Without a name of its own it would get no answer; Linux chooses one, unix(7).
                socket.bind(&SockAddr::unix("")?)?;
            }
            Ok((socket, unix_address(name)?))
        }
        Address::Mem(_) => Err(io::ErrorKind::InvalidInput.into()), // No socket of the system.
    }
}

/// Accepted TCP sockets inherit this from their listener, Unix ones don't.
pub(super) fn set_buffers(socket: &impl AsFd, config: &Config) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if let Some(size) = config.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    if let Some(size) = config.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    Ok(())
}

/// From here on what comes anew is not taken in, so that no client is accepted by the kernel and then
/// reset with the listener, and no flood of datagrams can put off a stop. What is in line can still be
/// served. Only Linux has this; elsewhere the gap stays open for an instant.
pub(super) fn stop_admitting(socket: &impl AsFd) {
    #[cfg(target_os = "linux")]
    {
        let socket = SockRef::from(socket);
        let stopped = match socket.domain() {
            // They are refused.
            Ok(Domain::UNIX) => socket.shutdown(std::net::Shutdown::Read),
            // They get no answer, try again, and find nobody. One instruction of the classic packet
            // filter: return 0, keep nothing of the packet.
            _ => socket.attach_filter(&[socket2::SockFilter::new(libc::BPF_RET as u16, 0, 0, 0)]),
        };
        if let Err(error) = stopped {
            log::debug!("cannot close the backlog: {error}");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}
