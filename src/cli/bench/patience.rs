//! When a number of replies is not waited for any longer.

use super::tally::Tally;

/// How many messages in a row are lost, if all are: enough that even a single socket, which tries once in each
/// timeout, has hardly met with mere loss.
const SILENT: u64 = 5;

/// Whoever waits for a number of replies doesn't wait for ever: not longer than a timeout without any reply, once
/// so many datagrams have been lost in a row that it isn't chance; and where nothing is given up before the end,
/// twice the timeout.
#[derive(Default)]
pub(super) struct Patience {
    /// Messages that were answered or lost on their way, and when another one was.
    moved: (u64, u64),
    /// Messages that were answered, how many were lost by then, and when another one was answered.
    answered: (u64, u64, u64),
}

impl Patience {
    pub(super) fn since(now: u64) -> Patience {
        Patience { moved: (0, now), answered: (0, 0, now) }
    }

    /// Nothing is waited for.
    pub(super) fn rest(&mut self, now: u64) {
        (self.moved.1, self.answered.2) = (now, now);
    }

    pub(super) fn is_at_its_end(&mut self, tally: &Tally, timeout: u64, now: u64) -> bool {
        let (messages, lost) = (tally.messages, tally.errors.lost);
        if self.moved.0 < messages + lost {
            self.moved = (messages + lost, now);
        }
        if self.answered.0 < messages {
            self.answered = (messages, lost, now);
        }
        let (_, lost_before, since) = self.answered;
        let silent = lost - lost_before >= SILENT && now - since > timeout;
        silent || now - self.moved.1 > timeout.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lost in a row, without a reply between them: the more sockets there are, the sooner it is known.
    #[test]
    fn silence_is_told_from_loss() {
        for places in [1, 4, 100] {
            let (mut tally, mut patience) = (Tally::new(), Patience::since(0));
            tally.messages = 7;
            assert!(!patience.is_at_its_end(&tally, 1000, 10));
            let mut now = 10;
            while !patience.is_at_its_end(&tally, 1000, now) {
                now += 1001; // All that were on their way are lost, and others are sent.
                tally.errors.lost += places;
            }
            assert_eq!(now, 10 + 1001 * SILENT.div_ceil(places), "{places}");
        }
        let (mut tally, mut patience) = (Tally::new(), Patience::since(0));
        for now in (0..1_000_000).step_by(1001) {
            assert!(!patience.is_at_its_end(&tally, 1000, now));
            tally.errors.lost += 1;
            tally.messages += u64::from(now % 4 == 0); // Three of four are lost.
        }
    }

    #[test]
    fn whoever_has_nothing_to_wait_for_is_not_impatient() {
        let (tally, mut patience) = (Tally::new(), Patience::since(0));
        for now in (0..100_000).step_by(999) {
            patience.rest(now);
            assert!(!patience.is_at_its_end(&tally, 100, now));
        }
        assert!(patience.is_at_its_end(&tally, 100, 200_000));
    }
}
