//! What the kernel tells of a message, for fuzz targets: they write what it would have written.

use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddr};
use std::ptr::copy_nonoverlapping;

use libc::c_int;

use super::control::{Control, empty_header};
use super::envelope::Envelope;
use super::name::Name;
use crate::values::{Cast, Peer};

/// What was read out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who sent it, and which address of ours it was sent to.
    pub from: Peer,
    /// How long each datagram of a train is.
    pub segment: Option<usize>,
    /// Who else got it.
    pub cast: Cast,
    /// Each control message: level, type, data.
    pub control: Vec<(c_int, c_int, Vec<u8>)>,
}

/// What is made of a message whose name and control messages have these bytes, of which the kernel says that they
/// are so long; what doesn't fit is cut, as the kernel does.
pub fn told(name: &[u8], control: &[u8]) -> Told {
    let mut envelope = Envelope::new();
    let name = &name[..name.len().min(size_of::<Name>())];
    let control = &control[..control.len().min(size_of::<Control>())];
    let (to, control_to) = (&raw mut envelope.name, &raw mut envelope.control);
    // SAFETY: both are as large as what is copied, or larger, made of integers, and borrowed by nobody.
    unsafe {
        copy_nonoverlapping(name.as_ptr(), to.cast(), name.len());
        copy_nonoverlapping(control.as_ptr(), control_to.cast(), control.len());
    }
    let mut header = empty_header();
    header.msg_name = to.cast();
    header.msg_namelen = name.len() as _;
    header.msg_controllen = control.len() as _;
    let mut from = Peer::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let extra = envelope.read(&header, &mut from);
    let mut each = Vec::new();
    envelope.control.each(control.len(), |level, kind, data| {
        each.push((level, kind, data.to_vec()));
    });
    Told { from, segment: extra.segment, cast: extra.cast, control: each }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use crate::values::Address;

    #[test]
    fn what_is_written_is_read_and_what_is_too_long_is_cut() {
        let mut name = vec![0; 16];
        name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        name[2..8].copy_from_slice(&[0, 80, 192, 0, 2, 1]);
        for control in [&[][..], &[0; 16], &[255; 1000]] {
            let told = told(&name, control);
            assert_eq!(told.from.address, Address::Ip("192.0.2.1:80".parse().unwrap()));
            assert_eq!((told.segment, told.cast, told.control.len()), (None, Cast::Unicast, 0));
        }
        let told = told(&[b'/'; 1000], &[]);
        assert!(matches!(told.from.address, Address::Unix(name) if name.as_bytes() == [b'/'; 108]));
    }
}
