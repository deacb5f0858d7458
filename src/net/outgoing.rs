//! Small sends, gathered while the sources of a turn are driven.

use super::core::Core;
use crate::values::{Id, RESERVE};

/// Parts that are gathered before they are written unasked: more gain nothing, and the first would wait
/// for long.
const MOST_PARTS: usize = 64;

/// Bytes that are gathered before they are written unasked: what a first-level cache holds with room
/// to spare.
const MOST_BYTES: usize = 16 * 1024;

/// What services have sent to streams and has not been written yet.
///
/// ```text
///   read A, read B, read C, ... │ write A, write B, write C, ...
///     └──────┴───────┴── bytes ──┘
/// ```
///
/// Reading and writing take different ways through the kernel, each too long for the processor to
/// remember both. Many reads and then many writes cost less than the same in turn: 1 % of all CPU time a
/// message at 100 connections, 2 % at 1,000. And what a service sends to one connection in several
/// pieces leaves in one.
///
/// Only what may be kept in any case is gathered, so that nothing is promised that can't be held: at most
/// [`RESERVE`] bytes a connection, and nothing behind what is already kept.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    id: Id,
    length: usize,
}

impl Core {
    /// Sends to a stream; returns how many bytes were taken, of `whole` messages all or none.
    #[inline]
    pub(super) fn send(&mut self, id: Id, bytes: &[u8], whole: bool) -> Option<usize> {
        let mut stream = self.table.stream(id)?;
        if self.gathering {
            let gathered = usize::from(stream.gathered) + bytes.len();
            let fits = gathered <= RESERVE.min(self.config.output_limit);
            if fits && stream.connection.is_straight() {
                stream.gathered = gathered as u16; // At most a reserve.
                self.gather(id, bytes);
                return Some(bytes.len());
            }
            if stream.gathered > 0 {
                self.write_gathered();
                stream = self.table.stream(id)?;
            }
        }
        let connection = &mut stream.connection;
        let taken = match whole {
            false => connection.send(bytes, &self.config, &mut self.pool),
            true => match connection.send_all(bytes, &self.config, &mut self.pool) {
                true => bytes.len(),
                false => return None,
            },
        };
        if connection.has_failed() {
            self.schedule(id);
        } else if connection.is_blocked() {
            self.watch_room(id);
        }
        Some(taken)
    }

    #[inline]
    fn gather(&mut self, id: Id, bytes: &[u8]) {
        let outgoing = &mut self.outgoing;
        outgoing.bytes.extend_from_slice(bytes);
        match outgoing.parts.last_mut() {
            Some(last) if last.id == id => last.length += bytes.len(),
            _ => outgoing.parts.push(Part { id, length: bytes.len() }),
        }
        if outgoing.parts.len() >= MOST_PARTS || outgoing.bytes.len() >= MOST_BYTES {
            self.write_gathered();
        }
    }

    /// Writes what was gathered. What the kernel refuses is kept.
    pub(super) fn write_gathered(&mut self) {
        let mut rest = &self.outgoing.bytes[..];
        let (mut failed, mut blocked) = (Vec::new(), Vec::new());
        for Part { id, length } in self.outgoing.parts.drain(..) {
            let (bytes, behind) = rest.split_at(length);
            rest = behind;
            let Some(stream) = self.table.stream(id) else { continue }; // It has gone meanwhile.
            stream.gathered = 0;
            stream.connection.send_or_keep(bytes, &mut self.pool);
            log::trace!("{id} wrote {length} bytes, {} were refused", stream.connection.queued());
            if stream.connection.has_failed() {
                failed.push(id);
            } else if stream.connection.is_blocked() {
                blocked.push(id);
            }
        }
        self.outgoing.bytes.clear();
        failed.into_iter().for_each(|id| self.schedule(id));
        blocked.into_iter().for_each(|id| self.watch_room(id));
    }
}
