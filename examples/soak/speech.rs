//! What is said, and what must come back: each byte follows from a seed and its place.

/// Bytes of a line that pong is sent, its ending counted.
pub(crate) const LINE: u64 = 16;

const PONG: &[u8] = b"pong\n";

/// What one connection says, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// To echo: no two seeds say the same, nor does one say the same twice. So a byte that is lost, doubled,
    /// moved or somebody else's is found out.
    Echo(u64),
    /// To pong: lines.
    Pong,
    /// To pong: one line that never ends, which nobody has to bear.
    Endless,
}

impl Speech {
    /// The bytes that are said from this place on.
    pub(crate) fn say(self, at: u64, buffer: &mut [u8]) {
        match self {
            Speech::Echo(seed) => pattern(seed, at, buffer),
            Speech::Pong => fill(at, buffer, |at| if at % LINE == LINE - 1 { b'\n' } else { b'.' }),
            Speech::Endless => buffer.fill(b'.'),
        }
    }

    /// How many bytes come back when so many were said.
    pub(crate) fn answers(self, said: u64) -> u64 {
        match self {
            Speech::Echo(_) => said,
            Speech::Pong => said / LINE * PONG.len() as u64,
            Speech::Endless => 0,
        }
    }

    /// How much of what was said is answered when so many bytes have come back.
    pub(crate) fn answered(self, heard: u64) -> u64 {
        match self {
            Speech::Echo(_) => heard,
            Speech::Pong => heard / PONG.len() as u64 * LINE,
            Speech::Endless => 0,
        }
    }

    /// Whether this is what comes back from this place on; if not, what is wrong with it.
    pub(crate) fn check(self, at: u64, heard: &[u8]) -> Result<(), String> {
        let mut expected = [0; 4096];
        let mut at = at;
        for piece in heard.chunks(expected.len()) {
            let expected = &mut expected[..piece.len()];
            match self {
                Speech::Echo(seed) => pattern(seed, at, expected),
                Speech::Pong => fill(at, expected, |at| PONG[at as usize % PONG.len()]),
                Speech::Endless => return Err("nothing was to come back".to_owned()),
            }
            if piece != expected {
                let wrong = piece.iter().zip(&*expected).position(|(is, should)| is != should);
                let wrong = wrong.expect("they differ");
                let (is, should) = (piece[wrong], expected[wrong]);
                let place = at + wrong as u64;
                return Err(format!("byte {place} is {is:#04x} and must be {should:#04x}"));
            }
            at += piece.len() as u64;
        }
        Ok(())
    }
}

fn fill(at: u64, buffer: &mut [u8], byte: impl Fn(u64) -> u8) {
    for (place, it) in (at..).zip(buffer) {
        *it = byte(place);
    }
}

/// Eight bytes at a time, since this is done for every byte that is sent and for every byte that comes.
fn pattern(seed: u64, at: u64, buffer: &mut [u8]) {
    let skip = (at % 8) as usize;
    let word = |number: u64| mix(seed.wrapping_add(number)).to_le_bytes();
    let head = buffer.len().min((8 - skip) % 8);
    let (first, rest) = buffer.split_at_mut(head);
    first.copy_from_slice(&word(at / 8)[skip..skip + head]);
    for (number, piece) in (at.div_ceil(8)..).zip(rest.chunks_mut(8)) {
        piece.copy_from_slice(&word(number)[..piece.len()]);
    }
}

/// Spreads a number over all 64 bits (SplitMix64, Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Chance that can be had again: the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(mix(seed ^ 0x736f_616b))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// From the first to the last, both included.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.number() % (last - first + 1)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() as u64 - 1) as usize]
    }
}
