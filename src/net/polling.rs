//! What the poller is asked to tell.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::core::Core;
use super::socket::Polled;
use super::table::Source;
use crate::values::{Cause, Id, ServiceKey};

/// What to ask of the poller for a stream.
pub(super) fn stream_interest(polled: Polled) -> Interest {
    let interest = match polled {
        Polled::Nothing | Polled::Input => Interest::READABLE,
        Polled::Both => Interest::READABLE | Interest::WRITABLE,
    };
    // A read stops at an urgent mark; this event tells that there is more behind.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return interest | Interest::PRIORITY;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return interest;
}

impl Core {
    /// Puts a source into the table, and has its events told. The flag says whether they will be: files
    /// have none, since they are always ready.
    pub(super) fn insert(&mut self, service: ServiceKey, source: Source) -> io::Result<(Id, bool)> {
        let id = self.table.insert(service, source);
        let registry = self.poll.registry();
        // Nobody waits for room on a datagram socket, and there each datagram that has left is an
        // edge: an event for each answer.
        let input = Interest::READABLE;
        let watched = match self.table.get(id).map(|entry| &entry.source) {
            Some(Source::Stream(stream)) => {
                let interest = stream_interest(stream.polled);
                stream.connection.stream().watch(registry, id, interest)
            }
            Some(Source::Proxied(proxied)) => {
                let interest = stream_interest(Polled::of_accepted(&proxied.socket));
                proxied.socket.watch(registry, id, interest)
            }
            Some(Source::Listener(listener)) => listener.socket.watch(registry, id, input),
            Some(Source::Datagram(datagram)) => datagram.socket.watch(registry, id, input),
            Some(Source::Dial(_)) | None => Ok(true),
        };
        match watched {
            Ok(polled) => {
                self.roster.join(service);
                self.note_made(id);
                if let Some(bound) = self.table.datagram(id).and_then(|datagram| datagram.bound) {
                    self.guard.bound(bound);
                }
                Ok((id, polled))
            }
            Err(error) => {
                self.table.remove(id);
                Err(error)
            }
        }
    }

    /// A stream has found no room. From now on the poller tells when there is some, if it didn't before.
    #[cold]
    pub(super) fn watch_room(&mut self, id: Id) {
        let Some(stream) = self.table.stream(id) else { return };
        if stream.polled != Polled::Input {
            return;
        }
        stream.polled = Polled::Both;
        let Some(descriptor) = stream.connection.stream().descriptor() else { return };
        let raw = descriptor.as_raw_fd();
        let (token, interest) = (Token(id.to_bits()), stream_interest(Polled::Both));
        if let Err(error) = self.poll.registry().reregister(&mut SourceFd(&raw), token, interest) {
            stream.connection.fail(Cause::Failed(error), &mut self.account);
            self.schedule(id);
        }
    }

    /// The descriptor may not be ours alone, and then closing it would not end its events. In memory there
    /// is none.
    pub(super) fn deregister(&self, descriptor: Option<BorrowedFd<'_>>) {
        let Some(descriptor) = descriptor else { return };
        let raw = descriptor.as_raw_fd();
        if let Err(error) = self.poll.registry().deregister(&mut SourceFd(&raw)) {
            log::trace!("was not in the poller: {error}");
        }
    }
}
