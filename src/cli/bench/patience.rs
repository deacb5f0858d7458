//! When a number of replies is not waited for any longer.

use super::tally::Tally;

/// How many timeouts a run goes on without its first reply: enough that even a single socket, which tries
/// once in each, has hardly met with mere loss.
const SILENT: u64 = 5;

/// Whoever waits for a number of replies doesn't wait for ever: twice the timeout, since after once lost
/// datagrams make room for new ones. Those that the kernel couldn't deliver only make room for more of their
/// kind; and if there was no reply yet, `SILENT` timeouts are enough, whatever is lost.
#[derive(Default)]
pub(super) struct Patience {
    since: u64,
    /// Messages that were answered or lost on their way, and when another one was.
    moved: (u64, u64),
}

impl Patience {
    pub(super) fn since(now: u64) -> Patience {
        Patience { since: now, moved: (0, now) }
    }

    pub(super) fn is_at_its_end(&mut self, tally: &Tally, timeout: u64, now: u64) -> bool {
        let errors = &tally.errors;
        let moved = tally.messages + errors.lost.saturating_sub(errors.unreachable);
        if self.moved.0 < moved {
            self.moved = (moved, now);
        }
        let silent = tally.messages == 0 && now - self.since > timeout.saturating_mul(SILENT);
        silent || now - self.moved.1 > timeout.saturating_mul(2)
    }
}
