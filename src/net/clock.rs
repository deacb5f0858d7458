//! The time, read once a turn.

use std::time::{Duration, Instant};

/// What time it is for everybody in a turn.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    now: Instant,
    tick: Tick,
    /// When the next one begins.
    next: Instant,
    /// It is in somebody's hand.
    #[cfg(feature = "simulation")]
    is_simulated: bool,
}

/// Milliseconds since the reactor was made, in six bytes: enough for 8,900 years, and each connection
/// has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick([u16; 3]);

impl Clock {
    pub(super) fn new() -> Clock {
        let start = Instant::now();
        Clock {
            start,
            now: start,
            tick: Tick::default(),
            next: start,
            #[cfg(feature = "simulation")]
            is_simulated: false,
        }
    }

    /// What time it is at this very moment, which in a simulation is that of the whole turn.
    #[inline]
    pub(super) fn this_moment(&self) -> Instant {
        #[cfg(feature = "simulation")]
        if self.is_simulated {
            return self.now;
        }
        Instant::now()
    }

    #[inline]
    pub(super) fn read(&mut self) {
        self.set(self.this_moment());
    }

    #[inline]
    fn set(&mut self, now: Instant) {
        self.now = now;
        if now >= self.next {
            self.tick_on();
        }
    }

    /// Apart, since many turns are shorter than a millisecond.
    #[cold]
    fn tick_on(&mut self) {
        let since = self.now.duration_since(self.start);
        let millis = since.as_secs() * 1000 + u64::from(since.subsec_millis());
        self.tick = Tick([millis as u16, (millis >> 16) as u16, (millis >> 32) as u16]);
        self.next = later(self.start, Duration::from_millis(millis + 1));
    }

    /// From here on it goes only where it is put.
    #[cfg(feature = "simulation")]
    pub(super) fn simulate(&mut self) {
        self.is_simulated = true;
    }

    #[cfg(feature = "simulation")]
    pub(super) fn is_simulated(&self) -> bool {
        self.is_simulated
    }

    /// Time passes.
    #[cfg(feature = "simulation")]
    pub(super) fn advance(&mut self, by: Duration) {
        self.set(later(self.now, by));
    }

    /// How long ago it was made.
    #[cfg(feature = "simulation")]
    pub(super) fn age(&self) -> Duration {
        self.now.duration_since(self.start)
    }

    /// When it was read.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// The same in fewer bytes.
    #[inline]
    pub(super) fn tick(&self) -> Tick {
        self.tick
    }

    /// How long ago that was.
    pub(super) fn since(&self, tick: Tick) -> Duration {
        Duration::from_millis(self.tick.millis().saturating_sub(tick.millis()))
    }

    /// That much later, or as late as the clock goes.
    pub(super) fn later(&self, after: Duration) -> Instant {
        later(self.now, after)
    }
}

impl Tick {
    fn millis(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }
}

/// That much later, or as late as the clock goes.
pub(super) fn later(now: Instant, after: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(after).unwrap_or_else(|| now + FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond 2^32 milliseconds, which are 49.7 days, and on to the end of what is counted.
    #[test]
    fn differences_are_right_after_years() {
        const DAY: u64 = 24 * 3600 * 1000;
        let at = |millis: u64| Tick([millis as u16, (millis >> 16) as u16, (millis >> 32) as u16]);
        let mut clock = Clock::new();
        for (before, now) in [(0, 1), (DAY, 60 * DAY), (49 * DAY, 50 * DAY), (1, 3_000_000 * DAY)] {
            clock.tick = at(now);
            assert_eq!(clock.since(at(before)), Duration::from_millis(now - before));
        }
        assert_eq!(clock.since(at(3_000_001 * DAY)), Duration::ZERO);
    }
}
