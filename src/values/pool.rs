//! The account of what all connections keep together.

/// Counts kept bytes against a total. It is asked before bytes are read or taken, so that the total
/// holds; what was read already may be kept even so, which is at most a reserve for each connection.
#[derive(Debug)]
pub(crate) struct Pool {
    total: usize,
    used: usize,
    most: usize,
}

impl Pool {
    pub(crate) fn new(total: usize) -> Pool {
        Pool { total, used: 0, most: 0 }
    }

    pub(crate) fn free(&self) -> usize {
        self.total.saturating_sub(self.used)
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.used += bytes;
        self.most = self.most.max(self.used);
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        assert!(bytes <= self.used, "more given back than was taken");
        self.used -= bytes;
    }
}
