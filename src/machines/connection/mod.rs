//! A stream and the bytes in flight on it.

mod receive;
mod send;
mod state;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

use state::{Appetite, Input, Output, Refusal};
pub(crate) use state::{Latch, Step};

use crate::values::{Account, ByteQueue, Cause, Config};

/// What a connection runs on: bytes in, bytes out, and an end of its own for each direction.
pub(crate) trait Stream: Read + Write {
    /// Tells the peer that nothing more will come, shutdown(2) with `SHUT_WR`. `Ok(false)`: the
    /// stream has no such thing, and only closing it tells.
    fn shut_write(&mut self) -> io::Result<bool>;

    /// Whether a read that brings less than was asked for has emptied it, so that an event will tell of
    /// what comes next. True of TCP, epoll(7) question 9. A terminal gives a line a read, and a Unix
    /// socket stops behind a descriptor that was passed along, whatever is in line after that.
    fn short_read_drains(&self) -> bool;
}

/// What a connection keeps while the kernel or the service doesn't take it. Most have none of this.
#[derive(Debug, Default)]
struct Kept {
    /// Arrived, and not taken by the service.
    input: ByteQueue,
    /// Sent by the service, and not taken by the kernel.
    output: ByteQueue,
    /// Why it will be gone, where the states don't tell.
    cause: Option<Cause>,
    /// Bytes were lost: it must not look like an end in order.
    lost: bool,
}

/// A stream and the bytes in flight on it. Knows nothing of sockets, pollers or the clock.
///
/// ```text
///              ┌──────────────── Connection ────────────────┐
///   kernel ──▶ │ shared buffer ──▶ service ──▶ straight out │ ──▶ kernel
///              │       │ not taken              │ refused   │
///              │   kept.input              kept.output      │
///              └────────────────────────────────────────────┘
/// ```
///
/// Gone when both directions have ended: input `Over` or `Drained`, output `Shut`.
///
/// The methods that move bytes are the only ones that do, and enter them into the [`Account`].
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    latch: Latch,
    /// The poller has said so. It says so once, perhaps together with the last bytes.
    hung_up: bool,
    input: Input,
    output: Output,
    appetite: Appetite,
    refusal: Refusal,
    kept: Option<Box<Kept>>,
}

/// Which directions a descriptor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Both: a socket, a terminal.
    Both,
    /// It can only be read: the output of a child.
    Read,
    /// It can only be written: the input of a child. It is gone once it has been
    /// [finished](crate::Context::finish) and flushed.
    Write,
}

impl<S: Stream> Connection<S> {
    /// A connection that may have one direction only.
    pub(crate) fn half(stream: S, half: Half) -> Connection<S> {
        let mut connection = Connection::new(stream);
        match half {
            Half::Both => {}
            Half::Read => connection.output = Output::Shut,
            Half::Write => connection.input = Input::Over,
        }
        connection
    }

    /// A connection that flows in both directions.
    pub(crate) fn new(stream: S) -> Connection<S> {
        Connection {
            stream,
            latch: Latch::default(),
            hung_up: false,
            input: Input::Flowing,
            output: Output::Open,
            appetite: Appetite::Hungry,
            refusal: Refusal::None,
            kept: None,
        }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream alone, to be used elsewhere.
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Why the stream alone would not be all of it: something is kept, or is still to be done.
    pub(crate) fn holds(&self) -> Option<&'static str> {
        if self.unread() > 0 {
            return Some("bytes have arrived that were not taken");
        }
        if self.queued() > 0 {
            return Some("bytes are kept that the kernel has not taken");
        }
        match (self.input, self.output) {
            (Input::Flowing, Output::Open | Output::Shut) | (Input::Over, Output::Open) => None,
            _ => Some("it is closing"),
        }
    }

    /// Puts the stream that was being made in the place of the one that stood for it. It can be written
    /// to, and is as readable as was said meanwhile.
    pub(crate) fn connected(&mut self, stream: S) {
        self.stream = stream;
        self.latch.writable = true;
    }

    /// Another try with another stream: what was said of the last one doesn't hold for it.
    pub(crate) fn unlatch(&mut self) {
        (self.latch, self.hung_up) = (Latch::default(), false);
    }

    /// Remembers what an event says.
    pub(crate) fn latch(&mut self, ready: Latch) {
        self.latch.readable |= ready.readable;
        self.latch.writable |= ready.writable;
        self.latch.read_on |= ready.read_on;
    }

    /// Bytes that wait for the kernel to take them.
    pub(crate) fn queued(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.output.len())
    }

    /// Bytes that wait for the service to take them.
    pub(crate) fn unread(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.input.len())
    }

    /// Whether nothing is left to be done before the next event: what [`advance`](Self::advance) would
    /// find out too.
    #[inline]
    pub(crate) fn rests(&self) -> bool {
        !self.latch.readable
            && self.kept.is_none()
            && self.input == Input::Flowing
            && self.output == Output::Open
            && self.refusal == Refusal::None
    }

    /// Whether it only waits for its end: the linger deadline counts, not the idle timeout.
    pub(crate) fn is_closing(&self) -> bool {
        match self.input {
            Input::Flowing => false,
            Input::Over => self.output != Output::Open,
            Input::Discarding | Input::Drained | Input::Failed => true,
        }
    }

    /// Whether our own end has been sent, so that only the peer can move now.
    pub(crate) fn is_shut(&self) -> bool {
        self.output == Output::Shut
    }

    /// Whether it failed since it was last advanced, so that it must be advanced.
    pub(crate) fn has_failed(&self) -> bool {
        self.input == Input::Failed || self.output == Output::Broken
    }

    /// Whether the service has asked for a pause, and is still in it.
    pub(crate) fn is_paused(&self) -> bool {
        self.input == Input::Flowing && self.appetite == Appetite::Paused
    }

    /// Whether it waits for its own output to go before it shows any more.
    pub(crate) fn is_full(&self) -> bool {
        self.input == Input::Flowing && self.appetite == Appetite::Full
    }

    /// Whether all that has arrived was shown to the service, what it answered has found room, and
    /// the service has not begun to close. In a pause, whether nothing is left that could be shown.
    pub(crate) fn is_drained(&self) -> bool {
        match self.input {
            Input::Flowing => match self.appetite {
                Appetite::Hungry => !self.latch.readable,
                Appetite::Paused => !self.latch.readable && self.unread() == 0,
                Appetite::Again | Appetite::Full => false,
            },
            Input::Over => self.output == Output::Open,
            Input::Discarding | Input::Drained | Input::Failed => false,
        }
    }

    /// Whether bytes were lost that a peer or a service takes for delivered: then closing must tell.
    pub(crate) fn has_lost(&self) -> bool {
        self.kept
            .as_ref()
            .is_some_and(|kept| kept.lost || !kept.input.is_empty() || !kept.output.is_empty())
    }

    /// Ends both directions politely: what is kept is sent, then the peer is told, then what it still
    /// sends is read and thrown away until its own end.
    pub(crate) fn close(&mut self, cause: Option<Cause>, account: &mut Account) {
        if self.input == Input::Flowing {
            self.input = Input::Discarding;
        }
        if let Some(kept) = &mut self.kept {
            account.give_back(kept.input.len());
            kept.input = ByteQueue::new();
        }
        if cause.is_some() && self.input != Input::Failed {
            let kept = self.kept.get_or_insert_default();
            // The first reason counts; that of the stop is none that anybody has stated.
            if matches!(kept.cause, None | Some(Cause::Stopped)) {
                kept.cause = cause;
            }
        }
        if self.output == Output::Broken {
            return self.fail(Cause::Closed, account); // Nothing is left that could be polite.
        }
        if self.input == Input::Discarding && self.output == Output::Shut {
            self.shut(); // Shut before; what has no such thing has nothing to linger for either.
        }
        self.finish();
    }

    /// Ends our direction: what is kept is sent, then the peer is told. Its own direction goes on.
    pub(crate) fn finish(&mut self) {
        if self.output == Output::Open {
            self.output = Output::Flushing;
            self.writable();
        }
    }

    /// After a refusal, there is nothing to wait for any more.
    fn writable(&mut self) {
        self.refusal = Refusal::None;
        if self.appetite == Appetite::Full {
            self.appetite = Appetite::Again;
        }
    }

    /// The poller says that the stream is broken. Whoever reads or writes will hear it from the
    /// stream, after the last bytes; this is for a connection that does neither.
    pub(crate) fn hung_up(&mut self, error: bool, account: &mut Account) {
        self.hung_up = true;
        let deaf = match self.input {
            Input::Flowing => error && matches!(self.appetite, Appetite::Paused | Appetite::Full),
            // Once our own end is on its way too, this is the end of both, in order.
            Input::Over => self.output == Output::Open,
            Input::Discarding | Input::Drained | Input::Failed => false,
        };
        if deaf && self.queued() == 0 {
            self.fail(Cause::Failed(io::ErrorKind::ConnectionReset.into()), account);
        }
    }

    /// Ends both directions at once, whatever is kept. A cause that was stated before stays.
    pub(crate) fn fail(&mut self, cause: Cause, account: &mut Account) {
        let cause = self.end(cause, account);
        self.kept.get_or_insert_default().cause = Some(cause);
    }

    /// The same, and it must not look like an end in order, whether or not anything that was kept here is lost.
    pub(crate) fn break_off(&mut self, cause: Cause, account: &mut Account) {
        self.lose();
        self.fail(cause, account);
    }

    /// Something is lost that isn't here, so from now on it can't end in order.
    pub(crate) fn lose(&mut self) {
        self.kept.get_or_insert_default().lost = true;
    }

    /// Shows the service nothing more before [`resume`](Connection::resume).
    pub(crate) fn pause(&mut self) {
        self.appetite = Appetite::Paused;
    }

    /// Ends a pause, if there is one; what was not taken is shown again.
    pub(crate) fn resume(&mut self) {
        if matches!(self.appetite, Appetite::Paused | Appetite::Hungry) {
            self.appetite = Appetite::Again;
        }
    }

    /// Does one thing that can be done now, without waiting.
    ///
    /// `buffer` is shared by all connections, and as long as the input limit and one read together.
    /// What was kept is put at its front, so that the service sees it with more behind.
    pub(crate) fn advance(
        &mut self,
        buffer: &mut [u8],
        config: &Config,
        account: &mut Account,
    ) -> Step {
        if self.kept.is_some()
            && let Err(error) = self.flush(account)
        {
            self.break_output(error, account);
        }
        if self.output == Output::Flushing && self.queued() == 0 {
            self.shut();
        }
        if matches!(self.refusal, Refusal::Earlier | Refusal::Now)
            && self.latch.writable
            && self.queued() == 0
            && self.output != Output::Broken
        {
            self.writable();
            return Step::Writable;
        }
        match (self.input, self.output) {
            (Input::Flowing, _) => self.feed(buffer, config, account),
            (Input::Discarding, _) => self.discard(buffer, config, account),
            (Input::Over, Output::Shut) => self.gone(Cause::Ended, account),
            (Input::Over, Output::Open) if self.hung_up && self.queued() == 0 => {
                self.gone(Cause::Failed(io::ErrorKind::ConnectionReset.into()), account)
            }
            (Input::Drained | Input::Failed, Output::Shut) => self.gone(Cause::Closed, account),
            (Input::Over | Input::Drained | Input::Failed, _) => Step::Wait,
        }
    }

    /// Gone: for the reason that was stated, or else for this one.
    fn gone(&mut self, cause: Cause, account: &mut Account) -> Step {
        Step::Gone(self.end(cause, account))
    }

    /// Nothing moves any more. Returns why: the first reason that was stated, or else this one.
    pub(crate) fn end(&mut self, cause: Cause, account: &mut Account) -> Cause {
        let stated = self.kept.as_mut().and_then(|kept| kept.cause.take());
        let lost = self.has_lost();
        self.drop_kept(account);
        if lost {
            self.kept = Some(Box::new(Kept { lost, ..Kept::default() }));
        }
        (self.input, self.output) = (Input::Failed, Output::Shut);
        self.refusal = Refusal::None; // No room will be found any more.
        match (stated, cause) {
            // That it was to end because of a stop doesn't say that it has not ended well.
            (Some(Cause::Stopped), cause @ (Cause::Lingered | Cause::Idle)) => cause,
            (stated, cause) => stated.unwrap_or(cause),
        }
    }

    /// Gives everything kept back to the account. Must be called before a connection is dropped.
    pub(crate) fn drop_kept(&mut self, account: &mut Account) {
        if let Some(kept) = self.kept.take() {
            account.give_back(kept.input.len() + kept.output.len());
        }
    }
}
