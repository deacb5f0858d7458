//! What the events of a turn say.

use mio::event::Event;

use super::core::Core;
use super::mem::MemEvent;
use super::reactor::Reactor;
use super::table::Source;
use crate::machines::Latch;
use crate::values::{Act, Id, Readiness};

impl Reactor {
    /// Events only set latches. Nothing moves here, so nothing can close under a later event.
    pub(super) fn mark(&mut self) {
        let core = &mut self.halves.core;
        let mut count = 0_usize;
        for event in &self.events {
            count += 1;
            let id = Id::from_bits(event.token().0);
            if id == Id::NONE {
                self.commands.wake();
                continue;
            }
            let Some(entry) = core.table.get_mut(id) else {
                core.watch.note(id, || Act::Stale); // It closed after this was queued.
                continue;
            };
            match &mut entry.source {
                Source::Stream(stream) => {
                    stream.connection.latch(latch(event));
                    if event.is_error() || event.is_write_closed() {
                        stream.connection.hung_up(event.is_error(), &mut core.account);
                    }
                }
                Source::Listener(listener) => listener.readable = true,
                // An error is received like a datagram, and may come alone.
                Source::Datagram(datagram) => {
                    datagram.in_error |= event.is_error();
                    datagram.readable |= event.is_readable() || event.is_error();
                }
                Source::Dial(dial) => {
                    dial.answered = true;
                    dial.connection.latch(latch(event));
                    if event.is_error() || event.is_write_closed() {
                        dial.hung_up = Some(event.is_error());
                    }
                }
                Source::Proxied(proxied) => {
                    proxied.readable |= latch(event).readable;
                    if event.is_error() || event.is_write_closed() {
                        proxied.hung_up = Some(event.is_error());
                    }
                }
            }
            core.watch.note(id, || Act::Ready(readiness(event)));
            core.flows.schedule(id, &mut entry.flow);
        }
        if core.memory.has_events() {
            core.mark_memory();
        }
        core.statistics.events += count as u64;
        // There may be more than fit in, and whoever waits for an edge of our descriptor has had one already.
        self.has_more_events = count >= core.config.events;
        let (events, runnable) = (count, core.flows.len());
        core.watch.note(Id::NONE, || Act::Polled { events, runnable });
    }
}

impl Core {
    /// The same for what is in memory.
    #[inline(never)]
    fn mark_memory(&mut self) {
        let events = self.memory.take_events();
        for &MemEvent { id, ready } in &events {
            let Some(entry) = self.table.get_mut(id) else { continue };
            let closed = ready.read_closed || ready.in_error;
            let latch = Latch {
                readable: ready.readable || closed,
                writable: ready.writable || ready.hung_up,
                read_on: closed,
            };
            match &mut entry.source {
                Source::Stream(stream) => {
                    stream.connection.latch(latch);
                    if ready.hung_up {
                        stream.connection.hung_up(ready.in_error, &mut self.account);
                    }
                }
                Source::Listener(listener) => listener.readable = true,
                Source::Datagram(datagram) => datagram.readable = true,
                Source::Dial(dial) => {
                    dial.answered = true;
                    dial.connection.latch(latch);
                    if ready.hung_up {
                        dial.hung_up = Some(ready.in_error);
                    }
                }
                Source::Proxied(_) => {} // No proxy comes this way.
            }
            self.watch.note(id, || Act::Ready(ready.readiness()));
            self.schedule(id);
        }
        self.statistics.events += events.len() as u64;
        self.memory.give_back(events);
    }
}

/// What an event says, all of it.
fn readiness(event: &Event) -> Readiness {
    Readiness::new([
        event.is_readable(),
        event.is_writable(),
        event.is_priority(),
        event.is_read_closed(),
        event.is_write_closed(),
        event.is_error(),
    ])
}

/// What an event says of a stream.
#[inline]
fn latch(event: &Event) -> Latch {
    Latch {
        readable: event.is_readable() || event.is_read_closed() || event.is_error(),
        writable: event.is_writable() || event.is_write_closed() || event.is_error(),
        read_on: event.is_read_closed() || event.is_priority() || event.is_error(),
    }
}
