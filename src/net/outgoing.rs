//! Small sends, gathered while the sources of a turn are driven.

use super::core::Core;
use super::socket::StreamSocket;
use crate::machines::Connection;
use crate::values::{Account, Config, Id, RESERVE};

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
/// [`RESERVE`] bytes a connection, and nothing behind what is already kept. And room is set aside for it
/// meanwhile, so that what others were told they have is still there when it is refused.
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

/// Sends as much as is taken; a `whole` message all, or not at all: `None`.
#[inline]
fn pass_on(
    connection: &mut Connection<StreamSocket>,
    bytes: &[u8],
    whole: bool,
    config: &Config,
    account: &mut Account,
) -> Option<usize> {
    match whole {
        false => Some(connection.send(bytes, config, account)),
        true => connection.send_all(bytes, config, account).then_some(bytes.len()),
    }
}

impl Core {
    /// Sends to a stream; returns how many bytes were taken, of `whole` messages all or none.
    #[inline]
    pub(super) fn send(&mut self, id: Id, bytes: &[u8], whole: bool) -> Option<usize> {
        let Some(mut stream) = self.table.stream(id) else {
            return self.send_early(id, bytes, whole);
        };
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
        let taken = pass_on(&mut stream.connection, bytes, whole, &self.config, &mut self.account);
        stream.note_moved(&mut self.account, self.clock.tick());
        if stream.connection.has_failed() {
            self.schedule(id);
        } else if stream.connection.is_blocked() {
            self.watch_room(id);
        }
        taken
    }

    /// The same for a connection that is being made: it leaves as soon as that has been.
    #[cold]
    fn send_early(&mut self, id: Id, bytes: &[u8], whole: bool) -> Option<usize> {
        let connection = self.table.connection(id)?;
        pass_on(connection, bytes, whole, &self.config, &mut self.account)
    }

    #[inline]
    fn gather(&mut self, id: Id, bytes: &[u8]) {
        self.account.promise(bytes.len());
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
            self.account.fulfil(length);
            let Some(stream) = self.table.stream(id) else { continue }; // It has gone meanwhile.
            stream.gathered = 0;
            stream.connection.send_or_keep(bytes, &mut self.account);
            stream.note_moved(&mut self.account, self.clock.tick());
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
