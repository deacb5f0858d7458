//! The schedule of an open loop.

use std::time::Duration;

use super::talk::mixed;
use super::values::{Arrival, Rate};

/// How long before a message is due the loop ceases to sleep: the poll counts in milliseconds.
const ALERT: u64 = 1_100_000;

/// When which message is due: on the lanes in turn, evenly spread or by chance.
///
/// ```text
///   lane 0   │0       │3       │6
///   lane 1   │  1     │  4     │  7
///   lane 2   │     2  │     5  │     8
///            └──────────────────────────▶ time
/// ```
///
/// A rate that changes does so during the measured time, and stays what it is before and after:
///
/// ```text
///   rate      to           ┌────
///                        ╱
///       from  ─────────┘
///              warm-up  measured
/// ```
pub(super) struct Pacer {
    start: u64,
    rate: Rate,
    /// Seconds, from the start, in which the rate changes.
    level: f64,
    slope: f64,
    lanes: usize,
    /// What a message takes of the schedule: one, or by chance one on average.
    arrival: Arrival,
    drawn: u64,
    /// The place of the next message on the schedule, its lane, and when it is due.
    place: f64,
    lane: usize,
    due: u64,
}

impl Pacer {
    /// So many messages a second, from this time on. A rate that changes does so within `slope`, after
    /// `level`. Several schedules that are to be one begin with parts of a message, from 0 to 1.
    pub(super) fn new(rate: Rate, arrival: Arrival, lanes: usize, start: u64, part: f64) -> Pacer {
        let drawn = match arrival {
            Arrival::Even => 0,
            Arrival::Poisson { seed } => mixed(seed ^ mixed(part.to_bits())),
        };
        let mut pacer = Pacer {
            start,
            rate,
            level: 0.0,
            slope: 0.0,
            lanes,
            arrival,
            drawn,
            place: part,
            lane: 0,
            due: start,
        };
        if arrival != Arrival::Even {
            pacer.place += pacer.step();
        }
        pacer.due = pacer.time();
        pacer
    }

    /// With a rate that changes within `slope`, after `level`.
    pub(super) fn changing(mut self, level: Duration, slope: Duration) -> Pacer {
        (self.level, self.slope) = (level.as_secs_f64(), slope.as_secs_f64());
        self.due = self.time();
        self
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
        self.lane += 1;
        if self.lane == self.lanes {
            self.lane = 0;
        }
        self.place += self.step();
        self.due = self.time();
        Some(next)
    }

    /// From one message to the next, on the schedule: one; or, if they come by chance, what a Poisson
    /// process has between two events, one on average.
    #[inline]
    fn step(&mut self) -> f64 {
        if self.arrival == Arrival::Even {
            return 1.0;
        }
        self.drawn = self.drawn.wrapping_add(1);
        let uniform = (mixed(self.drawn) >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln()
    }

    /// When the message at this place is due: as many seconds after the start as the rate needs for so many.
    #[inline]
    fn time(&self) -> u64 {
        let Rate { from, to } = self.rate;
        let seconds = if from == to { self.place / from } else { self.seconds() };
        self.start + (seconds * 1e9) as u64
    }

    /// The same for a rate that changes: the area under the picture above, turned round.
    fn seconds(&self) -> f64 {
        let Rate { from, to } = self.rate;
        let (level, slope) = (self.level, self.slope);
        let behind = self.place - from * level;
        if behind <= 0.0 {
            return self.place / from;
        }
        let after = behind - (from + to) / 2.0 * slope;
        if after >= 0.0 {
            return level + slope + after / to;
        }
        // from t + growth t²/2 = behind, solved so that nothing is lost if the growth is small.
        let growth = (to - from) / slope;
        level + 2.0 * behind / (from + (from * from + 2.0 * growth * behind).max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that are due within so many seconds.
    fn dues(mut pacer: Pacer, seconds: u64) -> Vec<u64> {
        let end = seconds * 1_000_000_000;
        std::iter::from_fn(|| pacer.next(end - 1).map(|(_, due)| due)).collect()
    }

    #[test]
    fn messages_are_due_evenly_and_on_the_lanes_in_turn() {
        let mut pacer = Pacer::new(Rate::of(1000.0), Arrival::Even, 2, 500, 0.0);
        assert_eq!(pacer.next(499), None);
        for number in 0..1000 {
            let due = 500 + number * 1_000_000;
            assert_eq!(pacer.next(due - 1), None);
            assert_eq!(pacer.next(due), Some((number as usize % 2, due)));
        }
    }

    #[test]
    fn two_schedules_are_one_of_twice_the_rate() {
        let half = |part| dues(Pacer::new(Rate::of(500.0), Arrival::Even, 1, 0, part), 1);
        let mut both = [half(0.0), half(0.5)].concat();
        both.sort();
        assert_eq!(both, dues(Pacer::new(Rate::of(1000.0), Arrival::Even, 1, 0, 0.0), 1));
    }

    /// As many as the area under the picture, up and down, and the rate is right where it is looked at.
    #[test]
    fn a_rate_changes_evenly() {
        for (from, to) in [(1000.0, 3000.0), (3000.0, 1000.0)] {
            let (level, slope) = (Duration::from_secs(1), Duration::from_secs(4));
            let pacer = Pacer::new(Rate { from, to }, Arrival::Even, 1, 0, 0.0);
            let dues = dues(pacer.changing(level, slope), 6);
            let in_second = |s: u64| {
                let second = s * 1_000_000_000..(s + 1) * 1_000_000_000;
                dues.iter().filter(|due| second.contains(due)).count() as i64
            };
            let step = (to - from) as i64 / 4;
            let wanted = |s: i64| from as i64 + s * step + step / 2;
            assert!((in_second(0) - from as i64).abs() <= 1);
            for s in 0..4 {
                assert!((in_second(1 + s as u64) - wanted(s)).abs() <= 2, "{from} {s}");
            }
            assert!((in_second(5) - to as i64).abs() <= 1);
        }
    }

    /// Seeded: the same again; as many as asked for; and as uneven as it must be, since the variance of the
    /// number in an interval is its mean.
    #[test]
    fn chance_is_poisson_and_repeats_itself() {
        let of = |seed| {
            let arrival = Arrival::Poisson { seed };
            dues(Pacer::new(Rate::of(10_000.0), arrival, 1, 0, 0.0), 10)
        };
        let due = of(1);
        assert_eq!(due, of(1));
        assert_ne!(due, of(2));
        assert!((98_500..101_500).contains(&due.len()), "{}", due.len());
        let mut counts = vec![0.0; 1000];
        due.iter().for_each(|due| counts[(due / 10_000_000) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 1000.0;
        let variance = counts.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / 1000.0;
        assert!((0.8..1.2).contains(&(variance / mean)), "{}", variance / mean);
    }
}
