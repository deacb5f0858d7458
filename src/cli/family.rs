//! `-4` and `-6`: which addresses of a host count.

use std::io;
use std::net::SocketAddr;

use echoloop::Endpoint;

/// Which addresses of a host count.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(super) struct Family {
    /// Use IPv4 only.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long)]
    ipv6: bool,
}

impl Family {
    /// Whether all addresses count.
    pub(super) fn is_any(self) -> bool {
        !self.ipv4 && !self.ipv6
    }

    fn allows(self, address: &SocketAddr) -> bool {
        match (self.ipv4, self.ipv6) {
            (true, _) => address.is_ipv4(),
            (_, true) => address.is_ipv6(),
            _ => true,
        }
    }

    /// The endpoint with its host looked up, which blocks: with a family, the first of its addresses; without
    /// one, the address of a host that has no other. The others of a host that has several are left to the
    /// loop, which tries them all.
    ///
    /// # Errors
    ///
    /// Those of [`Endpoint::resolve`]; none of the addresses is of the family.
    pub(super) fn of(self, endpoint: &Endpoint) -> io::Result<Endpoint> {
        let make = match endpoint {
            Endpoint::Tcp { .. } => Endpoint::tcp,
            Endpoint::Udp { .. } => Endpoint::udp,
            _ => return Ok(endpoint.clone()),
        };
        let mut addresses = endpoint.resolve()?;
        addresses.retain(|address| self.allows(address));
        match addresses[..] {
            [] => {
                let family = if self.ipv4 { "IPv4" } else { "IPv6" };
                Err(io::Error::other(format!("it has no {family} address")))
            }
            [address, ..] if !self.is_any() => Ok(make(address)),
            [address] => Ok(make(address)),
            _ => Ok(endpoint.clone()),
        }
    }
}
