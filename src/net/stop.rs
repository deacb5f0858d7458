//! Stopping: what has arrived is served, then all peers are told goodbye.
//!
//! ```text
//!   asked ──▶ draining: no newcomers; each source is served to the end of what had arrived
//!                │  a stream:   Draining ──▶ Served ──▶ Told ──▶ Closing ──▶ Lingering ──▶ (gone)
//!                │                  all are served ──┘                       nothing owed ──┘
//!                └── a source that stands still for the linger time, and all of them at the stop
//!                    timeout: gone as it is
//! ```

use std::time::Duration;

use super::core::{Core, Due};
use super::reactor::Reactor;
use super::stopping::{Going, Stop};
use super::table::{Entry, Phase, Source, StreamSource};
use crate::machines::Latch;
use crate::values::{Cause, Id, STOP_CHECK};

impl Reactor {
    /// Called at the end of each turn once the reactor was asked to stop.
    pub(super) fn go_on_stopping(&mut self) {
        let core = &mut self.halves.core;
        match core.stopping.going() {
            Going::On => return,
            Going::Stopped if core.has_to_go_on_stopping() => return self.close_sources(),
            Going::Stopped => return,
            Going::Asked => core.begin_draining(),
            Going::Draining => {
                // In this order: who is told may say something to somebody else.
                if core.stopping.is_over() {
                    let dials = core.dials_to_abandon();
                    while let Some(id) = self.halves.core.stopping.next_served() {
                        self.tell(id);
                    }
                    dials.into_iter().for_each(|id| self.abandon(id));
                }
            }
            Going::AtOnce => {}
        }
        let core = &self.halves.core;
        // When only those are left that nobody waits for, it is over.
        let drained = core.stopping.is_draining() && core.table.has_emptied();
        if drained || core.stopping.going() == Going::AtOnce {
            self.close_all();
        }
    }

    fn close_all(&mut self) {
        self.run_last_commands();
        // From here on nothing can be made, also by those who are told of an end.
        self.halves.core.stopping.end();
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
        self.halves.pass_on_all(); // The last that they have to tell each other.
        // What was still to be done is for nobody.
        self.halves.core.memory.drop_events();
        self.halves.core.flows.clear();
        self.has_more_events = false;
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
                core.stopping.wait_no_more_for(id);
            }
            Phase::Draining if stream.is_served() => core.has_served(id),
            // What is kept is of what had arrived, also where no more may be read.
            Phase::Draining if used_up && !stream.connection.is_paused() => core.has_served(id),
            Phase::Draining => {
                core.stopping.wait_for(id);
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

    /// A connection that is being made, and that was sent nothing, is of no use any more.
    fn abandon(&mut self, id: Id) {
        let entry = self.halves.core.table.get(id);
        if let Some(Source::Dial(dial)) = entry.map(|entry| &entry.source)
            && !dial.has_kept()
        {
            self.gone(id, Cause::Stopped);
        }
    }

    /// From time to time while stopping: what no event tells of.
    pub(super) fn check_stop(&mut self) {
        if !self.halves.core.stopping.is_draining() {
            return;
        }
        let core = &mut self.halves.core;
        core.stopping.note_total_sent(core.account.sent(), core.clock.tick());
        core.check_stop_again();
        for id in self.halves.core.table.ids() {
            let core = &mut self.halves.core;
            let (linger, tick) = (core.config.linger, core.clock.tick());
            let accepted = core.acceptor.accepted();
            let is_waited_for = |entry: &&mut Entry| !entry.is_background && !entry.is_excused();
            let Some(entry) = core.table.get_mut(id).filter(is_waited_for) else {
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
                Source::Proxied(_) => continue, // It has its own deadline, and none while stopping.
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
        let nothing_there = || connection.stream().unread() == Some(0);
        connection.is_drained()
            || (connection.is_paused() && connection.unread() == 0 && nothing_there())
    }

    /// Whether closing can't take anything from anybody: all we sent has been acknowledged, but for the
    /// end itself, and nothing is unread; nor can anything arrive from now on that would be.
    fn is_owed_nothing(&self) -> bool {
        let socket = self.connection.stream();
        let nothing_there = || socket.unread() == Some(0);
        nothing_there() && socket.has_delivered() && {
            socket.refuse_more();
            nothing_there()
        }
    }
}

impl Core {
    /// The whole stop has taken too long.
    pub(super) fn give_up_stopping(&mut self) {
        if self.stopping.is_draining() {
            let left = self.table.waited_for();
            if left > 0 {
                log::warn!("stopping took too long: {left} sources are closed as they are");
            }
            self.stopping.ask(Stop::AtOnce);
        }
    }

    /// Once: the connections that are being made before anybody is told of the stop. Whoever makes one when it is
    /// told has a use for it.
    fn dials_to_abandon(&mut self) -> Vec<Id> {
        if !self.stopping.abandons_dials() {
            return Vec::new();
        }
        self.stopping.has_abandoned_dials();
        let is_dial = |entry: &Entry| matches!(entry.source, Source::Dial(_));
        let mut dials = self.table.ids();
        dials.retain(|&id| self.table.get(id).is_some_and(|it| is_dial(it) && !it.is_background));
        dials
    }

    /// From here on nothing new is taken. Listeners go when their backlog is empty, datagram sockets
    /// when nothing has arrived, connections when all that has arrived is served and answered.
    fn begin_draining(&mut self) {
        self.stopping.begin_draining(self.clock.tick());
        log::debug!("stopping: {} sources are left", self.table.waited_for());
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
                // Those who are served yet may dial it, and nobody else can: it goes last.
                Source::Listener(listener) if listener.socket.is_in_memory() => {
                    self.table.excuse(id);
                    continue;
                }
                Source::Listener(listener) => {
                    // One that isn't ours alone may go on elsewhere.
                    if !listener.is_adopted {
                        listener.socket.stop_admitting();
                    }
                    (listener.readable, listener.is_stopping) = (true, true);
                    listener.active = tick;
                }
                Source::Datagram(datagram) => {
                    if !datagram.is_adopted {
                        datagram.socket.stop_admitting();
                    }
                    (datagram.readable, datagram.stopping) = (true, true);
                    datagram.active = tick;
                }
                Source::Dial(dial) => dial.active = tick,
                Source::Proxied(proxied) => proxied.readable = true, // One more read decides.
                Source::Stream(_) => {
                    self.drain(id);
                    continue;
                }
            }
            self.unpark(id);
            self.schedule(id);
        }
    }

    fn check_stop_again(&mut self) {
        self.timers.once(self.clock.later(STOP_CHECK), Due::StopCheck);
    }

    /// Has a connection served to the end of what has arrived: an event may be on its way that tells of
    /// more, so one more read decides. A peer that never ceases to send gets no further than what
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
        let buffer = socket.receive_buffer().unwrap_or(self.config.read_buffer);
        let allowance = socket.unread().unwrap_or(0).saturating_add(buffer);
        if !stream.connection.is_paused() {
            stream.connection.latch(Latch { readable: true, ..Latch::default() });
        }
        self.stopping.serve(id, allowance);
        self.enter(id, Phase::Draining);
        self.schedule(id);
    }

    /// The connection has been served. It is told so as soon as no other one has anything for it.
    fn has_served(&mut self, id: Id) {
        self.stopping.has_served(id);
        self.enter(id, Phase::Served);
    }
}
