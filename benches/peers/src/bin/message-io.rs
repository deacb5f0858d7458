//! message-io, by its network half alone: the node around it adds a second thread and a lock.
//! The library keeps its sockets to itself and sends by retrying until all is gone, so a peer that
//! does not read keeps the whole server busy; nothing outside can change that.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use message_io::network::{self, NetEvent, Transport};
use socket2::SockRef;

fn main() -> io::Result<()> {
    let (mode, address, _) = peers::arguments(&["tcp", "udp"]);
    let transport = if mode == "tcp" { Transport::Tcp } else { Transport::Udp };
    let (controller, mut processor) = network::split();
    let (_, address) = controller.listen(transport, address)?;
    if mode == "tcp" {
        adjust_listener(address)?;
    }
    peers::announce(&mode, address)?;
    loop {
        processor.process_poll_event(None, |event| {
            if let NetEvent::Message(endpoint, input) = event {
                controller.send(endpoint, input);
            }
        });
    }
}

/// Gives the hidden listener the settings all others have: TCP_NODELAY, which accepted connections
/// inherit, and the longer backlog.
fn adjust_listener(address: SocketAddr) -> io::Result<()> {
    for fd in 3..64 {
        // SAFETY: a number that is no open descriptor only makes the calls below fail.
        let descriptor = unsafe { BorrowedFd::borrow_raw(fd) };
        let socket = SockRef::from(&descriptor);
        if socket.local_addr().is_ok_and(|bound| bound.as_socket() == Some(address)) {
            socket.set_tcp_nodelay(true)?;
            return socket.listen(peers::BACKLOG);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
