//! Where to listen or connect, as people write it.

mod parse;
mod resolve;

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use parse::{mem_name, parse, unix_name};
pub(crate) use resolve::look_up;

use super::mem_name::MemName;
use super::name::write_name;
use super::peer::UnixName;

/// Somewhere to listen on or to connect to.
///
/// | written | means |
/// |---|---|
/// | `tcp://127.0.0.1:8888`, `tcp://localhost:0` | TCP; port 0 lets the kernel choose |
/// | `udp://[::1]:8889`, `udp://[fe80::1%eth0]:8889` | UDP; IPv6 addresses stand in brackets |
/// | `unix:///run/echo.sock`, `unix://here.sock`, `unix:/run/echo.sock` | Unix stream socket |
/// | `unixgram:///run/echo.sock` | Unix datagram socket |
/// | `unix://@echo` | an abstract name, Linux only; a file of that name is `unix://./@echo` |
/// | `mem://inner` | stream in memory, of this reactor alone and without the system |
/// | `memgram://inner` | datagram socket in memory |
/// | `unix:///run/100%25`, `unix:///run/%FF` | a byte of a name by its two hexadecimal digits (RFC 3986 section 2.1) |
///
/// Offer a Unix datagram socket only to those whom you would let send any datagram in your name. A sender
/// can have any path as its name, by binding there and putting something else in its place, and what
/// answers it then has your permissions: with an echo service, it can have any bytes sent to any datagram
/// socket that you may write to. The permissions of the socket's directory decide who may. And they can
/// silence it for all others by not reading what they are answered:
/// [`Config::send_buffer`](crate::Config::send_buffer).
///
/// A server that listens on a path holds a lock beside it, an empty file `PATH.lock` that is for its own user only,
/// and removes both at the end. What a server that was killed has left is taken over; a living server's
/// path, or a file that is no socket, never is.
///
/// What is in memory has names of its own, streams and datagrams apart: 1 to 107 bytes, any bytes. A listener, and
/// a datagram socket that is bound, holds its name until it is closed. Nothing else of the system is needed, no
/// descriptor either: for a layer in front of a service, and for tests.
///
/// [`Display`](fmt::Display) gives the canonical form, which parses to an equal value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A TCP port.
    Tcp {
        /// A name or an address; an IPv6 address without its brackets.
        host: String,
        /// 0: any free one.
        port: u16,
    },
    /// A UDP port.
    Udp {
        /// A name or an address; an IPv6 address without its brackets.
        host: String,
        /// 0: any free one.
        port: u16,
    },
    /// A Unix stream socket.
    Unix(UnixName),
    /// A Unix datagram socket.
    UnixDatagram(UnixName),
    /// A stream in memory.
    Mem(MemName),
    /// A datagram socket in memory.
    MemDatagram(MemName),
}

impl Endpoint {
    /// TCP at this address. What only the address has, the flow label of an IPv6 one, is lost.
    pub fn tcp(address: SocketAddr) -> Endpoint {
        let (host, port) = host_and_port(address);
        Endpoint::Tcp { host, port }
    }

    /// UDP at this address. What only the address has, the flow label of an IPv6 one, is lost.
    pub fn udp(address: SocketAddr) -> Endpoint {
        let (host, port) = host_and_port(address);
        Endpoint::Udp { host, port }
    }

    /// A Unix stream socket at this path.
    ///
    /// # Errors
    ///
    /// The path is empty, has a NUL, or has more than the 107 bytes that unix(7) has room for.
    pub fn unix(path: impl AsRef<Path>) -> Result<Endpoint, EndpointError> {
        name_of(path.as_ref()).map(Endpoint::Unix)
    }

    /// A Unix datagram socket at this path.
    ///
    /// # Errors
    ///
    /// Those of [`unix`](Endpoint::unix).
    pub fn unix_datagram(path: impl AsRef<Path>) -> Result<Endpoint, EndpointError> {
        name_of(path.as_ref()).map(Endpoint::UnixDatagram)
    }

    /// A stream in memory, by its name.
    ///
    /// # Errors
    ///
    /// The name is empty, or has more than [`MemName::MAX`] bytes.
    pub fn mem(name: impl AsRef<[u8]>) -> Result<Endpoint, EndpointError> {
        mem_named(name.as_ref()).map(Endpoint::Mem)
    }

    /// A datagram socket in memory, by its name.
    ///
    /// # Errors
    ///
    /// Those of [`mem`](Endpoint::mem).
    pub fn memgram(name: impl AsRef<[u8]>) -> Result<Endpoint, EndpointError> {
        mem_named(name.as_ref()).map(Endpoint::MemDatagram)
    }

    /// Whether messages keep their borders here, and may get lost.
    pub fn is_datagram(&self) -> bool {
        use Endpoint::{MemDatagram, Udp, UnixDatagram};

        matches!(self, Udp { .. } | UnixDatagram(_) | MemDatagram(_))
    }
}

/// TCP, as is nearly always meant; [`Endpoint::udp`] is the other one.
impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint::tcp(address)
    }
}

/// With the number of its interface, if it has one: an address of the local link means nothing without.
fn host_and_port(address: SocketAddr) -> (String, u16) {
    let host = match address {
        SocketAddr::V6(address) if address.scope_id() != 0 => {
            format!("{}%{}", address.ip(), address.scope_id())
        }
        address => address.ip().to_string(),
    };
    (host, address.port())
}

fn name_of(path: &Path) -> Result<UnixName, EndpointError> {
    let text = || path.display().to_string();
    unix_name(b"", path.as_os_str().as_bytes()).map_err(|why| EndpointError { text: text(), why })
}

fn mem_named(name: &[u8]) -> Result<MemName, EndpointError> {
    let text = || String::from_utf8_lossy(name).into_owned();
    mem_name(name).map_err(|why| EndpointError { text: text(), why })
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Endpoint::Tcp { host, port } => ("tcp", host, port),
            Endpoint::Udp { host, port } => ("udp", host, port),
            Endpoint::Unix(name) => return write_unix(f, "unix", name),
            Endpoint::UnixDatagram(name) => return write_unix(f, "unixgram", name),
            Endpoint::Mem(name) => return write_url(f, "mem://", name.as_bytes()),
            Endpoint::MemDatagram(name) => return write_url(f, "memgram://", name.as_bytes()),
        };
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

/// Unlike [`UnixName`]'s own `Display` this escapes as URLs do, so that it can be parsed again.
fn write_unix(f: &mut fmt::Formatter<'_>, scheme: &str, name: &UnixName) -> fmt::Result {
    let (start, name) = match name.as_bytes() {
        [0, rest @ ..] => ("@", rest),
        [b'@', rest @ ..] => ("%40", rest), // A path that could be taken for an abstract name.
        path => ("", path),
    };
    write_url(f, &format!("{scheme}://{start}"), name)
}

fn write_url(f: &mut fmt::Formatter<'_>, start: &str, name: &[u8]) -> fmt::Result {
    f.write_str(start)?;
    write_name(f, name, '%', |f, bytes| bytes.iter().try_for_each(|byte| write!(f, "%{byte:02X}")))
}

/// Why a text names no [`Endpoint`], and what would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointError {
    text: String,
    why: String,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.text, self.why)
    }
}

impl std::error::Error for EndpointError {}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        parse(text).map_err(|why| EndpointError { text: text.to_owned(), why })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert_eq!(error, format!("{text:?}: {why}"));
    }

    #[test]
    fn every_kind_has_a_canonical_form() {
        for (text, canonical) in [
            ("tcp://127.0.0.1:80", "tcp://127.0.0.1:80"),
            ("tcp://localhost:0", "tcp://localhost:0"),
            ("tcp://[0:0::1]:080", "tcp://[::1]:80"),
            ("udp://[fe80::1%eth0]:65535", "udp://[fe80::1%eth0]:65535"),
            ("unix:///run/x", "unix:///run/x"),
            ("unix:/run/x", "unix:///run/x"),
            ("unix://relative.sock", "unix://relative.sock"),
            ("unix:relative.sock", "unix://relative.sock"),
            ("unixgram:///run/a:b://c", "unixgram:///run/a:b://c"),
            ("unix:/run/a://b", "unix:///run/a://b"),
            ("unix:////run", "unix:////run"),
            ("unix://./@file", "unix://./@file"),
            ("unix://%40file", "unix://%40file"),
            ("unix:///run/100%", "unix:///run/100%25"),
            ("unix:///run/%7e%4", "unix:///run/~%254"),
            ("unix:///run/a\nb%0a", "unix:///run/a%0Ab%0A"),
            ("unix:///run/Schlüssel 鍵", "unix:///run/Schlüssel 鍵"),
            ("mem://inner", "mem://inner"),
            ("mem:///inner/@x y", "mem:///inner/@x y"),
            ("memgram://100%25%0a%ff", "memgram://100%25%0A%FF"),
        ] {
            assert_eq!(parsed(text).to_string(), canonical);
            assert_eq!(parsed(canonical), parsed(text));
        }
        assert_eq!(parsed("tcp://[::1]:80"), Endpoint::Tcp { host: "::1".to_owned(), port: 80 });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_at_sign_begins_an_abstract_name() {
        let name = UnixName::new("\0écho\\".as_bytes()).unwrap();
        assert_eq!(parsed("unix://@écho\\"), Endpoint::Unix(name));
        assert_eq!(parsed("unixgram:@écho\\").to_string(), "unixgram://@écho\\");
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        let no_scheme =
            "no scheme, expected something like tcp://127.0.0.1:8888 or unix:///run/x.sock";
        refused("", no_scheme);
        refused("localhost:80", no_scheme);
        refused("tcp:localhost:80", no_scheme);
        refused(
            "htp://x",
            "unknown scheme \"htp\", expected tcp, udp, unix, unixgram, mem or memgram",
        );
        refused(
            "unixx://x",
            "unknown scheme \"unixx\", expected tcp, udp, unix, unixgram, mem or memgram",
        );
        refused("tcp://x", "missing port, expected host:port");
        refused("tcp://x:", "missing port, expected host:port");
        refused("tcp://[::1]", "missing port, expected host:port");
        refused("tcp://[::1]80", "missing port, expected host:port");
        refused("tcp://x:65536", "port 65536 is out of range, expected 0 to 65535");
        refused("tcp://x:+80", "port \"+80\" is not a number");
        refused("tcp://x:80/", "port \"80/\" is not a number");
        refused("tcp://:80", "empty host, for every address write 0.0.0.0 or [::]");
        refused("udp://*:80", "\"*\" is not a host, for every address write 0.0.0.0 or [::]");
        refused("tcp://::1", "an IPv6 address needs brackets and a port, as in [::1]:8888");
        refused("tcp://::x:80", "host \"::x\" has a colon, an IPv6 address needs brackets: [::1]");
        refused("tcp://[::1:80", "missing ] after the IPv6 address");
        refused("tcp://[1.2.3.4]:80", "[1.2.3.4] is not an IPv6 address in brackets, as in [::1]");
        // On one line, whatever was asked for.
        refused("tcp://[\n]:80", "[\\n] is not an IPv6 address in brackets, as in [::1]");
        refused("tcp://[::1%]:80", "[::1%] is not an IPv6 address in brackets, as in [::1]");
        refused("tcp://me@x:80", "host \"me@x\" is neither a name nor an address");
        refused("unix://", "empty path, expected something like unix:///run/x.sock");
        refused("unix:@", "empty path, expected something like unix:///run/x.sock");
        refused("unix:a\0b", "a socket's path can't contain NUL");
        refused("unix:a%00b", "a socket's path can't contain NUL");
    }

    #[test]
    fn a_unix_path_has_at_most_107_bytes() {
        let path = "/".repeat(107);
        assert!(format!("unix://{path}").parse::<Endpoint>().is_ok());
        refused(&format!("unix://{path}/"), "path of 108 bytes, a socket's has at most 107");
        if cfg!(target_os = "linux") {
            // The zero that makes a name abstract is one of them.
            refused(&format!("unix://@{path}"), "path of 108 bytes, a socket's has at most 107");
        }
    }

    /// What is made of a value is what is parsed from its text, and means the same.
    #[test]
    fn endpoints_come_from_addresses_and_paths() {
        for text in ["127.0.0.1:80", "[::1]:0", "[fe80::1%3]:65535", "[::ffff:1.2.3.4]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Endpoint::tcp(address), parsed(&format!("tcp://{text}")));
            assert_eq!(Endpoint::from(address), Endpoint::tcp(address));
            assert_eq!(Endpoint::udp(address), parsed(&format!("udp://{text}")));
            assert_eq!(Endpoint::tcp(address).resolve().unwrap(), [address]);
        }
        assert_eq!(Endpoint::unix("/run/100%").unwrap(), parsed("unix:///run/100%25"));
        assert_eq!(Endpoint::unix("@x").unwrap(), parsed("unix://%40x")); // A path, and no abstract name.
        assert_eq!(Endpoint::unix_datagram("x").unwrap(), parsed("unixgram:x"));
        let why = |path: &str| Endpoint::unix(path).unwrap_err().to_string();
        assert_eq!(why(""), "\"\": empty path, expected something like unix:///run/x.sock");
        assert!(why("a\0").ends_with("a socket's path can't contain NUL"));
        assert!(why(&"/".repeat(108)).ends_with("path of 108 bytes, a socket's has at most 107"));
    }

    #[test]
    fn only_internet_endpoints_resolve() {
        let addresses = parsed("udp://[::1]:80").resolve().unwrap();
        assert_eq!(addresses, ["[::1]:80".parse().unwrap()]);
        let error = parsed("unix:///run/x").resolve().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn datagrams_are_told_from_streams() {
        assert!(parsed("udp://x:1").is_datagram() && parsed("unixgram:x").is_datagram());
        assert!(!parsed("tcp://x:1").is_datagram() && !parsed("unix:x").is_datagram());
        assert!(parsed("memgram://x").is_datagram() && !parsed("mem://x").is_datagram());
    }

    proptest! {
        /// Whatever bytes a name is made of.
        #[test]
        fn every_name_parses_again(mut name in proptest::collection::vec(any::<u8>(), 2..107), is_abstract: bool) {
            if is_abstract && cfg!(target_os = "linux") {
                name[0] = 0;
            } else {
                name.iter_mut().for_each(|byte| *byte = (*byte).max(1));
            }
            let endpoint = Endpoint::Unix(UnixName::new(&name).unwrap());
            let shown = endpoint.to_string();
            prop_assert!(!shown.contains(|c: char| c.is_control()));
            prop_assert_eq!(shown.parse::<Endpoint>(), Ok(endpoint));
        }

        /// No text makes the parser panic, and what it takes it gives back.
        #[test]
        fn what_is_shown_parses_again(text in "(tcp|udp|unix|unixgram|mem|memgram)?:?(//)?[]\\[:%@a-f0-9./é\n-]*") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
