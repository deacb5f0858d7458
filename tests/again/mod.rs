//! Calls that a test must not be interrupted in.

use std::io;

/// The call once more for as long as something interrupts it: what has a time limit is not taken up again
/// by itself when the process has been stopped or frozen for a while, signal(7).
pub(crate) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
