//! How far the reactor is on its way out.

use std::collections::{HashMap, HashSet, VecDeque};

use super::clock::Tick;
use crate::values::Id;

/// How [`Context::stop`](crate::Context::stop) stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Serves what has arrived, the backlog included, then says goodbye to everybody. Whoever is owed
    /// nothing goes at once; the others may take up to [`Config::linger`](crate::Config::linger) beyond the last byte
    /// that moves, and all together [`Config::stop_timeout`](crate::Config::stop_timeout).
    Gracefully,
    /// Closes everything as it is.
    AtOnce,
}

/// Whether the reactor goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Going {
    #[default]
    On,
    /// Asked to stop gracefully, not yet begun.
    Asked,
    /// Stopping: no new sources.
    Draining,
    /// Asked to stop at once.
    AtOnce,
    Stopped,
}

/// How far the reactor is on its way out.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    going: Going,
    /// What each connection may still bring in: as much as can have arrived by then.
    allowance: HashMap<Id, usize>,
    /// Streams of which something that had arrived has not been shown yet. What they are for is not
    /// known here; so as long as there are any, all others stay open.
    unserved: HashSet<Id>,
    /// Those that are to be told when none is unserved.
    served: VecDeque<Id>,
    /// Whether connections that are being made for nothing have been given up: there will be no others.
    has_abandoned: bool,
    /// How many bytes had been sent when this was looked at last, and since when it is so.
    sent: u64,
    last_sent: Tick,
}

impl Stopping {
    #[inline]
    pub(super) fn going(&self) -> Going {
        self.going
    }

    #[inline]
    pub(super) fn is_draining(&self) -> bool {
        self.going == Going::Draining
    }

    /// Counts what a connection brings in meanwhile.
    pub(super) fn count_down(&mut self, id: Id, read: usize) {
        if let Some(left) = self.allowance.get_mut(&id) {
            *left = left.saturating_sub(read);
        }
    }

    /// The connection has gone, or isn't waited for.
    pub(super) fn forget(&mut self, id: Id) {
        if self.is_draining() {
            self.allowance.remove(&id);
            self.unserved.remove(&id);
        }
    }

    /// A peer has taken something.
    pub(super) fn note_sent(&mut self, now: Tick) {
        self.last_sent = now;
    }

    /// When any connection sent anything last, or nearly so.
    pub(super) fn last_sent(&self) -> Tick {
        self.last_sent
    }

    pub(super) fn has_used_up(&self, id: Id) -> bool {
        self.allowance.get(&id) == Some(&0)
    }

    /// Whether none is unserved.
    pub(super) fn is_over(&self) -> bool {
        self.unserved.is_empty()
    }

    /// Asks to stop. The second time nobody is waited for.
    pub(super) fn ask(&mut self, how: Stop) {
        self.going = match (self.going, how) {
            (Going::Stopped, _) => Going::Stopped,
            (Going::On, Stop::Gracefully) => Going::Asked,
            (_, Stop::AtOnce) | (Going::Asked | Going::Draining | Going::AtOnce, _) => {
                Going::AtOnce
            }
        };
    }

    /// Whether something is to be done about the stop, without an event.
    pub(super) fn has_to_go_on(&self, has_emptied: bool, is_empty: bool) -> bool {
        match self.going {
            Going::On => false,
            // A service has panicked when it was told of the end, and the others haven't been told.
            Going::Stopped => !is_empty,
            Going::Asked | Going::AtOnce => true,
            Going::Draining => has_emptied || (self.is_over() && !self.served.is_empty()),
        }
    }

    /// From here on nothing new is taken.
    pub(super) fn begin_draining(&mut self, now: Tick) {
        (self.going, self.last_sent) = (Going::Draining, now);
    }

    /// From here on nothing can be made.
    pub(super) fn end(&mut self) {
        *self = Stopping { going: Going::Stopped, ..Stopping::default() };
    }

    /// A connection is to be served to the end of what can have arrived, which is so much.
    pub(super) fn serve(&mut self, id: Id, allowance: usize) {
        self.allowance.insert(id, allowance);
        self.unserved.insert(id);
    }

    /// It isn't served yet, or not any more.
    pub(super) fn wait_for(&mut self, id: Id) {
        self.unserved.insert(id);
    }

    /// The others needn't wait for it.
    pub(super) fn wait_no_more_for(&mut self, id: Id) {
        self.unserved.remove(&id);
    }

    /// It has been served, and is to be told of the stop when all the others have been.
    pub(super) fn has_served(&mut self, id: Id) {
        self.unserved.remove(&id);
        self.served.push_back(id);
    }

    /// The next one that is to be told, when they are.
    pub(super) fn next_served(&mut self) -> Option<Id> {
        self.served.pop_front()
    }

    /// Whether connections that are being made for nobody are still to be given up.
    pub(super) fn abandons_dials(&self) -> bool {
        !self.has_abandoned
    }

    pub(super) fn has_abandoned_dials(&mut self) {
        self.has_abandoned = true;
    }

    /// How many bytes all have sent by now.
    pub(super) fn note_total_sent(&mut self, sent: u64, now: Tick) {
        if self.sent != sent {
            (self.sent, self.last_sent) = (sent, now);
        }
    }
}
