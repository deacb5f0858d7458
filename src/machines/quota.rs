//! How much one datagram socket may receive.

use std::time::Duration;

use crate::values::{DATAGRAM_BATCH, SLICE};

/// What one socket may receive in a turn is counted in datagrams, but received in messages, each of them
/// one datagram or a train of up to 128. How long the next train will be can only be guessed from the last
/// ones; what comes beyond the share is a debt, which the next turns pay (deficit round robin).
#[derive(Debug)]
pub(crate) struct Quota {
    /// The longest train of late, in datagrams; with each batch without its like it is half as long.
    longest: usize,
    /// Datagrams beyond the shares so far.
    debt: usize,
    /// Messages in a batch at most: few, if they take long.
    most: usize,
}

impl Quota {
    /// Without any debt, and expecting no train.
    pub(crate) fn new() -> Quota {
        Quota { longest: 1, debt: 0, most: DATAGRAM_BATCH }
    }

    /// Begins a turn. Returns what is left of its share when the debt is paid: 0, if nothing is.
    pub(crate) fn begin(&mut self, share: usize) -> usize {
        let paid = share.min(self.debt);
        self.debt -= paid;
        share - paid
    }

    /// How many messages to ask for, at least one, if so many datagrams are left of the share.
    #[inline]
    pub(crate) fn messages(&self, left: usize) -> usize {
        (left / self.longest).clamp(1, self.most)
    }

    /// A batch has come, with so many datagrams, the longest train of so many. Returns what is left.
    #[inline]
    pub(crate) fn received(&mut self, left: usize, datagrams: usize, longest: usize) -> usize {
        self.longest = longest.max(self.longest / 2).max(1);
        self.debt += datagrams.saturating_sub(left);
        self.most = DATAGRAM_BATCH.min(2 * self.most);
        left.saturating_sub(datagrams)
    }

    /// Whether batches are smaller than they could be.
    #[inline]
    pub(crate) fn is_cautious(&self) -> bool {
        self.most < DATAGRAM_BATCH
    }

    /// The batch ended so long after it should have. Since no batch is cut short, the next one is smaller.
    pub(crate) fn took_longer(&mut self, overtime: Duration) {
        if overtime > 2 * SLICE {
            self.most = (self.most / 4).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives for some turns from a source that always has messages of so many datagrams. Returns how
    /// many came in each turn.
    fn turns(quota: &mut Quota, share: usize, train: usize, turns: usize) -> Vec<usize> {
        let turn = |_| {
            let (mut left, mut sum) = (quota.begin(share), 0);
            while left > 0 {
                let datagrams = quota.messages(left) * train;
                left = quota.received(left, datagrams, train);
                sum += datagrams;
            }
            sum
        };
        (0..turns).map(turn).collect()
    }

    #[test]
    fn single_datagrams_come_in_full_batches() {
        let quota = Quota::new();
        assert_eq!((quota.messages(256), quota.messages(33), quota.messages(5)), (32, 32, 5));
        assert_eq!(turns(&mut Quota::new(), 256, 1, 3), [256; 3]);
    }

    #[test]
    fn a_surprise_is_paid_for_and_not_repeated() {
        let mut quota = Quota::new();
        let first = turns(&mut quota, 256, 64, 9);
        assert_eq!(first, [2048, 0, 0, 0, 0, 0, 0, 0, 256]);
        const TURNS: usize = if cfg!(miri) { 100 } else { 5000 };
        // A share that no whole number of trains makes up.
        for (share, train) in [(256, 64), (256, 100), (1, 128), (1000, 128), (100, 7)] {
            let mut quota = Quota::new();
            let mut sum = 0;
            for (n, received) in turns(&mut quota, share, train, TURNS).into_iter().enumerate() {
                sum += received;
                assert!(sum <= (n + 1) * share + DATAGRAM_BATCH * train);
                let is_known = n * share > DATAGRAM_BATCH * train;
                assert!(!is_known || received < share + train, "{received} of {share} in turn {n}");
            }
            assert!(sum + share > (TURNS - 1) * share);
        }
    }

    #[test]
    fn when_the_trains_are_over_batches_are_full_again() {
        let mut quota = Quota::new();
        quota.received(256, 128, 128);
        // Not at once: the next train may be as long.
        for messages in [2, 4, 8, 16, 32, 32] {
            assert_eq!(quota.messages(256), messages);
            quota.received(256, 2, 1);
        }
    }
}
