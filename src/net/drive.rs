//! What one source does with its share of a turn.

use super::dial::Dialled;
use super::reactor::{Halves, Reactor};
use super::service::{Context, Service};
use super::socket::Polled;
use super::table::{Phase, Source};
use crate::machines::{Latch, Step};
use crate::values::{
    ACCEPT_COST, ACCEPT_LOOKS, Act, ByteQueue, CALL_COST, Cause, Id, Outcome, ServiceKey,
};

impl Reactor {
    /// Reads, shows, writes, until nothing moves or the share is used up.
    pub(super) fn drive_stream(&mut self, id: Id) {
        let core = &self.halves.core;
        let mut share = core.flows.allowance(core.config.read_budget, 1);
        loop {
            let core = &mut self.halves.core;
            let Some(entry) = core.table.get_mut(id) else { return };
            let (service, Source::Stream(stream)) = (entry.service, &mut entry.source) else {
                return;
            };
            if stream.gathered > 0 {
                core.write_gathered(); // What follows may be its end.
                continue;
            }
            let queued = stream.connection.queued();
            let step = stream.connection.advance(&mut self.buffer, &core.config, &mut core.account);
            stream.note_moved(&mut core.account, core.clock.tick());
            let left = stream.connection.queued();
            if queued > left {
                core.watch.note(id, || Act::Flushed { before: queued, queued: left });
            }
            // What it is charged for is what was shown, which takes time whether it is new or not.
            let used = match step {
                Step::Show { bytes, read } => {
                    core.flows.spend(bytes);
                    if self.show(service, id, bytes, read) {
                        return;
                    }
                    bytes
                }
                Step::Again(input) => {
                    core.flows.spend(input.len());
                    self.show_again(service, id, input)
                }
                Step::Discarded(read) => {
                    core.flows.spend(read);
                    read
                }
                Step::Writable => {
                    self.halves.call(service, id, |service, cx| service.writable(cx));
                    0
                }
                Step::Ended { rest } => {
                    core.watch.note(id, || Act::Ended { rest });
                    let rest = &self.buffer[..rest];
                    self.halves.call(service, id, |service, cx| service.ended(cx, rest));
                    0
                }
                Step::Wait => return self.rests(id),
                Step::Gone(cause) => return self.gone(id, cause),
            };
            share = share.saturating_sub(used.max(CALL_COST));
            if share == 0 || self.halves.core.is_time_up() {
                self.halves.core.requeue(id);
                return self.rests(id);
            }
        }
    }

    /// Shows the service what stands at the front of the buffer, and keeps what it doesn't take. Returns
    /// whether the connection rests now, as it does after most messages.
    #[inline]
    fn show(&mut self, service: ServiceKey, id: Id, bytes: usize, read: usize) -> bool {
        let input = &self.buffer[..bytes];
        let taken = self.halves.call(service, id, |service, cx| received(service, cx, input));
        let core = &mut self.halves.core;
        core.watch.note(id, || Act::Read { read, shown: bytes, taken });
        core.statistics.messages_in += 1;
        let Some(stream) = core.table.stream(id) else { return true };
        if taken < bytes {
            stream.connection.keep(&input[taken..], taken, &core.config, &mut core.account);
        }
        if core.stopping.is_draining() {
            core.stopping.count_down(id, read);
            return false;
        }
        stream.connection.rests()
    }

    /// Shows the service once more what it has left. Returns how much that was.
    fn show_again(&mut self, service: ServiceKey, id: Id, input: ByteQueue) -> usize {
        let bytes = input.len();
        let taken =
            self.halves.call(service, id, |service, cx| received(service, cx, input.as_slice()));
        let core = &mut self.halves.core;
        core.watch.note(id, || Act::ShownAgain { shown: bytes, taken });
        core.statistics.messages_in += 1;
        if let Some(stream) = core.table.stream(id) {
            stream.connection.put_back(input, taken, &core.config, &mut core.account);
        }
        bytes
    }

    /// A stream has come to rest: until its next event, its next turn, or its deadline. One that is closing
    /// must get one here, also if there is always more to read.
    #[inline]
    fn rests(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let Some(stream) = core.table.stream(id) else { return };
        if stream.connection.is_closing() {
            let shut = stream.connection.is_shut();
            core.enter(id, if shut { Phase::Lingering } else { Phase::Closing });
        } else if stream.polled == Polled::Nothing && stream.connection.queued() > 0 {
            // The poller will not tell: a file takes more at any time, or says why not.
            stream.connection.latch(Latch { writable: true, ..Latch::default() });
            core.schedule(id);
        }
        if core.stopping.is_draining() {
            self.rests_while_stopping(id);
        }
    }

    /// A connection has been quiet for as long as it may, or it hasn't, and gets another deadline.
    pub(super) fn check_deadline(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let idle_timeout = core.idle_timeout(id);
        let Some(stream) = core.table.stream(id) else { return };
        let (limit, cause) = match (stream.phase, idle_timeout) {
            (Phase::Serving, Some(limit)) => (limit, Cause::Idle),
            (Phase::Serving, None) => return,
            _ => (core.config.linger, Cause::Lingered),
        };
        let in_pause = stream.phase == Phase::Draining && stream.connection.is_paused();
        let is_served = stream.phase == Phase::Served;
        // In a pause it waits for others: as long as any bytes move, they may be what it waits for.
        let quiet = match in_pause {
            true => core.clock.since(core.stopping.last_sent()),
            false => core.quiet(id),
        };
        match limit.checked_sub(quiet) {
            Some(left) if !left.is_zero() => core.arm(id, left, limit),
            _ if in_pause || is_served => self.tell(id),
            _ => self.gone(id, cause),
        }
    }

    /// A connection, or an attempt at one, is over: tells the service, and takes it away.
    pub(super) fn gone(&mut self, id: Id, cause: Cause) {
        let core = &mut self.halves.core;
        let Some(entry) = core.table.get_mut(id) else { return };
        let is_counted = !entry.is_background;
        let cause = match &mut entry.source {
            Source::Stream(stream) => stream.end(cause, &mut core.account),
            Source::Dial(dial) => dial.connection.end(cause, &mut core.account),
            Source::Listener(_) | Source::Datagram(_) | Source::Proxied(_) => cause,
        };
        log::debug!("{id} is gone: {cause}");
        core.watch.note(id, || Act::Gone(cause.kind()));
        if is_counted {
            core.statistics.closed.count(&cause);
        }
        let leaving = Leaving { halves: &mut self.halves, id };
        leaving.halves.call_for(id, |service, cx| service.closed(cx, &cause));
    }

    /// Accepts, until the backlog is empty, a limit is reached, or the share is used up.
    pub(super) fn drive_listener(&mut self, id: Id) {
        let core = &self.halves.core;
        for accepted in 0..core.flows.allowance(core.config.accept_budget, ACCEPT_COST) {
            let core = &mut self.halves.core;
            match core.table.listener(id) {
                Some(listener) if listener.parked => return,
                Some(listener) if listener.readable => {
                    // For nobody, accept costs ten times what looking does. Crowds are soon worth it.
                    if (1..=ACCEPT_LOOKS).contains(&accepted) && !listener.socket.is_readable() {
                        listener.readable = false;
                        continue;
                    }
                }
                Some(listener) if listener.is_stopping => {
                    core.forget(id); // Nobody waits any more.
                    return;
                }
                _ => return,
            }
            core.flows.spend(ACCEPT_COST);
            match core.accept(id) {
                Outcome::Done(socket) => {
                    if let Some(new) = core.welcome(id, socket) {
                        self.halves.call_for(new, |service, cx| service.opened(cx));
                        if self.halves.core.is_time_up() {
                            break;
                        }
                    }
                }
                Outcome::Blocked => {}
                Outcome::Failed(error) => {
                    log::debug!("{id} could not accept a connection: {error}");
                    core.statistics.refused.failed += 1;
                }
            }
        }
        self.halves.core.requeue(id);
    }

    /// Looks at how far an outgoing connection is.
    pub(super) fn drive_dial(&mut self, id: Id) {
        match self.halves.core.dialled(id) {
            Dialled::Waiting => {}
            Dialled::Connected => {
                log::debug!("{id} is connected");
                self.halves.core.watch.note(id, || Act::Opened);
                self.halves.call_for(id, |service, cx| service.opened(cx));
                self.halves.core.schedule(id); // Perhaps something has arrived already.
            }
            Dialled::Failed(error) => self.gone(id, Cause::ConnectFailed(error)),
            Dialled::Abandoned => self.gone(id, Cause::Closed),
        }
    }
}

/// Shows a service what has arrived. Returns how much of it was taken.
#[inline]
fn received(service: &mut dyn Service, cx: &mut Context<'_>, input: &[u8]) -> usize {
    let (taken, bytes) = (service.received(cx, input), input.len());
    assert!(taken <= bytes, "a service took {taken} bytes of {bytes}");
    taken
}

/// A source that goes when its service has been told so, whichever way that returns.
struct Leaving<'a> {
    halves: &'a mut Halves,
    id: Id,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.halves.core.forget(self.id);
    }
}
