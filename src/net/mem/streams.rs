//! Streams: pairs of ends, and the names that are listened on.

#[cfg(feature = "simulation")]
mod wired;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;

use slab::Slab;

use super::events::{Events, system_error};
use super::ready::Ready;
use crate::values::{ByteQueue, Config, Id, MEM_STREAM, MemName, RESERVE};

/// One end of a stream. What it reads lies here, what it writes at the other end.
///
/// ```text
///        ┌── End ──────────────┐        ┌── End ──────────────┐
///   ◀────│ incoming ◀──────────┼────────┼── write             │
///   read │                     │        │                     │ read
///        │ write ──────────────┼────────┼──────────▶ incoming │────▶
///        └─────────────────────┘        └─────────────────────┘
/// ```
struct End {
    /// Whom to tell.
    id: Id,
    /// The other one, as long as it is there.
    other: Option<u32>,
    incoming: ByteQueue,
    /// Nothing more will come.
    ended: bool,
    /// The other end has gone, and bytes with it.
    is_reset: bool,
    /// We have sent our last byte.
    is_shut: bool,
    /// A write of ours has found no room, or less than it wanted.
    wants_room: bool,
    /// Bytes of ours will be lost, so that closing must not look like an end in order.
    resets: bool,
    side: Side,
    /// What was connected to.
    name: Rc<MemName>,
    #[cfg(feature = "simulation")]
    link: wired::Link,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Accepted,
    Connected,
}

struct Listening {
    id: Id,
    name: Rc<MemName>,
    backlog: VecDeque<u32>,
    is_stopping: bool,
}

/// All streams, and those who listen for them.
pub(super) struct Streams {
    ends: Slab<End>,
    listeners: Slab<Listening>,
    names: BTreeMap<MemName, u32>,
    capacity: usize,
    backlog: usize,
}

/// Calls of listeners, and of who comes to them.
impl Streams {
    pub(super) fn new(config: &Config) -> Streams {
        Streams {
            ends: Slab::new(),
            listeners: Slab::new(),
            names: BTreeMap::new(),
            capacity: config.send_buffer.unwrap_or(MEM_STREAM).max(RESERVE),
            backlog: config.backlog as usize,
        }
    }

    pub(super) fn listen(&mut self, name: MemName) -> io::Result<u32> {
        if self.names.contains_key(&name) {
            return Err(system_error(libc::EADDRINUSE));
        }
        let backlog = VecDeque::new();
        let shared = Rc::new(name);
        let listening = Listening { id: Id::NONE, name: shared, backlog, is_stopping: false };
        let key = self.listeners.insert(listening) as u32;
        self.names.insert(name, key);
        Ok(key)
    }

    /// Makes both ends. `WouldBlock`: the backlog is full, as connect(2) says of Unix sockets.
    pub(super) fn connect(&mut self, name: MemName, events: &mut Events) -> io::Result<u32> {
        let listening = self.names.get(&name).map(|&key| &mut self.listeners[key as usize]);
        let Some(listening) = listening.filter(|listening| !listening.is_stopping) else {
            return Err(system_error(libc::ECONNREFUSED));
        };
        if listening.backlog.len() >= self.backlog {
            return Err(system_error(libc::EAGAIN));
        }
        #[cfg(feature = "simulation")]
        if events.wire.as_mut().is_some_and(|wire| wire.fails(|faults| faults.refuse)) {
            return Err(system_error(libc::ECONNREFUSED));
        }
        let name = &listening.name;
        let theirs = self.ends.insert(End::new(Side::Accepted, Rc::clone(name))) as u32;
        let ours = self.ends.insert(End::new(Side::Connected, Rc::clone(name))) as u32;
        self.ends[theirs as usize].other = Some(ours);
        self.ends[ours as usize].other = Some(theirs);
        #[cfg(feature = "simulation")]
        if let Some(mut wire) = events.wire.take() {
            self.depart(theirs, ours, &mut wire);
            events.wire = Some(wire);
            return Ok(ours);
        }
        listening.backlog.push_back(theirs);
        events.tell(listening.id, Ready::READABLE);
        Ok(ours)
    }

    pub(super) fn watch_listener(&mut self, key: u32, id: Id, events: &mut Events) {
        let listening = &mut self.listeners[key as usize];
        listening.id = id;
        if !listening.backlog.is_empty() {
            events.tell(id, Ready::READABLE);
        }
    }

    pub(super) fn accept(&mut self, key: u32) -> io::Result<u32> {
        let first = self.listeners[key as usize].backlog.pop_front();
        first.ok_or_else(|| system_error(libc::EAGAIN))
    }

    pub(super) fn has_backlog(&self, key: u32) -> bool {
        !self.listeners[key as usize].backlog.is_empty()
    }

    pub(super) fn stop_admitting(&mut self, key: u32) {
        self.listeners[key as usize].is_stopping = true;
    }

    pub(super) fn listens_on(&self, key: u32) -> MemName {
        *self.listeners[key as usize].name
    }

    pub(super) fn unlisten(&mut self, key: u32, events: &mut Events) {
        let gone = self.listeners.remove(key as usize);
        self.names.remove(&gone.name);
        for end in gone.backlog {
            self.reset_when_closed(end); // Nobody will ever read it.
            self.close(end, events);
        }
    }
}

/// Calls of streams.
impl Streams {
    /// Tells what holds already, as epoll_ctl(2) does: it can be written to, and perhaps read.
    pub(super) fn watch(&mut self, key: u32, id: Id, events: &mut Events) {
        let end = &mut self.ends[key as usize];
        end.id = id;
        let ready = Ready {
            readable: !end.incoming.is_empty() || end.ended,
            writable: true,
            read_closed: end.ended,
            hung_up: end.other.is_none(),
            in_error: end.is_reset,
        };
        // An end that was accepted is taken for writable from the first.
        #[cfg(feature = "simulation")]
        let tells = end.is_to_be_told(ready);
        #[cfg(not(feature = "simulation"))]
        let tells = end.side == Side::Connected || ready.readable;
        if tells {
            events.tell(id, ready);
        }
    }

    /// Reads what is there. What has arrived before a reset is read before it is told. An error is the code that
    /// a socket would give.
    #[inline]
    pub(super) fn read(
        &mut self,
        key: u32,
        buffer: &mut [u8],
        events: &mut Events,
    ) -> Result<usize, i32> {
        let end = &mut self.ends[key as usize];
        let read = end.incoming.len().min(buffer.len());
        if read == 0 {
            return match end {
                End { is_reset: true, .. } => Err(libc::ECONNRESET),
                End { ended: true, .. } => Ok(0),
                _ if buffer.is_empty() => Ok(0),
                _ => Err(libc::EAGAIN),
            };
        }
        buffer[..read].copy_from_slice(&end.incoming.as_slice()[..read]);
        end.incoming.consume(read);
        let has_room = end.incoming.len() <= self.capacity / 2; // Else each small read would tell.
        if has_room && let Some(other) = end.other {
            let other = &mut self.ends[other as usize];
            if other.wants_room {
                other.wants_room = false;
                events.tell(other.id, Ready::WRITABLE);
            }
        }
        Ok(read)
    }

    /// Writes as much as fits.
    #[inline]
    pub(super) fn write(
        &mut self,
        key: u32,
        bytes: &[u8],
        events: &mut Events,
    ) -> Result<usize, i32> {
        let end = &self.ends[key as usize];
        let Some(other) = end.other.filter(|_| !end.is_shut) else {
            return Err(match end.is_reset {
                true => libc::ECONNRESET,
                false => libc::EPIPE,
            });
        };
        #[cfg(feature = "simulation")]
        if let Some(mut wire) = events.wire.take() {
            let written = self.write_to(key, other, bytes, events, &mut wire);
            events.wire = Some(wire);
            return written;
        }
        let reader = &mut self.ends[other as usize];
        let held = reader.incoming.len();
        let written = bytes.len().min(self.capacity - held);
        if written > 0 {
            reader.incoming.push(&bytes[..written]);
            if held == 0 {
                events.tell(reader.id, Ready::READABLE);
            }
        }
        if written < bytes.len() {
            self.ends[key as usize].wants_room = true;
            if written == 0 {
                return Err(libc::EAGAIN);
            }
        }
        Ok(written)
    }

    /// shutdown(2) with `SHUT_WR`.
    pub(super) fn shut_write(&mut self, key: u32, events: &mut Events) -> io::Result<()> {
        let end = &mut self.ends[key as usize];
        let Some(other) = end.other else {
            return Err(system_error(libc::ENOTCONN));
        };
        end.is_shut = true;
        #[cfg(feature = "simulation")]
        if let Some(wire) = &mut events.wire {
            self.end_to(other, wire);
            return Ok(());
        }
        self.ends[other as usize].end(events);
        Ok(())
    }

    pub(super) fn reset_when_closed(&mut self, key: u32) {
        self.ends[key as usize].resets = true;
    }

    /// With bytes unread, the other end must not take this for an end in order: RFC 2525 section 2.17.
    pub(super) fn close(&mut self, key: u32, events: &mut Events) {
        #[cfg(feature = "simulation")]
        if events.wire.as_mut().is_some_and(|wire| self.leave(key, wire)) {
            return;
        }
        let gone = self.ends.remove(key as usize);
        if let Some(other) = gone.other.and_then(|other| self.ends.get_mut(other as usize)) {
            other.break_off(gone.resets || !gone.incoming.is_empty(), events);
        }
    }

    pub(super) fn unread(&self, key: u32) -> usize {
        self.ends[key as usize].incoming.len()
    }

    pub(super) fn unacknowledged(&self, key: u32) -> usize {
        let Some(other) = self.ends[key as usize].other else { return 0 };
        let other = &self.ends[other as usize];
        #[cfg(feature = "simulation")]
        return other.incoming.len() + other.link.in_flight();
        #[cfg(not(feature = "simulation"))]
        other.incoming.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn local(&self, key: u32) -> Option<MemName> {
        self.ends[key as usize].name_if(Side::Accepted)
    }

    pub(super) fn peer(&self, key: u32) -> Option<MemName> {
        self.ends[key as usize].name_if(Side::Connected)
    }
}

impl End {
    fn new(side: Side, name: Rc<MemName>) -> End {
        End {
            id: Id::NONE,
            other: None,
            incoming: ByteQueue::new(),
            ended: false,
            is_reset: false,
            is_shut: false,
            wants_room: false,
            resets: false,
            side,
            name,
            #[cfg(feature = "simulation")]
            link: wired::Link::default(),
        }
    }

    /// The other end has sent its last byte.
    fn end(&mut self, events: &mut Events) {
        self.ended = true;
        events.tell(self.id, Ready { read_closed: true, ..Ready::READABLE });
    }

    /// The other end has gone.
    fn break_off(&mut self, is_reset: bool, events: &mut Events) {
        (self.other, self.ended, self.is_reset) = (None, true, is_reset);
        let ready = Ready {
            readable: true,
            writable: true,
            read_closed: true,
            hung_up: true,
            in_error: is_reset,
        };
        events.tell(self.id, ready);
    }

    fn name_if(&self, side: Side) -> Option<MemName> {
        (self.side == side).then(|| *self.name)
    }
}
