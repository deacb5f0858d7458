//! What became of messages and connections, and whether it counts.

use echoloop::Cause;

use super::super::lane::Lane;
use super::super::pacer::Pacer;
use super::super::phase::Phase;
use super::super::seconds::nanos;
use super::Meter;

impl Meter {
    /// Replies that were right, in a closed loop: so many, after so long.
    #[inline]
    pub(in crate::cli::bench) fn replied(&mut self, latency: u64, replies: u64, now: u64) {
        self.recent.answered.saturating_record_n(latency, replies);
        self.count(replies, now);
    }

    /// The same in an open loop: with the time when it was due, and when it was sent. One that was due in the
    /// warm-up has no latency here; but its reply is work that the server did when it came.
    #[inline]
    pub(in crate::cli::bench) fn replied_to(&mut self, due: u64, sent: u64, now: u64) {
        if self.is_measured(due) {
            self.recent.answered.saturating_record(now.saturating_sub(due));
            self.recent.uncorrected.saturating_record(now.saturating_sub(sent));
        } else if self.phase == Phase::Draining {
            return;
        }
        self.count(1, now);
    }

    /// Whether a message of an open loop belongs to the phase that is counted: it does if it was due there.
    #[inline]
    pub(in crate::cli::bench) fn is_measured(&self, due: u64) -> bool {
        due >= self.from
    }

    /// A closed loop has no schedule, so what it waits for when the measured time begins belongs to that.
    fn counts(&self, since: u64) -> bool {
        self.load.rate.is_none() || self.is_measured(since)
    }

    #[inline]
    fn count(&mut self, replies: u64, now: u64) {
        if self.phase == Phase::Draining {
            self.drained += replies;
            return;
        }
        self.tally.messages += replies;
        if self.tally.messages >= self.goal {
            self.enter(Phase::Draining, now);
        }
    }

    /// Messages that will have no reply: since when each was waited for. They have taken as long as that, and
    /// at least as long as they would have been waited for.
    pub(in crate::cli::bench) fn gave_up(
        &mut self,
        given_up: impl IntoIterator<Item = (u64, u64)>,
        now: u64,
    ) {
        for (since, messages) in given_up {
            if !self.counts(since) {
                continue;
            }
            let age = now.saturating_sub(since).max(nanos(self.load.timeout));
            self.recent.unanswered.saturating_record_n(age, messages);
            if self.goal != u64::MAX {
                self.goal -= messages.min(self.goal);
            }
        }
    }

    /// A datagram without a reply in time: when it was due, and when it was sent.
    pub(in crate::cli::bench) fn lost(&mut self, due: u64, sent: u64, now: u64) {
        if self.is_measured(due) {
            self.tally.errors.lost += 1;
            self.patience.lost(sent);
            self.gave_up([(due, 1)], now);
        } else if self.load.rate.is_none() && self.goal != u64::MAX {
            self.goal -= 1.min(self.goal);
        }
    }

    /// Gives up all that a stream owes, and what is due there: how many messages were sent, and how many weren't.
    pub(in crate::cli::bench) fn abandon(&mut self, lane: &mut Lane, now: u64) -> (u64, u64) {
        let sent = lane.flying - lane.due_before(self.from);
        let unsent = lane.waiting();
        self.tally.errors.unanswered += sent;
        self.tally.errors.unsent += unsent;
        self.gave_up(lane.give_up(), now);
        (sent, unsent)
    }

    /// The message of a connection of its own will have no reply, and was waited for since then.
    pub(in crate::cli::bench) fn unanswered(&mut self, since: u64) {
        self.tally.errors.unanswered += u64::from(self.counts(since));
    }

    /// The next message that is due: its lane, and when it was. What was due in the warm-up is not begun later.
    #[inline]
    pub(in crate::cli::bench) fn next_due(
        &mut self,
        pacer: &mut Pacer,
        now: u64,
    ) -> Option<(usize, u64)> {
        while self.is_on() {
            let (lane, due) = pacer.next(now)?;
            if self.is_measured(due) {
                self.recent.late.saturating_record(now - due);
                return Some((lane, due));
            }
        }
        None
    }

    /// A connection that is not there any more, or never was.
    pub(in crate::cli::bench) fn gone(&mut self, cause: &Cause, was_there: bool) {
        if was_there {
            let measures = self.phase >= Phase::Measuring;
            let after = measures.then(|| self.now().saturating_sub(self.from));
            self.tally.gone(cause, after);
        } else {
            self.tally.not_made(cause);
        }
    }
}
