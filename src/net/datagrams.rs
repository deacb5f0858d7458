//! Datagram sockets: receiving in batches, whom to answer, sending together.

use std::os::fd::AsFd;
use std::{fmt, mem};

use super::core::Core;
use super::packets::{Inbox, send_one};
use super::reactor::Reactor;
use crate::machines::DatagramRefusal;
use crate::values::{Address, DATAGRAM_BATCH, Id, Outcome, Peer, attempt};

/// What a service may answer.
pub(super) struct Asked {
    pub(super) from: Peer,
    pub(super) length: usize,
    /// Whether it came by a connected socket.
    pub(super) connected: bool,
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unwanted {
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
                    // Fewer than asked for: the socket is empty, or the next in line is an error,
                    // recvmmsg(2), of which the poll has told.
                    datagram.readable = received == most || datagram.in_error;
                    share = share.saturating_sub(self.hand_over(id, received));
                }
                Outcome::Blocked => (datagram.readable, datagram.in_error) = (false, false),
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

    /// Shows the received datagrams, those that may be answered, and sends the answers. Returns how
    /// many there were.
    fn hand_over(&mut self, id: Id, received: usize) -> usize {
        let Some(inbox) = &self.inbox else { return 0 };
        let mut count = 0;
        self.halves.core.lend(id, inbox.arena());
        let datagram = self.halves.core.table.datagram(id);
        let connected = datagram.is_some_and(|datagram| datagram.connected.is_some());
        for message in (0..received).map(|i| inbox.message(i)) {
            let from = &message.from;
            self.halves.core.asked = Some(Asked { from: *from, length: 0, connected });
            // One decision for all datagrams of a train.
            let refusal = self.halves.core.refusal(id, from, message.truncated);
            for payload in message.datagrams() {
                count += 1;
                let core = &mut self.halves.core;
                if !core.admits(id, from, refusal) {
                    continue;
                }
                log::trace!("{id} received {} bytes from {from}", payload.len());
                if let Some(asked) = &mut core.asked {
                    asked.length = payload.len();
                }
                self.halves.call_for(id, |service, cx| service.datagram(cx, from, payload));
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
        core.statistics.datagrams_in += count as u64;
        if core.table.datagram(id).is_some_and(|datagram| datagram.closed) {
            core.forget(id);
        }
        count
    }
}

impl Core {
    /// Why no datagram of this source may be shown to a service, which may answer it.
    pub(super) fn refusal(&mut self, id: Id, from: &Peer, cut: bool) -> Option<Unwanted> {
        if cut {
            return Some(Unwanted::Cut);
        }
        let policy = self.table.datagram(id)?.policy.as_ref()?;
        let Address::Ip(address) = from.address else { return None };
        if !self.config.admits(address.ip()) {
            return Some(Unwanted::Denied);
        }
        let asked = from.local.map(|local| local.ip);
        policy.check(address, asked).err().map(Unwanted::Forbidden)
    }

    /// Whether this one datagram may be shown to a service; counts it if not.
    #[inline]
    pub(super) fn admits(&mut self, id: Id, from: &Peer, refusal: Option<Unwanted>) -> bool {
        let Some(datagram) = self.table.datagram(id).filter(|datagram| !datagram.closed) else {
            return false;
        };
        let refusal = match refusal {
            Some(refusal) => refusal,
            None => {
                let policy = from.ip().zip(datagram.policy.as_mut());
                if policy.is_none_or(|(ip, policy)| policy.take(ip, self.now)) {
                    return true;
                }
                Unwanted::Forbidden(DatagramRefusal::Rate)
            }
        };
        let dropped = &mut self.statistics.dropped;
        *match refusal {
            Unwanted::Cut => &mut dropped.cut,
            Unwanted::Denied => &mut dropped.denied,
            Unwanted::Forbidden(DatagramRefusal::Rate) => &mut dropped.rate,
            Unwanted::Forbidden(_) => &mut dropped.forbidden,
        } += 1;
        if let Some(more) = self.datagram_log.pass(self.now) {
            log::warn!("{id} dropped a datagram from {from}: {refusal} ({more} more like it)");
        }
        false
    }

    /// From here to the next flush, the outbox gathers for this socket, and may refer to the arena.
    pub(super) fn lend(&mut self, id: Id, arena: &[u8]) {
        if self.outbox_of != id {
            self.flush_outbox(&[]);
        }
        self.outbox_of = id;
        self.outbox.open(arena);
        self.lent = true;
    }

    /// Sends what the outbox has gathered, from the datagram socket that it gathers for.
    pub(super) fn flush_outbox(&mut self, arena: &[u8]) {
        let id = mem::replace(&mut self.outbox_of, Id::NONE);
        if self.outbox.is_empty() {
            return;
        }
        let Some(datagram) = self.table.datagram(id) else {
            self.statistics.dropped.failed += self.outbox.discard();
            return;
        };
        let sent = self.outbox.flush(datagram.socket.as_fd(), arena, datagram.offload);
        log::trace!(
            "{id} sent {} datagrams, {} refused",
            sent.datagrams,
            sent.refused + sent.failed
        );
        self.statistics.datagrams_out += sent.datagrams;
        self.statistics.dropped.no_room += sent.refused;
        self.statistics.dropped.failed += sent.failed;
        if let Some(error) = sent.last_error
            && let Some(more) = self.datagram_log.pass(self.now)
        {
            log::warn!("{id} could not send a datagram: {error} ({more} more like it)");
        }
    }

    /// Sends one datagram past the outbox.
    pub(super) fn send_now(&mut self, id: Id, to: Option<&Peer>, payload: &[u8]) -> bool {
        let Some(datagram) = self.table.datagram(id) else { return false };
        let dropped = &mut self.statistics.dropped;
        match attempt(|| send_one(datagram.socket.as_fd(), to, payload)) {
            Outcome::Done(()) => {
                self.statistics.datagrams_out += 1;
                return true;
            }
            Outcome::Blocked => dropped.no_room += 1,
            Outcome::Failed(error) => {
                log::debug!("{id} could not send a datagram: {error}");
                dropped.failed += 1;
            }
        }
        false
    }
}
