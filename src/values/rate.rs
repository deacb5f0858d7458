//! How often.

/// How often something may happen. Zero counts as one, in both numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, this often a second.
    pub per_second: u32,
    /// After a pause, this often at once.
    pub burst: u32,
}
