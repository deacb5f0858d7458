//! One connection of the load, and what is on its way there.

use std::collections::VecDeque;

use echoloop::Id;

use super::partial::Partial;

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
/// so that it suffices to know how many bytes have gone out and come back.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) id: Option<Id>,
    pub(super) state: State,
    /// Among those of all workers.
    pub(super) number: u64,
    /// Where it begins among all the bytes that there are, so that each has others.
    pub(super) start: u64,
    /// Up to where bytes are begun, sent, and back; of answers to requests, from the same place on.
    begun: u64,
    pub(super) out: u64,
    pub(super) back: u64,
    /// Bytes of the reply that is coming in; or, where only frames are known, how far it is, and how many
    /// were whole.
    pub(super) arrived: u64,
    pub(super) partial: Partial,
    pub(super) whole: u64,
    /// Messages on their way, and when they were sent.
    pub(super) flying: u64,
    runs: VecDeque<Run>,
    /// Messages that are not begun yet, since somebody thinks first.
    pub(super) thinking: u64,
    /// Open loop: when the messages on their way were due, and behind them those that are due and not
    /// begun, as the depth is used up.
    pub(super) dues: VecDeque<u64>,
    /// Messages answered.
    pub(super) answered: u64,
}

impl Lane {
    pub(super) fn new(number: u64, start: u64) -> Lane {
        Lane {
            id: None,
            state: State::Waiting,
            number,
            start,
            begun: start,
            out: start,
            back: start,
            arrived: 0,
            partial: Partial::default(),
            whole: 0,
            flying: 0,
            runs: VecDeque::new(),
            thinking: 0,
            dues: VecDeque::new(),
            answered: 0,
        }
    }

    /// The same lane with another connection, which begins elsewhere.
    pub(super) fn renew(&mut self, id: Id, start: u64) {
        let dues = std::mem::take(&mut self.dues);
        let (answered, number) = (self.answered, self.number);
        *self = Lane { id: Some(id), answered, dues, ..Lane::new(number, start) };
    }

    /// Open loop: messages that are due and not begun. In a closed loop nothing is due.
    #[inline]
    pub(super) fn waiting(&self) -> u64 {
        (self.dues.len() as u64).saturating_sub(self.flying)
    }

    /// Open loop: messages on their way that were due before this time.
    pub(super) fn due_before(&self, time: u64) -> u64 {
        let flying = self.dues.iter().take(self.flying as usize);
        flying.filter(|due| **due < time).count() as u64
    }

    /// Open loop: drops what is due and not begun. How many messages that were.
    pub(super) fn drop_waiting(&mut self) -> u64 {
        let waiting = self.waiting();
        self.dues.truncate(self.dues.len() - waiting as usize);
        waiting
    }

    /// Begins so many messages, of so many bytes altogether.
    #[inline]
    pub(super) fn begin(&mut self, messages: u64, bytes: u64, now: u64) {
        self.flying += messages;
        self.begun += bytes;
        match self.runs.back_mut() {
            Some(run) if run.sent == now => run.messages += messages as u32,
            _ => self.runs.push_back(Run { sent: now, messages: messages as u32 }),
        }
    }

    /// Bytes of begun messages that the connection has not taken yet.
    #[inline]
    pub(super) fn unsent(&self) -> u64 {
        self.begun - self.out
    }

    /// So many bytes were taken by the connection.
    #[inline]
    pub(super) fn sent(&mut self, bytes: usize) {
        self.out += bytes as u64;
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
    fn what_has_no_reply_is_given_up_with_its_time() {
        let mut lane = Lane::new(7, 0);
        lane.begin(2, 20, 100);
        lane.begin(1, 10, 200);
        assert_eq!(lane.give_up(), [(100, 2), (200, 1)]);
        lane.dues.extend([50, 60, 70]);
        lane.begin(2, 20, 100);
        assert_eq!(lane.waiting(), 1);
        assert_eq!(lane.give_up(), [(50, 1), (60, 1), (70, 1)]);
        assert_eq!((lane.waiting(), lane.flying), (0, 0));
    }
}
