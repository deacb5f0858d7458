use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

use crate::{check, epoll_add, epoll_create, epoll_wait};

/// Events per wait.
const EVENTS: usize = 1024;

/// Edge-triggered and registered once for both directions. A read that does not fill the buffer
/// has drained the socket, so a message costs one `recv` and one `send`.
const INTEREST: i32 = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;

/// What the kernel refused to take, and how much of that has gone out since. Nearly always empty.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    sent: usize,
}

struct Server {
    epoll: i32,
    listener: TcpListener,
    /// Indexed by descriptor.
    pending: Vec<Pending>,
    buffer: Box<[u8]>,
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    let epoll = epoll_create()?;
    let listening = listener.as_raw_fd();
    // Level-triggered: what one `accept` could not do for want of descriptors is tried again.
    epoll_add(epoll, listening, libc::EPOLLIN)?;
    let buffer = vec![0; peers::BUFFER].into_boxed_slice();
    let mut server = Server { epoll, listener, pending: Vec::new(), buffer };
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS];
    loop {
        let count = epoll_wait(epoll, &mut events)?;
        for event in &events[..count] {
            let fd = event.u64 as i32;
            if fd == listening {
                server.accept();
            } else if !server.echo(fd, event.events as i32 & libc::EPOLLRDHUP != 0) {
                server.pending[fd as usize] = Pending::default();
                // SAFETY: the descriptor is ours and in use nowhere else.
                unsafe { libc::close(fd) };
            }
        }
    }
}

impl Server {
    fn accept(&mut self) {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let listening = self.listener.as_raw_fd();
        // SAFETY: the peer's address is not asked for.
        while let Ok(fd) = check(unsafe { libc::accept4(listening, null_mut(), null_mut(), flags) })
        {
            if self.pending.len() <= fd as usize {
                self.pending.resize_with(fd as usize + 1, Pending::default);
            }
            if epoll_add(self.epoll, fd, INTEREST).is_err() {
                // SAFETY: just accepted, known to nobody.
                unsafe { libc::close(fd) };
            }
        }
    }

    /// Echoes what there is. `false`: the connection is over. While the peer does not read, we do
    /// not either; the event that says it has room again brings us back.
    fn echo(&mut self, fd: i32, ended: bool) -> bool {
        let pending = &mut self.pending[fd as usize];
        loop {
            if !pending.bytes.is_empty() {
                match send(fd, &pending.bytes[pending.sent..]) {
                    Ok(count) => pending.sent += count,
                    Err(error) => return would_block(&error),
                }
                if pending.sent < pending.bytes.len() {
                    continue;
                }
                *pending = Pending::default();
            }
            // SAFETY: the kernel writes at most the length it is told.
            let count = match check(unsafe {
                libc::recv(fd, self.buffer.as_mut_ptr().cast(), self.buffer.len(), 0)
            }) {
                Ok(0) => return false,
                Ok(count) => count as usize,
                Err(error) => return would_block(&error),
            };
            let input = &self.buffer[..count];
            let sent = match send(fd, input) {
                Ok(sent) => sent,
                Err(error) if would_block(&error) => 0,
                Err(_) => return false,
            };
            if sent < count {
                pending.bytes.extend_from_slice(&input[sent..]);
            } else if count < self.buffer.len() && !ended {
                return true;
            }
        }
    }
}

fn send(fd: i32, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads at most the length it is told.
    check(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
        .map(|count| count as usize)
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
