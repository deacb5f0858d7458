//! What a text means, or why it means nothing.

use std::net::Ipv6Addr;

use super::{Endpoint, MemName, UnixName};

pub(super) fn parse(text: &str) -> Result<Endpoint, String> {
    let no_scheme = "no scheme, expected something like tcp://127.0.0.1:8888 or unix:///run/x.sock";
    let (scheme, rest) = text.split_once(':').ok_or(no_scheme)?;
    let rest = match rest.strip_prefix("//") {
        Some(rest) => rest,
        // Only paths may leave out the slashes. Without them, the scheme of `localhost:80` is none.
        None if matches!(scheme, "unix" | "unixgram") => rest,
        None => return Err(no_scheme.to_owned()),
    };
    match scheme {
        "tcp" => parse_host_and_port(rest).map(|(host, port)| Endpoint::Tcp { host, port }),
        "udp" => parse_host_and_port(rest).map(|(host, port)| Endpoint::Udp { host, port }),
        "unix" => parse_unix(rest).map(Endpoint::Unix),
        "unixgram" => parse_unix(rest).map(Endpoint::UnixDatagram),
        "mem" => mem_name(&unescape(rest.as_bytes())).map(Endpoint::Mem),
        "memgram" => mem_name(&unescape(rest.as_bytes())).map(Endpoint::MemDatagram),
        other => {
            let known = "tcp, udp, unix, unixgram, mem or memgram";
            Err(format!("unknown scheme {other:?}, expected {known}"))
        }
    }
}

fn parse_host_and_port(text: &str) -> Result<(String, u16), String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("an IPv6 address needs brackets and a port, as in [{text}]:8888"));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("missing ] after the IPv6 address")?;
            (parse_ipv6(host)?, port.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (parse_host(host)?, Some(port)),
            None => (parse_host(text)?, None),
        },
    };
    let port = port.filter(|port| !port.is_empty());
    Ok((host, parse_port(port.ok_or("missing port, expected host:port")?)?))
}

/// An address, perhaps with a zone: `fe80::1%eth0` (RFC 4007 section 11).
fn parse_ipv6(text: &str) -> Result<String, String> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let shown = text.escape_debug(); // On one line, whatever was asked for.
    let not_ipv6 = || format!("[{shown}] is not an IPv6 address in brackets, as in [::1]");
    let address = address.parse::<Ipv6Addr>().map_err(|_| not_ipv6())?;
    match zone {
        Some(zone) if is_plain(zone) => Ok(format!("{address}%{zone}")),
        Some(_) => Err(not_ipv6()),
        None => Ok(address.to_string()),
    }
}

fn parse_host(host: &str) -> Result<String, String> {
    if host == "*" {
        return Err("\"*\" is not a host, for every address write 0.0.0.0 or [::]".to_owned());
    }
    if host.is_empty() {
        return Err("empty host, for every address write 0.0.0.0 or [::]".to_owned());
    }
    if host.contains(':') {
        return Err(format!("host {host:?} has a colon, an IPv6 address needs brackets: [::1]"));
    }
    if !is_plain(host) {
        return Err(format!("host {host:?} is neither a name nor an address"));
    }
    Ok(host.to_owned())
}

/// What a host name or the name of an interface may consist of.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-._".contains(c))
}

fn parse_port(port: &str) -> Result<u16, String> {
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("port {port:?} is not a number")); // `u16` itself would take "+80".
    }
    port.parse().map_err(|_| format!("port {port} is out of range, expected 0 to 65535"))
}

const EMPTY_PATH: &str = "empty path, expected something like unix:///run/x.sock";

fn parse_unix(path: &str) -> Result<UnixName, String> {
    if path == "@" {
        return Err(EMPTY_PATH.to_owned());
    }
    let (zero, name): (&[u8], &str) = match path.strip_prefix('@') {
        Some(_) if !cfg!(any(target_os = "linux", target_os = "android")) => {
            return Err("abstract names exist on Linux only, a file is ./@name".to_owned());
        }
        Some(name) => (b"\0", name),
        None => (b"", path),
    };
    unix_name(zero, &unescape(name.as_bytes()))
}

/// A path, or behind a zero an abstract name.
pub(super) fn unix_name(zero: &[u8], name: &[u8]) -> Result<UnixName, String> {
    // One byte less than the kernel's 108: of a path, the last one is its final zero.
    const MAX: usize = UnixName::MAX - 1;

    if name.is_empty() {
        return Err(EMPTY_PATH.to_owned());
    }
    if zero.is_empty() && name.contains(&0) {
        return Err("a socket's path can't contain NUL".to_owned());
    }
    let bytes = [zero, name].concat();
    if bytes.len() > MAX {
        return Err(format!("path of {} bytes, a socket's has at most {MAX}", bytes.len()));
    }
    Ok(UnixName::new(&bytes).expect("checked above"))
}

/// A name in memory.
pub(super) fn mem_name(name: &[u8]) -> Result<MemName, String> {
    MemName::new(name).ok_or_else(|| match name.len() {
        0 => "empty name, expected something like mem://inner".to_owned(),
        length => format!("name of {length} bytes, one in memory has at most {}", MemName::MAX),
    })
}

/// With `%` and two hexadecimal digits read as the byte they stand for. Another `%` is one.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let digits = behind.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &behind[2..] } else { behind };
    }
    bytes
}

fn digit(hexadecimal: u8) -> Option<u8> {
    char::from(hexadecimal).to_digit(16).map(|digit| digit as u8)
}
