//! What is sent, and whether it came back.

/// The number of a message that a datagram carries, in bytes.
const NUMBER: usize = 4;

/// The bytes of each message, made when they are needed: a message may be longer than memory.
///
/// ```text
///   number │ run │ pseudo-random bytes, other ones in each message, to find any that were mixed up
///   4        4     the rest; a message that is shorter is cut here
/// ```
///
/// For servers that speak in lines it is letters and `\n` instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    size: usize,
    /// Different each time, so that replies to somebody else's messages are not taken for ours.
    run: u32,
    is_line: bool,
}

/// The first byte that is not as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) offset: usize,
    pub(super) expected: u8,
    pub(super) got: u8,
}

impl Payload {
    pub(super) fn new(size: usize, run: u32, is_line: bool) -> Payload {
        Payload { size, run, is_line }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The bytes of a message from an offset on, at most `most` of them.
    pub(super) fn piece(&self, number: u64, offset: usize, most: usize, piece: &mut Vec<u8>) {
        let end = self.size.min(offset.saturating_add(most));
        piece.clear();
        piece.extend((offset..end).scan(None, |word, at| Some(self.byte(number, at, word))));
    }

    /// One byte; `word` remembers the eight that it belongs to.
    fn byte(&self, number: u64, at: usize, word: &mut Option<[u8; 8]>) -> u8 {
        if self.is_line {
            let letter = (number as usize).wrapping_add(at) % 26;
            return if at + 1 == self.size { b'\n' } else { b'a' + letter as u8 };
        }
        if at.is_multiple_of(8) || word.is_none() {
            *word = Some(self.word(number, at / 8));
        }
        word.map_or(0, |word| word[at % 8])
    }

    fn word(&self, number: u64, index: usize) -> [u8; 8] {
        if index == 0 {
            return ((number << 32) | u64::from(self.run)).to_be_bytes();
        }
        let seed = (u64::from(self.run) << 32) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mix(seed.wrapping_add(index as u64)).to_be_bytes()
    }

    /// Compares a part of a reply, byte for byte. The scratch buffer holds what it should be.
    pub(super) fn check(
        &self,
        number: u64,
        offset: usize,
        reply: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Option<Wrong> {
        self.piece(number, offset, reply.len(), scratch);
        if scratch == reply {
            return None;
        }
        let wrong = scratch.iter().zip(reply).position(|(expected, got)| expected != got)?;
        Some(Wrong { offset: offset + wrong, expected: scratch[wrong], got: reply[wrong] })
    }

    /// The number that a datagram carries, near the next one to be sent. `None`: it is too short to
    /// carry one.
    pub(super) fn number(&self, datagram: &[u8], next: u64) -> Option<u64> {
        if self.is_line || self.size < NUMBER {
            return None;
        }
        let low = u32::from_be_bytes(*datagram.first_chunk()?);
        let number = (next & !u64::from(u32::MAX)) | u64::from(low);
        Some(if number > next { number.checked_sub(1 << 32).unwrap_or(number) } else { number })
    }
}

/// The finalizer of SplitMix64: each bit of the input decides about half of the output's.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_size_make_the_same_message() {
        let (mut whole, mut piece) = (Vec::new(), Vec::new());
        for payload in [Payload::new(100, 7, false), Payload::new(100, 7, true)] {
            payload.piece(3, 0, usize::MAX, &mut whole);
            assert_eq!(whole.len(), 100);
            for cut in 1..=100 {
                let mut pieces = Vec::new();
                while pieces.len() < 100 {
                    payload.piece(3, pieces.len(), cut, &mut piece);
                    assert_eq!(
                        payload.check(3, pieces.len(), &piece.clone(), &mut Vec::new()),
                        None
                    );
                    pieces.extend_from_slice(&piece);
                }
                assert_eq!(pieces, whole, "cut {cut}");
            }
        }
        assert_eq!(whole.iter().position(|&byte| byte == b'\n'), Some(99));
    }

    #[test]
    fn any_wrong_byte_is_found() {
        let payload = Payload::new(40, 7, false);
        let (mut message, mut scratch) = (Vec::new(), Vec::new());
        payload.piece(1, 0, usize::MAX, &mut message);
        for offset in 0..40 {
            let mut reply = message.clone();
            reply[offset] ^= 1;
            let wrong = payload.check(1, 0, &reply, &mut scratch).unwrap();
            assert_eq!((wrong.offset, wrong.got), (offset, message[offset] ^ 1));
        }
        assert!(payload.check(2, 0, &message, &mut scratch).is_some());
    }

    #[test]
    fn a_datagram_carries_its_number() {
        let payload = Payload::new(8, 7, false);
        let mut message = Vec::new();
        for (number, next) in [(0, 1), (5, 9), (u64::from(u32::MAX), 1 << 32), (1 << 32, 1 << 32)] {
            payload.piece(number, 0, usize::MAX, &mut message);
            assert_eq!(payload.number(&message, next), Some(number));
        }
        assert_eq!(Payload::new(3, 7, false).number(b"abc", 1), None);
        assert_eq!(payload.number(b"abc", 1), None);
    }
}
