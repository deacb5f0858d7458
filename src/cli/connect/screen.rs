//! Standard output as a source: what it doesn't take is kept, and somebody waits.

use std::io;
use std::os::fd::OwnedFd;

use echoloop::{Cause, Context, Half, Id, describe};

use super::hex::Dump;
use super::{Ending, WRITE, cannot};

/// Standard output.
///
/// What the loop doesn't take at once is kept here, one piece. Whoever printed it prints nothing more
/// until [`writable`](Screen::writable) says so.
#[derive(Debug)]
pub(super) struct Screen {
    descriptor: Option<OwnedFd>,
    id: Option<Id>,
    rest: Vec<u8>,
    dumps: Option<Dumps>,
    closing: bool,
}

#[derive(Debug)]
struct Dumps {
    sent: Dump,
    received: Dump,
}

impl Screen {
    pub(super) fn new(descriptor: OwnedFd, hex: bool) -> Screen {
        let dumps = hex.then(|| Dumps { sent: Dump::new('>'), received: Dump::new('<') });
        Screen { descriptor: Some(descriptor), id: None, rest: Vec::new(), dumps, closing: false }
    }

    /// Gives standard output to the loop.
    pub(super) fn open(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        if let Some(descriptor) = self.descriptor.take() {
            self.id = Some(cx.adopt(descriptor, Half::Write).map_err(cannot(WRITE))?);
        }
        Ok(())
    }

    /// Whether this is its id.
    pub(super) fn is(&self, id: Id) -> bool {
        self.id == Some(id)
    }

    /// Whether it is in the loop.
    pub(super) fn is_open(&self) -> bool {
        self.id.is_some()
    }

    /// Whether all that was printed has been taken.
    pub(super) fn is_clear(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes wait here.
    pub(super) fn waiting(&self) -> usize {
        self.rest.len()
    }

    /// Prints a piece of a stream.
    pub(super) fn received(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        match &mut self.dumps {
            Some(dumps) => {
                let rows = dumps.received.rows(bytes);
                self.print(cx, rows.as_bytes());
            }
            None => self.print(cx, bytes),
        }
    }

    /// Prints a datagram, as a line.
    pub(super) fn received_datagram(&mut self, cx: &mut Context<'_>, payload: &[u8]) {
        if let Some(dumps) = &mut self.dumps {
            dumps.received.restart();
            return self.received(cx, payload);
        }
        self.print(cx, payload);
        if !payload.ends_with(b"\n") {
            self.print(cx, b"\n");
        }
    }

    /// Shows what was sent, if that is wanted.
    pub(super) fn sent(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        if let Some(dumps) = &mut self.dumps {
            let rows = dumps.sent.rows(bytes);
            self.print(cx, rows.as_bytes());
        }
    }

    /// The same for a datagram.
    pub(super) fn sent_datagram(&mut self, cx: &mut Context<'_>, payload: &[u8]) {
        if let Some(dumps) = &mut self.dumps {
            dumps.sent.restart();
            self.sent(cx, payload);
        }
    }

    fn print(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let Some(id) = self.id else { return };
        let taken = if self.rest.is_empty() { cx.source(id).send(bytes) } else { 0 };
        self.rest.extend_from_slice(&bytes[taken..]);
    }

    /// There is room again. Returns whether everything is out, so that more may be printed.
    pub(super) fn writable(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(id) = self.id else { return false };
        let taken = cx.source(id).send(&self.rest);
        self.rest.drain(..taken);
        if self.closing && self.rest.is_empty() {
            cx.source(id).close();
        }
        self.rest.is_empty()
    }

    /// Closes when everything is out; `closed` tells.
    pub(super) fn close(&mut self, cx: &mut Context<'_>) {
        self.closing = true;
        if self.rest.is_empty()
            && let Some(id) = self.id
        {
            cx.source(id).close();
        }
    }

    /// Why it has gone. That nobody reads any more, as in `| head`, is an end like any other.
    pub(super) fn closed(&self, cause: &Cause, ending: &mut Ending) {
        if let Cause::Failed(error) = cause {
            match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {}
                _ => ending.fail(format!("cannot write to standard output: {}", describe(error))),
            }
        }
    }
}
