//! Stopping: what has arrived is served, then everybody is told goodbye.
//!
//! ```text
//!   asked ──▶ draining: no newcomers; each source is served to the end of what had arrived
//!                │  a stream:   Draining ──▶ Served ──▶ Told ──▶ Closing ──▶ Lingering ──▶ (gone)
//!                │                  all are served ──┘                       nothing owed ──┘
//!                └── a source that stands still for the linger time, and all of them at the stop
//!                    timeout: gone as it is
//! ```

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use socket2::SockRef;

use super::clock::Tick;
use super::context::Stop;
use super::core::{Core, Due};
use super::packets::{unacknowledged, unread};
use super::reactor::Reactor;
use super::socket::{StreamSocket, stop_admitting};
use super::table::{Phase, Source, StreamSource};
use crate::machines::Latch;
use crate::values::{Cause, Id, STOP_CHECK};

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
    /// Streams of which something that had arrived has not been shown yet. Who they are for, nobody
    /// here knows; so as long as there are any, all others stay open.
    unserved: HashSet<Id>,
    /// Those that are to be told when nobody is unserved.
    served: VecDeque<Id>,
    /// Whether connections that are being made for nobody have been given up: there will be no others.
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

    fn has_used_up(&self, id: Id) -> bool {
        self.allowance.get(&id) == Some(&0)
    }

    fn is_over(&self) -> bool {
        self.unserved.is_empty()
    }
}

impl Reactor {
    /// Called at the end of each turn once somebody has asked to stop.
    pub(super) fn go_on_stopping(&mut self) {
        let core = &mut self.halves.core;
        match core.stopping.going {
            Going::On => return,
            // A service has panicked when it was told of the end, and the others haven't been told.
            Going::Stopped if core.has_to_stop() => return self.close_sources(),
            Going::Stopped => return,
            Going::Asked => core.begin_draining(),
            Going::Draining => {
                // In this order: who is told may say something to somebody else.
                if core.stopping.is_over() {
                    while let Some(id) = self.halves.core.stopping.served.pop_front() {
                        self.tell(id);
                    }
                    if !self.halves.core.stopping.has_abandoned {
                        self.abandon_dials();
                        self.halves.core.stopping.has_abandoned = true;
                    }
                }
            }
            Going::AtOnce => {}
        }
        let core = &self.halves.core;
        // When only those are left that nobody waits for, it is over.
        let drained = core.stopping.is_draining() && core.has_emptied();
        if drained || core.stopping.going == Going::AtOnce {
            self.close_all();
        }
    }

    fn close_all(&mut self) {
        self.run_last_commands();
        // From here on nothing can be made, also by those who are told of an end.
        self.halves.core.stopping = Stopping { going: Going::Stopped, ..Stopping::default() };
        self.close_sources();
    }

    fn close_sources(&mut self) {
        for id in self.halves.core.table.ids() {
            match self.halves.core.table.get(id).map(|entry| &entry.source) {
                Some(Source::Stream(_) | Source::Dial(_)) => self.gone(id, Cause::Stopped),
                _ => drop(self.halves.core.forget(id)),
            }
        }
        self.halves.core.drop_timers();
        self.halves.pass_on(); // The last that they have to tell each other.
        log::debug!("stopped");
    }

    /// While stopping, a stream has come to rest: perhaps it is served, or owed nothing any more.
    #[cold]
    pub(super) fn rests_while_stopping(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let used_up = core.stopping.has_used_up(id);
        let Some(stream) = core.table.stream(id) else { return };
        match stream.phase {
            // It waits for its own output to go, which concerns nobody else.
            Phase::Draining if stream.connection.is_full() => {
                core.stopping.unserved.remove(&id);
            }
            Phase::Draining if stream.is_served() => core.has_served(id),
            // What is kept is of what had arrived, also where no more may be read.
            Phase::Draining if used_up && !stream.connection.is_paused() => core.has_served(id),
            Phase::Draining => {
                core.stopping.unserved.insert(id);
            }
            Phase::Lingering if stream.is_owed_nothing() => self.gone(id, Cause::Closed),
            _ => {}
        }
    }

    /// Tells the service of the stop.
    pub(super) fn tell(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let unref = core.table.get(id).is_none_or(|entry| entry.is_background);
        if unref || core.table.stream(id).is_none_or(|it| it.phase >= Phase::Told) {
            return; // It was put there meanwhile, or knows.
        }
        core.stopping.forget(id);
        core.enter(id, Phase::Told);
        self.halves.call_for(id, |service, cx| service.stopping(cx));
        self.halves.core.schedule(id);
    }

    /// Connections that are being made, and that nobody has sent anything to, are of no use any more.
    fn abandon_dials(&mut self) {
        for id in self.halves.core.table.ids() {
            let Some(entry) = self.halves.core.table.get(id) else { continue };
            if let Source::Dial(dial) = &entry.source
                && !entry.is_background
                && dial.connection.queued() == 0
            {
                self.gone(id, Cause::Stopped);
            }
        }
    }

    /// From time to time while stopping: what no event tells of.
    pub(super) fn check_stop(&mut self) {
        if !self.halves.core.stopping.is_draining() {
            return;
        }
        self.halves.core.look_at_what_was_sent();
        self.halves.core.check_stop_again();
        for id in self.halves.core.table.ids() {
            let core = &mut self.halves.core;
            let (linger, accepted, tick) = (core.config.linger, core.accepted, core.clock.tick());
            let Some(entry) = core.table.get_mut(id).filter(|entry| !entry.is_background) else {
                continue;
            };
            let stands_still = match &mut entry.source {
                Source::Stream(stream) => {
                    if stream.phase == Phase::Lingering && stream.is_owed_nothing() {
                        self.gone(id, Cause::Closed);
                    }
                    continue;
                }
                Source::Listener(listener) => {
                    if accepted > 0 {
                        listener.active = tick; // When these have gone, there may be room.
                    }
                    core.clock.since(listener.active) >= linger
                }
                Source::Datagram(datagram) => core.clock.since(datagram.active) >= linger,
                Source::Dial(dial) => core.clock.since(dial.active) >= linger,
            };
            if stands_still {
                log::warn!("{id} is given up: it has not come to an end in {linger:?}");
                match &entry.source {
                    Source::Dial(_) => self.gone(id, Cause::Stopped),
                    _ => drop(self.halves.core.forget(id)),
                }
            }
        }
    }
}

impl StreamSource {
    /// Whether all that had arrived was shown. Who reads nothing in a pause is asked how it is.
    fn is_served(&self) -> bool {
        let connection = &self.connection;
        let nothing_there = || unread(connection.stream()) == Some(0);
        connection.is_drained()
            || (connection.is_paused() && connection.unread() == 0 && nothing_there())
    }

    /// Whether closing can't take anything from anybody: all we sent has been acknowledged, but for the
    /// end itself, and nothing is unread.
    fn is_owed_nothing(&self) -> bool {
        const END: usize = 1; // It takes a place in TCP's numbers, RFC 9293 section 3.4.
        let socket = self.connection.stream();
        unread(socket) == Some(0)
            && match socket {
                StreamSocket::Tcp(_) => unacknowledged(socket).is_some_and(|bytes| bytes <= END),
                // What was sent is the peer's.
                StreamSocket::Unix(..) | StreamSocket::File(_) | StreamSocket::Unmade => true,
            }
    }
}

impl Core {
    /// Asks the loop to stop. The second time it doesn't wait for anybody.
    pub(super) fn stop(&mut self, how: Stop) {
        self.stopping.going = match (self.stopping.going, how) {
            (Going::Stopped, _) => Going::Stopped,
            (Going::On, Stop::Gracefully) => Going::Asked,
            (_, Stop::AtOnce) | (Going::Asked | Going::Draining | Going::AtOnce, _) => {
                Going::AtOnce
            }
        };
    }

    /// The whole stop has taken too long.
    pub(super) fn give_up_stopping(&mut self) {
        if self.stopping.is_draining() {
            let left = self.table.len() - self.background;
            if left > 0 {
                log::warn!("stopping took too long: {left} sources are closed as they are");
            }
            self.stopping.going = Going::AtOnce;
        }
    }

    /// Whether something is to be done about the stop, without an event.
    pub(super) fn has_to_stop(&self) -> bool {
        match self.stopping.going {
            Going::On => false,
            Going::Stopped => self.table.len() > 0 || !self.tells.is_empty(),
            Going::Asked | Going::AtOnce => true,
            Going::Draining => {
                self.has_emptied() || (self.stopping.is_over() && !self.stopping.served.is_empty())
            }
        }
    }

    /// Whether only those are left that nobody waits for.
    fn has_emptied(&self) -> bool {
        self.table.len() == self.background
    }

    /// From here on nothing new is taken. Listeners go when their backlog is empty, datagram sockets
    /// when nothing has arrived, connections when all that has arrived is served and answered.
    fn begin_draining(&mut self) {
        self.stopping.going = Going::Draining;
        log::debug!("stopping: {} sources are left", self.table.len());
        self.stopping.last_sent = self.clock.tick();
        self.check_stop_again();
        if self.config.stop_timeout < Duration::MAX {
            self.timers.once(self.clock.later(self.config.stop_timeout), Due::StopTimeout);
        }
        let tick = self.clock.tick();
        for id in self.table.ids() {
            let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_background) else {
                continue;
            };
            match &mut entry.source {
                Source::Listener(listener) => {
                    // One that isn't ours alone may go on elsewhere.
                    if !listener.is_adopted {
                        stop_admitting(&listener.socket);
                    }
                    (listener.readable, listener.is_stopping) = (true, true);
                    listener.active = tick;
                }
                Source::Datagram(datagram) => {
                    if !datagram.is_adopted {
                        stop_admitting(&datagram.socket);
                    }
                    (datagram.readable, datagram.stopping) = (true, true);
                    datagram.active = tick;
                }
                Source::Dial(dial) => dial.active = tick,
                Source::Stream(_) => {
                    self.drain(id);
                    continue;
                }
            }
            self.unpark(id);
            self.schedule(id);
        }
    }

    fn look_at_what_was_sent(&mut self) {
        if self.stopping.sent != self.account.sent() {
            self.stopping.sent = self.account.sent();
            self.stopping.last_sent = self.clock.tick();
        }
    }

    fn check_stop_again(&mut self) {
        self.timers.once(self.clock.later(STOP_CHECK), Due::StopCheck);
    }

    /// Has a connection served to the end of what has arrived: an event may be on its way that tells of
    /// more, so one more read decides. Somebody who never ceases to send gets no further than what
    /// is there now and what the receive buffer can hold.
    pub(super) fn drain(&mut self, id: Id) {
        let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_background) else {
            return;
        };
        let Source::Stream(stream) = &mut entry.source else { return };
        if stream.phase >= Phase::Draining {
            return self.schedule(id);
        }
        let socket = stream.connection.stream();
        let buffer = SockRef::from(socket).recv_buffer_size().unwrap_or(self.config.read_buffer);
        let allowance = unread(socket).unwrap_or(0).saturating_add(buffer);
        if !stream.connection.is_paused() {
            stream.connection.latch(Latch { readable: true, ..Latch::default() });
        }
        self.stopping.allowance.insert(id, allowance);
        self.stopping.unserved.insert(id);
        self.enter(id, Phase::Draining);
        self.schedule(id);
    }

    /// The connection has been served. It is told so as soon as nobody else has anything for it.
    fn has_served(&mut self, id: Id) {
        self.stopping.unserved.remove(&id);
        self.stopping.served.push_back(id);
        self.enter(id, Phase::Served);
    }
}
