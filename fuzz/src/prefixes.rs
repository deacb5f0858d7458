//! Ranges of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use echoloop::Prefix;

/// Sixteen bytes are an address, and the rest is a text.
pub fn prefixes(input: &[u8]) {
    let Some((bits, text)) = input.split_first_chunk::<16>() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let prefix: Prefix = match text.parse() {
        Ok(prefix) => prefix,
        Err(error) => {
            let words = error.to_string();
            assert!(words.starts_with(&format!("{text:?}: ")) && !words.contains('\n'), "{words}");
            return;
        }
    };
    let shown = prefix.to_string();
    assert_eq!(shown.parse(), Ok(prefix));
    assert_eq!(shown.parse::<Prefix>().map(|it| it.to_string()), Ok(shown));

    // The text once more, by what its own two parts say.
    let (address, length) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().expect("it was taken for one");
    let full = if address.is_ipv4() { 32 } else { 128 };
    let length: u32 = length.map_or(full, |length| length.parse().expect("it was taken for one"));
    assert!(length <= full);
    let [v6, v4] = [
        IpAddr::from(Ipv6Addr::from(*bits)),
        IpAddr::from(Ipv4Addr::from(*bits.last_chunk::<4>().expect("there are more"))),
    ];
    let mut others = vec![address, v6, v4];
    // Neighbours: those that differ in one bit.
    others.extend((0..full).map(|bit| flipped(address, bit)));
    for other in others {
        assert_eq!(prefix.contains(other), is_within(other, address, length), "{other} in {text}");
    }
}

fn flipped(address: IpAddr, bit: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ (1 << bit)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ (1 << bit)).into(),
    }
}

/// Bit by bit. An IPv4 address is what it is in its IPv6 clothes too, and only there do the families meet.
fn is_within(other: IpAddr, address: IpAddr, length: u32) -> bool {
    let (one, mut two) = (mapped(other), mapped(address));
    let is_v4 = |bits: u128| bits >> 32 == 0xffff;
    let length = if address.is_ipv4() { length + 96 } else { length };
    // With the bits behind the length gone, it may be a range within the mapped addresses or one around them.
    two &= u128::MAX.checked_shl(128 - length).unwrap_or(0);
    if is_v4(one) != (is_v4(two) && length >= 96) {
        return false;
    }
    (0..length).all(|bit| (one ^ two) >> (127 - bit) & 1 == 0)
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
