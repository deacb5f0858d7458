//! Where the sessions are.

use crate::{Context, Id};

/// Below this many, memory is not given back.
const KEPT: usize = 64;

/// Sessions by the ids of their sources: a sparse set (Briggs and Torczon, 1993).
///
/// ```text
///   Id: slot ──▶ places ──▶ entries: (id, session), (id, session), ...
///                             the entry knows whose it is, so a place that is out of date is found out
/// ```
///
/// The slots of a reactor's sources are small numbers, so nothing is hashed; the sessions lie side by
/// side, so telling all of them something runs through memory once, and the one that is called can be
/// told from all others by two slices.
#[derive(Debug)]
pub(super) struct Table<S> {
    entries: Vec<(Id, S)>,
    /// By slot. What is said of a slot that has no session means nothing.
    places: Vec<u32>,
    /// Those that were given while others were looked at.
    born: Vec<(Id, S)>,
}

impl<S> Table<S> {
    pub(super) fn new() -> Table<S> {
        Table { entries: Vec::new(), places: Vec::new(), born: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn find(&self, id: Id) -> Option<usize> {
        self.find_slot(id).filter(|&place| self.entries[place].0 == id)
    }

    /// Where the one of this slot is, which may be of an earlier source.
    fn find_slot(&self, id: Id) -> Option<usize> {
        let place = *self.places.get(id.slot())? as usize;
        (self.entries.get(place)?.0.slot() == id.slot()).then_some(place)
    }

    pub(super) fn get(&self, id: Id) -> Option<&S> {
        self.find(id).map(|place| &self.entries[place].1)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut S> {
        self.find(id).map(|place| &mut self.entries[place].1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &S)> {
        self.entries.iter().map(|(id, session)| (*id, session))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut S)> {
        self.entries.iter_mut().map(|(id, session)| (*id, session))
    }

    /// One that was there is dropped: two sources never have the same slot at the same time.
    pub(super) fn insert(&mut self, id: Id, session: S) {
        match self.find_slot(id) {
            Some(place) => self.entries[place] = (id, session),
            None => {
                self.place(id, self.entries.len());
                self.entries.push((id, session));
            }
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<S> {
        let place = self.find(id)?;
        let (_, session) = self.entries.swap_remove(place);
        if let Some(&(moved, _)) = self.entries.get(place) {
            self.place(moved, place);
        }
        self.shrink();
        Some(session)
    }

    fn place(&mut self, id: Id, place: usize) {
        if self.places.len() <= id.slot() {
            self.places.resize(id.slot() + 1, 0);
        }
        self.places[id.slot()] = u32::try_from(place).expect("fewer than 2^32 sources");
    }

    /// After a burst has gone: what it took is given back, of the places those behind the last one.
    fn shrink(&mut self) {
        if self.entries.capacity() > KEPT && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
            let slots = self.entries.iter().map(|(id, _)| id.slot() + 1).max().unwrap_or(0);
            self.places.truncate(slots);
            self.places.shrink_to(slots * 2);
        }
    }

    /// One of them, and all others.
    pub(super) fn split(&mut self, id: Id) -> Option<(&mut S, Others<'_, S>)> {
        let place = self.find(id)?;
        let Table { entries, places, born } = self;
        let (before, from) = entries.split_at_mut(place);
        let ((_, session), after) = from.split_first_mut()?;
        Some((session, Others { before, after, places, born }))
    }

    /// All of them.
    pub(super) fn others(&mut self) -> Others<'_, S> {
        let Table { entries, places, born } = self;
        Others { before: entries, after: &mut [], places, born }
    }

    /// Takes in those that were given meanwhile.
    #[inline]
    pub(super) fn settle(&mut self) {
        while let Some((id, session)) = self.born.pop() {
            self.insert(id, session);
        }
    }
}

/// All sessions of a service but the one that is called.
#[derive(Debug)]
pub struct Others<'a, S> {
    before: &'a mut [(Id, S)],
    /// Behind the one that is called.
    after: &'a mut [(Id, S)],
    places: &'a [u32],
    born: &'a mut Vec<(Id, S)>,
}

impl<S> Others<'_, S> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The session of another connection.
    pub fn get(&self, id: Id) -> Option<&S> {
        let place = *self.places.get(id.slot())? as usize;
        let entry = match place.checked_sub(self.before.len()) {
            None => self.before.get(place),
            Some(from) => self.after.get(from.checked_sub(1)?),
        };
        entry.filter(|entry| entry.0 == id).map(|(_, session)| session)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut S> {
        let place = *self.places.get(id.slot())? as usize;
        let entry = match place.checked_sub(self.before.len()) {
            None => self.before.get_mut(place),
            Some(from) => self.after.get_mut(from.checked_sub(1)?),
        };
        entry.filter(|entry| entry.0 == id).map(|(_, session)| session)
    }

    /// All others and whose they are, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &S)> {
        self.before.iter().chain(self.after.iter()).map(|(id, session)| (*id, session))
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut S)> {
        self.before.iter_mut().chain(self.after.iter_mut()).map(|(id, session)| (*id, session))
    }

    /// Gives a session to the source of this context, as
    /// [`Sessions::insert`](crate::Sessions::insert) does. It is there when the method that does this has
    /// returned.
    pub fn insert(&mut self, cx: &mut Context<'_>, session: S) -> bool {
        let is_there = cx.is_open();
        if is_there {
            self.born.push((cx.id(), session));
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn id(slot: usize, generation: u32) -> Id {
        Id::new(slot, generation)
    }

    #[test]
    fn an_old_id_finds_nothing() {
        let mut table = Table::new();
        table.insert(id(3, 1), "old");
        assert_eq!(table.remove(id(3, 1)), Some("old"));
        assert_eq!(table.get(id(3, 1)), None); // Its place is still noted.
        table.insert(id(3, 2), "new");
        assert_eq!((table.get(id(3, 1)), table.get(id(3, 2))), (None, Some(&"new")));
        assert_eq!(table.remove(id(3, 1)), None);
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let mut table = Table::new();
        (0..10_000).for_each(|slot| table.insert(id(slot, 1), slot));
        (1..10_000).rev().for_each(|slot| assert_eq!(table.remove(id(slot, 1)), Some(slot)));
        assert!(table.entries.capacity() <= KEPT && table.places.capacity() <= KEPT);
        assert_eq!(table.get(id(0, 1)), Some(&0));
    }

    proptest! {
        /// Any mixture of calls does what a map would; and whoever is called sees all but itself.
        #[test]
        fn a_table_agrees_with_a_map(steps in prop::collection::vec((0u8..5, 0usize..12), 0..200)) {
            let (mut table, mut map) = (Table::new(), HashMap::new()); // By slot.
            for (number, (step, slot)) in steps.into_iter().enumerate() {
                let key = id(slot, number as u32 / 40);
                let is_there = map.get(&slot).is_some_and(|(id, _)| *id == key);
                match step {
                    0 | 1 => {
                        let expected = is_there.then(|| map.remove(&slot).unwrap().1);
                        prop_assert_eq!(table.remove(key), expected);
                    }
                    2 | 3 => {
                        table.insert(key, number);
                        map.insert(slot, (key, number));
                    }
                    _ => match table.split(key) {
                        Some((own, mut others)) => {
                            prop_assert!(is_there);
                            prop_assert_eq!(*own, map[&slot].1);
                            prop_assert_eq!((others.len(), others.iter().count()), (map.len() - 1, map.len() - 1));
                            for (id, number) in map.values() {
                                let expected = (*id != key).then_some(number);
                                prop_assert_eq!(others.get(*id), expected);
                                prop_assert_eq!(others.get_mut(*id).map(|it| *it), expected.copied());
                            }
                        }
                        None => prop_assert!(!is_there),
                    },
                }
                prop_assert_eq!((table.len(), table.iter().count()), (map.len(), map.len()));
                for (id, number) in map.values() {
                    prop_assert_eq!(table.get(*id), Some(number));
                }
            }
        }
    }
}
