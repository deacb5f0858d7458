//! Datagrams whose sender is forged: answered, they would set the server upon itself or upon somebody else's.
//! That needs a raw socket, and that a privilege; where there is none they are left out.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use echoloop::Endpoint;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::speech::Dice;
use super::tally::{Tally, add};

/// Some thousand in a minute, enough for each kind and each moment.
const PERIOD: Duration = Duration::from_millis(20);

/// Packets with a header of our own, raw(7).
const IPPROTO_RAW: i32 = 255;

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

/// Sends in the name of others.
pub(crate) struct Forger {
    socket: Socket,
    /// The ports of the server, which it must not answer itself at.
    ports: Vec<u16>,
    sent: Duration,
}

impl Forger {
    /// # Errors
    ///
    /// Above all that it isn't permitted.
    pub(crate) fn new(servers: &[&Endpoint]) -> io::Result<Forger> {
        // A raw socket for UDP would be given a copy of every datagram of the machine; this one only sends, raw(7).
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        let port = |endpoint: &&Endpoint| match endpoint {
            Endpoint::Udp { port, .. } => Some(*port),
            _ => None,
        };
        Ok(Forger {
            socket,
            ports: servers.iter().filter_map(port).collect(),
            sent: Duration::ZERO,
        })
    }

    /// One datagram, if it is time.
    pub(crate) fn send(&mut self, tally: &Tally, dice: &mut Dice, now: Duration) {
        if now.saturating_sub(self.sent) < PERIOD {
            return;
        }
        self.sent = now;
        let to = dice.one_of(&self.ports);
        let from = dice.one_of(&[to, dice.clone().one_of(&self.ports), 0, 7, 19, 53, 1023]);
        let length = dice.one_of(&[0, 1, 16, 512, 1400]);
        // The header tells another length than the datagram has, once in a while: the kernel's to find out.
        let told = 8 + length + dice.one_of(&[0, 0, 0, 0, 9, 60_000]);
        // RFC 791: version and length of the header, time to live, UDP, both addresses; the kernel adds the rest.
        let mut packet = vec![0; 20];
        (packet[0], packet[8], packet[9]) = (0x45, 64, 17);
        packet[12..16].copy_from_slice(&LOOPBACK);
        packet[16..20].copy_from_slice(&LOOPBACK);
        for part in [from, to, told, 0] {
            packet.extend(u16::to_be_bytes(part)); // RFC 768; no checksum.
        }
        packet.resize(packet.len() + usize::from(length), b'\n');
        let server = SockAddr::from(SocketAddr::from((LOOPBACK, 0)));
        if self.socket.send_to(&packet, &server).is_ok() {
            add(&tally.forged, 1);
        }
    }
}
