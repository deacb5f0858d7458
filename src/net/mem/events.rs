//! What has changed for whom.

use std::{io, mem};

use crate::values::{Id, Readiness};

/// An event, as the poller would give one.
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct MemEvent {
    pub(in crate::net) id: Id,
    pub(in crate::net) ready: Ready,
}

/// What a source is ready for.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::net) struct Ready {
    pub(in crate::net) readable: bool,
    pub(in crate::net) writable: bool,
    /// The other end has sent its last byte.
    pub(in crate::net) read_closed: bool,
    /// The other end has gone.
    pub(in crate::net) hung_up: bool,
    /// It has gone in anger.
    pub(in crate::net) in_error: bool,
}

/// What a socket would say, in the same words.
pub(super) fn system_error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl Ready {
    /// As the poller would say it.
    pub(in crate::net) fn readiness(self) -> Readiness {
        let is_urgent = false;
        Readiness::new([
            self.readable,
            self.writable,
            is_urgent,
            self.read_closed,
            self.hung_up,
            self.in_error,
        ])
    }
}

/// The events that nobody has marked yet. Edges only, so there are no more of them than calls that were made.
#[derive(Default)]
pub(super) struct Events {
    queue: Vec<MemEvent>,
    /// The memory of the last ones.
    spare: Vec<MemEvent>,
}

impl Events {
    pub(super) const READABLE: Ready = Ready {
        readable: true,
        writable: false,
        read_closed: false,
        hung_up: false,
        in_error: false,
    };

    pub(super) const WRITABLE: Ready =
        Ready { readable: false, writable: true, ..Events::READABLE };

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
