//! What has changed for whom.

use std::{io, mem};

use super::ready::Ready;
#[cfg(feature = "simulation")]
use super::wire::Wire;
use crate::values::Id;

/// An event, as the poller would give one.
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct MemEvent {
    pub(in crate::net) id: Id,
    pub(in crate::net) ready: Ready,
}

/// What a socket would say, in the same words.
pub(super) fn system_error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// The events that nobody has marked yet. Edges only, so there are no more of them than calls that were made.
#[derive(Default)]
pub(super) struct Events {
    queue: Vec<MemEvent>,
    /// The memory of the last ones.
    spare: Vec<MemEvent>,
    /// What lies between the ends, if they are apart.
    #[cfg(feature = "simulation")]
    pub(super) wire: Option<Box<Wire>>,
}

impl Events {
    /// Tells a source, if it is one yet.
    #[inline]
    pub(super) fn tell(&mut self, id: Id, ready: Ready) {
        if id != Id::NONE {
            self.queue.push(MemEvent { id, ready });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<MemEvent> {
        mem::replace(&mut self.queue, mem::take(&mut self.spare))
    }

    pub(super) fn give_back(&mut self, mut taken: Vec<MemEvent>) {
        const KEPT: usize = 1024; // After a burst has gone.
        taken.clear();
        taken.shrink_to(KEPT);
        self.spare = taken;
    }
}
