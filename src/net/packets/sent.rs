//! What has become of datagrams.

use std::io;

/// What has become of the datagrams of one flush.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Datagrams that the kernel has taken.
    pub(crate) datagrams: u64,
    /// The bytes of their payloads.
    pub(crate) bytes: u64,
    /// Dropped because there was no room, in our send buffer or (Unix) at the receiver.
    pub(crate) refused: u64,
    /// Dropped because of an error, of which the last is kept.
    pub(crate) failed: u64,
    /// Concerns one datagram, not the socket.
    pub(crate) last_error: Option<io::Error>,
}

impl Sent {
    /// What has become of one more.
    #[inline]
    pub(super) fn count(&mut self, payload: &[u8], result: io::Result<()>) {
        match result {
            Ok(()) => {
                self.datagrams += 1;
                self.bytes += payload.len() as u64;
            }
            Err(error) => self.count_refusal(error),
        }
    }

    #[cold]
    fn count_refusal(&mut self, error: io::Error) {
        if no_room(&error) {
            self.refused += 1;
        } else {
            self.failed += 1;
            self.last_error = Some(error);
        }
    }
}

/// Whether there was no room for it in a buffer: nothing is wrong with the datagram or the socket.
pub(super) fn no_room(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}
