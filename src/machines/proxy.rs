//! What a proxy says before anything else: for whom it speaks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

use crate::values::{PROXY_HEADER, UnixName};

/// How the line of version 1 begins.
const LINE: &[u8] = b"PROXY ";

/// The longest line of version 1, its ending included: section 2.1.
const LONGEST_LINE: usize = 107;

/// How the header of version 2 begins: bytes that no protocol would send, section 2.2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The part of version 2 that is always there: the signature, a byte for version and command, one for family
/// and protocol, and the length of the rest.
const FIXED: usize = 16;

/// Whom a connection comes from, by the word of the proxy that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The proxy itself, which looks whether we are there.
    Proxy,
    /// A client whose address the proxy doesn't tell.
    Unknown,
    /// An internet address.
    Ip(SocketAddr),
    /// A Unix socket of the proxy's machine.
    Unix(UnixName),
}

/// The header of the PROXY protocol, version 1 or 2 (HAProxy's `proxy-protocol.txt`).
///
/// ```text
///   1:  PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n
///
///   2:  signature   2|command  family|protocol  length     addresses         extensions (TLV)
///      ├─ 12 bytes ─┼─ 1 byte ─┼──── 1 byte ────┼ 2 bytes ┼ 0, 12, 36 or 216 ┼ up to the length ┤
/// ```
///
/// Where we end, and the extensions, are checked for their form or their length, and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    pub(crate) client: Client,
    /// Bytes of the header. What follows is the client's.
    pub(crate) length: usize,
}

/// Why something is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeaderError {
    /// It begins with something else.
    Missing,
    /// It is longer than a header may be: so many bytes.
    TooLong(usize),
    /// It is against the rules.
    Malformed(&'static str),
}

use ProxyHeaderError::Malformed;

impl ProxyHeader {
    /// Looks for a header at the beginning of what has arrived. `None`: it may become one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
        if begins_like(bytes, SIGNATURE) {
            version_2(bytes)
        } else if begins_like(bytes, LINE) {
            version_1(bytes)
        } else {
            Err(ProxyHeaderError::Missing)
        }
    }
}

/// Whether one is the beginning of the other.
fn begins_like(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.iter().zip(beginning).all(|(byte, expected)| byte == expected)
}

fn version_1(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return match bytes.len() < LONGEST_LINE {
            true => Ok(None),
            false => Err(ProxyHeaderError::TooLong(LONGEST_LINE)),
        };
    };
    let line = window[LINE.len()..end].strip_suffix(b"\r");
    let line = line.ok_or(Malformed("its line doesn't end in CR LF"))?;
    // What follows this word means nothing, and may be anything.
    let is_unknown = line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ");
    let client = if is_unknown { Client::Unknown } else { Client::Ip(words(line)?) };
    Ok(Some(ProxyHeader { client, length: end + 1 }))
}

/// `TCP4 192.0.2.1 198.51.100.1 56324 443`: the family, both addresses, both ports. One space between two.
fn words(line: &[u8]) -> Result<SocketAddr, ProxyHeaderError> {
    let line = str::from_utf8(line).map_err(|_| Malformed("its line isn't text"))?;
    let words: Vec<&str> = line.split(' ').collect();
    let [family, source, destination, from, to] = words[..] else {
        return Err(Malformed("its line doesn't have five words"));
    };
    let address = |word: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            _ => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        }
    };
    if !["TCP4", "TCP6"].contains(&family) {
        return Err(Malformed("its family is none of TCP4, TCP6 and UNKNOWN"));
    }
    let (Some(source), Some(_)) = (address(source), address(destination)) else {
        return Err(Malformed("its addresses are none of its family"));
    };
    let (Some(from), Some(_)) = (port(from), port(to)) else {
        return Err(Malformed("its ports are no numbers from 0 to 65535"));
    };
    Ok(SocketAddr::new(source, from))
}

/// A decimal number without sign or leading zeros, section 2.1.
fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = word.len() > 1 && word.starts_with('0');
    if is_plain && !is_padded { word.parse().ok() } else { None }
}

fn version_2(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(None) };
    let (version, command) = (fixed[12] >> 4, fixed[12] & 0xf);
    if version != 2 {
        return Err(Malformed("its signature is that of version 2, and its version another one"));
    }
    if command > 1 {
        return Err(Malformed("its command is neither LOCAL nor PROXY"));
    }
    let (family, protocol) = (fixed[13] >> 4, fixed[13] & 0xf);
    if family > 3 || protocol > 2 {
        return Err(Malformed("its family or its protocol is none that there is"));
    }
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if FIXED + length > PROXY_HEADER {
        return Err(ProxyHeaderError::TooLong(PROXY_HEADER));
    }
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let client = match (command, family, protocol) {
        (0, ..) => Client::Proxy,
        (_, 0, _) | (_, _, 0) => Client::Unknown,
        _ => source(family, rest).ok_or(Malformed("it is too short for its addresses"))?,
    };
    Ok(Some(ProxyHeader { client, length: FIXED + length }))
}

/// The source, of the addresses that such a family has; `None` if they aren't all there.
fn source(family: u8, rest: &[u8]) -> Option<Client> {
    /// Both addresses, then both ports.
    fn split<const N: usize>(rest: &[u8]) -> Option<([u8; N], u16)> {
        let (source, rest) = rest.split_first_chunk::<N>()?;
        let (_, rest) = rest.split_first_chunk::<N>()?;
        let (ports, _) = rest.split_first_chunk::<4>()?;
        Some((*source, u16::from_be_bytes([ports[0], ports[1]])))
    }

    match family {
        1 => split::<4>(rest).map(|(ip, port)| Client::Ip((ip, port).into())),
        2 => split::<16>(rest).map(|(ip, port)| Client::Ip((ip, port).into())),
        _ => {
            let (source, _) = rest.get(..2 * UnixName::MAX)?.split_at(UnixName::MAX);
            UnixName::new(name(source)).map(Client::Unix)
        }
    }
}

/// A name as it stands in its field: a path ends at a zero, an abstract name begins with one, and both are
/// filled up with zeros.
fn name(field: &[u8]) -> &[u8] {
    let begin = usize::from(field.first() == Some(&0));
    let length = field[begin..].iter().position(|&byte| byte == 0);
    match length {
        Some(0) if begin == 1 => &[],
        Some(length) => &field[..begin + length],
        None => field,
    }
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyHeaderError::Missing => f.write_str("it doesn't begin with a PROXY header"),
            ProxyHeaderError::TooLong(most) => {
                write!(f, "its PROXY header is longer than {most} bytes")
            }
            Malformed(why) => write!(f, "bad PROXY header: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Version 2, of these two bytes, addresses and extensions.
    fn header(command: u8, family: u8, parts: &[&[u8]]) -> Vec<u8> {
        let rest = parts.concat();
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, &rest].concat()
    }

    fn ip(text: &str) -> Client {
        Client::Ip(text.parse().unwrap())
    }

    fn unix(name: &[u8]) -> Client {
        Client::Unix(UnixName::new(name).unwrap())
    }

    /// Both fields of a pair of Unix addresses.
    fn names(source: &[u8]) -> Vec<u8> {
        let mut fields = vec![0; 216];
        fields[..source.len()].copy_from_slice(source);
        fields
    }

    const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 0x01, 0xbb];
    /// PP2_TYPE_AUTHORITY, "example".
    const EXTENSION: &[u8] = b"\x02\0\x07example";

    /// Headers that are right, and whom they tell.
    fn good() -> Vec<(Vec<u8>, Client)> {
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        (v6[15], v6[33]) = (1, 80);
        let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
        let longest = format!("UNKNOWN {}", "x".repeat(LONGEST_LINE - 6 - 8 - 2));
        let full = vec![0; PROXY_HEADER - FIXED - V4.len()];
        vec![
            (line("TCP4 192.0.2.1 198.51.100.1 12345 443"), ip("192.0.2.1:12345")),
            (line("TCP4 0.0.0.0 255.255.255.255 0 65535"), ip("0.0.0.0:0")),
            (line("TCP6 2001:db8::1 ::1 80 81"), ip("[2001:db8::1]:80")),
            (line("TCP6 ::ffff:192.0.2.1 ::1 80 81"), ip("[::ffff:192.0.2.1]:80")),
            (line("UNKNOWN"), Client::Unknown),
            (line("UNKNOWN ffff::1 and what not"), Client::Unknown),
            (line(&longest), Client::Unknown),
            (header(0x21, 0x11, &[V4]), ip("192.0.2.1:12345")),
            (header(0x21, 0x12, &[V4]), ip("192.0.2.1:12345")), // What came as a datagram.
            (header(0x21, 0x11, &[V4, EXTENSION]), ip("192.0.2.1:12345")),
            (header(0x21, 0x11, &[V4, &full]), ip("192.0.2.1:12345")),
            (header(0x21, 0x21, &[&v6]), ip("[2001:db8::1]:80")),
            (header(0x21, 0x21, &[&v6, EXTENSION]), ip("[2001:db8::1]:80")),
            (header(0x21, 0x31, &[&names(b"/run/client"), EXTENSION]), unix(b"/run/client")),
            (header(0x21, 0x31, &[&names(b"\0abstract")]), unix(b"\0abstract")),
            (header(0x21, 0x31, &[&names(b"")]), unix(b"")),
            (header(0x21, 0x31, &[&names(&[b'x'; 108])]), unix(&[b'x'; 108])),
            (header(0x20, 0x00, &[]), Client::Proxy),
            (header(0x20, 0x00, &[EXTENSION]), Client::Proxy),
            (header(0x20, 0x11, &[V4]), Client::Proxy),
            (header(0x20, 0x11, &[&V4[1..]]), Client::Proxy), // Whatever stands there doesn't count.
            (header(0x21, 0x00, &[]), Client::Unknown),
            (header(0x21, 0x00, &[EXTENSION]), Client::Unknown),
            (header(0x21, 0x10, &[V4]), Client::Unknown),
            (header(0x21, 0x01, &[]), Client::Unknown),
        ]
    }

    #[test]
    fn every_cut_of_a_header_waits_for_the_rest_and_what_follows_is_left() {
        for (bytes, client) in good() {
            let shown = bytes.escape_ascii();
            for cut in 0..bytes.len() {
                assert_eq!(ProxyHeader::parse(&bytes[..cut]), Ok(None), "{cut} bytes of {shown}");
            }
            for behind in [&b""[..], b"x", b"PROXY UNKNOWN\r\n", &[0; 5000]] {
                let header = ProxyHeader { client, length: bytes.len() };
                let read = ProxyHeader::parse(&[&bytes, behind].concat());
                assert_eq!(read, Ok(Some(header)), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_that_is_clear() {
        use ProxyHeaderError::*;

        let line = |text: &str| format!("PROXY {text}\r\n").into_bytes();
        let cases: [(Vec<u8>, ProxyHeaderError); 25] = [
            (b"GET / HTTP/1.1\r\n".to_vec(), Missing),
            (b"x".to_vec(), Missing),
            (b"PROXYTCP4".to_vec(), Missing),
            (b"proxy TCP4".to_vec(), Missing),
            (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), Missing),
            (
                line("TCP4 192.0.2.1 198.51.100.1 12345"),
                Malformed("its line doesn't have five words"),
            ),
            (
                line("TCP4 192.0.2.1  198.51.100.1 1 2"),
                Malformed("its line doesn't have five words"),
            ),
            (line(""), Malformed("its line doesn't have five words")),
            (line("UNKNOWNS"), Malformed("its line doesn't have five words")),
            (line("TCP4 \u{e9} 1 1 1 1"), Malformed("its line doesn't have five words")),
            (b"PROXY TCP4 \xff\r\n".to_vec(), Malformed("its line isn't text")),
            (line("UDP4 192.0.2.1 198.51.100.1 1 2"), family()),
            (line("TCP4 ::1 ::1 1 2"), Malformed("its addresses are none of its family")),
            (line("TCP6 192.0.2.1 ::1 1 2"), Malformed("its addresses are none of its family")),
            (
                line("TCP4 192.0.2.1 198.51.100 1 2"),
                Malformed("its addresses are none of its family"),
            ),
            (line("TCP4 192.0.2.1 198.51.100.1 65536 2"), ports()),
            (line("TCP4 192.0.2.1 198.51.100.1 +1 2"), ports()),
            (line("TCP4 192.0.2.1 198.51.100.1 01 2"), ports()),
            (line("TCP4 192.0.2.1 198.51.100.1 1 "), ports()),
            (b"PROXY UNKNOWN\n".to_vec(), Malformed("its line doesn't end in CR LF")),
            ([LINE, &[b'x'; LONGEST_LINE - 6]].concat(), TooLong(LONGEST_LINE)),
            (header(0x11, 0x11, &[V4]), version()),
            (header(0x22, 0x11, &[V4]), Malformed("its command is neither LOCAL nor PROXY")),
            (header(0x21, 0x11, &[&V4[1..]]), Malformed("it is too short for its addresses")),
            ([&SIGNATURE[..], b"\x21\x11\x0f\xf1"].concat(), TooLong(PROXY_HEADER)),
        ];
        for (bytes, error) in cases {
            assert_eq!(ProxyHeader::parse(&bytes), Err(error), "{}", bytes.escape_ascii());
            // No beginning of it passes, and once refused it stays so.
            let parsed = (0..bytes.len()).map(|cut| ProxyHeader::parse(&bytes[..cut]));
            let mut refused = false;
            for result in parsed {
                assert!(matches!(result, Ok(None) | Err(_)) && (!refused || result.is_err()));
                refused = result.is_err();
            }
        }
        for strange in [0x41, 0x13, 0xf1, 0x1f] {
            let error = Malformed("its family or its protocol is none that there is");
            assert_eq!(ProxyHeader::parse(&header(0x21, strange, &[V4])), Err(error));
        }
        for family in [0x21, 0x31] {
            let error = Malformed("it is too short for its addresses");
            assert_eq!(ProxyHeader::parse(&header(0x21, family, &[V4])), Err(error));
        }
    }

    fn family() -> ProxyHeaderError {
        Malformed("its family is none of TCP4, TCP6 and UNKNOWN")
    }

    fn ports() -> ProxyHeaderError {
        Malformed("its ports are no numbers from 0 to 65535")
    }

    fn version() -> ProxyHeaderError {
        Malformed("its signature is that of version 2, and its version another one")
    }

    proptest! {
        /// Whatever comes, the answer is one of the three; and a header isn't longer than what it is in.
        #[test]
        fn no_bytes_are_a_surprise(
            begin in prop_oneof![Just(&b""[..]), Just(LINE), Just(&SIGNATURE[..])],
            rest in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let bytes = [begin, &rest].concat();
            if let Ok(Some(header)) = ProxyHeader::parse(&bytes) {
                prop_assert!((FIXED - 1..=bytes.len().min(PROXY_HEADER)).contains(&header.length));
                prop_assert_eq!(ProxyHeader::parse(&bytes[..header.length]), Ok(Some(header)));
            } else if bytes.len() >= PROXY_HEADER {
                prop_assert!(ProxyHeader::parse(&bytes).is_err());
            }
        }
    }
}
