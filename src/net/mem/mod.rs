//! Streams and datagram sockets in memory: what a kernel does for sockets, for those of one reactor.
//!
//! ```text
//!   table ── owns ──▶ MemStream, MemListener, MemSocket ── calls ──▶ Memory: ends, names, mailboxes
//!     ▲                                                                 │
//!     └──────── latches ◀── mark ◀── take_events: (who, what) ──────────┘
//! ```
//!
//! What is called here is a system call in all but name: it never waits, says `WouldBlock` where a socket
//! would, and what changes for the other end becomes an event, edge-triggered, that the next turn marks. So
//! everything above takes these sources for any others.

mod events;
mod mailboxes;
mod ready;
mod streams;
#[cfg(feature = "simulation")]
mod wire;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
#[cfg(feature = "simulation")]
use std::time::Instant;

pub(super) use events::MemEvent;
#[cfg(feature = "simulation")]
pub(super) use wire::Wire;

use events::Events;
use mailboxes::Mailboxes;
use streams::Streams;
#[cfg(feature = "simulation")]
use wire::Delivery;

#[cfg(feature = "simulation")]
use crate::machines::Dice;
#[cfg(feature = "simulation")]
use crate::values::Faults;
use crate::values::{Config, Id, MemName};

/// All that lies in memory. A name for it, which is cheap to copy.
#[derive(Clone)]
pub(super) struct Memory {
    shared: Rc<Shared>,
}

struct Shared {
    state: RefCell<State>,
    /// What is asked before each wait, and told without a borrow.
    has_events: Cell<bool>,
}

struct State {
    streams: Streams,
    mailboxes: Mailboxes,
    events: Events,
}

impl Memory {
    pub(super) fn new(config: &Config) -> Memory {
        let state = State {
            streams: Streams::new(config),
            mailboxes: Mailboxes::new(config),
            events: Events::default(),
        };
        let shared = Shared { state: RefCell::new(state), has_events: Cell::new(false) };
        Memory { shared: Rc::new(shared) }
    }

    /// Whether there are events to be marked.
    #[inline]
    pub(super) fn has_events(&self) -> bool {
        self.shared.has_events.get()
    }

    /// The events since the last time, in their order.
    pub(super) fn take_events(&self) -> Vec<MemEvent> {
        self.with(|state| state.events.take())
    }

    /// Nobody is left whom they could concern.
    pub(super) fn drop_events(&self) {
        self.with(|state| {
            state.events.take();
            #[cfg(feature = "simulation")]
            if let Some(wire) = &mut state.events.wire {
                wire.clear();
            }
        });
    }

    /// They have been marked, and their memory can be used again.
    pub(super) fn give_back(&self, events: Vec<MemEvent>) {
        self.with(|state| state.events.give_back(events));
    }

    /// From here on the ends are apart, and things go wrong between them.
    #[cfg(feature = "simulation")]
    pub(super) fn simulate(&self, faults: Faults, dice: Dice, now: Instant) {
        self.with(|state| state.events.wire = Some(Box::new(Wire::new(faults, dice, now))));
    }

    /// What is due by now arrives.
    #[cfg(feature = "simulation")]
    pub(super) fn advance(&self, now: Instant) {
        self.with(|state| {
            let Some(mut wire) = state.events.wire.take() else { return };
            wire.advance(now);
            while let Some(delivery) = wire.arrived() {
                if let Delivery::Datagram { to, from, payload } = delivery {
                    state.mailboxes.arrive(to, from, &payload, &mut state.events);
                } else {
                    state.streams.arrive(delivery, &mut state.events, &mut wire);
                }
            }
            state.events.wire = Some(wire);
        });
    }

    /// Asks what lies between the ends, if they are apart.
    #[cfg(feature = "simulation")]
    pub(super) fn ask_wire<R>(&self, ask: impl FnOnce(&mut Wire) -> R) -> Option<R> {
        self.with(|state| state.events.wire.as_deref_mut().map(ask))
    }

    /// When something arrives next.
    #[cfg(feature = "simulation")]
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.shared.state.borrow().events.wire.as_ref()?.next_due()
    }

    /// Listens under a name.
    pub(super) fn listen(&self, name: MemName) -> io::Result<MemListener> {
        let key = self.with(|state| state.streams.listen(name))?;
        Ok(MemListener { memory: self.clone(), key })
    }

    /// Connects to whoever listens there: at once, as far as we are concerned.
    pub(super) fn connect(&self, name: MemName) -> io::Result<MemStream> {
        let key = self.with(|state| state.streams.connect(name, &mut state.events))?;
        Ok(MemStream { memory: self.clone(), key })
    }

    /// A datagram socket with this name.
    pub(super) fn bind(&self, name: MemName) -> io::Result<MemSocket> {
        let key = self.with(|state| state.mailboxes.bind(name))?;
        Ok(MemSocket { memory: self.clone(), key })
    }

    /// A datagram socket with a name of its own, which hears from this one only.
    pub(super) fn connect_datagram(&self, to: MemName) -> io::Result<MemSocket> {
        let key = self.with(|state| state.mailboxes.connect(to))?;
        Ok(MemSocket { memory: self.clone(), key })
    }

    #[inline]
    fn with<R>(&self, call: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.shared.state.borrow_mut();
        let result = call(&mut state);
        self.shared.has_events.set(!state.events.is_empty());
        result
    }
}

/// One end of a stream. Dropping it closes it: with bytes unread, or after
/// [`reset_when_closed`](MemStream::reset_when_closed), the other end is told of a reset.
pub(super) struct MemStream {
    memory: Memory,
    key: u32,
}

impl MemStream {
    /// From here on there are events for this end, the first for what holds already.
    pub(super) fn watch(&self, id: Id) {
        self.memory.with(|state| state.streams.watch(self.key, id, &mut state.events));
    }

    #[inline]
    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize, i32> {
        self.memory.with(|state| state.streams.read(self.key, buffer, &mut state.events))
    }

    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, i32> {
        self.memory.with(|state| state.streams.write(self.key, bytes, &mut state.events))
    }

    pub(super) fn shut_write(&self) -> io::Result<()> {
        self.memory.with(|state| state.streams.shut_write(self.key, &mut state.events))
    }

    /// Bytes will be lost with it, and the other end has to know.
    pub(super) fn reset_when_closed(&self) {
        self.memory.with(|state| state.streams.reset_when_closed(self.key));
    }

    /// Bytes that have arrived and not been read.
    pub(super) fn unread(&self) -> usize {
        self.memory.with(|state| state.streams.unread(self.key))
    }

    /// Bytes that were written, and that the other end has not read.
    pub(super) fn unacknowledged(&self) -> usize {
        self.memory.with(|state| state.streams.unacknowledged(self.key))
    }

    /// Bytes that fit in between.
    pub(super) fn capacity(&self) -> usize {
        self.memory.with(|state| state.streams.capacity())
    }

    /// The name that was listened on, if this is the end that was accepted.
    pub(super) fn local(&self) -> Option<MemName> {
        self.memory.with(|state| state.streams.local(self.key))
    }

    /// The name that was connected to, if this is the end that did.
    pub(super) fn peer(&self) -> Option<MemName> {
        self.memory.with(|state| state.streams.peer(self.key))
    }
}

impl Drop for MemStream {
    fn drop(&mut self) {
        self.memory.with(|state| state.streams.close(self.key, &mut state.events));
    }
}

/// A name that is listened on. Dropping it frees the name, and resets who still waits in the backlog.
pub(super) struct MemListener {
    memory: Memory,
    key: u32,
}

impl MemListener {
    pub(super) fn watch(&self, id: Id) {
        self.memory.with(|state| state.streams.watch_listener(self.key, id, &mut state.events));
    }

    pub(super) fn accept(&self) -> io::Result<MemStream> {
        let key = self.memory.with(|state| state.streams.accept(self.key))?;
        Ok(MemStream { memory: self.memory.clone(), key })
    }

    /// Whether anybody waits in the backlog.
    pub(super) fn is_readable(&self) -> bool {
        self.memory.with(|state| state.streams.has_backlog(self.key))
    }

    /// From here on newcomers are refused. Who waits already can still be accepted.
    pub(super) fn stop_admitting(&self) {
        self.memory.with(|state| state.streams.stop_admitting(self.key));
    }

    pub(super) fn local(&self) -> MemName {
        self.memory.with(|state| state.streams.listens_on(self.key))
    }
}

impl Drop for MemListener {
    fn drop(&mut self) {
        self.memory.with(|state| state.streams.unlisten(self.key, &mut state.events));
    }
}

/// A datagram socket. Dropping it frees its name, and what it has not received is lost.
pub(super) struct MemSocket {
    memory: Memory,
    key: u32,
}

impl MemSocket {
    pub(super) fn watch(&self, id: Id) {
        self.memory.with(|state| state.mailboxes.watch(self.key, id, &mut state.events));
    }

    /// Sends a datagram; to wherever the socket is connected, if to nobody.
    pub(super) fn send(&self, to: Option<MemName>, payload: &[u8]) -> io::Result<()> {
        self.memory.with(|state| state.mailboxes.send(self.key, to, payload, &mut state.events))
    }

    /// The oldest datagram, copied to the front of the buffer, if it fits: how long it is, and who sent it.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, MemName)> {
        self.memory.with(|state| state.mailboxes.receive(self.key, buffer))
    }

    /// From here on what comes anew is refused. What is there can still be received.
    pub(super) fn stop_admitting(&self) {
        self.memory.with(|state| state.mailboxes.stop_admitting(self.key));
    }

    pub(super) fn local(&self) -> MemName {
        self.memory.with(|state| state.mailboxes.name(self.key))
    }
}

impl Drop for MemSocket {
    fn drop(&mut self) {
        self.memory.with(|state| state.mailboxes.close(self.key));
    }
}

/// Each by its name in the log.
macro_rules! debug {
    ($($handle:ident),*) => {$(
        impl std::fmt::Debug for $handle {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($handle)).field(&self.key).finish()
            }
        }
    )*};
}

debug!(MemStream, MemListener, MemSocket);
