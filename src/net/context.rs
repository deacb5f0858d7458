//! What a service may touch while it is called.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::packets::Lent;
use super::service::Context;
use super::stopping::{Going, Stop};
use super::table::Source;
use crate::machines::on_the_wire;
use crate::values::{Act, Address, Cause, Config, Id, Peer, Statistics};

/// Sending and closing.
impl Context<'_> {
    /// The source that the service is called for.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The same for another source.
    ///
    /// ```
    /// # use echoloop::{Context, Id};
    /// fn tell_all(cx: &mut Context<'_>, members: &[Id], text: &[u8]) {
    ///     for &member in members {
    ///         cx.source(member).send_all(text);
    ///     }
    /// }
    /// ```
    pub fn source(&mut self, id: Id) -> Context<'_> {
        Context {
            core: self.core,
            errands: self.errands,
            service: self.service,
            id,
            asked: self.asked,
        }
    }

    /// Sends bytes. The kernel gets them at once, or, if they are few, at the end of this turn at
    /// the latest, together with those for others; what it doesn't take is kept up to
    /// [`Config::output_limit`]. Returns how many bytes were taken, from the front. If that is less
    /// than all, [`Service::writable`](crate::Service::writable) tells when to go on.
    ///
    /// What is sent to a connection that is still being made is kept, and leaves once it is there.
    ///
    /// On a connected datagram socket it sends one datagram: at the end of this turn, or of the next one
    /// if it is called between turns. What the kernel says of it then is counted.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        match self.core.send(self.id, bytes, false) {
            Some(taken) => {
                self.core.statistics.messages_out += u64::from(taken > 0);
                self.note_sent(bytes.len(), taken);
                taken
            }
            None if self.gather(None, bytes) => bytes.len(),
            None => 0,
        }
    }

    /// Sends all of it or nothing, `false`: then there was no [`room`](Context::send_capacity).
    pub fn send_all(&mut self, bytes: &[u8]) -> bool {
        let sent = self.core.send(self.id, bytes, true);
        if sent.is_some() {
            self.core.statistics.messages_out += u64::from(!bytes.is_empty());
            self.note_sent(bytes.len(), bytes.len());
        }
        sent.is_some() || self.gather(None, bytes)
    }

    #[inline]
    fn note_sent(&mut self, length: usize, taken: usize) {
        if self.core.watch.is_on() {
            let (id, queued) = (self.id, self.queued());
            self.core.watch.note(id, || Act::Sent { length, taken, queued });
        }
    }

    /// How many bytes [`send`](Context::send) takes in any case, whatever the kernel says, as long as
    /// nothing else is sent: all connections together have [`Config::buffer_limit`]. 0 for a connection
    /// that has gone or is closing.
    pub fn send_capacity(&mut self) -> usize {
        let core = &mut *self.core;
        let Some(entry) = core.table.get(self.id) else { return 0 };
        match &entry.source {
            Source::Stream(stream) => {
                let room = stream.connection.room(&core.config, &core.account);
                room.saturating_sub(stream.gathered.into())
            }
            Source::Dial(dial) => dial.connection.room(&core.config, &core.account),
            Source::Listener(_) | Source::Datagram(_) | Source::Proxied(_) => 0,
        }
    }

    /// How many bytes are kept, because the kernel doesn't take them yet.
    pub fn queued(&mut self) -> usize {
        match self.core.table.get(self.id).map(|entry| &entry.source) {
            Some(Source::Stream(it)) => it.connection.queued() + usize::from(it.gathered),
            Some(Source::Dial(dial)) => dial.connection.queued(),
            _ => 0,
        }
    }

    /// How many bytes have arrived that the service has not taken: those that it was shown, and those
    /// that were not read yet, if the system can tell (`FIONREAD`, tcp(7)).
    pub fn unread(&mut self) -> usize {
        let Some(stream) = self.core.table.stream(self.id) else { return 0 };
        stream.connection.unread() + stream.connection.stream().unread().unwrap_or(0)
    }

    /// Asks for [`Service::writable`](crate::Service::writable) when everything that is kept has
    /// been sent, for a service that measures [`room`](Context::send_capacity) instead of being refused, or
    /// that wants to know whether the peer keeps up. `false`: nothing is kept, there is nothing to
    /// wait for.
    ///
    /// Called from [`Service::received`](crate::Service::received) for the connection itself, it
    /// also has the untaken rest shown again then.
    pub fn await_writable(&mut self) -> bool {
        if self.core.table.stream(self.id).is_some_and(|stream| stream.gathered > 0) {
            self.core.write_gathered(); // Only the kernel knows whether it will have to be kept.
        }
        self.core.table.connection(self.id).is_some_and(|connection| connection.await_writable())
    }

    /// Sends a datagram to any address, from this datagram socket. `false`: it was dropped, and counted.
    /// Datagrams are gathered and leave together; what the kernel says of them then is counted too.
    pub fn send_to(&mut self, to: &Peer, payload: &[u8]) -> bool {
        self.gather(Some(to), payload)
    }

    /// Answers the datagram that the service is looking at. `false`: the answer was dropped, and
    /// counted, since it is longer than what it answers, or together with the answers before it has
    /// more bytes on the wire, headers and frames included; or the sender, a Unix socket, has no name.
    /// A sender's address can be forged, and so no sender can use us to hit another host
    /// harder than it could itself.
    pub fn reply(&mut self, payload: &[u8]) -> bool {
        let Some(asked) = self.asked else { return false };
        let core = &mut *self.core;
        let size = on_the_wire(payload.len(), asked.from);
        let Some(left) =
            asked.left.get().checked_sub(size).filter(|_| payload.len() <= asked.length)
        else {
            core.statistics.dropped.amplified += 1;
            return false;
        };
        if !asked.from.can_be_answered() {
            core.statistics.dropped.failed += 1;
            return false;
        }
        let is_own = asked.by == self.id;
        if is_own
            && core.outlet.gathers_for(self.id)
            && !asked.connected
            && core.table.datagram(self.id).is_some_and(|it| !it.closed)
        {
            asked.left.set(left);
            core.outlet.answer(asked.sender, payload); // The usual way, and no copy of the address.
            core.flush_if_full(Some(asked));
            return true;
        }
        let sent = self.gather((!is_own || !asked.connected).then_some(asked.from), payload);
        if sent {
            asked.left.set(left);
        }
        sent
    }

    fn gather(&mut self, to: Option<&Peer>, payload: &[u8]) -> bool {
        let core = &mut *self.core;
        let Some(datagram) = core.table.datagram(self.id).filter(|datagram| !datagram.closed)
        else {
            return to.is_none() && core.keep_datagram(self.id, payload);
        };
        if to.is_none() && datagram.connected.is_none() {
            return false;
        }
        if to.is_some_and(|peer| !peer.can_be_answered()) {
            core.statistics.dropped.failed += 1;
            return false;
        }
        if !core.outlet.gathers_for(self.id) && !core.outlet.is_lent() {
            core.flush_outbox(Lent::default());
            core.outlet.open(self.id);
        }
        if !core.outlet.gathers_for(self.id) {
            return core.send_now(self.id, to, payload); // It gathers for one socket at a time.
        }
        core.outlet.push(to, payload);
        core.flush_if_full(self.asked);
        true
    }

    /// Ends the connection politely: sends what is kept, says so to the peer, waits for its own end
    /// up to [`Config::linger`]. What it still sends is thrown away. A listener stops listening; a
    /// datagram socket is closed.
    pub fn close(&mut self) {
        self.close_with(None);
    }

    /// The same, for a reason that [`Service::closed`](crate::Service::closed), the log and the
    /// statistics will give. The first reason counts.
    pub fn close_because(&mut self, reason: &'static str) {
        self.close_with(Some(Cause::Because(reason)));
    }

    fn close_with(&mut self, cause: Option<Cause>) {
        let core = &mut *self.core;
        match core.table.get_mut(self.id).map(|entry| &mut entry.source) {
            Some(Source::Stream(stream)) => {
                let stopped = core.stopping.is_draining() && cause.is_none();
                let cause = if stopped { Some(Cause::Stopped) } else { cause };
                stream.connection.close(cause, &mut core.account);
                core.schedule(self.id);
            }
            Some(Source::Dial(dial)) => {
                // What was sent to it is delivered, if it can be.
                dial.abandoned |= !dial.has_kept();
                dial.connection.close(cause, &mut core.account);
                core.schedule(self.id);
            }
            Some(Source::Datagram(datagram))
                if core.outlet.is_lent() && core.outlet.gathers_for(self.id) =>
            {
                datagram.closed = true;
            }
            Some(Source::Listener(_) | Source::Datagram(_) | Source::Proxied(_)) => {
                core.forget(self.id);
            }
            None => {}
        }
    }

    /// Ends the connection at once, whatever is kept: a TCP peer sees a reset if any of it was lost, or
    /// anything was unread.
    pub fn abort(&mut self) {
        let is_stopping = self.core.stopping.is_draining();
        self.abort_with(if is_stopping { Cause::Stopped } else { Cause::Closed });
    }

    /// The same, for a reason that [`Service::closed`](crate::Service::closed), the log and the
    /// statistics will give.
    pub fn abort_because(&mut self, reason: &'static str) {
        self.abort_with(Cause::Because(reason));
    }

    /// The same so that a TCP peer sees a reset in any case: for one that would take an end for the end of the
    /// message, when the rest of it is lost elsewhere, as behind a proxy. The cause is that of
    /// [`abort`](Context::abort).
    pub fn reset(&mut self) {
        if let Some(connection) = self.core.table.connection(self.id) {
            connection.lose();
        }
        self.abort();
    }

    /// What the service is being shown came from this process itself, and is no traffic: `act` on it.
    #[cfg(feature = "signals")]
    pub(crate) fn disowning(&mut self, bytes: usize, act: impl FnOnce(&mut Context<'_>)) {
        self.core.account.disown(bytes);
        act(self);
        self.core.own_messages += 1; // It is counted when the service has returned.
    }

    fn abort_with(&mut self, cause: Cause) {
        let core = &mut *self.core;
        match core.table.get_mut(self.id).map(|entry| &mut entry.source) {
            Some(Source::Stream(stream)) => stream.abort(cause, &mut core.account),
            Some(Source::Dial(dial)) => {
                dial.connection.fail(cause, &mut core.account);
                dial.abandoned = true;
            }
            _ => return self.close(),
        }
        core.schedule(self.id);
    }

    /// Ends our own direction, a half-close: sends what is kept, then says so to the peer. What it
    /// sends is still shown.
    pub fn finish(&mut self) {
        if let Some(connection) = self.core.table.connection(self.id) {
            connection.finish();
            self.core.schedule(self.id);
        }
    }

    /// Shows the service nothing more of this connection before [`resume`](Context::resume). Nothing
    /// is read meanwhile, so the sender is slowed down. What was not taken is kept; the peer's end is told when
    /// all before it has been taken, its reset at once.
    pub fn pause(&mut self) {
        if let Some(connection) = self.core.table.connection(self.id) {
            connection.pause();
        }
    }

    /// Whether a [`pause`](Context::pause) goes on.
    pub fn is_paused(&mut self) -> bool {
        self.core.table.connection(self.id).is_some_and(|connection| connection.is_paused())
    }

    /// Ends a pause, if there is one, and shows the service again what it has not taken. So a service
    /// that is busy with one message can leave the next one where it is, without a pause, and is still
    /// told when the peer leaves.
    pub fn resume(&mut self) {
        if let Some(connection) = self.core.table.connection(self.id) {
            connection.resume();
            self.core.schedule(self.id);
        }
    }

    /// How long this connection may stay with no byte moving, whatever
    /// [`Config::idle_timeout`] says; `None`: for as long as it likes. Counts from the last byte.
    /// Adopted descriptors and what is in the background have no idle timeout but this one.
    pub fn set_idle_timeout(&mut self, limit: Option<Duration>) {
        self.core.set_idle_timeout(self.id, limit);
    }
}

/// The loop, and looking around.
impl Context<'_> {
    /// The time at which this turn began: read once, and the same for all in it.
    pub fn now(&self) -> Instant {
        self.core.clock.now()
    }

    /// Stops the loop. The second time, or at once, without any ceremony.
    pub fn stop(&mut self, how: Stop) {
        self.core.stopping.ask(how);
    }

    /// Whether the reactor has been asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.core.stopping.going() != Going::On
    }

    /// What the reactor has done so far.
    pub fn statistics(&self) -> Statistics {
        self.core.statistics()
    }

    /// The configuration of the reactor.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Whether the source is still there.
    pub fn is_open(&self) -> bool {
        self.core.table.get(self.id).is_some()
    }

    /// The listener that has accepted this connection, also if it has gone by now. `None` for what was not
    /// accepted. With several ports for one service it tells which of them the client came to.
    pub fn listener(&mut self) -> Option<Id> {
        let door = self.core.table.stream(self.id)?.door?;
        Some(self.core.acceptor.listener(door))
    }

    /// The other end of a connection, `None` if it has no address. Most Unix sockets have none; of a stream in
    /// memory, only the end that was listened for has one.
    pub fn peer(&mut self) -> Option<Address> {
        match &self.core.table.get(self.id)?.source {
            Source::Stream(stream) => stream.connection.stream().peer(),
            Source::Datagram(datagram) => datagram.connected,
            Source::Listener(_) | Source::Dial(_) | Source::Proxied(_) => None,
        }
    }

    /// The other end's internet address without its port.
    pub fn peer_ip(&mut self) -> Option<IpAddr> {
        self.peer()?.ip()
    }

    /// Our own end of a connection, or what a listener or a datagram socket is bound to.
    pub fn local(&mut self) -> Option<Address> {
        match &self.core.table.get(self.id)?.source {
            Source::Stream(stream) => stream.connection.stream().local(),
            Source::Datagram(datagram) => datagram.socket.local(),
            Source::Listener(listener) => listener.socket.local(),
            Source::Proxied(proxied) => proxied.socket.local(),
            Source::Dial(_) => None,
        }
    }
}
