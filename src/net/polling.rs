//! What the poller is asked to tell.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

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
    /// Puts a source into the table and its descriptor into the poller, edge-triggered. The flag tells
    /// whether the poller took it; files it doesn't, since they are always ready.
    pub(super) fn insert(
        &mut self,
        service: ServiceKey,
        source: Source,
        descriptor: RawFd,
    ) -> io::Result<(Id, bool)> {
        let interest = match &source {
            Source::Stream(stream) => stream_interest(stream.polled),
            Source::Proxied(proxied) => stream_interest(Polled::of_accepted(&proxied.socket)),
            // Nobody waits for room on a datagram socket, and there each datagram that has left is an
            // edge: an event for each answer.
            _ => Interest::READABLE,
        };
        let id = self.table.insert(service, source);
        match self.register(descriptor, id, interest) {
            Ok(polled) => {
                self.roster.join(service);
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

    /// The flag is the one of [`insert`](Core::insert).
    pub(super) fn register(
        &self,
        descriptor: RawFd,
        id: Id,
        interest: Interest,
    ) -> io::Result<bool> {
        let token = Token(id.to_bits());
        match self.poll.registry().register(&mut SourceFd(&descriptor), token, interest) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(false),
            Err(error) => Err(error),
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
        let raw = stream.connection.stream().as_fd().as_raw_fd();
        let (token, interest) = (Token(id.to_bits()), stream_interest(Polled::Both));
        if let Err(error) = self.poll.registry().reregister(&mut SourceFd(&raw), token, interest) {
            stream.connection.fail(Cause::Failed(error), &mut self.account);
            self.schedule(id);
        }
    }

    /// The descriptor may not be ours alone, and then closing it would not end its events.
    pub(super) fn deregister(&self, descriptor: &impl AsFd) {
        let raw = descriptor.as_fd().as_raw_fd();
        if let Err(error) = self.poll.registry().deregister(&mut SourceFd(&raw)) {
            log::trace!("was not in the poller: {error}");
        }
    }
}
