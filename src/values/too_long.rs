//! The one way in which framing can fail.

use std::fmt;

/// A message is longer than the reader agreed to. What follows in the stream can't be trusted to
/// begin with a message: the connection is of no more use for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    what: &'static str,
    max: usize,
}

impl TooLong {
    pub(crate) fn new(what: &'static str, max: usize) -> TooLong {
        TooLong { what, max }
    }

    /// The most that would have been taken, in bytes.
    pub fn max(&self) -> usize {
        self.max
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} longer than {} bytes", self.what, self.max)
    }
}

impl std::error::Error for TooLong {}
