//! What goes with a message besides its bytes: an address, and control messages.

use std::io::IoSlice;
use std::mem::offset_of;
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", test))]
use std::net::Ipv4Addr;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use libc::{c_int, msghdr};

use super::control::{Control, empty_header};
use super::name::Name;
use crate::values::{Cast, Local, Peer};

/// The control message that comes with a train.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SEGMENT_SIZE: (c_int, c_int) = (libc::SOL_UDP, libc::UDP_GRO);
/// No such message exists.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEGMENT_SIZE: (c_int, c_int) = (-1, -1);

/// What the kernel tells of a message besides its sender and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Extra {
    /// How long each of its datagrams is, except the last, if it is a train.
    pub(super) segment: Option<usize>,
    pub(super) cast: Cast,
}

impl Extra {
    pub(super) const NONE: Extra = Extra { segment: None, cast: Cast::Unicast };
}

/// Where an answer can leave from, and whether the question was for us alone.
type Destination = (Option<Local>, Cast);

/// The outside of a message. When sending, it also says which pieces of memory are inside.
#[derive(Clone)]
pub(in crate::net::packets) struct Envelope {
    pub(super) name: Name,
    name_length: usize,
    pub(super) control: Control,
    control_length: usize,
    pieces: Range<usize>,
}

impl Envelope {
    pub(in crate::net::packets) fn new() -> Envelope {
        Envelope {
            name: Name::new(),
            name_length: 0,
            control: Control::new(),
            control_length: 0,
            pieces: 0..0,
        }
    }

    /// To `to`, or wherever the socket is connected to; as a train that is cut every `segment` bytes.
    #[inline]
    pub(in crate::net::packets) fn address(
        &mut self,
        to: Option<&Peer>,
        segment: Option<usize>,
        pieces: Range<usize>,
    ) {
        self.name_length = to.map_or(0, |peer| self.name.set(&peer.address));
        self.control_length = 0;
        if let Some(local) = to.and_then(|peer| peer.local) {
            self.leave_from(local);
        }
        if let Some(segment) = segment {
            self.cut_every(segment);
        }
        self.pieces = pieces;
    }

    /// Valid as long as this envelope and `parts` are borrowed.
    pub(super) fn header(&self, parts: &[IoSlice<'_>]) -> msghdr {
        let parts = &parts[self.pieces.clone()];
        assert!(!parts.is_empty(), "an empty datagram is one empty piece");
        let mut header = empty_header();
        if self.name_length > 0 {
            header.msg_name = (&raw const self.name).cast_mut().cast();
            header.msg_namelen = self.name_length as _;
        }
        if self.control_length > 0 {
            header.msg_control = (&raw const self.control).cast_mut().cast();
            header.msg_controllen = self.control_length as _;
        }
        header.msg_iov = parts.as_ptr().cast_mut().cast(); // `IoSlice` is an iovec, says std.
        header.msg_iovlen = parts.len() as _;
        header
    }

    /// What `recvmsg` has written here: the sender, in its place, if it was asked for; and the rest.
    #[inline]
    pub(super) fn read(&self, header: &msghdr, from: &mut Peer) -> Extra {
        if !header.msg_name.is_null() {
            from.address = self.name.get(header.msg_namelen as usize);
        }
        if header.msg_controllen == 0 {
            from.local = None;
            return Extra::NONE;
        }
        #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
        let mut v4 = None;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
        let v4 = None;
        let (mut v6, mut segment) = (None, None);
        self.control.each(header.msg_controllen as _, |level, kind, data| match (level, kind) {
            #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => v4 = destination_v4(data),
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => v6 = destination_v6(data),
            SEGMENT_SIZE => {
                segment = bytes_at(data, 0).map(|int| c_int::from_ne_bytes(int) as usize);
            }
            _ => {}
        });
        let (local, cast) = match (v4, v6) {
            // IPv4 on a socket for both families: IPv4 knows more, and is to be dressed as IPv6.
            (Some((local, cast)), Some(_)) => (local.map(mapped), cast),
            (known, None) | (None, known) => known.unwrap_or((None, Cast::Unicast)),
        };
        from.local = local;
        Extra { segment: segment.filter(|&segment| segment > 0), cast }
    }

    fn leave_from(&mut self, local: Local) {
        match local.ip {
            #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
            IpAddr::V4(ip) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: local.interface as _,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.add(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
            IpAddr::V4(_) => {}
            IpAddr::V6(ip) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    ipi6_ifindex: local.interface as _,
                };
                self.add(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn cut_every(&mut self, segment: usize) {
        self.add(libc::SOL_UDP, libc::UDP_SEGMENT, segment as u16); // A train has at most 65,487 bytes.
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn cut_every(&mut self, _segment: usize) {
        unreachable!("trains are not sent where they are not supported");
    }

    fn add<T: Copy>(&mut self, level: c_int, kind: c_int, data: T) {
        self.control_length += self.control.put(self.control_length, level, kind, data);
    }
}

/// Linux gives two addresses: `ipi_addr` is where it was sent to, `ipi_spec_dst` where to answer from. They
/// differ if the first is a group's or a network's. Others have only the first; there a broadcast to one
/// network can't be told.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn destination_v4(data: &[u8]) -> Option<Destination> {
    let sent_to = Ipv4Addr::from(bytes_at(data, offset_of!(libc::in_pktinfo, ipi_addr))?);
    let own = Ipv4Addr::from(bytes_at(data, offset_of!(libc::in_pktinfo, ipi_spec_dst))?);
    let differ = sent_to != own && !sent_to.is_unspecified() && !own.is_unspecified();
    let cast = match sent_to {
        ip if ip.is_multicast() => Cast::Multicast,
        ip if ip.is_broadcast() || differ => Cast::Broadcast,
        _ => Cast::Unicast,
    };
    let can_answer =
        |ip: &Ipv4Addr| !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast();
    let ip = [own, sent_to].into_iter().find(can_answer);
    Some((ip.map(|ip| Local { ip: ip.into(), interface: 0 }), cast))
}

/// Only a link-local address needs its interface; with another one, routing may choose a better.
fn destination_v6(data: &[u8]) -> Option<Destination> {
    let ip = Ipv6Addr::from(bytes_at::<16>(data, offset_of!(libc::in6_pktinfo, ipi6_addr))?);
    let interface = bytes_at(data, offset_of!(libc::in6_pktinfo, ipi6_ifindex))?;
    let cast = match IpAddr::V6(ip).to_canonical() {
        ip if ip.is_multicast() => Cast::Multicast,
        IpAddr::V4(ip) if ip.is_broadcast() => Cast::Broadcast,
        _ => Cast::Unicast,
    };
    let interface = if ip.is_unicast_link_local() { u32::from_ne_bytes(interface) } else { 0 };
    let local = Local { ip: IpAddr::V6(ip), interface };
    Some(((cast == Cast::Unicast).then_some(local), cast))
}

fn mapped(local: Local) -> Local {
    match local.ip {
        IpAddr::V4(ip) => Local { ip: ip.to_ipv6_mapped().into(), ..local },
        IpAddr::V6(_) => local,
    }
}

fn bytes_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    /// Where a datagram was sent to is where the answer comes from.
    #[test]
    fn local_addresses_round_trip() {
        for ip in ["127.0.0.2", "::1", "fe80::1", "::ffff:127.0.0.1"] {
            let ip: IpAddr = ip.parse().unwrap();
            let interface = if ip.to_string().starts_with("fe80") { 3 } else { 0 };
            let mut peer = Peer::from(SocketAddr::new(ip, 9));
            peer.local = Some(Local { ip, interface });
            let mut envelope = Envelope::new();
            envelope.address(Some(&peer), None, 0..1);
            let mut from = Peer::from(SocketAddr::new(ip, 0));
            let extra = envelope.read(&envelope.header(&[IoSlice::new(b"")]), &mut from);
            assert_eq!((extra.segment, extra.cast, from), (None, Cast::Unicast, peer));
        }
    }

    /// An answer can't leave from a multicast address: the kernel chooses.
    #[test]
    fn a_multicast_destination_is_no_local_address() {
        let mut envelope = Envelope::new();
        let mut peer = Peer::from(SocketAddr::new("::1".parse().unwrap(), 9));
        peer.local = Some(Local { ip: "ff02::1".parse().unwrap(), interface: 3 });
        envelope.address(Some(&peer), None, 0..1);
        let mut from = peer;
        let extra = envelope.read(&envelope.header(&[IoSlice::new(b"")]), &mut from);
        assert_eq!((from.local, extra.cast), (None, Cast::Multicast));
    }

    /// The two addresses of IPv4's packet information differ if many were meant.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_datagram_to_many_is_told_by_its_two_addresses() {
        let read = |sent_to: &str, own: &str, and_v6: bool| {
            let mut envelope = Envelope::new();
            let of = |ip: &str| libc::in_addr {
                s_addr: u32::from_ne_bytes(ip.parse::<Ipv4Addr>().unwrap().octets()),
            };
            let (ipi_addr, ipi_spec_dst) = (of(sent_to), of(own));
            let info = libc::in_pktinfo { ipi_ifindex: 2, ipi_spec_dst, ipi_addr };
            envelope.add(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            if and_v6 {
                let ip = sent_to.parse::<Ipv4Addr>().unwrap().to_ipv6_mapped();
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: ip.octets() },
                    ipi6_ifindex: 2,
                };
                envelope.add(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            envelope.pieces = 0..1;
            let mut from = Peer::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
            let extra = envelope.read(&envelope.header(&[IoSlice::new(b"")]), &mut from);
            (from.local.map(|local| local.ip.to_string()).unwrap_or_default(), extra.cast)
        };
        for (sent_to, own, local, cast) in [
            ("192.0.2.9", "192.0.2.9", "192.0.2.9", Cast::Unicast),
            ("192.0.2.9", "0.0.0.0", "192.0.2.9", Cast::Unicast),
            ("192.0.2.255", "192.0.2.9", "192.0.2.9", Cast::Broadcast),
            ("255.255.255.255", "192.0.2.9", "192.0.2.9", Cast::Broadcast),
            ("224.0.0.1", "192.0.2.9", "192.0.2.9", Cast::Multicast),
            ("224.0.0.1", "0.0.0.0", "", Cast::Multicast),
        ] {
            assert_eq!(read(sent_to, own, false), (local.to_string(), cast));
            let mapped = if local.is_empty() { "" } else { &format!("::ffff:{local}") };
            assert_eq!(read(sent_to, own, true), (mapped.to_string(), cast));
        }
    }
}
