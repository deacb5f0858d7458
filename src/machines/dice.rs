//! Where chance comes from: one number, or the bytes of somebody who is looking for trouble.

use std::collections::VecDeque;

/// The same numbers each time it begins with the same.
#[derive(Debug)]
pub(crate) enum Dice {
    /// SplitMix64: a counter, well mixed. Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014.
    Seed(u64),
    /// What a fuzzer has made up. When it is used up, nothing happens by chance any more.
    Bytes(VecDeque<u8>),
}

impl Dice {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Dice {
        Dice::Bytes(bytes.to_vec().into())
    }

    /// Sixteen bits.
    fn roll(&mut self) -> u16 {
        match self {
            Dice::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (mixed >> 48) as u16
            }
            Dice::Bytes(bytes) => {
                let mut next = || bytes.pop_front().unwrap_or(0);
                u16::from_be_bytes([next(), next()])
            }
        }
    }

    /// Whether what has this chance happens. What can't happen rolls nothing.
    pub(crate) fn falls(&mut self, chance: f64) -> bool {
        const SIDES: f64 = 65_536.0;
        let chance = if chance.is_nan() { 0.0 } else { chance.clamp(0.0, 1.0) };
        chance > 0.0 && f64::from(self.roll()) >= (1.0 - chance) * SIDES
    }

    /// A number below `end`, which is at least 1; 0 most of all when there are no bytes left.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let wide = u64::from(self.roll()) << 16 | u64::from(self.roll());
        (wide % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(miri))] // How often, and not how: of a few, nothing could be said.
    fn chances_are_what_they_are_called() {
        let mut dice = Dice::Seed(7);
        assert!((0..1000).all(|_| dice.falls(1.0) && !dice.falls(0.0)));
        let half = (0..10_000).filter(|_| dice.falls(0.5)).count();
        assert!((4_800..5_200).contains(&half), "{half}");
        let mut fallen = [0; 3];
        (0..3000).for_each(|_| fallen[dice.below(3)] += 1);
        assert!(fallen.iter().all(|times| (800..1200).contains(times)), "{fallen:?}");
    }

    #[test]
    fn without_bytes_nothing_happens() {
        let mut dice = Dice::from_bytes(&[255, 255, 0, 0]);
        assert!(dice.falls(0.1) && !dice.falls(0.1) && !dice.falls(0.9));
        assert_eq!(dice.below(100), 0);
    }
}
