//! Who has to go when more want metrics than there is room for.
//!
//! Whoever comes may be the one that decides whether we live: a supervisor that asks for our health. So it is let
//! in, and the one goes that nothing was heard of for the longest; it has asked for nothing, or read nothing.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// Connections at once. They aren't counted with the others, so they have a limit of their own.
pub(super) const MOST: usize = 32;

/// The least time between two log lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// What has become of those that were too many, at all endpoints for metrics together.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Closed for the sake of others.
    pub(super) displaced: Cell<u64>,
    /// Turned away, since all others were being answered.
    pub(super) refused: Cell<u64>,
    log: RefCell<Log>,
}

#[derive(Debug, Default)]
struct Log {
    last: Option<Instant>,
    /// How many there were by then.
    told: u64,
}

impl Room {
    pub(super) fn displaced(&self, now: Instant) {
        self.displaced.update(|displaced| displaced + 1);
        self.tell(now);
    }

    pub(super) fn refused(&self, now: Instant) {
        self.refused.update(|refused| refused + 1);
        self.tell(now);
    }

    /// One line in a while.
    fn tell(&self, now: Instant) {
        let mut log = self.log.borrow_mut();
        if log.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            return;
        }
        let all = self.displaced.get() + self.refused.get();
        log::warn!(
            "metrics: all {MOST} connections were taken: the quietest is closed for whoever comes \
             ({} since the last such line)",
            all - log.told
        );
        (log.last, log.told) = (Some(now), all);
    }
}
