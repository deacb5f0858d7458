//! Stopping: what has arrived is served, then everybody is told goodbye.

use socket2::SockRef;

use super::bind::stop_admitting;
use super::context::Stop;
use super::core::{Core, Going};
use super::reactor::Reactor;
use super::table::{Origin, Phase, Source};
use crate::machines::Latch;
use crate::values::{Cause, Id};

impl Reactor {
    /// Called at the end of each turn once somebody has asked to stop.
    pub(super) fn go_on_stopping(&mut self) {
        if self.halves.core.going == Going::Asked {
            self.begin_draining();
        }
        let core = &self.halves.core;
        // When only those are left that nobody waits for, it is over.
        let drained = core.going == Going::Draining && core.has_emptied();
        if drained || core.going == Going::AtOnce {
            self.close_all();
        }
    }

    /// From here on nothing new is taken. Listeners go when their backlog is empty, datagram sockets
    /// when nothing has arrived, connections when all that has arrived is served and answered.
    fn begin_draining(&mut self) {
        self.halves.core.going = Going::Draining;
        log::debug!("stopping: {} sources are left", self.halves.core.table.len());
        for id in self.halves.core.table.ids() {
            let core = &mut self.halves.core;
            if core.going != Going::Draining {
                return; // A service has lost its patience.
            }
            let Some(entry) = core.table.get_mut(id) else { continue };
            match &mut entry.source {
                Source::Listener(listener) => {
                    stop_admitting(&listener.socket);
                    (listener.readable, listener.stopping) = (true, true);
                    core.schedule(id);
                }
                Source::Datagram(datagram) => {
                    (datagram.readable, datagram.stopping) = (true, true);
                    core.schedule(id);
                }
                Source::Stream(_) => core.drain(id),
                Source::Dial(_) => self.gone(id, Cause::Stopped),
            }
        }
    }

    fn close_all(&mut self) {
        for id in self.halves.core.table.ids() {
            match self.halves.core.table.get(id).map(|entry| &entry.source) {
                Some(Source::Stream(_) | Source::Dial(_)) => self.gone(id, Cause::Stopped),
                _ => drop(self.halves.core.forget(id)),
            }
        }
        self.halves.core.going = Going::Stopped;
        log::debug!("stopped");
    }

    /// Tells the service of the stop, once everything is served that this connection had sent by then.
    pub(super) fn has_drained(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let used_up = core.allowance.get(&id) == Some(&0);
        let Some(stream) = core.table.stream(id) else { return };
        if stream.phase != Phase::Draining || !(used_up || stream.connection.is_drained()) {
            return;
        }
        core.enter(id, Phase::Told);
        self.halves.call_for(id, |service, cx| service.stopping(cx));
        self.halves.core.schedule(id);
    }
}

impl Core {
    /// Asks the loop to stop. The second time it doesn't wait for anybody.
    pub(super) fn stop(&mut self, how: Stop) {
        self.going = match (self.going, how) {
            (Going::Stopped, _) => Going::Stopped,
            (Going::On, Stop::Gracefully) => Going::Asked,
            (_, Stop::AtOnce) | (Going::Asked | Going::Draining | Going::AtOnce, _) => {
                Going::AtOnce
            }
        };
    }

    /// Counts what a connection brings in while the reactor is stopping.
    pub(super) fn count_down(&mut self, id: Id, read: usize) {
        if let Some(left) = self.allowance.get_mut(&id) {
            *left = left.saturating_sub(read);
        }
    }

    /// Whether only those are left that nobody waits for.
    pub(super) fn has_emptied(&self) -> bool {
        self.table.len() == self.background
    }

    /// Has a connection served to the end of what has arrived: an event may be on its way that tells of
    /// more, so one more read decides. Somebody who never ceases to send gets no further than what
    /// the receive buffer can hold now.
    pub(super) fn drain(&mut self, id: Id) {
        let Some(stream) = self.table.stream(id) else { return };
        if stream.origin == Origin::Background {
            return;
        }
        stream.connection.latch(Latch { readable: true, ..Latch::default() });
        let size = SockRef::from(stream.connection.stream()).recv_buffer_size();
        self.allowance.insert(id, size.unwrap_or(self.config.read_buffer));
        self.enter(id, Phase::Draining);
        self.schedule(id);
    }
}
