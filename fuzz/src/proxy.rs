//! The header of the PROXY protocol.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::Utf8Error;

use echoloop::internals::proxy_header;

/// What a connection begins with.
pub fn proxy(input: &[u8]) {
    let whole = proxy_header(input);
    for cut in 0..input.len() {
        match (proxy_header(&input[..cut]), &whole) {
            // Found earlier: what follows is the client's, and changes nothing.
            (Ok(Some(found)), whole) => {
                assert!(found.1 <= cut);
                assert_eq!(*whole, Ok(Some(found)));
            }
            (Err(_), whole) => {
                assert!(whole.is_err(), "refused after {cut} bytes, and taken later")
            }
            (Ok(None), Ok(Some((_, length)))) => assert!(cut < *length),
            (Ok(None), Ok(None) | Err(_)) => {}
        }
    }
    match (&whole, naive(input)) {
        (Ok(Some((from, length))), Some((expected, end))) => {
            assert_eq!((from, *length), (&expected, end));
            assert!(*length <= 4096, "it may have to be kept");
        }
        (Ok(None), None) => assert!(input.len() < 4096, "it may have to be kept"),
        (Err(error), None) => assert!(!error.contains(char::is_control), "{error:?}"),
        (found, expected) => panic!("{found:?}, and expected {expected:?}"),
    }
}

/// A whole header, by the letter of `proxy-protocol.txt`: for whom it speaks, and how long it is.
fn naive(input: &[u8]) -> Option<(String, usize)> {
    if let Some(rest) = input.strip_prefix(b"PROXY ") {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let is_one_line = !rest[..end].contains(&b'\n');
        let length = b"PROXY ".len() + end + 2;
        let from = if is_one_line {
            line(str::from_utf8(&rest[..end]), &rest[..end])?
        } else {
            return None;
        };
        return (length <= 107).then_some((from, length));
    }
    let rest = input.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n")?;
    let [command, family, high, low, rest @ ..] = rest else { return None };
    let length = usize::from(*high) << 8 | usize::from(*low);
    let rest = rest.get(..length)?;
    if 16 + length > 4096 || family >> 4 > 3 || family & 15 > 2 {
        return None;
    }
    let from = match (command, family) {
        (0x20, _) => "the proxy".to_owned(),
        (0x21, 0x00..=0x0f | 0x10 | 0x20 | 0x30) => "somewhere".to_owned(),
        (0x21, 0x10..=0x1f) => {
            let [a, b, c, d, _, _, _, _, high, low, _, _, ..] = rest else { return None };
            let port = u16::from_be_bytes([*high, *low]);
            SocketAddr::from((Ipv4Addr::new(*a, *b, *c, *d), port)).to_string()
        }
        (0x21, 0x20..=0x2f) => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let [high, low, ..] = rest.get(16..20)? else { return None };
            let port = u16::from_be_bytes([*high, *low]);
            SocketAddr::from((Ipv6Addr::from(*ip), port)).to_string()
        }
        (0x21, _) => {
            let field = &rest.get(..216)?[..108];
            // The zero of an abstract name is not its end.
            let end = (1..108).find(|&at| field[at] == 0).unwrap_or(108);
            let is_empty = field[0] == 0 && end == 1;
            field[..if is_empty { 0 } else { end }].escape_ascii().to_string()
        }
        _ => return None,
    };
    Some((from, 16 + length))
}

fn line(text: Result<&str, Utf8Error>, bytes: &[u8]) -> Option<String> {
    if bytes == b"UNKNOWN" || bytes.starts_with(b"UNKNOWN ") {
        return Some("somewhere".to_owned());
    }
    let words: Vec<&str> = text.ok()?.split(' ').collect();
    let &[family, source, destination, from, to] = words.as_slice() else { return None };
    // A number is right if it is how it would be written.
    let port = |word: &str| word.parse::<u16>().ok().filter(|port| port.to_string() == word);
    let (from, _) = (port(from)?, port(to)?);
    match family {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().ok()?;
            Some(SocketAddr::from((source.parse::<Ipv4Addr>().ok()?, from)).to_string())
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().ok()?;
            Some(SocketAddr::from((source.parse::<Ipv6Addr>().ok()?, from)).to_string())
        }
        _ => None,
    }
}
