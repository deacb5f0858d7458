//! Every source of a reactor, in one slab.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use slab::Slab;
use socket2::{SockRef, Socket};

use super::clock::Tick;
use super::doors::Door;
use super::paths::SocketFile;
use super::socket::StreamSocket;
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

/// Streams lie in the table itself, so that an idle connection costs an entry and nothing else. Of the
/// others there are few.
#[derive(Debug)]
pub(super) enum Source {
    Stream(StreamSource),
    Listener(Box<Listener>),
    Datagram(Box<DatagramSource>),
    Dial(Box<Dial>),
}

/// A connection, and what the reactor must know of it.
#[derive(Debug)]
pub(super) struct StreamSource {
    pub(super) connection: Connection<StreamSocket>,
    pub(super) peer: Option<SocketAddr>,
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
        if has_lost && let StreamSocket::Tcp(socket) = self.connection.stream() {
            // Fails if the peer was quicker.
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
        self.connection.end(cause, account)
    }
}

/// What the poller tells of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// Nothing: files it doesn't take, since they are always ready.
    Nothing,
    /// That there is something to read. A Unix socket begins like this, since there each read of the
    /// peer makes room, and each time the poller would tell.
    Input,
    /// That, and that there is room again.
    Both,
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
    /// Its latch: somebody may be waiting in the backlog.
    pub(super) readable: bool,
    /// Accepting has to wait for a descriptor, a free place or a token.
    pub(super) parked: bool,
    /// When to try again, if that is known.
    pub(super) retry: Option<TimerId>,
    /// Once the backlog is empty, it goes.
    pub(super) is_stopping: bool,
    /// The host gave it to us, and somebody else may have it too.
    pub(super) is_adopted: bool,
    /// Since it accepted somebody.
    pub(super) door: Option<Door>,
    /// When it last accepted somebody, once the reactor is stopping.
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
            is_stopping: false,
            is_adopted: false,
            door: None,
            active: Tick::default(),
        }
    }
}

#[derive(Debug)]
pub(super) enum ListenerSocket {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

impl ListenerSocket {
    pub(super) fn accept(&self) -> io::Result<(StreamSocket, Option<SocketAddr>)> {
        match self {
            ListenerSocket::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((StreamSocket::Tcp(stream), Some(peer)))
            }
            ListenerSocket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((StreamSocket::unix(stream), None))
            }
        }
    }
}

impl AsFd for ListenerSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ListenerSocket::Tcp(listener) => listener.as_fd(),
            ListenerSocket::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A datagram socket, bound or connected.
#[derive(Debug)]
pub(super) struct DatagramSource {
    /// Goes with it, and first.
    pub(super) _file: Option<SocketFile>,
    pub(super) socket: Socket,
    pub(super) readable: bool,
    /// Its other latch: the word of a router about an earlier datagram waits to be received.
    pub(super) in_error: bool,
    pub(super) stopping: bool,
    /// The host gave it to us, and somebody else may have it too.
    pub(super) is_adopted: bool,
    /// When the reactor began to stop.
    pub(super) active: Tick,
    /// The service has closed it, in the middle of a batch: it goes when the answers have left.
    pub(super) closed: bool,
    /// The one peer of a connected socket.
    pub(super) connected: Option<Address>,
    /// What a bound socket is bound to: it doesn't answer everybody. With a group, our addresses all.
    pub(super) bound: Option<Address>,
    /// Not a Unix socket.
    pub(super) is_udp: bool,
    /// Whether equal answers to one peer may leave as one train.
    pub(super) offload: bool,
    /// What it may receive in a turn.
    pub(super) quota: Quota,
}

impl DatagramSource {
    pub(super) fn new(socket: Socket, is_udp: bool, offload: bool) -> DatagramSource {
        DatagramSource {
            socket,
            readable: false,
            in_error: false,
            stopping: false,
            is_adopted: false,
            active: Tick::default(),
            closed: false,
            connected: None,
            bound: None,
            is_udp,
            offload: is_udp && offload,
            quota: Quota::new(),
            _file: None,
        }
    }
}

/// An outgoing connection that is being made.
#[derive(Debug)]
pub(super) struct Dial {
    /// Where from, if it matters.
    pub(super) local: Option<SocketAddr>,
    /// What is to be tried, the one that is being tried first.
    pub(super) targets: VecDeque<Address>,
    /// The attempt that waits for the kernel's answer.
    pub(super) socket: Option<StreamSocket>,
    /// What it will be. Everything can be asked of it already: what is sent is kept.
    pub(super) connection: Connection<StreamSocket>,
    /// Its latch: the kernel has said something.
    pub(super) answered: bool,
    /// The poller said that it is broken already.
    pub(super) hung_up: Option<bool>,
    /// The service doesn't want it any more.
    pub(super) abandoned: bool,
    /// When the reactor began to stop.
    pub(super) active: Tick,
    /// Why the last attempt failed.
    pub(super) failure: Option<io::Error>,
    pub(super) timeout: Option<TimerId>,
}

/// The slab, and the count that makes each use of a slot another one.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Slab<Entry>,
    generation: u32,
    /// Entries in the background.
    background: usize,
}

/// Below this many slots, memory is not given back.
const KEPT_SLOTS: usize = 1024;

impl Table {
    /// Sources that a graceful stop waits for.
    pub(super) fn waited_for(&self) -> usize {
        self.entries.len() - self.background
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
        self.background += 1;
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

    pub(super) fn remove(&mut self, id: Id) -> Option<Entry> {
        self.get(id)?;
        let entry = self.entries.try_remove(id.slot())?;
        self.background -= usize::from(entry.is_background);
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

    /// The connection of a stream, or the one that is being made.
    pub(super) fn connection(&mut self, id: Id) -> Option<&mut Connection<StreamSocket>> {
        match &mut self.get_mut(id)?.source {
            Source::Stream(stream) => Some(&mut stream.connection),
            Source::Dial(dial) => Some(&mut dial.connection),
            Source::Listener(_) | Source::Datagram(_) => None,
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
