//! When a number of replies is not waited for any longer.

use super::tally::Tally;

/// How many messages in a row are lost, if all are: enough that even a single socket, which tries once in each
/// timeout, has hardly met with mere loss.
const SILENT: u64 = 5;

/// Whoever waits for a number of replies doesn't wait for ever: not longer than a timeout without any reply, once
/// so many datagrams that were sent after the last one have been lost that it isn't chance; and where nothing is
/// given up before the end, twice the timeout.
#[derive(Default)]
pub(super) struct Patience {
    /// Messages that were answered or lost on their way, and when another one was.
    moved: (u64, u64),
    /// Messages that were answered, and when another one was.
    answered: (u64, u64),
    /// Of those that were sent after that, how many were lost.
    lost: u64,
}

impl Patience {
    pub(super) fn since(now: u64) -> Patience {
        Patience { moved: (0, now), answered: (0, now), lost: 0 }
    }

    /// Nothing is waited for.
    pub(super) fn rest(&mut self, now: u64) {
        (self.moved.1, self.answered.1) = (now, now);
    }

    /// One that was sent then is lost. Those that were on their way before the last reply may have been lost in
    /// a burst, and say nothing of what has become of the server since.
    pub(super) fn lost(&mut self, sent: u64) {
        self.lost += u64::from(sent > self.answered.1);
    }

    pub(super) fn is_at_its_end(&mut self, tally: &Tally, timeout: u64, now: u64) -> bool {
        let (messages, lost) = (tally.messages, tally.errors.lost);
        if self.moved.0 < messages + lost {
            self.moved = (messages + lost, now);
        }
        if self.answered.0 < messages {
            (self.answered, self.lost) = ((messages, now), 0);
        }
        let silent = self.lost >= SILENT && now - self.answered.1 > timeout;
        silent || now - self.moved.1 > timeout.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lose(tally: &mut Tally, patience: &mut Patience, sent: u64, datagrams: u64) {
        tally.errors.lost += datagrams;
        (0..datagrams).for_each(|_| patience.lost(sent));
    }

    /// Lost in a row, without a reply between them: the more sockets there are, the sooner it is known.
    #[test]
    fn silence_is_told_from_loss() {
        for places in [1, 4, 100] {
            let (mut tally, mut patience) = (Tally::new(), Patience::since(0));
            tally.messages = 7;
            assert!(!patience.is_at_its_end(&tally, 1000, 10));
            // A burst that had been sent before is no silence.
            lose(&mut tally, &mut patience, 9, 100);
            assert!(!patience.is_at_its_end(&tally, 1000, 1020));
            let mut now = 1020;
            while !patience.is_at_its_end(&tally, 1000, now) {
                // All that were on their way are lost, and others are sent.
                lose(&mut tally, &mut patience, now, places);
                now += 1001;
            }
            assert_eq!(now, 1020 + 1001 * SILENT.div_ceil(places), "{places}");
        }
        let (mut tally, mut patience) = (Tally::new(), Patience::since(0));
        for now in (0..1_000_000).step_by(1001) {
            assert!(!patience.is_at_its_end(&tally, 1000, now));
            lose(&mut tally, &mut patience, now, 1);
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
