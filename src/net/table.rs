//! Every source of a reactor, in one slab.

use slab::Slab;

use super::clock::Tick;
use super::doors::Door;
use super::outbound::Dial;
use super::paths::SocketFile;
use super::proxied::Proxied;
use super::receiving::{DatagramSocket, ListenerSocket};
use super::socket::{Polled, StreamSocket};
use crate::machines::{Connection, Flow, Quota};
use crate::values::{Account, Address, Cause, Id, ServiceKey, TimerId};

/// What an [`Id`] names.
#[derive(Debug)]
pub(super) struct Entry {
    generation: u32,
    pub(super) service: ServiceKey,
    /// Whether it stands in the queue of sources that can move, and as what.
    pub(super) flow: Flow,
    /// Whether a stopping reactor doesn't wait for it, and it isn't counted as a connection.
    pub(super) is_background: bool,
    pub(super) source: Source,
}

impl Entry {
    /// Whether a stopping reactor doesn't wait for it, though it is served as ever.
    pub(super) fn is_excused(&self) -> bool {
        matches!(&self.source, Source::Listener(listener) if listener.is_excused)
    }
}

/// Streams lie in the table itself, so that an idle connection costs an entry and nothing else. Of the
/// others there are few.
#[derive(Debug)]
pub(super) enum Source {
    Stream(StreamSource),
    Listener(Box<Listener>),
    Datagram(Box<DatagramSource>),
    Dial(Box<Dial>),
    Proxied(Box<Proxied>),
}

/// A connection, and what the reactor must know of it.
#[derive(Debug)]
pub(super) struct StreamSource {
    pub(super) connection: Connection<StreamSocket>,
    /// When bytes moved last.
    pub(super) active: Tick,
    /// What its deadline is about.
    pub(super) phase: Phase,
    pub(super) origin: Origin,
    /// Which listener it came through.
    pub(super) door: Option<Door>,
    /// Bytes for it that are gathered and not yet written.
    pub(super) gathered: u16,
    pub(super) polled: Polled,
    pub(super) timer: Option<TimerId>,
}

impl StreamSource {
    /// Notes that bytes have moved, if they have: after everything that may have moved some.
    #[inline]
    pub(super) fn note_moved(&mut self, account: &mut Account, now: Tick) {
        if account.take_moved() {
            self.active = now;
        }
    }

    /// Ends at once, whatever is kept; what was gathered goes with it.
    pub(super) fn abort(&mut self, cause: Cause, account: &mut Account) {
        self.connection.fail(cause, account);
    }

    /// Nothing moves any more. Bytes that are lost with it must not look like an end in order: TCP tells
    /// of them by a reset. Returns why it has gone.
    pub(super) fn end(&mut self, cause: Cause, account: &mut Account) -> Cause {
        let has_lost = self.connection.has_lost() || self.gathered > 0;
        if has_lost {
            self.connection.stream().reset_when_closed();
        }
        self.connection.end(cause, account)
    }
}

/// How far a connection is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The idle timeout counts.
    Serving,
    /// The reactor is stopping; what has arrived is still served. From here on the linger deadline
    /// counts, anew in each phase.
    Draining,
    /// All that had arrived by then has been shown.
    Served,
    /// The service knows about the stop.
    Told,
    /// Being flushed.
    Closing,
    /// Waiting for the peer's end.
    Lingering,
}

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Accepted,
    Connected,
    /// A descriptor that the host gave us.
    Adopted,
}

/// A listening socket.
#[derive(Debug)]
pub(super) struct Listener {
    /// Goes with it, and first.
    pub(super) _file: Option<SocketFile>,
    pub(super) socket: ListenerSocket,
    /// Its latch: a client may be waiting in the backlog.
    pub(super) readable: bool,
    /// Accepting has to wait for a descriptor, a free place or a token.
    pub(super) parked: bool,
    /// When to try again, if that is known.
    pub(super) retry: Option<TimerId>,
    /// A stopping reactor doesn't wait for it, though it is served as ever.
    pub(super) is_excused: bool,
    /// Once the backlog is empty, it goes.
    pub(super) is_stopping: bool,
    /// The host gave it to us, and others may have it too.
    pub(super) is_adopted: bool,
    /// A client that connects is the peer, though others may have proxies before them.
    pub(super) is_direct: bool,
    /// Since it accepted a client.
    pub(super) door: Option<Door>,
    /// When it last accepted a client, once the reactor is stopping.
    pub(super) active: Tick,
}

impl Listener {
    pub(super) fn new(socket: ListenerSocket) -> Listener {
        Listener {
            _file: None,
            socket,
            readable: false,
            parked: false,
            retry: None,
            is_excused: false,
            is_stopping: false,
            is_adopted: false,
            is_direct: false,
            door: None,
            active: Tick::default(),
        }
    }
}

/// A datagram socket, bound or connected.
#[derive(Debug)]
pub(super) struct DatagramSource {
    /// Goes with it, and first.
    pub(super) _file: Option<SocketFile>,
    pub(super) socket: DatagramSocket,
    pub(super) readable: bool,
    /// Its other latch: the word of a router about an earlier datagram waits to be received.
    pub(super) in_error: bool,
    pub(super) stopping: bool,
    /// The host gave it to us, and others may have it too.
    pub(super) is_adopted: bool,
    /// When the reactor began to stop.
    pub(super) active: Tick,
    /// The service has closed it, in the middle of a batch: it goes when the answers have left.
    pub(super) closed: bool,
    /// The one peer of a connected socket.
    pub(super) connected: Option<Address>,
    /// Whether all that arrives is from that peer, so that nobody needs to ask.
    pub(super) is_from_peer: bool,
    /// What a bound socket is bound to: it doesn't answer all peers. With a group, our addresses all.
    pub(super) bound: Option<Address>,
    /// Not a Unix socket.
    pub(super) is_udp: bool,
    /// Whether equal answers to one peer may leave as one train.
    pub(super) offload: bool,
    /// What it may receive in a turn.
    pub(super) quota: Quota,
}

impl DatagramSource {
    pub(super) fn new(socket: DatagramSocket, is_udp: bool, offload: bool) -> DatagramSource {
        DatagramSource {
            socket,
            readable: false,
            in_error: false,
            stopping: false,
            is_adopted: false,
            active: Tick::default(),
            closed: false,
            connected: None,
            is_from_peer: false,
            bound: None,
            is_udp,
            offload: is_udp && offload,
            quota: Quota::new(),
            _file: None,
        }
    }
}

/// The slab, and the count that makes each use of a slot another one.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Slab<Entry>,
    generation: u32,
    /// Entries that aren't waited for: in the background, or excused.
    background: usize,
}

/// Below this many slots, memory is not given back.
const KEPT_SLOTS: usize = 1024;

impl Table {
    /// Sources that a graceful stop waits for.
    pub(super) fn waited_for(&self) -> usize {
        self.entries.len() - self.background
    }

    /// Whether nothing is left at all.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether only those are left that nobody waits for.
    #[inline]
    pub(super) fn has_emptied(&self) -> bool {
        self.waited_for() == 0
    }

    /// From here on the source isn't waited for. `None`: it has gone, or is there already.
    pub(super) fn put_in_background(&mut self, id: Id) -> Option<&mut Entry> {
        let found = self.entries.get_mut(id.slot());
        let entry = found.filter(|it| it.generation == id.generation() && !it.is_background)?;
        entry.is_background = true;
        self.background += usize::from(!entry.is_excused());
        Some(entry)
    }

    pub(super) fn insert(&mut self, service: ServiceKey, source: Source) -> Id {
        // The last generation is the one of `Id::NONE`.
        self.generation = (self.generation + 1) % u32::MAX;
        let generation = self.generation;
        let (flow, is_background) = (Flow::new(), false);
        let entry = Entry { generation, service, flow, is_background, source };
        let slot = self.entries.insert(entry);
        Id::new(slot, generation)
    }

    #[inline]
    pub(super) fn get(&self, id: Id) -> Option<&Entry> {
        self.entries.get(id.slot()).filter(|entry| entry.generation == id.generation())
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries.get_mut(id.slot()).filter(|entry| entry.generation == id.generation())
    }

    /// From here on a stop doesn't wait for this listener, which goes last.
    pub(super) fn excuse(&mut self, id: Id) {
        let Some(entry) = self.get_mut(id).filter(|entry| !entry.is_background) else { return };
        if let Source::Listener(listener) = &mut entry.source
            && !listener.is_excused
        {
            listener.is_excused = true;
            self.background += 1;
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Entry> {
        self.get(id)?;
        let entry = self.entries.try_remove(id.slot())?;
        self.background -= usize::from(entry.is_background || entry.is_excused());
        Some(entry)
    }

    pub(super) fn ids(&self) -> Vec<Id> {
        self.entries.iter().map(|(slot, entry)| Id::new(slot, entry.generation)).collect()
    }

    /// After a burst has gone: gives back the memory behind the last source.
    pub(super) fn shrink(&mut self) {
        if self.entries.capacity() > KEPT_SLOTS && self.entries.len() < self.entries.capacity() / 4
        {
            self.entries.shrink_to_fit();
        }
    }

    #[inline]
    pub(super) fn stream(&mut self, id: Id) -> Option<&mut StreamSource> {
        match &mut self.get_mut(id)?.source {
            Source::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The connection of a stream, or of one that is being made.
    pub(super) fn connection(&mut self, id: Id) -> Option<&mut Connection<StreamSocket>> {
        match &mut self.get_mut(id)?.source {
            Source::Stream(stream) => Some(&mut stream.connection),
            Source::Dial(dial) if dial.datagrams.is_none() => Some(&mut dial.connection),
            Source::Dial(_) | Source::Listener(_) | Source::Datagram(_) | Source::Proxied(_) => {
                None
            }
        }
    }

    pub(super) fn listener(&mut self, id: Id) -> Option<&mut Listener> {
        match &mut self.get_mut(id)?.source {
            Source::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn datagram(&mut self, id: Id) -> Option<&mut DatagramSource> {
        match &mut self.get_mut(id)?.source {
            Source::Datagram(datagram) => Some(datagram),
            _ => None,
        }
    }

    pub(super) fn dial(&mut self, id: Id) -> Option<&mut Dial> {
        match &mut self.get_mut(id)?.source {
            Source::Dial(dial) => Some(dial),
            _ => None,
        }
    }

    pub(super) fn proxied(&mut self, id: Id) -> Option<&mut Proxied> {
        match &mut self.get_mut(id)?.source {
            Source::Proxied(proxied) => Some(proxied),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the slab makes of an entry: an idle connection costs this, and a little for the room that the
    /// slab has in reserve.
    #[expect(dead_code, reason = "only its size matters")]
    enum InSlab {
        Vacant(usize),
        Occupied(Entry),
    }

    #[test]
    fn an_entry_does_not_grow_unnoticed() {
        assert_eq!(size_of::<InSlab>(), 112);
    }
}
