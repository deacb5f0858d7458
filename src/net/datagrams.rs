//! Datagram sockets: receiving in batches, whom to answer, sending together.

use std::cell::Cell;
use std::fmt;

use super::asked::Asked;
use super::core::Core;
use super::guard::Trouble;
use super::packets::{Inbox, Lent, Message};
use super::reactor::{Halves, Reactor};
use super::table::{DatagramSource, Source};
use crate::machines::{DatagramRefusal, on_the_wire};
use crate::values::{Act, Address, CALL_COST, DATAGRAM_COST, Id, Outcome, Peer, attempt};

/// What is to become of a sender's datagrams.
#[derive(Clone, Copy)]
enum Verdict {
    Welcome,
    /// As many as its rate admits.
    Limited,
    Unwanted(Unwanted),
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug)]
enum Unwanted {
    /// The kernel has cut it.
    Cut,
    /// Its source is not admitted.
    Denied,
    /// It must not be answered.
    Forbidden(DatagramRefusal),
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwanted::Cut => f.write_str("it is too long"),
            Unwanted::Denied => f.write_str("source is not admitted"),
            Unwanted::Forbidden(refusal) => refusal.fmt(f),
        }
    }
}

impl Reactor {
    /// Receives datagrams in batches, shows each to the service, sends the answers together.
    pub(super) fn drive_datagram(&mut self, id: Id) {
        let core = &mut self.halves.core;
        let Some(datagram) = core.table.datagram(id) else { return };
        let budget = core.flows.allowance(core.config.datagram_budget, CALL_COST);
        let mut left = datagram.quota.begin(budget);
        while left > 0 {
            let core = &mut self.halves.core;
            let Some(datagram) = core.table.datagram(id) else { return };
            if !datagram.readable {
                if datagram.stopping {
                    core.forget(id);
                }
                return;
            }
            let (most, is_cautious) = (datagram.quota.messages(left), datagram.quota.is_cautious());
            let inbox = self.inbox.get_or_insert_with(Inbox::new);
            let peer = datagram.connected.as_ref().filter(|_| datagram.is_from_peer);
            match attempt(|| datagram.socket.receive(inbox, most, datagram.is_udp, peer)) {
                Outcome::Done(received) => {
                    // Fewer than asked for: the socket is empty, or the next in line is an error,
                    // recvmmsg(2), of which the poll has told.
                    datagram.readable = received == most || datagram.in_error;
                    let (datagrams, longest) = self.hand_over(id, received);
                    let is_timed = received > 1 || is_cautious;
                    let overtime = is_timed.then(|| self.halves.core.overtime()).flatten();
                    let Some(datagram) = self.halves.core.table.datagram(id) else { return };
                    left = datagram.quota.received(left, datagrams, longest);
                    if let Some(overtime) = overtime {
                        datagram.quota.took_longer(overtime);
                        break;
                    }
                }
                Outcome::Blocked => (datagram.readable, datagram.in_error) = (false, false),
                Outcome::Failed(error) => {
                    // What an earlier datagram met with. It says nothing about this socket.
                    log::debug!("{id} was told: {error}");
                    left -= 1;
                    self.halves.call_for(id, |service, cx| service.unreachable(cx, &error));
                }
            }
        }
        self.halves.core.requeue(id);
    }

    /// Shows the received datagrams, those that may be answered, and sends the answers. Returns how
    /// many there were, and how many of them the longest train had.
    fn hand_over(&mut self, id: Id, received: usize) -> (usize, usize) {
        let Some(inbox) = &self.inbox else { return (0, 0) };
        let (mut count, mut longest) = (0, 0);
        self.halves.core.lend(id, inbox.lend());
        let lending = Lending { halves: &mut self.halves, id, lent: inbox.lend() };
        let mut sender = 0;
        'batch: for i in 0..received {
            let message = inbox.message(i);
            let from = message.from;
            if i > 0 && from != inbox.message(sender).from {
                sender = i; // Who comes again has the same number, so that its answers become a train.
            }
            let core = &mut lending.halves.core;
            let Some(entry) = core.table.get(id) else { break };
            let (service, Source::Datagram(datagram)) = (entry.service, &entry.source) else {
                break;
            };
            let connected = datagram.connected.is_some();
            // One decision for all datagrams of a train.
            let verdict = core.judge(datagram, &message);
            let before = count;
            for payload in message.datagrams() {
                count += 1;
                lending.halves.core.flows.spend(payload.len().max(DATAGRAM_COST));
                if !lending.halves.core.admits(id, from, verdict) {
                    continue;
                }
                let length = payload.len();
                lending.halves.core.watch.note(id, || Act::Received { length });
                let left = Cell::new(on_the_wire(length, from));
                let lent = inbox.lend();
                let asked = Asked { by: id, connected, from, sender, length, left, lent };
                lending.halves.call_asked(service, id, Some(&asked), |service, cx| {
                    service.datagram(cx, from, payload);
                });
                let core = &mut lending.halves.core;
                if core.table.datagram(id).is_none_or(|datagram| datagram.closed) {
                    break 'batch;
                }
            }
            longest = longest.max(count - before);
        }
        lending.halves.core.statistics.datagrams_in += count as u64;
        (count, longest)
    }
}

/// While it is there, the outbox may refer to what is lent. Then the answers leave, whichever way the service
/// returned, and a socket that it has closed meanwhile goes.
struct Lending<'a> {
    halves: &'a mut Halves,
    id: Id,
    lent: Lent<'a>,
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        let core = &mut self.halves.core;
        core.flush_outbox(self.lent);
        core.outlet.end_loan();
        if core.table.datagram(self.id).is_some_and(|datagram| datagram.closed) {
            core.forget(self.id);
        }
    }
}

impl Core {
    /// Whether the datagrams of this message may be shown to a service, which may answer them.
    #[inline]
    fn judge(&self, datagram: &DatagramSource, message: &Message<'_>) -> Verdict {
        if message.truncated {
            return Verdict::Unwanted(Unwanted::Cut);
        }
        let Some(bound) = &datagram.bound else { return Verdict::Welcome };
        let from = message.from;
        if from.ip().is_some_and(|ip| !self.config.admits(ip)) {
            return Verdict::Unwanted(Unwanted::Denied);
        }
        match self.guard.check(bound, from, message.cast) {
            Err(refusal) => Verdict::Unwanted(Unwanted::Forbidden(refusal)),
            Ok(()) if self.guard.limits(&from.address) => Verdict::Limited,
            Ok(()) => Verdict::Welcome,
        }
    }

    /// Whether this one datagram may be shown to a service; counts it if not.
    #[inline]
    fn admits(&mut self, id: Id, from: &Peer, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Welcome => true,
            Verdict::Unwanted(why) => self.drop_unwanted(id, from, why),
            Verdict::Limited => {
                self.guard.take(&from.address, self.clock.now())
                    || self.drop_unwanted(id, from, Unwanted::Forbidden(DatagramRefusal::Rate))
            }
        }
    }

    /// Counts a datagram that is not shown. Returns `false`.
    #[cold]
    fn drop_unwanted(&mut self, id: Id, from: &Peer, refusal: Unwanted) -> bool {
        let dropped = &mut self.statistics.dropped;
        let (counter, trouble) = match refusal {
            Unwanted::Cut => (&mut dropped.cut, Trouble::Cut),
            Unwanted::Denied => (&mut dropped.denied, Trouble::Denied),
            Unwanted::Forbidden(DatagramRefusal::Rate) => (&mut dropped.rate, Trouble::Rate),
            Unwanted::Forbidden(_) => (&mut dropped.forbidden, Trouble::Forbidden),
        };
        *counter += 1;
        if let Some(more) = self.guard.may_log(trouble, self.clock.now()) {
            log::warn!("{id} dropped a datagram from {from}: {refusal}{more}");
        }
        false
    }

    /// From here to the next flush, the outbox gathers for this socket, and may refer to what is lent.
    fn lend(&mut self, id: Id, lent: Lent<'_>) {
        if !self.outlet.gathers_for(id) {
            self.flush_outbox(Lent::default());
        }
        self.outlet.lend(id, lent);
    }

    /// Sends what the outbox has gathered, if it holds no more, and goes on gathering: what comes next must
    /// not overtake it. While a batch is lent, it is the one that the service is asked in.
    #[inline]
    pub(super) fn flush_if_full(&mut self, asked: Option<&Asked<'_>>) {
        if self.outlet.is_full() {
            self.flush_full(asked);
        }
    }

    #[cold]
    fn flush_full(&mut self, asked: Option<&Asked<'_>>) {
        match asked.filter(|_| self.outlet.is_lent()) {
            Some(asked) => {
                self.flush_outbox(asked.lent);
                self.lend(asked.by, asked.lent);
            }
            None => self.flush_outbox(Lent::default()),
        }
    }

    /// Sends what the outbox has gathered, from the datagram socket that it gathers for.
    pub(super) fn flush_outbox(&mut self, lent: Lent<'_>) {
        let Some(id) = self.outlet.take() else { return };
        let Some(datagram) = self.table.datagram(id) else {
            self.statistics.dropped.failed += self.outlet.discard();
            return;
        };
        let sent = self.outlet.flush(&datagram.socket, lent, datagram.offload);
        let (left, refused) = (sent.datagrams, sent.refused + sent.failed);
        self.watch.note(id, || Act::Dispatched { sent: left, refused });
        self.statistics.datagrams_out += sent.datagrams;
        self.statistics.dropped.failed += sent.failed;
        if sent.refused > 0 {
            self.drop_replies(id, sent.refused);
        }
        if let Some(error) = sent.last_error
            && let Some(more) = self.guard.may_log(Trouble::Unsent, self.clock.now())
        {
            log::warn!("{id} could not send a datagram: {error}{more}");
        }
    }

    /// Counts datagrams that there was no room for. On a Unix socket that stands open to all, it is peers that
    /// have it: what they don't read is charged to our send buffer, which all others share, unix(7). The
    /// kernel gives no way to take it back, so this is for who can find them, or close the path to them.
    #[cold]
    fn drop_replies(&mut self, id: Id, count: u64) {
        self.statistics.dropped.no_room += count;
        let datagram = self.table.datagram(id);
        let is_open = datagram.is_some_and(|it| matches!(it.bound, Some(Address::Unix(_))));
        if is_open && let Some(more) = self.guard.may_log(Trouble::Unread, self.clock.now()) {
            log::warn!(
                "{id} has no room for a reply, and drops it: peers leave replies unread{more}"
            );
        }
    }

    /// Sends one datagram past the outbox, which gathers for another socket.
    pub(super) fn send_now(&mut self, id: Id, to: Option<&Peer>, payload: &[u8]) -> bool {
        let Some(datagram) = self.table.datagram(id) else { return false };
        match attempt(|| datagram.socket.send_one(to, payload)) {
            Outcome::Done(()) => {
                self.statistics.datagrams_out += 1;
                return true;
            }
            Outcome::Blocked => self.drop_replies(id, 1),
            Outcome::Failed(error) => {
                log::debug!("{id} could not send a datagram: {error}");
                self.statistics.dropped.failed += 1;
            }
        }
        false
    }
}
