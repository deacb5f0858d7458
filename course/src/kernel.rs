//! What the kernel knows of a process and of a connection: `/proc`, so Linux only.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::Duration;
use std::{fs, io};

/// Its address space and its resident memory, in bytes.
pub fn memory(pid: u32) -> io::Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
            * 1024
    };
    Ok((field("VmSize:"), field("VmRSS:")))
}

/// How many threads it has.
pub fn threads(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

/// How many descriptors below this one it has open.
pub fn descriptors(pid: u32, most: u32) -> io::Result<usize> {
    let open = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let numbers = open.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    Ok(numbers.filter(|&number| number < most).count())
}

/// The processor time of all its threads.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while we look.
        if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
            nanoseconds += text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// `R` is running, `S` asleep, `T` stopped, `Z` ended: proc_pid_stat(5).
pub fn state(pid: u32) -> io::Result<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind_name = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    behind_name.ok_or_else(|| io::Error::other(format!("cannot understand /proc/{pid}/stat")))
}

/// The system call that its main thread sleeps in, and on which descriptor.
pub fn system_call(pid: u32) -> Option<(&'static str, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let mut words = text.split_whitespace();
    let number: u32 = words.next()?.parse().ok()?;
    let descriptor = u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    Some((system_call_name(number)?, descriptor))
}

#[cfg(target_arch = "x86_64")]
fn system_call_name(number: u32) -> Option<&'static str> {
    const NAMES: [(u32, &str); 9] = [
        (0, "read"),
        (271, "poll"),
        (7, "poll"),
        (44, "sendto"),
        (45, "recvfrom"),
        (43, "accept"),
        (288, "accept"),
        (232, "epoll_wait"),
        (281, "epoll_wait"),
    ];
    NAMES.iter().find(|it| it.0 == number).map(|it| it.1)
}

#[cfg(not(target_arch = "x86_64"))]
fn system_call_name(number: u32) -> Option<&'static str> {
    const NAMES: [(u32, &str); 7] = [
        (63, "read"),
        (73, "poll"),
        (206, "sendto"),
        (207, "recvfrom"),
        (202, "accept"),
        (242, "accept"),
        (22, "epoll_wait"),
    ];
    NAMES.iter().find(|it| it.0 == number).map(|it| it.1)
}

/// One end of a TCP connection, or a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// One of the constants below, or another number of the kernel's.
    pub state: u8,
    /// Bytes sent that the other end's kernel has not acknowledged.
    pub unacknowledged: usize,
    /// Bytes arrived that the program has not read. For a listener: clients that wait to be accepted.
    pub unread: usize,
    inode: u64,
}

/// Both directions are open.
pub const ESTABLISHED: u8 = 1;
/// The other end has sent its last byte.
pub const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;

/// The name of the state that this end of a connection is in: tcp(7), RFC 9293.
pub fn state_name(end: Option<End>) -> &'static str {
    match end.map(|end| end.state) {
        Some(ESTABLISHED) => "ESTABLISHED",
        Some(4) => "FIN_WAIT1",
        Some(5) => "FIN_WAIT2",
        Some(6) => "TIME_WAIT",
        Some(CLOSE_WAIT) => "CLOSE_WAIT",
        Some(9) => "LAST_ACK",
        Some(11) => "CLOSING",
        Some(_) => "another state",
        None => "gone",
    }
}

/// This end of the connection, if the kernel still has it: proc_net_tcp(5).
pub fn end(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<End>> {
    find(local.port(), |it_local, it_remote, _| it_local == local && it_remote == remote)
}

/// This end and the other one, at the same time, if both are on this machine.
pub fn both_ends(local: SocketAddr, remote: SocketAddr) -> io::Result<Option<(End, End)>> {
    let (mut ours, mut others) = (None, None);
    find(local.port(), |it_local, it_remote, end| {
        if (it_local, it_remote) == (local, remote) {
            ours = Some(end);
        } else if (it_local, it_remote) == (remote, local) {
            others = Some(end);
        }
        ours.is_some() && others.is_some()
    })?;
    Ok(ours.zip(others))
}

/// What all connections of a listener have on their way, and what has arrived at its clients. The list
/// is not made at one moment: only when nothing is on its way, the last number is exact.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Bytes that clients have sent and the server's kernel has not acknowledged.
    pub to_the_server: usize,
    /// Bytes that the server has written and its clients' kernels have not acknowledged.
    pub to_clients: usize,
    /// Bytes that clients have not read.
    pub arrived: usize,
}

/// What is under way at a listener whose clients are on this machine.
pub fn traffic(listener: SocketAddr) -> io::Result<Traffic> {
    let mut traffic = Traffic::default();
    find(listener.port(), |local, remote, end| {
        if remote == listener {
            traffic.to_the_server += end.unacknowledged;
            traffic.arrived += end.unread;
        } else if local == listener && end.state != LISTEN {
            traffic.to_clients += end.unacknowledged;
        }
        false
    })?;
    Ok(traffic)
}

/// How many clients wait in the backlog.
pub fn backlog(listener: SocketAddr) -> io::Result<usize> {
    let found = find(listener.port(), |local, _, end| local == listener && end.state == LISTEN)?;
    Ok(found.map_or(0, |end| end.unread))
}

/// The port at the other end of what this descriptor of a process is, if that is a client of the listener.
pub fn remote_port(pid: u32, descriptor: u32, listener: SocketAddr) -> Option<u16> {
    let link = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
    let inode: u64 = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
    let mut port = None;
    find(listener.port(), |_, remote, end| {
        let is_it = end.inode == inode;
        port = port.or(is_it.then_some(remote.port()));
        is_it
    })
    .ok()?;
    port
}

fn find(
    port: u16,
    mut wanted: impl FnMut(SocketAddr, SocketAddr, End) -> bool,
) -> io::Result<Option<End>> {
    let port = format!(":{port:04X} "); // At either end. The other lines may be many.
    for line in fs::read_to_string("/proc/net/tcp")?.lines() {
        if line.contains(&port)
            && let Some((local, remote, end)) = parse(line)
            && wanted(local, remote, end)
        {
            return Ok(Some(end));
        }
    }
    Ok(None)
}

fn parse(line: &str) -> Option<(SocketAddr, SocketAddr, End)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (unacknowledged, unread) = fields.get(4)?.split_once(':')?;
    let end = End {
        state: u8::from_str_radix(fields[3], 16).ok()?,
        unacknowledged: usize::from_str_radix(unacknowledged, 16).ok()?,
        unread: usize::from_str_radix(unread, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
    };
    Some((address(fields[1])?, address(fields[2])?, end))
}

/// `0100007F:1F90`: the address as the machine stores it, the port as one reads it.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = u32::from_str_radix(ip, 16).ok()?.to_ne_bytes();
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddrV4::new(ip.into(), port).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_kernel_tells_what_is_unread() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        assert_eq!(backlog(address).unwrap(), 1);
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(backlog(address).unwrap(), 0);
        client.write_all(b"hello").unwrap();
        server.peek(&mut [0; 5]).unwrap(); // They are here.
        let end = end(address, peer).unwrap().unwrap();
        assert_eq!((end.state, end.unread, end.unacknowledged), (ESTABLISHED, 5, 0));
    }

    #[test]
    fn a_process_is_seen() {
        let pid = std::process::id();
        assert!(threads(pid).unwrap() >= 1 && descriptors(pid, u32::MAX).unwrap() >= 3);
        let (space, resident) = memory(pid).unwrap();
        assert!(space > resident && resident > 0);
    }
}
