//! The schedule of an open loop.

use std::time::Duration;

/// How long before a message is due the loop ceases to sleep: the poll counts in milliseconds.
const ALERT: u64 = 1_100_000;

/// When which message is due: evenly spread, on the lanes in turn.
///
/// ```text
///   lane 0   │0       │3       │6
///   lane 1   │  1     │  4     │  7
///   lane 2   │     2  │     5  │     8
///            └──────────────────────────▶ time
/// ```
pub(super) struct Pacer {
    start: u64,
    /// Nanoseconds from message to message.
    interval: f64,
    lanes: u64,
    /// The number of the next message, its lane, and when it is due.
    number: u64,
    lane: usize,
    due: u64,
}

impl Pacer {
    /// So many messages a second, from this time on.
    pub(super) fn new(rate: f64, lanes: usize, start: u64) -> Pacer {
        Pacer { start, interval: 1e9 / rate, lanes: lanes as u64, number: 0, lane: 0, due: start }
    }

    /// How long the loop may sleep. From then on it must not, until the next message is due.
    pub(super) fn sleep(&self, now: u64) -> Duration {
        Duration::from_nanos(self.due.saturating_sub(now).saturating_sub(ALERT))
    }

    /// The lane of the next one, if it is due now, and when it was.
    #[inline]
    pub(super) fn next(&mut self, now: u64) -> Option<(usize, u64)> {
        if self.due > now {
            return None;
        }
        let next = (self.lane, self.due);
        self.number += 1;
        self.lane += 1;
        if self.lane as u64 == self.lanes {
            self.lane = 0;
        }
        self.due = self.time(self.number);
        Some(next)
    }

    #[inline]
    fn time(&self, number: u64) -> u64 {
        self.start + (number as f64 * self.interval) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_evenly_and_on_the_lanes_in_turn() {
        let mut pacer = Pacer::new(1000.0, 2, 500);
        assert_eq!(pacer.next(499), None);
        for number in 0..1000 {
            let due = 500 + number * 1_000_000;
            assert_eq!(pacer.next(due - 1), None);
            let lane = number as usize % 2;
            assert_eq!(pacer.next(due), Some((lane, due)));
        }
    }
}
