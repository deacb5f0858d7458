//! Log lines that might be many.

use std::time::Instant;
use std::{fmt, mem};

use crate::values::LOG_INTERVAL;

/// Lets one log line pass in a while, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    last: Option<Instant>,
    held: u64,
}

impl Throttle {
    /// `Some`: log it, and for how many more since the last line it stands.
    pub(super) fn pass(&mut self, now: Instant) -> Option<More> {
        if self.last.is_some_and(|last| now.duration_since(last) < LOG_INTERVAL) {
            self.held += 1;
            return None;
        }
        self.last = Some(now);
        Some(More(mem::take(&mut self.held)))
    }
}

/// A throttle for each kind of line, so that a crowd of one kind hides no other.
#[derive(Debug)]
pub(super) struct Throttles<const KINDS: usize>([Throttle; KINDS]);

impl<const KINDS: usize> Throttles<KINDS> {
    pub(super) fn new() -> Throttles<KINDS> {
        Throttles(std::array::from_fn(|_| Throttle::default()))
    }

    /// The same for lines of this kind.
    pub(super) fn pass(&mut self, kind: usize, now: Instant) -> Option<More> {
        self.0[kind].pass(now)
    }
}

/// So many more, in brackets; nothing if there are none.
pub(super) struct More(u64);

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " ({more} more like it)"),
        }
    }
}
