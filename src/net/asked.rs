//! The question that a service is looking at.

use std::cell::Cell;

use super::packets::Lent;
use crate::values::{Id, Peer};

/// What a service may answer: the datagram that it is looking at.
pub(super) struct Asked<'a> {
    /// The socket that it came by.
    pub(super) by: Id,
    /// Whether that is connected.
    pub(super) connected: bool,
    pub(super) from: &'a Peer,
    /// The number that the outbox knows the sender by.
    pub(super) sender: usize,
    pub(super) length: usize,
    /// What the answers may still have on the wire, all together: at first as much as the question.
    pub(super) left: Cell<usize>,
    /// The batch that it is part of.
    pub(super) lent: Lent<'a>,
}
