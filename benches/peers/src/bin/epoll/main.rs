//! Bare epoll: the system calls an echo cannot do without, and as little as possible around them.
//! It is the limit the others are measured against, not a server to deploy: no fairness between
//! connections, no deadlines, no rate limits.

mod tcp;
mod udp;

use std::io;

fn main() -> io::Result<()> {
    let (mode, address, _) = peers::arguments(&["tcp", "udp", "udp-plain", "udp-train", "udp-gro"]);
    match mode.as_str() {
        "tcp" => tcp::serve(peers::tcp_listener(address)?),
        "udp-plain" => udp::serve_plain(peers::udp_socket(address)?),
        mode => {
            let gro = mode == "udp-gro";
            udp::serve_batches(peers::udp_socket(address)?, gro || mode == "udp-train", gro)
        }
    }
}

/// Turns the -1 of a system call into the error it stands for.
fn check<T: PartialOrd + Default>(result: T) -> io::Result<T> {
    if result < T::default() { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A new epoll instance.
fn epoll_create() -> io::Result<i32> {
    // SAFETY: no pointers.
    check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// Watches `fd`; its events carry the descriptor itself.
fn epoll_add(epoll: i32, fd: i32, interest: i32) -> io::Result<()> {
    let mut event = libc::epoll_event { events: interest as u32, u64: fd as u64 };
    // SAFETY: the event outlives the call.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
}

/// Sleeps until something is ready; an interrupted wait is an empty one.
fn epoll_wait(epoll: i32, events: &mut [libc::epoll_event]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `len` entries.
    match check(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) }) {
        Ok(count) => Ok(count as usize),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}
