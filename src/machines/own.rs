//! Which addresses are our own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::values::{Address, UnixName};

/// What the bound datagram sockets of a reactor are bound to. There are few of them; several may have the
/// same address.
#[derive(Debug, Default)]
pub(crate) struct OwnSockets {
    /// In the order of their ports, so that a source that isn't ours costs next to nothing.
    internet: Vec<(u16, IpAddr)>,
    unix: Vec<UnixName>,
}

impl OwnSockets {
    pub(crate) fn add(&mut self, address: Address) {
        match address {
            Address::Ip(address) => {
                let own = (address.port(), sends_from(address.ip()));
                let at = self.internet.partition_point(|other| *other < own);
                self.internet.insert(at, own);
            }
            Address::Unix(name) => self.unix.push(name),
            Address::Mem(_) => {} // Never forged, so nobody has to be kept from it.
        }
    }

    /// One of those with this address has gone.
    pub(crate) fn remove(&mut self, address: &Address) {
        match address {
            Address::Ip(address) => {
                let own = (address.port(), sends_from(address.ip()));
                if let Ok(at) = self.internet.binary_search(&own) {
                    self.internet.remove(at);
                }
            }
            Address::Unix(name) => {
                if let Some(at) = self.unix.iter().position(|own| own == name) {
                    self.unix.swap_remove(at);
                }
            }
            Address::Mem(_) => {}
        }
    }

    /// Whether this, not in IPv6 clothes, can be the address that one of them sends from.
    #[inline]
    pub(crate) fn has_ip(&self, ip: IpAddr, port: u16) -> bool {
        let first = self.internet.partition_point(|own| own.0 < port);
        let same = self.internet[first..].iter().take_while(|own| own.0 == port);
        same.into_iter().any(|own| match own.1 {
            IpAddr::V4(own) if own.is_unspecified() => ip.is_ipv4(),
            IpAddr::V6(own) if own.is_unspecified() => true,
            own => own == ip,
        })
    }

    pub(crate) fn has_name(&self, name: &UnixName) -> bool {
        !name.is_unnamed() && self.unix.contains(name)
    }
}

/// What a socket that is bound to this address sends from. The wildcard address stands for all of ours;
/// a group's means the same, since nothing can be sent from there.
fn sends_from(bound: IpAddr) -> IpAddr {
    match bound.to_canonical() {
        IpAddr::V4(ip) if ip.is_multicast() || ip.is_broadcast() => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(ip) if ip.is_multicast() => Ipv6Addr::UNSPECIFIED.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn own(addresses: &[&str]) -> OwnSockets {
        let mut own = OwnSockets::default();
        for address in addresses {
            own.add(Address::Ip(address.parse().unwrap()));
        }
        own
    }

    #[track_caller]
    fn has(own: &OwnSockets, from: &str) -> bool {
        let from: SocketAddr = from.parse().unwrap();
        own.has_ip(from.ip().to_canonical(), from.port())
    }

    #[test]
    fn a_bound_socket_sends_from_its_address_and_a_wildcard_from_any() {
        let specific = own(&["192.0.2.9:7", "[2001:db8::1]:8", "[::ffff:192.0.2.8]:9"]);
        for from in ["192.0.2.9:7", "[::ffff:192.0.2.9]:7", "[2001:db8::1]:8", "192.0.2.8:9"] {
            assert!(has(&specific, from), "{from}");
        }
        for from in ["192.0.2.9:8", "192.0.2.8:7", "[2001:db8::2]:8", "192.0.2.9:6"] {
            assert!(!has(&specific, from), "{from}");
        }
        let any =
            own(&["0.0.0.0:7", "[::]:8", "224.0.0.1:9", "255.255.255.255:10", "[ff02::1]:11"]);
        for from in ["192.0.2.9:7", "[::1]:8", "192.0.2.9:8", "1.2.3.4:9", "1.2.3.4:10", "[::1]:11"]
        {
            assert!(has(&any, from), "{from}");
        }
        assert!(!has(&any, "[::1]:7") && !has(&any, "192.0.2.9:12"));
    }

    #[test]
    fn an_address_is_ours_until_the_last_of_its_sockets_has_gone() {
        let mut own = own(&["192.0.2.9:7", "127.0.0.1:7", "192.0.2.9:7", "192.0.2.9:5"]);
        let gone = Address::Ip("192.0.2.9:7".parse().unwrap());
        for left in [true, false, false] {
            own.remove(&gone);
            assert_eq!(has(&own, "192.0.2.9:7"), left);
        }
        assert!(has(&own, "127.0.0.1:7") && has(&own, "192.0.2.9:5"));

        let name = UnixName::new(b"/run/own").unwrap();
        own.add(Address::Unix(name));
        assert!(own.has_name(&name) && !own.has_name(&UnixName::new(b"").unwrap()));
        own.remove(&Address::Unix(name));
        assert!(!own.has_name(&name));
    }
}
