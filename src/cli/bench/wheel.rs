//! The bytes that are sent, and what must come back.

/// Bytes of a turn of the wheel. A prime, so that whatever the size of the messages is, 65,521 of them
/// pass before one begins where an earlier one did; and small enough for a second-level cache.
const PERIOD: usize = 65_521;

/// Bytes that can be had in one piece, from wherever.
const PIECE: usize = 128 * 1024;

/// Endless random bytes, the same ones again and again.
///
/// What a connection sends is the wheel unrolled, from a place of its own on:
///
/// ```text
///   wheel:       5f a0 13 … 77 | 5f a0 13 … 77 | 5f …
///   connection:        └─ message 0 ─┴─ message 1 ─┴─ …
/// ```
///
/// So a message is a slice that is there already, and what comes back is compared as it comes,
/// whatever the cuts, with one `memcmp` and without being gathered first. A message that is lost,
/// doubled, moved, or that belongs to another connection stands at the wrong place, and differs.
///
/// Requests that are always the same are a small wheel.
pub(super) struct Wheel {
    bytes: Vec<u8>,
    period: u64,
}

impl Wheel {
    /// These bytes, again and again.
    pub(super) fn of(turn: &[u8]) -> Wheel {
        let bytes = turn.iter().copied().cycle().take(turn.len() + PIECE).collect();
        Wheel { bytes, period: turn.len() as u64 }
    }

    pub(super) fn random() -> Wheel {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64; // Any but zero: xorshift64, Marsaglia 2003.
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let turn: Vec<u8> = (0..PERIOD).map(|_| next()).collect();
        Wheel::of(&turn)
    }

    /// Any number as a place on the wheel; numbers that differ by little lie far apart: multiplied by the
    /// golden ratio (Knuth, volume 3, section 6.4), of which the upper half is taken as a fraction of a turn.
    #[inline]
    pub(super) fn spread(&self, number: u64) -> u32 {
        let fraction = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ((fraction * self.period) >> 32) as u32
    }

    /// The place of a byte, counted from the first one of an endless turning.
    #[inline]
    pub(super) fn place(&self, byte: u64) -> u32 {
        // By a constant where it matters: that divides without a division.
        let place = match self.period == PERIOD as u64 {
            true => byte % PERIOD as u64,
            false => byte % self.period,
        };
        place as u32
    }

    /// Up to so many bytes from this place on, in one piece, as many as there are.
    #[inline]
    pub(super) fn at(&self, place: u32, bytes: usize) -> &[u8] {
        let place = place as usize;
        &self.bytes[place..place + bytes.min(PIECE)]
    }

    /// Compares, from this place on. `Err`: how many bytes were right before the first wrong one.
    #[inline]
    pub(super) fn compare(&self, place: u32, bytes: &[u8]) -> Result<(), usize> {
        if bytes.len() <= PIECE && self.at(place, bytes.len()) == bytes {
            return Ok(());
        }
        self.compare_by_pieces(place, bytes)
    }

    #[cold]
    fn compare_by_pieces(&self, mut place: u32, bytes: &[u8]) -> Result<(), usize> {
        for (index, piece) in bytes.chunks(PIECE).enumerate() {
            let right = self.at(place, piece.len());
            if let Some(wrong) = right.iter().zip(piece).position(|(a, b)| a != b) {
                return Err(index * PIECE + wrong);
            }
            place = self.place(u64::from(place) + piece.len() as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_found_wherever_it_is() {
        let wheel = Wheel::random();
        let place = wheel.spread(41);
        let mut message: Vec<u8> = wheel.at(place, PIECE).to_vec();
        message.extend_from_slice(wheel.at(wheel.place(u64::from(place) + PIECE as u64), 100));
        assert_eq!(wheel.compare(place, &message), Ok(()));
        for wrong in [0, 1, 65_520, 65_521, PIECE, message.len() - 1] {
            message[wrong] ^= 1;
            assert_eq!(wheel.compare(place, &message), Err(wrong));
            message[wrong] ^= 1;
        }
    }

    #[test]
    fn messages_and_connections_can_be_told_apart() {
        let wheel = Wheel::random();
        for size in [8, 64, 1200, 65_536] {
            let first = wheel.at(wheel.spread(0), size);
            let next = wheel.place(u64::from(wheel.spread(0)) + size as u64);
            assert_ne!(first, wheel.at(next, size));
            assert_ne!(first, wheel.at(wheel.spread(1), size));
        }
    }
}
