//! What the kernel knows of our connections: TCP_INFO, tcp(7), asked for by sock_diag(7), which needs no
//! descriptor of them. Linux; elsewhere it is unknown.

use std::net::SocketAddr;

/// Of all connections to the server together. Those that other processes of this machine have there can't
/// be told from ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tcp {
    /// Segments that were sent again, in the time that this is about.
    pub(super) retransmitted: u64,
    /// Round trips as the kernel sees them, smoothed, at the end of that time, in nanoseconds: half of the
    /// connections have no more, and none has.
    pub(super) rtt_p50: Option<u64>,
    pub(super) rtt_max: u64,
}

/// All connections at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) connections: usize,
    tcp: Tcp,
}

impl Snapshot {
    /// What has come since then.
    pub(super) fn since(&self, before: &Snapshot) -> Tcp {
        let again = self.tcp.retransmitted.saturating_sub(before.tcp.retransmitted);
        Tcp { retransmitted: again, ..self.tcp }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn snapshot(_server: SocketAddr) -> Option<Snapshot> {
    None
}

/// The connections to this server now.
#[cfg(target_os = "linux")]
pub(super) fn snapshot(server: SocketAddr) -> Option<Snapshot> {
    let mut rtts = Vec::new();
    let mut snapshot = Snapshot::default();
    diag::connections(server, |retransmitted, rtt| {
        snapshot.tcp.retransmitted += u64::from(retransmitted);
        rtts.push(u64::from(rtt) * 1000);
    })
    .ok()?;
    rtts.sort_unstable();
    snapshot.connections = rtts.len();
    snapshot.tcp.rtt_p50 = rtts.get(rtts.len() / 2).copied();
    snapshot.tcp.rtt_max = rtts.last().copied().unwrap_or_default();
    Some(snapshot)
}

/// The kernel's own words, as in linux/inet_diag.h and linux/tcp.h.
#[cfg(target_os = "linux")]
mod diag {
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
    use rustix::net::{recv, sendto, socket_with};

    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const REQUEST_AND_DUMP: u16 = 0x301;
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const TCP: u8 = 6;
    /// That TCP_INFO is asked for, and the attribute that it comes in.
    const WANTED: u8 = 1 << (INFO - 1);
    const INFO: u16 = 2;
    const ESTABLISHED: u32 = 1 << 1;
    /// The header of a message, and what stands behind it before the attributes.
    const HEADER: usize = 16;
    const MESSAGE: usize = 72;
    /// Where in a `tcp_info` these stand: microseconds, segments.
    const RTT: usize = 68;
    const TOTAL_RETRANSMITTED: usize = 100;

    /// Calls this with the retransmissions and the round trip of every connection to that server.
    pub(super) fn connections(
        server: SocketAddr,
        mut each: impl FnMut(u32, u32),
    ) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC;
        let kernel =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        sendto(&kernel, &request(server), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            let (length, _) = recv(&kernel, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = &buffer[..length];
            while rest.len() >= HEADER {
                let length = (u32_at(rest, 0)? as usize).clamp(HEADER, rest.len());
                match u16_at(rest, 4)? {
                    DONE => return Ok(()),
                    ERROR => return Err(io::Error::other("the kernel refused")),
                    _ => one(&rest[HEADER..length], server, &mut each),
                }
                rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            }
        }
    }

    fn request(server: SocketAddr) -> Vec<u8> {
        let family = if server.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let mut bytes = Vec::new();
        bytes.extend(72_u32.to_ne_bytes()); // This header and what follows.
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend(REQUEST_AND_DUMP.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([family as u8, TCP, WANTED, 0]);
        bytes.extend(ESTABLISHED.to_ne_bytes());
        bytes.extend([0; 2]); // From any port,
        bytes.extend(server.port().to_be_bytes()); // to that one.
        bytes.resize(72, 0);
        bytes
    }

    /// One connection: its addresses, and behind them attributes.
    fn one(message: &[u8], server: SocketAddr, each: &mut impl FnMut(u32, u32)) {
        let Some((fixed, mut attributes)) = message.split_at_checked(MESSAGE) else { return };
        let to: IpAddr = match server.is_ipv4() {
            true => IpAddr::from(<[u8; 4]>::try_from(&fixed[24..28]).expect("four bytes")),
            false => IpAddr::from(<[u8; 16]>::try_from(&fixed[24..40]).expect("sixteen bytes")),
        };
        let port = u16::from_be_bytes([fixed[6], fixed[7]]);
        if port != server.port() || (to != server.ip() && !server.ip().is_unspecified()) {
            return;
        }
        while let (Ok(length), Ok(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
            let length = usize::from(length).clamp(4, attributes.len());
            let info = &attributes[4..length];
            if kind == INFO
                && let (Ok(rtt), Ok(again)) = (u32_at(info, RTT), u32_at(info, TOTAL_RETRANSMITTED))
            {
                each(again, rtt);
            }
            attributes = &attributes[length.next_multiple_of(4).min(attributes.len())..];
        }
    }

    fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
        let field = bytes.get(at..at + 4).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(u32::from_ne_bytes(field.try_into().expect("four bytes")))
    }

    fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
        let field = bytes.get(at..at + 2).ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(u16::from_ne_bytes(field.try_into().expect("two bytes")))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    /// Our own connections are found, and a round trip has a time.
    #[test]
    fn the_kernel_knows_our_connections() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(any).unwrap();
            let address = listener.local_addr().unwrap();
            assert_eq!(snapshot(address).unwrap().connections, 0);
            let mut streams: Vec<_> = (0..300)
                .map(|_| (TcpStream::connect(address).unwrap(), listener.accept().unwrap().0))
                .collect();
            for (client, server) in &mut streams {
                client.write_all(b"ping").unwrap();
                server.read_exact(&mut [0; 4]).unwrap();
            }
            let now = snapshot(address).unwrap();
            assert_eq!(now.connections, 300);
            assert!(now.tcp.rtt_p50.unwrap() <= now.tcp.rtt_max && now.tcp.rtt_max > 0, "{now:?}");
        }
    }
}
