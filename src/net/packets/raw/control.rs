//! Control messages, cmsg(3).

use std::mem::{self, size_of};

use libc::{c_int, c_uint, cmsghdr, msghdr};

/// Room for control messages, one behind the other.
#[repr(C)]
#[derive(Clone)]
pub(super) struct Control {
    aligned: [cmsghdr; 0],
    bytes: [u8; Control::LENGTH],
}

impl Control {
    /// Packet information and a segment size take 64. What else a socket that was made elsewhere may
    /// have switched on, such as time stamps, comes first, and must not crowd out the segment size:
    /// without it a train would look like one long datagram.
    const LENGTH: usize = 256;

    /// Without any.
    pub(super) fn new() -> Control {
        Control { aligned: [], bytes: [0; Control::LENGTH] }
    }

    /// Writes one control message at `at`, where the last one ended. Returns how long it is.
    pub(super) fn put<T: Copy>(&mut self, at: usize, level: c_int, kind: c_int, data: T) -> usize {
        let size = size_of::<T>() as c_uint;
        // SAFETY: these two only calculate.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
        let room = &mut self.bytes[at..at + space as usize];
        let header = room.as_mut_ptr().cast::<cmsghdr>();
        // SAFETY: `room` holds the header and the data; it is aligned, since `at` is a sum of spaces.
        unsafe {
            (*header).cmsg_len = length as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        }
        space as usize
    }

    /// Shows each control message in the first `length` bytes: level, type and data. What is not whole
    /// is left out.
    pub(super) fn each(&self, length: usize, mut see: impl FnMut(c_int, c_int, &[u8])) {
        let mut rest = &self.bytes[..length.min(Control::LENGTH)];
        while let Some((header, _)) = rest.split_at_checked(size_of::<cmsghdr>()) {
            // SAFETY: so many bytes are there, and whatever they are, integers can be made of them.
            let header = unsafe { header.as_ptr().cast::<cmsghdr>().read_unaligned() };
            let length: usize = header.cmsg_len as _; // The header's and the data's.
            // SAFETY: it only calculates.
            let start = unsafe { libc::CMSG_LEN(0) } as usize;
            let Some(data) = rest.get(start..length) else { return };
            see(header.cmsg_level, header.cmsg_type, data);
            // SAFETY: as above.
            let space = unsafe { libc::CMSG_SPACE(data.len() as c_uint) } as usize;
            rest = rest.get(space..).unwrap_or_default(); // Behind the last one, room may be missing.
        }
    }
}

/// A header that leads nowhere.
pub(super) fn empty_header() -> msghdr {
    // SAFETY: a msghdr is integers and raw pointers: zero is a value of theirs.
    unsafe { mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_is_not_whole_is_left_out() {
        let mut control = Control::new();
        let first = control.put(0, 1, 2, [3_u8; 5]);
        let both = first + control.put(first, 4, 5, 6_u16);
        let seen = |length| {
            let mut seen = Vec::new();
            control.each(length, |level, kind, data| seen.push((level, kind, data.to_vec())));
            seen
        };
        let all = [(1, 2, vec![3; 5]), (4, 5, 6_u16.to_ne_bytes().to_vec())];
        assert_eq!(seen(both), all);
        for length in first..both {
            let is_whole = length >= first + size_of::<cmsghdr>() + 2;
            assert_eq!(seen(length), all[..if is_whole { 2 } else { 1 }], "{length}");
        }
        assert_eq!(seen(usize::MAX).len(), 2); // What follows has no length, and is none.
    }
}
