//! What timers have to say when they come due.

use std::collections::HashMap;

use crate::values::TimerId;

/// The words of timers, beside the timers themselves: most have none, and pay nothing.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: HashMap<TimerId, u64>,
    /// Of the timer that a service is being called for.
    spoken: u64,
}

impl Words {
    pub(super) fn set(&mut self, timer: TimerId, word: u64) {
        self.words.insert(timer, word);
    }

    /// The timer was cancelled.
    pub(super) fn forget(&mut self, timer: TimerId) {
        if !self.words.is_empty() {
            self.words.remove(&timer);
        }
    }

    /// Some timers have gone: of which this doesn't say that they are set.
    pub(super) fn keep(&mut self, is_set: impl Fn(TimerId) -> bool) {
        self.words.retain(|&timer, _| is_set(timer));
    }

    /// The timer comes due, for the last time perhaps.
    #[inline]
    pub(super) fn speak(&mut self, timer: TimerId, is_last: bool) {
        if !self.words.is_empty() {
            let word = self.words.get(&timer).copied();
            self.spoken = word.unwrap_or(0);
            if is_last {
                self.words.remove(&timer);
            }
        }
    }

    /// The service has been called.
    pub(super) fn fall_silent(&mut self) {
        self.spoken = 0;
    }

    pub(super) fn spoken(&self) -> u64 {
        self.spoken
    }
}
