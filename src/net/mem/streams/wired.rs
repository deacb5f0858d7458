//! Streams whose ends are apart: what one of them does arrives at the other later, or not.

use std::time::Instant;

use super::{End, Side, Streams};
use crate::net::mem::events::Events;
use crate::net::mem::ready::Ready;
use crate::net::mem::wire::{Delivery, EndKey, Wire};
use crate::values::MemName;

/// What an end must know of the way to it.
#[derive(Default)]
pub(super) struct Link {
    serial: u64,
    /// Bytes that were sent to it and have not arrived.
    in_flight: usize,
    /// When the last thing that was sent to it arrives: nothing overtakes it.
    due: Option<Instant>,
    /// Nothing arrives any more.
    is_cut: bool,
    /// It has been closed, in anger or not, and its other end doesn't know yet.
    leaves: Option<bool>,
    /// It has not come to its listener yet, and so it is not connected.
    is_under_way: bool,
}

impl Link {
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }
}

impl Streams {
    fn name(&self, key: u32) -> EndKey {
        EndKey { key, serial: self.ends[key as usize].link.serial }
    }

    /// The end by that name, if it is still there.
    fn find(&mut self, name: EndKey) -> Option<&mut End> {
        self.ends.get_mut(name.key as usize).filter(|end| end.link.serial == name.serial)
    }

    /// When something that leaves for this end now arrives there.
    fn due_at(&mut self, key: u32, wire: &mut Wire) -> Instant {
        let link = &mut self.ends[key as usize].link;
        let due = link.due.map_or(wire.due(), |before| before.max(wire.due()));
        link.due = Some(due);
        due
    }

    /// Both ends have been made, and one of them is on its way to the listener.
    pub(super) fn depart(&mut self, theirs: u32, ours: u32, wire: &mut Wire) {
        for key in [theirs, ours] {
            let link = &mut self.ends[key as usize].link;
            (link.serial, link.is_under_way) = (wire.serial(), true);
        }
        let (due, end) = (self.due_at(theirs, wire), self.name(theirs));
        wire.send(due, Delivery::Arrival(end));
    }

    /// Writes, and something may go wrong on the way.
    pub(super) fn write_to(
        &mut self,
        key: u32,
        other: u32,
        bytes: &[u8],
        events: &mut Events,
        wire: &mut Wire,
    ) -> Result<usize, i32> {
        if bytes.is_empty() {
            return Ok(0); // Nothing that could go wrong, and no room that would have to be waited for.
        }
        if wire.fails(|faults| faults.reset) {
            self.break_off(key, other, events, wire);
            return Err(libc::ECONNRESET);
        }
        let reader = &mut self.ends[other as usize];
        if let Some(in_anger) = &mut reader.link.leaves {
            *in_anger = true; // Nobody is there to take it, and will say so.
            return Ok(bytes.len());
        }
        let held = reader.incoming.len() + reader.link.in_flight;
        let room = self.capacity - held;
        let mut written = bytes.len().min(room);
        if written > 1 && wire.fails(|faults| faults.short_write) {
            written = wire.part(written);
            let (name, due) = (self.name(key), wire.later());
            wire.send(due, Delivery::Tell(name, Ready::WRITABLE));
        }
        if written < bytes.len() {
            self.ends[key as usize].wants_room = true;
        }
        if written == 0 {
            return Err(libc::EAGAIN);
        }
        if wire.fails(|faults| faults.vanish) {
            self.ends[key as usize].link.is_cut = true;
            self.ends[other as usize].link.is_cut = true;
        }
        self.ends[other as usize].link.in_flight += written;
        let mut rest = &bytes[..written];
        let mut due = self.due_at(other, wire);
        let name = self.name(other);
        while rest.len() > 1 && wire.fails(|faults| faults.cut) {
            let (piece, behind) = rest.split_at(wire.part(rest.len()));
            wire.send(due, Delivery::Bytes(name, piece.to_vec()));
            rest = behind;
            due = Wire::apart(self.due_at(other, wire));
        }
        self.ends[other as usize].link.due = Some(due);
        wire.send(due, Delivery::Bytes(name, rest.to_vec()));
        Ok(written)
    }

    /// Its other end learns of its end when everything before that has arrived.
    pub(super) fn end_to(&mut self, other: u32, wire: &mut Wire) {
        let due = self.due_at(other, wire);
        let name = self.name(other);
        wire.send(due, Delivery::Ended(name));
    }

    /// Stays, as nobody, until its other end has heard of it. `false`: there is none that would.
    pub(super) fn leave(&mut self, key: u32, wire: &mut Wire) -> bool {
        let end = &mut self.ends[key as usize];
        let Some(other) = end.other else { return false };
        let in_anger = end.resets || !end.incoming.is_empty() || end.link.in_flight > 0;
        (end.link.leaves, end.id) = (Some(in_anger), crate::values::Id::NONE);
        if self.ends[other as usize].link.leaves.is_some() {
            self.ends.remove(other as usize); // Nobody is left.
            return false;
        }
        let name = self.name(key);
        let due = self.due_at(other, wire);
        wire.send(due, Delivery::Gone(name));
        true
    }

    /// The connection is reset for both.
    fn break_off(&mut self, key: u32, other: u32, events: &mut Events, wire: &mut Wire) {
        for key in [key, other] {
            if self.ends[key as usize].link.leaves.is_some() {
                self.ends.remove(key as usize);
                continue;
            }
            let end = &mut self.ends[key as usize];
            (end.link.serial, end.link.in_flight) = (wire.serial(), 0); // What is under way finds nobody.
            end.break_off(true, events);
        }
    }

    /// Something arrives.
    pub(in crate::net::mem) fn arrive(
        &mut self,
        delivery: Delivery,
        events: &mut Events,
        wire: &mut Wire,
    ) {
        match delivery {
            Delivery::Bytes(to, bytes) => {
                let Some(end) = self.find(to).filter(|end| !end.link.is_cut) else { return };
                end.link.in_flight -= bytes.len();
                if end.link.leaves.is_some() {
                    return end.link.leaves = Some(true);
                }
                if end.incoming.is_empty() {
                    events.tell(end.id, Ready::READABLE);
                }
                end.incoming.push(&bytes);
            }
            Delivery::Ended(to) => {
                if let Some(end) = self.find(to).filter(|end| !end.link.is_cut) {
                    end.end(events);
                }
            }
            Delivery::Tell(to, ready) => {
                if let Some(end) = self.find(to) {
                    events.tell(end.id, ready);
                }
            }
            Delivery::Gone(from) => self.gone(from, events),
            Delivery::Arrival(end) => self.come_in(end, events, wire),
            Delivery::Datagram { .. } => {}
        }
    }

    fn gone(&mut self, from: EndKey, events: &mut Events) {
        let Some(end) = self.find(from).filter(|end| !end.link.is_cut) else { return };
        let (in_anger, other) = (end.link.leaves == Some(true), end.other);
        self.ends.remove(from.key as usize);
        if let Some(other) = other {
            self.ends[other as usize].break_off(in_anger, events);
        }
    }

    /// The end has come to its listener, if there is still one.
    fn come_in(&mut self, name: EndKey, events: &mut Events, wire: &mut Wire) {
        let Some(end) = self.find(name) else { return };
        end.link.is_under_way = false;
        let (to, other): (MemName, _) = (*end.name, end.other);
        if let Some(other) = other {
            let other = &mut self.ends[other as usize];
            other.link.is_under_way = false;
            events.tell(other.id, Ready::WRITABLE);
        }
        match self.names.get(&to).map(|&key| &mut self.listeners[key as usize]) {
            Some(listening) => {
                listening.backlog.push_back(name.key);
                events.tell(listening.id, Ready::READABLE);
            }
            _ => {
                self.reset_when_closed(name.key);
                if !self.leave(name.key, wire) {
                    self.ends.remove(name.key as usize);
                }
            }
        }
    }
}

impl End {
    /// What is told of it when it is watched for: nothing, as long as it is under way.
    pub(super) fn is_to_be_told(&self, ready: Ready) -> bool {
        !self.link.is_under_way && (self.side == Side::Connected || ready.readable)
    }
}
