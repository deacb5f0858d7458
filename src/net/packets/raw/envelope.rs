//! What goes with a message besides its bytes: an address, and control messages, cmsg(3).

use std::io::IoSlice;
use std::mem::{self, offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;

use libc::{c_int, msghdr, sockaddr_in, sockaddr_in6, sockaddr_storage, sockaddr_un};

use crate::values::{Address, Cast, Local, Peer, UnixName};

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
            control: Control { aligned: [], bytes: [0; Control::LENGTH] },
            control_length: 0,
            pieces: 0..0,
        }
    }

    /// To `to`, or wherever the socket is connected to; as a train that is cut every `segment` bytes.
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

    /// What `recvmsg` has written here: the sender, in its place; and the rest.
    #[inline]
    pub(super) fn read(&self, header: &msghdr, from: &mut Peer) -> Extra {
        from.address = self.name.get(header.msg_namelen as usize);
        if header.msg_controllen == 0 {
            from.local = None;
            return Extra::NONE;
        }
        let (mut v4, mut v6, mut segment) = (None, None, None);
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

/// A socket address of any kind.
#[derive(Clone, Copy)]
pub(super) union Name {
    any: sockaddr_storage,
    v4: sockaddr_in,
    v6: sockaddr_in6,
    unix: sockaddr_un,
}

const NAME_AT: usize = offset_of!(sockaddr_un, sun_path);

// What follows relies on it: each kind of address is whole inside the storage.
const _: () = assert!(size_of::<Name>() == size_of::<sockaddr_storage>());

impl Name {
    fn new() -> Name {
        // SAFETY: socket addresses are integers and arrays of them: zero is a value of theirs.
        unsafe { mem::zeroed() }
    }

    /// Returns the length.
    fn set(&mut self, address: &Address) -> usize {
        match address {
            Address::Ip(SocketAddr::V4(address)) => {
                *self = Name::new();
                // SAFETY: as in `new`. The field is only written to.
                let name = unsafe { &mut self.v4 };
                name.sin_family = libc::AF_INET as _;
                name.sin_port = address.port().to_be();
                name.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                size_of::<sockaddr_in>()
            }
            Address::Ip(SocketAddr::V6(address)) => {
                *self = Name::new();
                // SAFETY: as in `new`. The field is only written to.
                let name = unsafe { &mut self.v6 };
                name.sin6_family = libc::AF_INET6 as _;
                name.sin6_port = address.port().to_be();
                name.sin6_addr.s6_addr = address.ip().octets();
                name.sin6_flowinfo = address.flowinfo();
                name.sin6_scope_id = address.scope_id();
                size_of::<sockaddr_in6>()
            }
            Address::Unix(name) => {
                *self = Name::new();
                // SAFETY: as in `new`. The field is only written to.
                let field = unsafe { &mut self.unix };
                field.sun_family = libc::AF_UNIX as _;
                for (to, from) in field.sun_path.iter_mut().zip(name.as_bytes()) {
                    *to = *from as _;
                }
                NAME_AT + name.as_bytes().len().min(field.sun_path.len())
            }
        }
    }

    /// The address that the kernel has written, `length` bytes by its own count.
    #[inline]
    fn get(&self, length: usize) -> Address {
        // A Unix socket without a name: nothing at all was written, what is here is from before.
        if length <= NAME_AT {
            return Address::Unix(UnixName::new(b"").expect("it is short"));
        }
        // SAFETY: every field is made of integers, and every byte has had a value since `new`.
        match unsafe { self.any.ss_family } as c_int {
            libc::AF_INET => {
                // SAFETY: as above.
                let name = unsafe { &self.v4 };
                let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
                Address::from(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port))))
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let name = unsafe { &self.v6 };
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                Address::from(SocketAddr::V6(SocketAddrV6::new(
                    ip,
                    u16::from_be(name.sin6_port),
                    name.sin6_flowinfo,
                    name.sin6_scope_id,
                )))
            }
            _ => Address::Unix(self.unix_name(length)),
        }
    }

    fn unix_name(&self, length: usize) -> UnixName {
        // SAFETY: the union has this many bytes, and all have had a value since `new`.
        let bytes = unsafe { &*(&raw const *self).cast::<[u8; size_of::<Name>()]>() };
        // The kernel counts a zero behind a path that fills all of `sun_path`.
        let name = &bytes[NAME_AT..length.min(NAME_AT + UnixName::MAX)];
        let is_path = name[0] != 0;
        let end = name.iter().position(|&byte| is_path && byte == 0).unwrap_or(name.len());
        UnixName::new(&name[..end]).expect("it was cut to what a name can have")
    }
}

/// Room for control messages, one behind the other.
#[repr(C)]
#[derive(Clone)]
pub(super) struct Control {
    aligned: [libc::cmsghdr; 0],
    bytes: [u8; Control::LENGTH],
}

impl Control {
    /// Packet information and a segment size take 64. What else a socket that was made elsewhere may
    /// have switched on, such as time stamps, comes first, and must not crowd out the segment size:
    /// without it a train would look like one long datagram.
    const LENGTH: usize = 256;

    /// Writes one control message at `at`, where the last one ended. Returns how long it is.
    fn put<T: Copy>(&mut self, at: usize, level: c_int, kind: c_int, data: T) -> usize {
        let size = size_of::<T>() as libc::c_uint;
        // SAFETY: these two only calculate.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
        let room = &mut self.bytes[at..at + space as usize];
        let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
        // SAFETY: `room` holds the header and the data; it is aligned, since `at` is a sum of spaces.
        unsafe {
            (*header).cmsg_len = length as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        }
        space as usize
    }

    /// Shows each control message in the first `length` bytes: level, type and data.
    fn each(&self, length: usize, mut see: impl FnMut(c_int, c_int, &[u8])) {
        let mut header = empty_header();
        header.msg_control = self.bytes.as_ptr().cast_mut().cast();
        header.msg_controllen = length.min(Control::LENGTH) as _;
        // SAFETY: the header points to that many bytes, aligned as control messages are.
        let mut next = unsafe { libc::CMSG_FIRSTHDR(&header) };
        while !next.is_null() {
            // SAFETY: both functions return null or a header that is whole within those bytes.
            let (message, data) = unsafe { (&*next, libc::CMSG_DATA(next)) };
            let start = data.addr() - self.bytes.as_ptr().addr();
            let length: usize = message.cmsg_len as _; // The header's and the data's.
            let end = next.addr() - self.bytes.as_ptr().addr() + length;
            if let Some(data) = self.bytes.get(start..end) {
                see(message.cmsg_level, message.cmsg_type, data);
            }
            // SAFETY: as for the first.
            next = unsafe { libc::CMSG_NXTHDR(&header, next) };
        }
    }
}

fn empty_header() -> msghdr {
    // SAFETY: a msghdr is integers and raw pointers: zero is a value of theirs.
    unsafe { mem::zeroed() }
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
    use super::*;

    /// A path may fill `sun_path`; the kernel then counts a zero behind its end.
    #[test]
    fn names_round_trip() {
        let longest = [b'/'; UnixName::MAX];
        let mut name = Name::new();
        for (bytes, extra) in
            [(&longest[..], 1), (&b"/run/s"[..], 1), (&b"\0a\0b"[..], 0), (&b""[..], 0)]
        {
            let address = Address::Unix(UnixName::new(bytes).unwrap());
            let length = name.set(&address) + extra;
            assert_eq!(name.get(length), address);
        }
        for address in ["127.0.0.1:80", "[fe80::1%7]:53", "[::ffff:1.2.3.4]:9"] {
            let address = Address::Ip(address.parse().unwrap());
            let length = name.set(&address);
            assert_eq!(name.get(length), address);
        }
    }

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
