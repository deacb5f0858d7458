//! What stands in front of a datagram, to know it by when it comes back.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// Bytes of a stamp: all that a datagram of the smallest size has.
pub(super) const LENGTH: usize = 8;

/// Which datagram it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Of all of its socket.
    pub(super) number: u32,
    /// Where its time is kept.
    pub(super) place: u16,
    /// Its socket.
    pub(super) tag: u16,
}

/// Makes stamps that look like chance to whoever doesn't have the key, of which each run has one.
///
/// ```text
///   number │ place │ tag  ── mixed with the key, 64 bits to 64 bits ──▶  8 bytes
///   32     │ 16    │ 16
/// ```
///
/// A changed bit changes all of them when they are unmixed: then the tag, the place and the number can
/// all be right by one chance in billions only. So also datagrams of eight bytes, which have nothing but
/// this, are checked, and those that an earlier run has left behind are not taken for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    key: u64,
}

/// Odd, so that there is a number that undoes multiplying by it.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// That number, modulo 2^64: each step of Newton's method doubles the bits that are right.
const INVERSE: u64 = {
    let (mut inverse, mut step) = (FACTOR, 0);
    while step < 6 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(FACTOR.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
};

/// The keys of earlier runs of this process.
static EARLIER: Mutex<Vec<Seal>> = Mutex::new(Vec::new());

impl Seal {
    /// With a key of its own.
    pub(super) fn new() -> Seal {
        let seal = Seal { key: RandomState::new().hash_one("echoloop") };
        EARLIER.lock().unwrap_or_else(PoisonError::into_inner).push(seal);
        seal
    }

    /// Whether an earlier run can have made this.
    pub(super) fn is_of_an_earlier_run(
        &self,
        bytes: [u8; LENGTH],
        fits: impl Fn(Stamp) -> bool,
    ) -> bool {
        let earlier = EARLIER.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.iter().any(|seal| seal != self && fits(seal.read(bytes)))
    }

    #[inline]
    pub(super) fn make(&self, stamp: Stamp) -> [u8; LENGTH] {
        let Stamp { number, place, tag } = stamp;
        let mut bits = u64::from(number) << 32 | u64::from(place) << 16 | u64::from(tag);
        bits ^= self.key;
        for _ in 0..2 {
            bits = (bits ^ bits >> 32).wrapping_mul(FACTOR);
        }
        (bits ^ bits >> 32).to_be_bytes()
    }

    #[inline]
    pub(super) fn read(&self, bytes: [u8; LENGTH]) -> Stamp {
        let mut bits = u64::from_be_bytes(bytes);
        bits ^= bits >> 32;
        for _ in 0..2 {
            bits = bits.wrapping_mul(INVERSE);
            bits ^= bits >> 32;
        }
        bits ^= self.key;
        Stamp { number: (bits >> 32) as u32, place: (bits >> 16) as u16, tag: bits as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_made_and_by_its_own_run_alone() {
        let (ours, theirs) = (Seal::new(), Seal::new());
        for number in [0, 1, 77, u32::MAX] {
            let stamp = Stamp { number, place: 3, tag: 500 };
            let bytes = ours.make(stamp);
            assert_eq!(ours.read(bytes), stamp);
            assert_ne!(theirs.read(bytes), stamp);
            assert!(theirs.is_of_an_earlier_run(bytes, |it| it == stamp));
        }
    }

    /// Whatever bit is changed, neither the place nor the socket is what it was.
    #[test]
    fn a_changed_bit_changes_all_of_it() {
        let seal = Seal { key: 41 };
        let stamp = Stamp { number: 5, place: 3, tag: 500 };
        for bit in 0..64 {
            let bits = u64::from_be_bytes(seal.make(stamp)) ^ 1 << bit;
            let read = seal.read(bits.to_be_bytes());
            assert!(read.tag != stamp.tag || read.place != stamp.place, "{bit}: {read:?}");
        }
    }
}
