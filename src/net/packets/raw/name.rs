//! Socket addresses as C has them.

use std::mem::{self, offset_of, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, sockaddr_in, sockaddr_in6, sockaddr_storage, sockaddr_un};

use crate::values::{Address, UnixName};

/// A socket address of any kind.
#[derive(Clone, Copy)]
pub(super) union Name {
    any: sockaddr_storage,
    v4: sockaddr_in,
    v6: sockaddr_in6,
    unix: sockaddr_un,
}

const NAME_AT: usize = offset_of!(sockaddr_un, sun_path);

// What follows relies on it: each kind of address is whole inside the storage.
const _: () = assert!(size_of::<Name>() == size_of::<sockaddr_storage>());

impl Name {
    pub(super) fn new() -> Name {
        // SAFETY: socket addresses are integers and arrays of them: zero is a value of theirs.
        unsafe { mem::zeroed() }
    }

    /// Returns the length.
    #[inline]
    pub(super) fn set(&mut self, address: &Address) -> usize {
        match address {
            Address::Ip(SocketAddr::V4(address)) => {
                *self = Name::new();
                // SAFETY: as in `new`. The field is only written to.
                let name = unsafe { &mut self.v4 };
                name.sin_family = libc::AF_INET as _;
                name.sin_port = address.port().to_be();
                name.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                size_of::<sockaddr_in>()
            }
            Address::Ip(SocketAddr::V6(address)) => {
                *self = Name::new();
                // SAFETY: as in `new`. The field is only written to.
                let name = unsafe { &mut self.v6 };
                name.sin6_family = libc::AF_INET6 as _;
                name.sin6_port = address.port().to_be();
                name.sin6_addr.s6_addr = address.ip().octets();
                name.sin6_flowinfo = address.flowinfo();
                name.sin6_scope_id = address.scope_id();
                size_of::<sockaddr_in6>()
            }
            Address::Unix(name) => self.set_unix(name.as_bytes()),
            // No system knows it; it says of a socket without a name that nothing can be sent there.
            Address::Mem(_) => self.set_unix(b""),
        }
    }

    #[inline(never)]
    fn set_unix(&mut self, name: &[u8]) -> usize {
        *self = Name::new();
        // SAFETY: as in `new`. The field is only written to.
        let field = unsafe { &mut self.unix };
        field.sun_family = libc::AF_UNIX as _;
        for (to, from) in field.sun_path.iter_mut().zip(name) {
            *to = *from as _;
        }
        NAME_AT + name.len().min(field.sun_path.len())
    }

    /// The address that the kernel has written, `length` bytes by its own count.
    #[inline]
    pub(super) fn get(&self, length: usize) -> Address {
        // A Unix socket without a name: nothing at all was written, what is here is from before.
        if length <= NAME_AT {
            return Address::Unix(UnixName::new(b"").expect("it is short"));
        }
        // SAFETY: every field is made of integers, and every byte has had a value since `new`.
        match unsafe { self.any.ss_family } as c_int {
            libc::AF_INET => {
                // SAFETY: as above.
                let name = unsafe { &self.v4 };
                let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
                Address::from(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port))))
            }
            libc::AF_INET6 => {
                // SAFETY: as above.
                let name = unsafe { &self.v6 };
                let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
                Address::from(SocketAddr::V6(SocketAddrV6::new(
                    ip,
                    u16::from_be(name.sin6_port),
                    name.sin6_flowinfo,
                    name.sin6_scope_id,
                )))
            }
            _ => Address::Unix(self.unix_name(length)),
        }
    }

    fn unix_name(&self, length: usize) -> UnixName {
        // SAFETY: the union has this many bytes, and all have had a value since `new`.
        let bytes = unsafe { &*(&raw const *self).cast::<[u8; size_of::<Name>()]>() };
        // The kernel counts a zero behind a path that fills all of `sun_path`.
        let name = &bytes[NAME_AT..length.min(NAME_AT + UnixName::MAX)];
        let is_path = name[0] != 0;
        let end = name.iter().position(|&byte| is_path && byte == 0).unwrap_or(name.len());
        UnixName::new(&name[..end]).expect("it was cut to what a name can have")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path may fill `sun_path`; the kernel then counts a zero behind its end.
    #[test]
    fn names_round_trip() {
        let longest = [b'/'; UnixName::MAX];
        let mut name = Name::new();
        for (bytes, extra) in
            [(&longest[..], 1), (&b"/run/s"[..], 1), (&b"\0a\0b"[..], 0), (&b""[..], 0)]
        {
            let address = Address::Unix(UnixName::new(bytes).unwrap());
            let length = name.set(&address) + extra;
            assert_eq!(name.get(length), address);
        }
        for address in ["127.0.0.1:80", "[fe80::1%7]:53", "[::ffff:1.2.3.4]:9"] {
            let address = Address::Ip(address.parse().unwrap());
            let length = name.set(&address);
            assert_eq!(name.get(length), address);
        }
    }
}
