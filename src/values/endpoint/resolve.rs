//! The addresses behind a name.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::Endpoint;

impl Endpoint {
    /// The internet addresses behind the host, at least one, in the order to try them.
    ///
    /// A name is looked up by the system's resolver, which **blocks**, for seconds if it has to: do that
    /// before the loop runs, or not at all, for [`connect`](crate::Context::connect) doesn't need it: it has
    /// names looked up beside the loop. A literal address never blocks.
    ///
    /// # Errors
    ///
    /// Those of the resolver; [`NotFound`](io::ErrorKind::NotFound) if the name has no address;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for what isn't on the internet, and has none to look up.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (Endpoint::Tcp { host, port } | Endpoint::Udp { host, port }) = self else {
            let why = "only tcp and udp have internet addresses";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        let addresses = look_up(host, *port)?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }

    /// The host and the port, if the host is a name that has to be looked up, and not an address.
    pub(crate) fn name(&self) -> Option<(&str, u16)> {
        let (Endpoint::Tcp { host, port } | Endpoint::Udp { host, port }) = self else {
            return None;
        };
        // With a zone an address isn't one for the standard library; no name has a colon.
        let is_name = !host.contains(':') && host.parse::<IpAddr>().is_err();
        is_name.then_some((host, *port))
    }
}

/// Asks the system for the addresses behind a name, getaddrinfo(3), which blocks.
pub(crate) fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(in_fewer_words(error)),
    }
}

/// The standard library says first that it has failed, which whoever asked says too, and then why.
fn in_fewer_words(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.strip_prefix("failed to lookup address information: ") {
        Some(reason) => io::Error::new(error.kind(), reason.to_ascii_lowercase()),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_no_name() {
        for (text, name) in [
            ("tcp://localhost:80", Some(("localhost", 80))),
            ("udp://1.example:7", Some(("1.example", 7))),
            ("tcp://127.0.0.1:80", None),
            ("udp://[::1]:80", None),
            ("udp://[fe80::1%lo]:80", None),
            ("unix:///run/x", None),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().name(), name);
        }
    }
}
