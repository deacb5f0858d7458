//! The datagrams of one socket that are on their way, and which of the last were answered.

use std::collections::VecDeque;

use echoloop::Id;

/// Most datagrams on their way at a time, each socket: the place has 16 bits, and the record of what
/// has been answered four times as many.
pub(super) const DEPTH: usize = 1024;

/// The last datagrams of a socket of which it is known whether they were answered.
const RECORD: usize = 4 * DEPTH;

/// Datagrams so far behind the last one are none of ours, but chance.
const OLDEST: u32 = 1 << 24;

/// A datagram on its way.
#[derive(Clone, Copy, Default)]
pub(super) struct Flight {
    pub(super) number: u32,
    pub(super) place: u16,
    pub(super) on_its_way: bool,
    pub(super) sent: u64,
    pub(super) due: u64,
}

/// What a reply that is not waited for is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unexpected {
    /// The first one, after it was given up.
    Late,
    Duplicate,
}

/// One socket.
pub(super) struct Flights {
    pub(super) id: Option<Id>,
    /// A place each for as many as may be on their way.
    pub(super) flights: Box<[Flight]>,
    pub(super) free: Vec<u16>,
    /// How many may be on their way now. Begins with one and grows with each reply, so that the first
    /// datagrams of many sockets don't come in one burst, which would overflow the server's buffer.
    pub(super) window: usize,
    /// The number of the next datagram.
    next: u32,
    /// The number of the first datagram of the measured time.
    first: u32,
    /// The highest number that was answered, and one more.
    highest: u32,
    /// Which of the last were answered, a bit each.
    answered: Box<[u64]>,
    /// Open loop: when those are due that wait for a free place.
    pub(super) due: VecDeque<u64>,
}

impl Flights {
    pub(super) fn new(depth: usize, window: usize) -> Flights {
        Flights {
            id: None,
            flights: vec![Flight::default(); depth].into(),
            free: (0..depth as u16).rev().collect(),
            window,
            next: 0,
            first: 0,
            highest: 0,
            answered: vec![0; RECORD / 64].into(),
            due: VecDeque::new(),
        }
    }

    /// From the next datagram on they are measured. What is due and waits for a place is dropped: how many
    /// those were.
    pub(super) fn measure(&mut self) -> u64 {
        self.first = self.next;
        let waiting = self.due.len() as u64;
        self.due.clear();
        waiting
    }

    /// Whether this one was sent in the measured time.
    #[inline]
    pub(super) fn is_measured(&self, number: u32) -> bool {
        number.wrapping_sub(self.first) < u32::MAX / 2
    }

    /// Whether there is a place for another one.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.flights.len() - self.free.len() < self.window
    }

    /// Another one begins its way: its number and its place.
    #[inline]
    pub(super) fn begin(&mut self, due: u64, now: u64) -> Option<(u32, u16)> {
        let place = self.free.pop()?;
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.mark(number, false);
        self.flights[usize::from(place)] =
            Flight { number, place, on_its_way: true, sent: now, due };
        Some((number, place))
    }

    /// How many were begun after this one, if it can be one of ours.
    pub(super) fn age(&self, number: u32, place: u16) -> Option<u32> {
        let age = self.next.wrapping_sub(number).wrapping_sub(1);
        (age < OLDEST && usize::from(place) < self.flights.len()).then_some(age)
    }

    /// A reply to one that is on its way: its times. Or what else it is.
    #[inline]
    pub(super) fn answer(&mut self, number: u32, place: u16) -> Result<(u64, u64), Unexpected> {
        let flight = &mut self.flights[usize::from(place)];
        if !flight.on_its_way || flight.number != number {
            return Err(self.unexpected(number));
        }
        flight.on_its_way = false;
        let Flight { sent, due, .. } = *flight;
        self.free.push(place);
        self.mark(number, true);
        self.window = (self.window + 1).min(self.flights.len());
        Ok((sent, due))
    }

    /// Whether it has come after one with a higher number, RFC 4737.
    #[inline]
    pub(super) fn is_out_of_order(&mut self, number: u32) -> bool {
        let ahead = number.wrapping_sub(self.highest) < u32::MAX / 2;
        if ahead {
            self.highest = number.wrapping_add(1);
        }
        !ahead
    }

    #[cold]
    fn unexpected(&mut self, number: u32) -> Unexpected {
        // What is older than the record was given up long ago; nobody knows how often it came since.
        if self.next.wrapping_sub(number) as usize > RECORD || !self.mark(number, true) {
            Unexpected::Late
        } else {
            Unexpected::Duplicate
        }
    }

    /// Remembers whether this one was answered; and whether it was so before.
    fn mark(&mut self, number: u32, answered: bool) -> bool {
        let bit = number as usize % RECORD;
        let word = &mut self.answered[bit / 64];
        let before = *word >> (bit % 64) & 1 == 1;
        *word = *word & !(1 << (bit % 64)) | u64::from(answered) << (bit % 64);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ones_and_duplicates_are_told_apart() {
        let mut flights = Flights::new(2, 2);
        assert_eq!(flights.begin(5, 10), Some((0, 0)));
        assert_eq!(flights.begin(6, 11), Some((1, 1)));
        assert_eq!(flights.begin(7, 12), None);
        assert_eq!(flights.answer(0, 0), Ok((10, 5)));
        assert_eq!(flights.answer(0, 0), Err(Unexpected::Duplicate));
        flights.flights[1].on_its_way = false; // Given up.
        assert_eq!(flights.answer(1, 1), Err(Unexpected::Late));
        assert_eq!(flights.answer(1, 1), Err(Unexpected::Duplicate));
    }

    /// One so old that its place in the record is another's now doesn't change what is known of that.
    #[test]
    fn what_is_older_than_the_record_is_late() {
        let mut flights = Flights::new(1, 1);
        for number in 0..RECORD as u32 {
            flights.begin(0, 0).unwrap();
            flights.answer(number, 0).unwrap();
        }
        let (number, place) = flights.begin(0, 0).unwrap();
        assert_eq!(flights.answer(0, 0), Err(Unexpected::Late));
        flights.answer(number, place).unwrap();
        assert_eq!(flights.answer(number, place), Err(Unexpected::Duplicate));
        assert_eq!(flights.age(number + 1, 0), None);
        assert_eq!(flights.age(number, 1), None);
    }
}
