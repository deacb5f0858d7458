//! Sending to streams.

use super::core::Core;
use super::socket::StreamSocket;
use crate::machines::Connection;
use crate::values::{Account, Act, Config, Id, RESERVE};

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
        if self.outgoing.is_open() {
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
        self.outgoing.gather(id, bytes);
        if self.outgoing.is_full() {
            self.write_gathered();
        }
    }

    /// Writes what was gathered. What the kernel refuses is kept.
    pub(super) fn write_gathered(&mut self) {
        let gathered = self.outgoing.take();
        for (id, bytes) in gathered.parts() {
            self.account.fulfil(bytes.len());
            let Some(stream) = self.table.stream(id) else { continue }; // It has gone meanwhile.
            stream.gathered = 0;
            stream.connection.send_or_keep(bytes, &mut self.account);
            stream.note_moved(&mut self.account, self.clock.tick());
            let (length, queued) = (bytes.len(), stream.connection.queued());
            self.watch.note(id, || Act::Wrote { length, queued });
            if stream.connection.has_failed() {
                self.schedule(id);
            } else if stream.connection.is_blocked() {
                self.watch_room(id);
            }
        }
        self.outgoing.put_back(gathered);
    }
}
