//! What has happened in a simulation, in one number.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use crate::values::{Act, Id};

/// All steps so far and when they were, mixed by FNV-1a (RFC 9923): the same for each run that is the same, and
/// almost surely another one for any other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace {
    hash: u64,
    steps: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, steps: 0 }
    }
}

impl Trace {
    pub(super) fn note(&mut self, source: Id, act: Act) {
        self.steps += u64::from(!matches!(act, Act::Polled { .. }));
        self.write_usize(source.to_bits());
        act.hash(self);
    }

    /// What is noted from here on happens that long after the beginning.
    pub(super) fn is_at(&mut self, time: Duration) {
        time.hash(self);
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many things have happened.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }
}

impl Hasher for Trace {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}
