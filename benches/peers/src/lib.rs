//! What every peer does before its own loop starts, so that they differ in the loop alone.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Socket, Type};

/// Size of a read buffer: one full-sized datagram, and what echoloop itself reads with.
pub const BUFFER: usize = 64 * 1024;

/// Pending connections. The kernel lowers it to `net.core.somaxconn`.
pub const BACKLOG: i32 = 4096;

/// The mode, which must be one of `modes`, the address, and an optional word that only some peers
/// know. Raises the descriptor limit on the way. A wrong command line ends the process.
pub fn arguments(modes: &[&str]) -> (String, SocketAddr, Option<String>) {
    raise_descriptor_limit();
    let mut words = std::env::args().skip(1);
    let mode = words.next().filter(|mode| modes.contains(&mode.as_str()));
    let address = words.next().and_then(|word| word.parse().ok());
    match (mode, address) {
        (Some(mode), Some(address)) => (mode, address, words.next()),
        _ => {
            eprintln!("usage: {} {} ADDRESS:PORT", env!("CARGO_PKG_NAME"), modes.join("|"));
            std::process::exit(2);
        }
    }
}

/// Says on standard output where the server can be reached.
pub fn announce(scheme: &str, address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {scheme}://{address}")?;
    out.flush()
}

/// A non-blocking listener, announced. What it accepts inherits TCP_NODELAY on Linux, which saves
/// every peer a system call per connection.
pub fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    announce("tcp", listener.local_addr()?)?;
    Ok(listener)
}

/// A non-blocking datagram socket, announced.
pub fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    announce("udp", socket.local_addr()?)?;
    Ok(socket)
}

/// Soft limit up to the hard limit, which is returned: ten thousand connections need as many
/// descriptors.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write the struct they are given.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
    limit.rlim_cur
}
