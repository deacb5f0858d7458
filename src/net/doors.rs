//! Which listener each connection came through.

use std::num::NonZeroU32;

use slab::Slab;

use crate::values::Id;

/// A listener in four bytes, since each connection has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Door(NonZeroU32);

/// The listeners that connections came through. One stays for as long as it listens or any of those
/// connections is there, so that its number comes to mean no other one.
#[derive(Debug, Default)]
pub(super) struct Doors {
    entries: Slab<Entry>,
}

#[derive(Debug)]
struct Entry {
    listener: Id,
    /// The connections, and the listener itself.
    uses: usize,
}

impl Doors {
    /// For a listener.
    pub(super) fn open(&mut self, listener: Id) -> Door {
        let slot = self.entries.insert(Entry { listener, uses: 1 });
        let number = u32::try_from(slot + 1).ok().and_then(NonZeroU32::new);
        Door(number.expect("fewer than 2^32 listeners"))
    }

    /// For a connection.
    pub(super) fn enter(&mut self, door: Door) {
        self.entries[door.slot()].uses += 1;
    }

    /// The listener, or one of the connections, has gone.
    pub(super) fn leave(&mut self, door: Option<Door>) {
        let Some(door) = door else { return };
        let entry = &mut self.entries[door.slot()];
        entry.uses -= 1;
        if entry.uses == 0 {
            self.entries.remove(door.slot());
        }
    }

    pub(super) fn listener(&self, door: Door) -> Id {
        self.entries[door.slot()].listener
    }
}

impl Door {
    fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_stays_while_anybody_needs_it() {
        let mut doors = Doors::default();
        let (first, second) = (Id::new(1, 1), Id::new(1, 2));
        let door = doors.open(first);
        doors.enter(door);
        doors.leave(Some(door)); // The listener.
        let other = doors.open(second);
        assert_eq!((doors.listener(door), doors.listener(other)), (first, second));
        doors.leave(Some(door));
        doors.leave(Some(other));
        assert!(doors.entries.is_empty());
    }
}
