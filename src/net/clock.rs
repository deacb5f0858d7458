//! The time, read once a turn.

use std::time::{Duration, Instant};

/// What time it is for everybody in a turn.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    now: Instant,
    tick: Tick,
}

/// Milliseconds since the reactor was made, in six bytes: enough for 8,900 years, and each connection
/// has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tick([u16; 3]);

impl Clock {
    pub(super) fn new() -> Clock {
        let start = Instant::now();
        Clock { start, now: start, tick: Tick::default() }
    }

    pub(super) fn read(&mut self) {
        self.now = Instant::now();
        let since = self.now.duration_since(self.start);
        let millis = since.as_secs() * 1000 + u64::from(since.subsec_millis());
        self.tick = Tick([millis as u16, (millis >> 16) as u16, (millis >> 32) as u16]);
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
