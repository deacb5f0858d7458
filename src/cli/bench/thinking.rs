//! Who thinks, and until when.

use std::collections::VecDeque;
use std::time::Duration;

/// The poll counts in milliseconds, and wakes up to one too late: so the last one isn't slept.
const ALERT: u64 = 1_000_000;

/// Lanes that think: all of them equally long, so that they stand in order.
#[derive(Default)]
pub(super) struct Thinking {
    queue: VecDeque<(u64, usize, u64)>,
}

impl Thinking {
    /// A lane thinks until then about so many messages. `true`: nobody has thought before, so there is no
    /// timer.
    pub(super) fn put(&mut self, until: u64, lane: usize, messages: u64) -> bool {
        self.queue.push_back((until, lane, messages));
        self.queue.len() == 1
    }

    /// The next who has thought enough.
    pub(super) fn take(&mut self, now: u64) -> Option<(usize, u64)> {
        let &(until, lane, messages) = self.queue.front()?;
        if until > now {
            return None;
        }
        self.queue.pop_front();
        Some((lane, messages))
    }

    /// When the next one will have.
    pub(super) fn next(&self) -> Option<u64> {
        self.queue.front().map(|(until, ..)| *until)
    }

    /// How long one may sleep until then.
    pub(super) fn sleep(until: u64, now: u64) -> Duration {
        Duration::from_nanos(until.saturating_sub(now).saturating_sub(ALERT))
    }
}
