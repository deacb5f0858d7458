//! Which messages wait for their reply, and what a reply means.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many messages are remembered, so that late replies and duplicates are known for what they are.
/// At 24 bytes each these are 1.5 MB. What is older is unexpected when it comes; and when all of them
/// wait, no more is sent.
const REMEMBERED: usize = 65_536;

/// The messages sent last.
///
/// ```text
///   Waiting ── reply ──────────────▶ Answered ── reply ──▶ duplicate
///      └────── timeout ──▶ Lost ── reply ──┘ late
/// ```
#[derive(Debug, Default)]
pub(super) struct Window {
    messages: VecDeque<Message>,
    /// The number of the first one remembered. They count from 0.
    first: u64,
    /// The oldest that waits, or else the next to be sent.
    due: u64,
    waiting: usize,
    highest_answered: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    sent: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Answered,
    Lost,
}

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The first to its message, after so long.
    Reply { time: Duration, late: bool, reordered: bool },
    /// Another one.
    Duplicate { time: Duration },
    /// To a message that was never sent, or too long ago.
    Unexpected,
}

impl Window {
    /// How many were sent; the number of the next one.
    pub(super) fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// How many wait for their reply.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether the next one would push out one that still waits.
    pub(super) fn is_full(&self) -> bool {
        let oldest = self.messages.front();
        self.messages.len() == REMEMBERED && oldest.is_some_and(|it| it.state == State::Waiting)
    }

    /// One was sent. Returns its number.
    pub(super) fn send(&mut self, now: Instant) -> u64 {
        if self.messages.len() == REMEMBERED {
            self.messages.pop_front();
            self.first += 1;
            self.due = self.due.max(self.first);
            self.skip_settled();
        }
        let number = self.next();
        self.messages.push_back(Message { sent: now, state: State::Waiting });
        self.waiting += 1;
        number
    }

    /// The oldest that waits: the one that is meant by a reply that doesn't say.
    pub(super) fn oldest_waiting(&self) -> Option<u64> {
        (self.due < self.next()).then_some(self.due)
    }

    /// A reply has come.
    pub(super) fn reply(&mut self, number: u64, now: Instant) -> Verdict {
        let index = number.checked_sub(self.first).map(|index| index as usize);
        let Some(message) = index.and_then(|index| self.messages.get_mut(index)) else {
            return Verdict::Unexpected;
        };
        let time = now.saturating_duration_since(message.sent);
        let late = match message.state {
            State::Answered => return Verdict::Duplicate { time },
            State::Waiting => {
                self.waiting -= 1;
                false
            }
            State::Lost => true,
        };
        message.state = State::Answered;
        let reordered = self.highest_answered.is_some_and(|highest| highest > number);
        self.highest_answered = self.highest_answered.max(Some(number));
        self.skip_settled();
        Verdict::Reply { time, late, reordered }
    }

    /// The next message that has waited for the whole timeout.
    pub(super) fn expire(&mut self, now: Instant, timeout: Duration) -> Option<u64> {
        self.skip_settled();
        let number = self.due;
        let message = self.messages.get_mut((number - self.first) as usize)?;
        if now.saturating_duration_since(message.sent) < timeout {
            return None;
        }
        message.state = State::Lost;
        self.waiting -= 1;
        self.skip_settled();
        Some(number)
    }

    /// This message will get no reply. `false`: it didn't wait for one.
    pub(super) fn lose(&mut self, number: u64) -> bool {
        let index = number.checked_sub(self.first).map(|index| index as usize);
        let message = index.and_then(|index| self.messages.get_mut(index));
        let Some(message) = message.filter(|message| message.state == State::Waiting) else {
            return false;
        };
        message.state = State::Lost;
        self.waiting -= 1;
        self.skip_settled();
        true
    }

    /// The message that was sent last, if it waits.
    pub(super) fn last_waiting(&self) -> Option<u64> {
        let last = self.messages.back()?;
        (last.state == State::Waiting).then(|| self.next() - 1)
    }

    fn skip_settled(&mut self) {
        let mut rest = self.messages.iter().skip((self.due - self.first) as usize);
        let waiting = rest.position(|message| message.state == State::Waiting);
        self.due = waiting.map_or(self.next(), |settled| self.due + settled as u64);
    }

    /// How long the oldest one that waits has still got.
    pub(super) fn patience(&self, now: Instant, timeout: Duration) -> Option<Duration> {
        let oldest = self.messages[(self.oldest_waiting()? - self.first) as usize];
        Some(timeout.saturating_sub(now.saturating_duration_since(oldest.sent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn reply(seconds: u64, late: bool, reordered: bool) -> Verdict {
        Verdict::Reply { time: Duration::from_secs(seconds), late, reordered }
    }

    #[test]
    fn replies_are_known_for_what_they_are() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::default();
        for second in 0..4 {
            assert_eq!(window.send(at(second)), second);
        }
        assert_eq!(window.reply(1, at(4)), reply(3, false, false));
        assert_eq!(window.reply(0, at(5)), reply(5, false, true));
        assert_eq!(window.reply(1, at(6)), Verdict::Duplicate { time: Duration::from_secs(5) });
        assert_eq!(window.reply(9, at(6)), Verdict::Unexpected);
        assert_eq!(window.oldest_waiting(), Some(2));
        assert_eq!((window.expire(at(3), TIMEOUT), window.waiting()), (Some(2), 1));
        assert_eq!(window.expire(at(3), TIMEOUT), None);
        assert_eq!(window.patience(at(3), TIMEOUT), Some(TIMEOUT));
        assert_eq!(window.reply(2, at(7)), reply(5, true, false));
        assert_eq!(window.reply(3, at(3)), reply(0, false, false));
        assert_eq!((window.waiting(), window.patience(at(9), TIMEOUT)), (0, None));
    }

    #[test]
    fn who_is_refused_waits_no_longer() {
        let (mut window, now) = (Window::default(), Instant::now());
        assert_eq!(window.last_waiting(), None);
        assert_eq!((window.send(now), window.send(now)), (0, 1));
        assert_eq!(window.last_waiting(), Some(1));
        assert!(window.lose(1) && !window.lose(1) && !window.lose(2));
        assert_eq!((window.last_waiting(), window.waiting()), (None, 1));
        assert!(window.lose(0));
        assert_eq!(window.oldest_waiting(), None);
        assert_eq!(window.reply(1, now), reply(0, true, false));
    }

    #[test]
    fn memory_is_bounded_and_nobody_who_waits_is_forgotten() {
        let (mut window, now) = (Window::default(), Instant::now());
        for number in 0..REMEMBERED as u64 {
            assert!(!window.is_full());
            assert_eq!(window.send(now), number);
        }
        assert!(window.is_full());
        window.reply(0, now);
        assert!(!window.is_full());
        assert_eq!(window.send(now), REMEMBERED as u64);
        assert_eq!(window.reply(0, now), Verdict::Unexpected);
        assert_eq!(window.oldest_waiting(), Some(1));
    }
}
