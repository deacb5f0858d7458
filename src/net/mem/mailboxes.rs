//! Datagram sockets: each has a name, and a queue of what was sent there.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use slab::Slab;

use super::events::{Events, system_error};
use super::ready::Ready;
use crate::values::{Config, Id, MEM_DATAGRAM, MEM_MAILBOX, MEM_OVERHEAD, MemName};

struct Mailbox {
    /// Whom to tell.
    id: Id,
    name: MemName,
    /// The one that it hears from and sends to.
    connected: Option<MemName>,
    datagrams: VecDeque<Datagram>,
    /// What they take up.
    held: usize,
    is_stopping: bool,
}

struct Datagram {
    from: MemName,
    payload: Vec<u8>,
}

impl Mailbox {
    /// Puts a datagram into the queue. `WouldBlock`: there is no room.
    fn take(
        &mut self,
        from: MemName,
        payload: &[u8],
        capacity: usize,
        events: &mut Events,
    ) -> io::Result<()> {
        let size = payload.len() + MEM_OVERHEAD;
        // The largest one fits into an empty mailbox, however small that is.
        if !self.datagrams.is_empty() && self.held + size > capacity {
            return Err(system_error(libc::EAGAIN));
        }
        self.held += size;
        if self.datagrams.is_empty() {
            events.tell(self.id, Ready::READABLE);
        }
        self.datagrams.push_back(Datagram { from, payload: payload.to_vec() });
        Ok(())
    }
}

/// All datagram sockets.
pub(super) struct Mailboxes {
    sockets: Slab<Mailbox>,
    names: BTreeMap<MemName, u32>,
    capacity: usize,
    /// For names that nobody has chosen.
    next_name: u64,
}

impl Mailboxes {
    pub(super) fn new(config: &Config) -> Mailboxes {
        Mailboxes {
            sockets: Slab::new(),
            names: BTreeMap::new(),
            capacity: config.receive_buffer.unwrap_or(MEM_MAILBOX),
            next_name: 0,
        }
    }

    pub(super) fn bind(&mut self, name: MemName) -> io::Result<u32> {
        match self.names.contains_key(&name) {
            true => Err(system_error(libc::EADDRINUSE)),
            false => Ok(self.insert(name, None)),
        }
    }

    pub(super) fn connect(&mut self, to: MemName) -> io::Result<u32> {
        if !self.names.contains_key(&to) {
            return Err(system_error(libc::ECONNREFUSED));
        }
        let name = self.free_name();
        Ok(self.insert(name, Some(to)))
    }

    /// One that nobody has, so that what is sent can be answered; unix(7), autobind.
    fn free_name(&mut self) -> MemName {
        loop {
            self.next_name += 1;
            let name = MemName::new(format!("~{}", self.next_name).as_bytes());
            let name = name.expect("a short one");
            if !self.names.contains_key(&name) {
                return name;
            }
        }
    }

    fn insert(&mut self, name: MemName, connected: Option<MemName>) -> u32 {
        let datagrams = VecDeque::new();
        let key = self.sockets.insert(Mailbox {
            id: Id::NONE,
            name,
            connected,
            datagrams,
            held: 0,
            is_stopping: false,
        }) as u32;
        self.names.insert(name, key);
        key
    }

    pub(super) fn watch(&mut self, key: u32, id: Id, events: &mut Events) {
        let socket = &mut self.sockets[key as usize];
        socket.id = id;
        if !socket.datagrams.is_empty() {
            events.tell(id, Ready::READABLE);
        }
    }

    /// Delivers a datagram. `WouldBlock`: there is no room for it.
    pub(super) fn send(
        &mut self,
        key: u32,
        to: Option<MemName>,
        payload: &[u8],
        events: &mut Events,
    ) -> io::Result<()> {
        let sender = &self.sockets[key as usize];
        let from = sender.name;
        let to = to.or(sender.connected).ok_or_else(|| system_error(libc::ENOTCONN))?;
        if payload.len() > MEM_DATAGRAM {
            return Err(system_error(libc::EMSGSIZE));
        }
        let receiver = self.names.get(&to).map(|&key| &mut self.sockets[key as usize]);
        let Some(receiver) = receiver.filter(|receiver| !receiver.is_stopping) else {
            return Err(system_error(libc::ECONNREFUSED));
        };
        if receiver.connected.is_some_and(|only| only != from) {
            return Err(system_error(libc::EPERM)); // As unix(7) says.
        }
        #[cfg(feature = "simulation")]
        if let Some(wire) = &mut events.wire
            && !wire.carries(to, from, payload)
        {
            return Ok(());
        }
        receiver.take(from, payload, self.capacity, events)
    }

    /// A datagram that was under way arrives, if anybody still wants it.
    #[cfg(feature = "simulation")]
    pub(super) fn arrive(
        &mut self,
        to: MemName,
        from: MemName,
        payload: &[u8],
        events: &mut Events,
    ) {
        let Some(&key) = self.names.get(&to) else { return };
        let receiver = &mut self.sockets[key as usize];
        if !receiver.is_stopping && receiver.connected.is_none_or(|only| only == from) {
            let _ = receiver.take(from, payload, self.capacity, events); // No room: it is lost.
        }
    }

    /// The oldest datagram, if it fits into the buffer, which the largest must.
    pub(super) fn receive(&mut self, key: u32, buffer: &mut [u8]) -> Option<(usize, MemName)> {
        let socket = &mut self.sockets[key as usize];
        let Datagram { from, payload } = socket.datagrams.pop_front()?;
        socket.held -= payload.len() + MEM_OVERHEAD;
        if socket.datagrams.is_empty() {
            socket.datagrams = VecDeque::new(); // Idle, it owns nothing.
        }
        buffer[..payload.len()].copy_from_slice(&payload);
        Some((payload.len(), from))
    }

    pub(super) fn stop_admitting(&mut self, key: u32) {
        self.sockets[key as usize].is_stopping = true;
    }

    pub(super) fn name(&self, key: u32) -> MemName {
        self.sockets[key as usize].name
    }

    pub(super) fn close(&mut self, key: u32) {
        let gone = self.sockets.remove(key as usize);
        self.names.remove(&gone.name);
    }
}
