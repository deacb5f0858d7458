//! What the kernel tells of a datagram besides its bytes.

use std::net::{IpAddr, SocketAddr};

use echoloop::internals::told;
use echoloop::{Address, Cast};

use crate::dice::Dice;

/// How long its header is, and what its length is rounded up to: cmsg(3), on 64 bits.
const HEADER: usize = 16;

/// The first byte is the length of the name; the name and the control messages follow.
pub fn control(input: &[u8]) {
    let mut dice = Dice::new(input);
    let length = dice.below(129);
    let (name, control) = (dice.bytes(length), dice.rest());
    let told = told(name, control);

    let control = &control[..control.len().min(256)];
    assert_eq!(told.control, naive(control));
    sender(&told.from.address, name);
    if let Some(local) = told.from.local {
        // An answer can leave from there.
        assert!(!local.ip.is_multicast() && local.ip.to_canonical() != IpAddr::from([255; 4]));
    }
    assert!(told.segment != Some(0));
    let information =
        [(libc::IPPROTO_IP, libc::IP_PKTINFO), (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)];
    let of = |kinds: &[(i32, i32)]| {
        told.control.iter().any(|(level, kind, _)| kinds.contains(&(*level, *kind)))
    };
    if !of(&information) {
        assert_eq!((told.from.local, told.cast), (None, Cast::Unicast));
    }
    if !of(&[(libc::SOL_UDP, libc::UDP_GRO)]) {
        assert_eq!(told.segment, None);
    }
}

/// Level, type and data of those that are whole.
fn naive(control: &[u8]) -> Vec<(i32, i32, Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at + HEADER <= control.len() {
        let number = |from: usize| i32::from_ne_bytes(control[from..from + 4].try_into().unwrap());
        let length = u64::from_ne_bytes(control[at..at + 8].try_into().unwrap());
        let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
        let Some(data) = end.and_then(|end| control.get(at + HEADER..end)) else { break };
        found.push((number(at + 8), number(at + 12), data.to_vec()));
        at += (HEADER + data.len()).next_multiple_of(8);
    }
    found
}

/// The sender is what the family says, read byte by byte.
fn sender(address: &Address, name: &[u8]) {
    let mut bytes = [0; 128];
    bytes[..name.len()].copy_from_slice(name);
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    match address {
        _ if name.len() <= 2 => {
            assert!(matches!(address, Address::Unix(name) if name.is_unnamed()))
        }
        Address::Ip(SocketAddr::V4(address)) => {
            assert_eq!((family, address.port()), (libc::AF_INET, port));
            assert_eq!(address.ip().octets(), bytes[4..8]);
        }
        Address::Ip(SocketAddr::V6(address)) => {
            assert_eq!((family, address.port()), (libc::AF_INET6, port));
            assert_eq!(address.ip().octets(), bytes[8..24]);
            assert_eq!(address.scope_id().to_ne_bytes(), bytes[24..28]);
        }
        Address::Unix(unix) => {
            assert!(![libc::AF_INET, libc::AF_INET6].contains(&family));
            let field = &name[2..name.len().min(110)];
            let end = field.iter().position(|&byte| byte == 0 && field[0] != 0);
            assert_eq!(unix.as_bytes(), &field[..end.unwrap_or(field.len())]);
        }
        Address::Mem(_) => panic!("no kernel knows it"),
    }
}
