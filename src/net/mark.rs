//! What the events of a turn say.

use std::fmt;

use mio::event::Event;

use super::reactor::Reactor;
use super::table::Source;
use crate::machines::Latch;
use crate::values::Id;

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
                log::trace!("{id} has gone: a stale event"); // It closed after this was queued.
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
            }
            log::trace!("{id} is {}", Readiness(event));
            core.flows.schedule(id, &mut entry.flow);
        }
        core.statistics.events += count as u64;
        // There may be more than fit in, and whoever waits for an edge of our descriptor has had one already.
        self.has_more_events = count >= core.config.events;
        log::trace!("the poll has returned {count} events, {} sources can move", core.flows.len());
    }
}

/// An event in words.
struct Readiness<'a>(&'a Event);

impl fmt::Display for Readiness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Readiness(event) = self;
        let words = [
            (event.is_readable(), "readable"),
            (event.is_writable(), "writable"),
            (event.is_priority(), "urgent"),
            (event.is_read_closed(), "closed for reading"),
            (event.is_write_closed(), "closed for writing"),
            (event.is_error(), "in error"),
        ];
        let mut separator = "";
        for (_, word) in words.iter().filter(|(is_so, _)| *is_so) {
            write!(f, "{separator}{word}")?;
            separator = ", ";
        }
        Ok(())
    }
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
