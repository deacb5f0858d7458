//! Standard output, for what is printed whole: results, pages, help.
//!
//! What could not be printed is an error, and not a success with nothing to show for it. But that nobody reads
//! any more, as in `| head`, is an end like any other.

use std::io::{self, ErrorKind, Write};

use super::closed;

/// Writes all of it.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    check()?;
    let mut output = io::stdout().lock();
    output.write_all(bytes).and_then(|()| output.flush())
}

/// Writes all of it, for as long as somebody reads; or says why it can't be.
pub(crate) fn print(bytes: &[u8]) -> Result<(), String> {
    judge(write(bytes))
}

/// Whether it can be written, as far as that can be known without doing it.
pub(crate) fn check() -> io::Result<()> {
    if closed::output_was_closed() { Err(closed::error()) } else { Ok(()) }
}

/// What an attempt to write comes to.
pub(crate) fn judge(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritable(&error)),
        _ => Ok(()),
    }
}

/// Why nothing can be printed.
pub(crate) fn unwritable(error: &io::Error) -> String {
    format!("cannot write to standard output: {}", echoloop::describe(error))
}

/// For those who want a [`Write`]. What nobody reads any more counts as written.
pub(crate) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check()?;
        match io::stdout().write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            done => done,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match io::stdout().flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    }
}
