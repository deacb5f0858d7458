//! The one place that knows `WouldBlock` and `Interrupted`.

use std::{io, mem};

/// What one non-blocking call came to.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// It did something.
    Done(T),
    /// It would have had to wait. On an edge-triggered poller an event will tell when not any more.
    Blocked,
    /// It can't be done.
    Failed(io::Error),
}

/// Makes the call, and makes it again for as long as a signal interrupts it.
#[inline]
pub(crate) fn attempt<T>(mut call: impl FnMut() -> io::Result<T>) -> Outcome<T> {
    loop {
        return match call() {
            Ok(done) => Outcome::Done(done),
            // The system's own errors are numbers. Forgotten, they need no code, at each call, that would see
            // whether there is something to drop.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                mem::forget(error);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                mem::forget(error);
                Outcome::Blocked
            }
            Err(error) => Outcome::Failed(error),
        };
    }
}
