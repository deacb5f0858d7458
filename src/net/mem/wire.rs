//! What is under way in a simulation, and what goes wrong with it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ready::Ready;
use crate::machines::Dice;
use crate::values::{Faults, MemName};

/// Between two pieces that arrive apart. Longer than a turn is taken to last, so that there is one between them.
const APART: Duration = Duration::from_micros(10);

/// Everything that has been sent and has not arrived, in the order of arrival.
///
/// ```text
///   write ──▶ dice: whole, cut, late, lost, twice ──▶ (due, order) ──▶ advance(now): what is due arrives
/// ```
pub(in crate::net) struct Wire {
    faults: Faults,
    dice: Dice,
    now: Instant,
    under_way: BTreeMap<(Instant, u64), Delivery>,
    next: u64,
}

/// An end of a stream, and not another one that has its place later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct EndKey {
    pub(super) key: u32,
    pub(super) serial: u64,
}

/// Something on its way.
pub(super) enum Delivery {
    /// To this end.
    Bytes(EndKey, Vec<u8>),
    /// Its other end has sent its last byte.
    Ended(EndKey),
    /// This end has gone, and its other end will know.
    Gone(EndKey),
    /// This end can do something again.
    Tell(EndKey, Ready),
    /// This end comes to its listener.
    Arrival(EndKey),
    Datagram {
        to: MemName,
        from: MemName,
        payload: Vec<u8>,
    },
}

impl Wire {
    pub(super) fn new(faults: Faults, dice: Dice, now: Instant) -> Wire {
        Wire { faults, dice, now, under_way: BTreeMap::new(), next: 0 }
    }

    /// A number that no end has had.
    pub(super) fn serial(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whether this goes wrong now.
    pub(super) fn fails(&mut self, chance: fn(&Faults) -> f64) -> bool {
        let chance = chance(&self.faults);
        self.dice.falls(chance)
    }

    /// How much of so many bytes, two or more, makes the first part.
    pub(super) fn part(&mut self, length: usize) -> usize {
        1 + self.dice.below(length - 1)
    }

    /// Up to the longest delay.
    fn some_delay(&mut self) -> Duration {
        let most = self.faults.longest_delay.as_micros() as usize;
        Duration::from_micros(self.dice.below(most + 1) as u64)
    }

    /// When it arrives, if it leaves now: at once, or late.
    pub(super) fn due(&mut self) -> Instant {
        match self.fails(|faults| faults.delay) {
            true => self.now + self.some_delay(),
            false => self.now,
        }
    }

    /// When a datagram arrives.
    fn datagram_due(&mut self) -> Instant {
        match self.fails(|faults| faults.reorder) {
            true => self.now + self.some_delay(),
            false => self.now,
        }
    }

    /// Some time later, for what is found out by chance.
    pub(super) fn later(&mut self) -> Instant {
        self.now + APART + self.some_delay()
    }

    /// The earliest time behind this one that is told from it.
    pub(super) fn apart(from: Instant) -> Instant {
        from + APART
    }

    pub(super) fn send(&mut self, due: Instant, delivery: Delivery) {
        self.next += 1;
        self.under_way.insert((due, self.next), delivery);
    }

    /// Nothing of it will arrive.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
    }

    /// When something arrives next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The clock says this.
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = now;
    }

    /// The next thing that has arrived.
    pub(super) fn arrived(&mut self) -> Option<Delivery> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= self.now).then(|| first.remove())
    }

    /// Whether a datagram goes straight to its receiver; or else it is under way, once or twice, or lost.
    pub(super) fn carries(&mut self, to: MemName, from: MemName, payload: &[u8]) -> bool {
        if self.fails(|faults| faults.lose) {
            return false;
        }
        let (twice, due) = (self.fails(|faults| faults.double), self.datagram_due());
        let datagram = || Delivery::Datagram { to, from, payload: payload.to_vec() };
        if twice {
            let again = self.later();
            self.send(again, datagram());
        }
        let is_straight = due <= self.now;
        if !is_straight {
            self.send(due, datagram());
        }
        is_straight
    }

    /// How late it gets before the clock is looked at.
    pub(in crate::net) fn lateness(&mut self) -> Duration {
        match self.fails(|faults| faults.late) {
            true => {
                let most = self.faults.latest.as_micros() as usize;
                Duration::from_micros(self.dice.below(most + 1) as u64)
            }
            false => Duration::ZERO,
        }
    }

    /// Whether the reactor is told to stop now.
    pub(in crate::net) fn tells_to_stop(&mut self) -> bool {
        self.fails(|faults| faults.stop)
    }
}
