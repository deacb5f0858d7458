//! The account of what all connections keep and move together.

use std::mem;

/// Counts the bytes that all connections keep, against a total, and those that move.
///
/// It is asked before bytes are read or taken, so that the total holds; what was read already may be kept
/// even so, which is at most a reserve for each connection. And whatever moves is entered here, by the
/// one place that reads and the one that writes: statistics, idle timeouts and deadlines have no other
/// source.
#[derive(Debug)]
pub(crate) struct Account {
    total: usize,
    kept: usize,
    most: usize,
    /// Taken by a send, and not yet offered to the kernel, which may refuse it: room that is spoken for.
    promised: usize,
    received: u64,
    sent: u64,
    /// Whether any byte has moved since somebody asked.
    moved: bool,
}

impl Account {
    pub(crate) fn new(total: usize) -> Account {
        Account { total, kept: 0, most: 0, promised: 0, received: 0, sent: 0, moved: false }
    }

    /// How many bytes may still be kept.
    pub(crate) fn free(&self) -> usize {
        self.total.saturating_sub(self.kept).saturating_sub(self.promised)
    }

    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// The most that was ever kept.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.kept += bytes;
        self.most = self.most.max(self.kept);
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        assert!(bytes <= self.kept, "more given back than was taken");
        self.kept -= bytes;
    }

    /// Sets room aside for bytes that may have to be kept.
    #[inline]
    pub(crate) fn promise(&mut self, bytes: usize) {
        self.promised += bytes;
    }

    /// The promise is kept, or not needed any more.
    #[inline]
    pub(crate) fn fulfil(&mut self, bytes: usize) {
        assert!(bytes <= self.promised, "more fulfilled than was promised");
        self.promised -= bytes;
    }

    /// Bytes have come from a peer.
    #[inline]
    pub(crate) fn receive(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.moved |= bytes > 0;
    }

    /// Bytes have gone to a peer.
    #[inline]
    pub(crate) fn send(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        self.moved |= bytes > 0;
    }

    /// Bytes that have just been received came from this process itself, as those of a signal do.
    #[cfg(feature = "signals")]
    pub(crate) fn disown(&mut self, bytes: usize) {
        self.received -= bytes as u64;
    }

    /// Bytes were read to be thrown away, which is no sign of life: a peer that sends without end to a
    /// connection that is closing must not keep it from ending.
    pub(crate) fn discard(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether bytes have moved since this was asked last.
    #[inline]
    pub(crate) fn take_moved(&mut self) -> bool {
        mem::take(&mut self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What idle timeouts go by: a byte in either direction, and nothing that was thrown away.
    #[test]
    fn what_moves_is_a_sign_of_life() {
        let mut account = Account::new(10);
        for (deed, moves) in [
            (Account::receive as fn(&mut Account, usize), true),
            (Account::send, true),
            (Account::discard, false),
        ] {
            deed(&mut account, 0);
            assert!(!account.take_moved());
            deed(&mut account, 3);
            deed(&mut account, 0); // It has moved before.
            assert_eq!((account.take_moved(), account.take_moved()), (moves, false));
        }
        assert_eq!((account.received(), account.sent()), (6, 3));
    }

    /// Room that is spoken for isn't free, and is free again when it was not needed.
    #[test]
    fn room_is_free_once() {
        let mut account = Account::new(10);
        account.take(3);
        account.promise(4);
        assert_eq!((account.free(), account.kept(), account.most()), (3, 3, 3));
        account.fulfil(4);
        account.take(9); // Beyond the total: a reserve.
        assert_eq!((account.free(), account.kept()), (0, 12));
        account.give_back(11);
        assert_eq!((account.free(), account.kept(), account.most()), (9, 1, 12));
    }
}
