//! What must be known of some connections only, to say when they have been quiet for too long.

use std::collections::HashMap;
use std::time::Duration;

use super::clock::Tick;
use crate::values::Id;

/// Beside the table, since most connections have none of it and pay nothing.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// Idle timeouts of single connections; `None`: it may be quiet for as long as it likes.
    limits: HashMap<Id, Option<Duration>>,
    /// Connections that have a deadline, and of which the kernel held something.
    outstanding: HashMap<Id, Outstanding>,
}

/// What the kernel held of a stream when it was looked at, and when that had become less last.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    bytes: usize,
    moved: Tick,
}

impl Deadlines {
    /// The idle timeout that this connection was given for itself.
    pub(super) fn own_limit(&self, id: Id) -> Option<Option<Duration>> {
        self.limits.get(&id).copied()
    }

    pub(super) fn set_own_limit(&mut self, id: Id, limit: Option<Duration>) {
        self.limits.insert(id, limit);
    }

    /// Notes how much the kernel holds now. Returns since when that is so, or has become less, at the
    /// earliest when bytes moved last; and whether it has become less since it was looked at before.
    pub(super) fn look_at(
        &mut self,
        id: Id,
        bytes: usize,
        active: Tick,
        now: Tick,
    ) -> (Tick, bool) {
        let before = self.outstanding.get(&id).copied();
        let has_moved = before.is_some_and(|before| bytes < before.bytes);
        let moved = match before {
            _ if has_moved => now,
            Some(before) => before.moved,
            None => active,
        };
        if bytes > 0 {
            self.outstanding.insert(id, Outstanding { bytes, moved });
        } else {
            self.outstanding.remove(&id);
        }
        (moved, has_moved)
    }

    pub(super) fn has_outstanding(&self, id: Id) -> bool {
        self.outstanding.contains_key(&id)
    }

    /// The connection has gone.
    pub(super) fn forget(&mut self, id: Id) {
        if !self.limits.is_empty() {
            self.limits.remove(&id); // Mostly there is none, and looking for it means hashing.
        }
        if !self.outstanding.is_empty() {
            self.outstanding.remove(&id);
        }
    }
}
