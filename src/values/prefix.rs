//! A range of internet addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`. A bare address is
/// itself alone. Bits behind the length are ignored and shown as zero.
///
/// The families are apart: `0.0.0.0/0` is all of IPv4, `::/0` all of IPv6. An IPv4 address in its
/// IPv6 clothes (`::ffff:10.1.2.3`, RFC 4291 section 2.5.5.2) is the IPv4 address, on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// Whether the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.length) == self.address
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was no [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixError {
    text: String,
    why: String,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.text, self.why)
    }
}

impl std::error::Error for PrefixError {}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        parse(text).map_err(|why| PrefixError { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Prefix, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("{address:?} is not an address, expected one like 10.0.0.0/8"))?;
    let full = full_length(address);
    let length = match length {
        Some(length) => parse_length(length)
            .filter(|&length| length <= full)
            .ok_or_else(|| format!("length {length:?} is not a number from 0 to {full}"))?,
        None => full,
    };
    let address = masked(address, length);
    // A range that lies within the mapped addresses is an IPv4 range.
    Ok(match address.to_canonical() {
        IpAddr::V4(mapped) if full == 128 && length >= 96 => {
            Prefix { address: IpAddr::V4(mapped), length: length - 96 }
        }
        _ => Prefix { address, length },
    })
}

fn parse_length(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()); // `u8` itself would take "+8".
    digits.then(|| text.parse().ok()).flatten()
}

fn full_length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first `length` bits of the address, zeros behind them.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    let cut = u32::from(full_length(address) - length);
    // Shifting by the whole width is what a length of 0 asks for, and what `<<` refuses.
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(cut).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(cut).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn holds(prefix: &str, address: &str) -> bool {
        prefix.parse::<Prefix>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_prefix_holds_what_begins_like_it() {
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("10.0.0.1", "10.0.0.1") && !holds("10.0.0.1", "10.0.0.0"));
        assert!(holds("::1/128", "::1") && !holds("::1/128", "::2"));
        assert!(holds("fe80::/10", "febf::1") && !holds("fe80::/10", "fec0::"));
        assert!(holds("192.168.1.128/25", "192.168.1.255"));
        assert!(!holds("192.168.1.128/25", "192.168.1.127"));
    }

    #[test]
    fn length_zero_is_the_whole_family_and_no_more() {
        assert!(holds("0.0.0.0/0", "255.1.2.3") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "ffff::1") && !holds("::/0", "1.2.3.4"));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!holds("::/0", "::ffff:10.1.2.3"));
        assert_eq!("::ffff:10.9.0.0/104".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("::ffff:0:0/96".parse::<Prefix>().unwrap().to_string(), "0.0.0.0/0");
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        for (text, why) in [
            ("", r#""" is not an address, expected one like 10.0.0.0/8"#),
            ("10/8", r#""10" is not an address, expected one like 10.0.0.0/8"#),
            ("10.0.0.0/33", r#"length "33" is not a number from 0 to 32"#),
            ("10.0.0.0/", r#"length "" is not a number from 0 to 32"#),
            ("::/+8", r#"length "+8" is not a number from 0 to 128"#),
            ("::/129", r#"length "129" is not a number from 0 to 128"#),
        ] {
            let error = text.parse::<Prefix>().unwrap_err().to_string();
            assert_eq!(error, format!("{text:?}: {why}"));
        }
    }

    proptest! {
        #[test]
        fn a_prefix_holds_its_own_addresses_and_parses_again(bits: u128, length in 0u8..=128) {
            for (address, length) in [
                (IpAddr::from(Ipv6Addr::from_bits(bits)), length),
                (IpAddr::from(Ipv4Addr::from_bits(bits as u32)), length.min(32)),
            ] {
                let prefix: Prefix = format!("{address}/{length}").parse().unwrap();
                prop_assert!(prefix.contains(address));
                prop_assert_eq!(prefix.to_string().parse(), Ok(prefix));
            }
        }
    }
}
