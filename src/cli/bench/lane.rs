//! One connection of the load, and what is on its way there.

use std::collections::VecDeque;

use echoloop::Id;

use super::wheel::Wheel;

/// How a lane stands.
///
/// ```text
///   Waiting ──▶ Dialling ──▶ Open ──▶ Gone
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its turn to connect has not come.
    Waiting,
    /// Since then.
    Dialling(u64),
    Open,
    /// We have seen enough of it.
    Condemned,
    Gone,
}

/// Messages that were sent at the same time.
#[derive(Clone, Copy, Debug)]
struct Run {
    sent: u64,
    messages: u32,
}

/// One connection of the load, and what is on its way there. Replies come in the order of the messages,
/// so that it suffices to know where on the wheel the next byte stands, in and out.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: Option<Id>,
    pub(super) state: State,
    /// Where on the wheel the next byte to be sent stands, and the next to arrive.
    pub(super) out: u32,
    pub(super) back: u32,
    /// Bytes of begun messages that the connection has not taken yet.
    pub(super) unsent: u64,
    /// Bytes sent that have not come back.
    pub(super) owed: u64,
    /// Bytes of the reply that is coming in.
    arrived: usize,
    /// Messages on their way, and when they were sent.
    pub(super) flying: u64,
    runs: VecDeque<Run>,
    /// Open loop: when the messages on their way were due, and behind them those that are due and not
    /// begun, as the depth is used up.
    pub(super) dues: VecDeque<u64>,
    /// Messages answered.
    pub(super) answered: u64,
}

impl Lane {
    pub(super) fn new(number: u64) -> Lane {
        let place = Wheel::place(number);
        Lane {
            id: None,
            state: State::Waiting,
            out: place,
            back: place,
            unsent: 0,
            owed: 0,
            arrived: 0,
            flying: 0,
            runs: VecDeque::new(),
            dues: VecDeque::new(),
            answered: 0,
        }
    }

    /// The same lane with another connection, which has a place of its own on the wheel.
    pub(super) fn renew(&mut self, id: Id, number: u64) {
        let dues = std::mem::take(&mut self.dues);
        *self = Lane { id: Some(id), answered: self.answered, dues, ..Lane::new(number) };
    }

    /// Open loop: messages that are due and not begun. In a closed loop nothing is due.
    #[inline]
    pub(super) fn waiting(&self) -> u64 {
        (self.dues.len() as u64).saturating_sub(self.flying)
    }

    /// Begins so many messages of this size.
    #[inline]
    pub(super) fn begin(&mut self, messages: u64, size: usize, now: u64) {
        self.flying += messages;
        self.unsent += messages * size as u64;
        match self.runs.back_mut() {
            Some(run) if run.sent == now => run.messages += messages as u32,
            _ => self.runs.push_back(Run { sent: now, messages: messages as u32 }),
        }
    }

    /// So many bytes were taken by the connection.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.unsent -= bytes as u64;
        self.owed += bytes as u64;
        self.out = Wheel::after(self.out, bytes);
    }

    /// So many bytes have come back. How many replies are whole now.
    #[inline]
    pub(super) fn arrived(&mut self, bytes: usize, size: usize) -> u64 {
        self.owed -= bytes as u64;
        self.back = Wheel::after(self.back, bytes);
        self.arrived += bytes;
        if self.arrived < size {
            return 0;
        }
        if self.arrived == size {
            self.arrived = 0;
            return 1;
        }
        let whole = self.arrived / size;
        self.arrived %= size;
        whole as u64
    }

    /// Takes the oldest messages off, at most so many of one and the same time: that time, and how many.
    #[inline]
    pub(super) fn answer(&mut self, most: u64) -> Option<(u64, u64)> {
        let run = self.runs.front_mut()?;
        let messages = most.min(run.messages.into());
        let sent = run.sent;
        run.messages -= messages as u32;
        if run.messages == 0 {
            self.runs.pop_front();
        }
        self.flying -= messages;
        self.answered += messages;
        Some((sent, messages))
    }

    /// Gives up everything that has no reply: since when it has been waited for, and how many each.
    pub(super) fn give_up(&mut self) -> Vec<(u64, u64)> {
        self.flying = 0;
        let runs = std::mem::take(&mut self.runs).into_iter();
        match std::mem::take(&mut self.dues) {
            dues if dues.is_empty() => runs.map(|run| (run.sent, run.messages.into())).collect(),
            dues => dues.into_iter().map(|due| (due, 1)).collect(),
        }
    }
}

/// Finds lanes by the ids of their connections, with an index and no hash.
#[derive(Default)]
pub(super) struct Finder {
    by_slot: Vec<(Option<Id>, u32)>,
}

impl Finder {
    pub(super) fn put(&mut self, id: Id, lane: usize) {
        if self.by_slot.len() <= id.slot() {
            self.by_slot.resize(id.slot() + 1, (None, 0));
        }
        self.by_slot[id.slot()] = (Some(id), lane as u32);
    }

    #[inline]
    pub(super) fn find(&self, id: Id) -> Option<usize> {
        let &(held, lane) = self.by_slot.get(id.slot())?;
        (held == Some(id)).then_some(lane as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_found_whatever_the_cuts() {
        let mut lane = Lane::new(7);
        lane.begin(2, 10, 100);
        lane.begin(1, 10, 200);
        assert_eq!((lane.flying, lane.unsent), (3, 30));
        lane.sent(25);
        lane.sent(5);
        assert_eq!(lane.arrived(9, 10), 0);
        assert_eq!(lane.arrived(16, 10), 2);
        assert_eq!(lane.answer(2), Some((100, 2)));
        assert_eq!(lane.arrived(5, 10), 1);
        assert_eq!(lane.answer(1), Some((200, 1)));
        assert_eq!((lane.owed, lane.flying, lane.answered), (0, 0, 3));
        assert_eq!(lane.out, lane.back);
        assert_eq!(lane.answer(1), None);
    }

    #[test]
    fn what_has_no_reply_is_given_up_with_its_time() {
        let mut lane = Lane::new(7);
        lane.begin(2, 10, 100);
        lane.begin(1, 10, 200);
        assert_eq!(lane.give_up(), [(100, 2), (200, 1)]);
        lane.dues.extend([50, 60, 70]);
        lane.begin(2, 10, 100);
        assert_eq!(lane.waiting(), 1);
        assert_eq!(lane.give_up(), [(50, 1), (60, 1), (70, 1)]);
        assert_eq!((lane.waiting(), lane.flying), (0, 0));
    }
}
