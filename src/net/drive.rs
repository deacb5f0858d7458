//! What one source does with its share of a turn.

use std::os::fd::AsFd;
use std::time::Duration;

use super::core::Going;
use super::dial::Dialled;
use super::packets::Inbox;
use super::reactor::Reactor;
use super::table::{Phase, Source};
use crate::machines::{Latch, Step};
use crate::values::{Cause, DATAGRAM_BATCH, Id, Outcome, attempt};

impl Reactor {
    /// Reads, shows, writes, until nothing moves or the share is used up.
    pub(super) fn drive_stream(&mut self, id: Id) {
        let mut share = self.halves.core.config.bytes_per_share;
        let tick = self.halves.core.tick();
        loop {
            let core = &mut self.halves.core;
            let Some(stream) = core.table.stream(id) else { return };
            let queued = stream.connection.queued();
            let step = stream.connection.advance(&mut self.buffer, &core.config, &mut core.pool);
            if queued > stream.connection.queued() {
                stream.active = tick;
            }
            let moved = match step {
                Step::Show { bytes, read } => {
                    stream.active = tick;
                    self.show(id, bytes, read);
                    read
                }
                Step::Discarded(read) => read,
                Step::Refilled => {
                    self.halves.call_for(id, |service, cx| service.refilled(cx));
                    0
                }
                Step::Ended { rest } => {
                    log::trace!("{id} has ended, {rest} bytes were not taken");
                    let rest = &self.buffer[..rest];
                    self.halves.call_for(id, |service, cx| service.ended(cx, rest));
                    0
                }
                Step::Wait => return self.rests(id),
                Step::Gone(cause) => return self.gone(id, cause),
            };
            share = share.saturating_sub(moved);
            if share == 0 {
                self.halves.core.schedule(id);
                return self.rests(id);
            }
        }
    }

    /// Shows the service what stands at the front of the buffer, and keeps what it doesn't take.
    #[inline]
    fn show(&mut self, id: Id, bytes: usize, read: usize) {
        let input = &self.buffer[..bytes];
        let taken = self.halves.call_for(id, |service, cx| service.received(cx, input));
        let taken = taken.unwrap_or(bytes);
        assert!(taken <= bytes, "a service took {taken} bytes of {bytes}");
        log::trace!("{id} read {read}, showed {bytes}, the service took {taken}");
        let core = &mut self.halves.core;
        core.statistics.bytes_in += read as u64;
        core.statistics.messages_in += 1;
        if core.going == Going::Draining
            && let Some(left) = core.allowance.get_mut(&id)
        {
            *left = left.saturating_sub(read);
        }
        if let Some(stream) = core.table.stream(id) {
            stream.connection.keep(&input[taken..], taken, &core.config, &mut core.pool);
        }
    }

    /// A stream has come to rest: until its next event, its next turn, or its deadline. Who is closing
    /// must get one here, also if there is always more to read from him.
    #[inline]
    fn rests(&mut self, id: Id) {
        if self.halves.core.going == Going::Draining {
            self.has_drained(id);
        }
        let core = &mut self.halves.core;
        let Some(stream) = core.table.stream(id) else { return };
        if stream.connection.is_closing() {
            let shut = stream.connection.is_shut();
            core.enter(id, if shut { Phase::Lingering } else { Phase::Closing });
        } else if !stream.polled && stream.connection.queued() > 0 {
            // The poller will not tell: a file takes more at any time, or says why not.
            stream.connection.latch(Latch { writable: true, ..Latch::default() });
            core.schedule(id);
        }
    }

    /// A connection has been quiet since its deadline was set, or it hasn't, and gets another one.
    pub(super) fn check_deadline(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let tick = core.tick();
        let Some(stream) = core.table.stream(id) else { return };
        let (limit, cause) = match stream.phase {
            Phase::Serving => match core.config.idle_timeout {
                Some(limit) => (limit, Cause::Idle),
                None => return,
            },
            _ => (core.config.linger, Cause::Lingered),
        };
        let quiet = Duration::from_millis(tick.wrapping_sub(stream.active).into());
        match limit.checked_sub(quiet) {
            Some(left) if !left.is_zero() => core.arm(id, left),
            _ => self.gone(id, cause),
        }
    }

    /// A connection, or an attempt at one, is over: tells the service, and takes it away.
    pub(super) fn gone(&mut self, id: Id, cause: Cause) {
        let core = &mut self.halves.core;
        let Some(entry) = core.table.get_mut(id) else { return };
        if let Source::Stream(stream) = &mut entry.source {
            stream.connection.fail(Cause::Closed, &mut core.pool); // Nothing can be sent any more.
        }
        log::debug!("{id} is gone: {cause}");
        core.statistics.closed.count(&cause);
        self.halves.call_for(id, |service, cx| service.closed(cx, &cause));
        self.halves.core.forget(id);
    }

    /// Accepts, until the backlog is empty, a limit is reached, or the share is used up.
    pub(super) fn drive_listener(&mut self, id: Id) {
        for _ in 0..self.halves.core.config.accepts_per_share {
            let core = &mut self.halves.core;
            match core.table.listener(id) {
                Some(listener) if listener.parked => return,
                Some(listener) if listener.readable => {}
                Some(listener) if listener.stopping => {
                    core.forget(id); // Nobody waits any more.
                    return;
                }
                _ => return,
            }
            match core.accept(id) {
                Outcome::Done((socket, peer)) => {
                    if let Some(new) = core.welcome(id, socket, peer) {
                        log::debug!("{id} accepted {new}");
                        self.halves.call_for(new, |service, cx| service.opened(cx));
                    }
                }
                Outcome::Blocked => {}
                Outcome::Failed(error) => {
                    log::debug!("{id} could not accept a connection: {error}");
                    core.statistics.refused.failed += 1;
                }
            }
        }
        self.halves.core.schedule(id);
    }

    /// Looks at how far an outgoing connection is.
    pub(super) fn drive_dial(&mut self, id: Id) {
        match self.halves.core.dialled(id) {
            Dialled::Waiting => {}
            Dialled::Connected => {
                log::debug!("{id} is connected");
                self.halves.call_for(id, |service, cx| service.opened(cx));
                self.halves.core.schedule(id); // Perhaps something has arrived already.
            }
            Dialled::Failed(error) => self.gone(id, Cause::ConnectFailed(error)),
            Dialled::Abandoned => self.gone(id, Cause::Closed),
        }
    }

    /// Receives datagrams in batches, shows each to the service, sends the answers together.
    pub(super) fn drive_datagram(&mut self, id: Id) {
        let mut share = self.halves.core.config.datagrams_per_share;
        while share > 0 {
            let core = &mut self.halves.core;
            let Some(datagram) = core.table.datagram(id) else { return };
            if !datagram.readable {
                if datagram.stopping {
                    core.forget(id);
                }
                return;
            }
            let most = share.min(DATAGRAM_BATCH);
            let inbox = self.inbox.get_or_insert_with(Inbox::new);
            let socket = datagram.socket.as_fd();
            match attempt(|| inbox.receive(socket, most, datagram.is_udp)) {
                Outcome::Done(received) => {
                    // Fewer than asked for: the socket is empty. Or, if it is connected, the next in
                    // line is the word of a router, recvmmsg(2).
                    datagram.readable = received == most || datagram.connected.is_some();
                    share -= received;
                    self.hand_over(id, received);
                }
                Outcome::Blocked => datagram.readable = false,
                Outcome::Failed(error) => {
                    // What an earlier datagram met with. It says nothing about this socket.
                    log::debug!("{id} was told: {error}");
                    share -= 1;
                    self.halves.call_for(id, |service, cx| service.unreachable(cx, &error));
                }
            }
        }
        self.halves.core.schedule(id);
    }

    /// Shows the received datagrams, those that may be answered, and sends the answers.
    fn hand_over(&mut self, id: Id, received: usize) {
        let Some(inbox) = &self.inbox else { return };
        self.halves.core.lend(id, inbox.arena());
        for message in (0..received).map(|i| inbox.message(i)) {
            for payload in message.datagrams() {
                let core = &mut self.halves.core;
                if !core.may_answer(id, &message.from, message.truncated) {
                    continue;
                }
                core.asked = Some((message.from, payload.len()));
                log::trace!("{id} received {} bytes from {}", payload.len(), message.from);
                self.halves.call_for(id, |it, cx| it.datagram(cx, &message.from, payload));
                let core = &mut self.halves.core;
                if core.outbox.is_full() {
                    core.flush_outbox(inbox.arena());
                    core.lend(id, inbox.arena());
                }
            }
        }
        let core = &mut self.halves.core;
        core.asked = None;
        core.flush_outbox(inbox.arena());
        core.lent = false;
        if core.table.datagram(id).is_some_and(|datagram| datagram.closed) {
            core.forget(id);
        }
    }
}
