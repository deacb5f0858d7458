//! What is at the other end.

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::mem_name::MemName;
use super::name::write_name;

/// The address of a socket: internet, Unix, or in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Address {
    /// An internet address and port.
    Ip(SocketAddr),
    /// A Unix socket's name.
    Unix(UnixName),
    /// A name in memory, which this reactor alone knows.
    Mem(MemName),
}

impl Address {
    /// The internet address without its port; `None` for others.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Address::Ip(address) => Some(address.ip()),
            Address::Unix(_) | Address::Mem(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(name) => name.fmt(f),
            Address::Mem(name) => name.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a Unix socket, unix(7): a path, an abstract name (Linux; its first byte is zero), or
/// nothing at all, as for most clients. At most 108 bytes, which is what `sun_path` holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnixName {
    length: u8,
    bytes: [u8; UnixName::MAX],
}

impl UnixName {
    /// The most bytes a name can have.
    pub const MAX: usize = 108;

    /// The name with these bytes, `None` if they are more than [`UnixName::MAX`].
    pub fn new(name: &[u8]) -> Option<UnixName> {
        let mut bytes = [0; UnixName::MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(UnixName { length: name.len() as u8, bytes })
    }

    /// The bytes as the kernel has them, without a final zero; an abstract name begins with zero.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether it is a path that says nothing without a directory: that of each process is another one.
    pub fn is_relative(&self) -> bool {
        self.as_path().is_some_and(Path::is_relative)
    }

    /// Whether the socket has no name, so that nothing can be sent to it.
    pub fn is_unnamed(&self) -> bool {
        self.length == 0
    }

    /// The path, if it is one.
    pub fn as_path(&self) -> Option<&Path> {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let bytes = self.as_bytes();
        let is_path = bytes.first().is_some_and(|&first| first != 0);
        is_path.then(|| Path::new(OsStr::from_bytes(bytes)))
    }
}

/// The path; an abstract name with `@` for its zero; `unnamed`. What would not show on a line is escaped
/// as in Rust: `\n`, `\x1b`. The peer chooses its name, and must not write our log for us.
impl fmt::Display for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape =
            |f: &mut fmt::Formatter<'_>, bytes: &[u8]| write!(f, "{}", bytes.escape_ascii());
        match self.as_bytes() {
            [] => f.write_str("unnamed"),
            [0, rest @ ..] => {
                f.write_char('@')?;
                write_name(f, rest, '\\', escape)
            }
            path => {
                f.write_str(if path[0] == b'@' { "./" } else { "" })?; // It is no abstract one.
                write_name(f, path, '\\', escape)
            }
        }
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// For how many a datagram was meant. Known on a wildcard bind; other sockets are sent to as they are
/// bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cast {
    /// For the one host that has the address.
    Unicast,
    /// For all hosts that have joined a group (RFC 1112, RFC 4291 section 2.7).
    Multicast,
    /// For all hosts of a network (RFC 919, RFC 922).
    Broadcast,
}

/// Which of our addresses a datagram was sent to; known on a wildcard bind, where it matters: the
/// answer must leave from the address that was asked (ip(7) `IP_PKTINFO`, RFC 3542 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    /// The destination address of the datagram, or if that is not ours alone, the one of ours that the
    /// kernel would answer from.
    pub ip: IpAddr,
    /// The index of the interface it came in by. 0: any.
    pub interface: u32,
}

/// The other end of a datagram: where it came from, and which of our addresses it was sent to.
/// What is sent to a peer leaves from that address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Where the datagram came from.
    pub address: Address,
    /// Where it was sent to; `None` unless the socket is bound to the wildcard address.
    pub local: Option<Local>,
}

impl Peer {
    /// The internet address without its port; `None` for others.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.ip()
    }

    /// Whether anything can be sent to it: an unnamed Unix socket can't be addressed.
    pub(crate) fn can_be_answered(&self) -> bool {
        !matches!(self.address, Address::Unix(name) if name.is_unnamed())
    }
}

impl From<Address> for Peer {
    fn from(address: Address) -> Peer {
        Peer { address, local: None }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::from(Address::Ip(address))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_names_are_shown_as_people_write_them() {
        let name = |bytes: &[u8]| UnixName::new(bytes).unwrap();
        assert_eq!(name(b"/run/echo.sock").to_string(), "/run/echo.sock");
        assert_eq!(name(b"\0echo").to_string(), "@echo");
        assert_eq!(name(b"").to_string(), "unnamed");
        assert_eq!(name(b"/run/echo.sock").as_path(), Some(Path::new("/run/echo.sock")));
        assert_eq!(name(b"\0echo").as_path(), None);
        assert!(UnixName::new(&[b'x'; 109]).is_none());
    }

    /// A peer's name can't break the line it is logged on, nor reach the terminal behind it.
    #[test]
    fn unix_names_stay_on_their_line() {
        for (bytes, shown) in [
            ("/tmp/ein Schlüssel/鍵".as_bytes(), "/tmp/ein Schlüssel/鍵"),
            (b"/tmp/'\"", "/tmp/'\""),
            (b"/tmp/a\nWARN all is lost", "/tmp/a\\nWARN all is lost"),
            (b"/tmp/\x1b[2J\x7f\xc2\x9b", "/tmp/\\x1b[2J\\x7f\\xc2\\x9b"),
            (b"/tmp/\\n", "/tmp/\\\\n"),
            (b"/tmp/\xff\xc3", "/tmp/\\xff\\xc3"),
            ("/tmp/\u{202e}exe".as_bytes(), "/tmp/\\xe2\\x80\\xaeexe"),
            (b"\0a\0\n", "@a\\x00\\n"),
            ("\0écho".as_bytes(), "@écho"),
            (b"@file", "./@file"),
        ] {
            assert_eq!(UnixName::new(bytes).unwrap().to_string(), shown);
        }
    }
}
