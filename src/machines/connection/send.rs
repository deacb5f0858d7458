//! The way out: straight to the kernel, and what it refuses is kept.

use std::{io, mem};

use super::state::{Input, Output, Refusal};
use super::{Connection, Kept, Stream};
use crate::values::{Account, ByteQueue, Cause, Config, Outcome, RESERVE, attempt};

impl<S: Stream> Connection<S> {
    /// How many bytes [`send`](Connection::send) takes whatever the kernel says.
    pub(crate) fn room(&self, config: &Config, account: &Account) -> usize {
        if self.output != Output::Open {
            return 0;
        }
        let queued = self.queued();
        let room = config.output_limit.saturating_sub(queued).min(account.free());
        if queued == 0 { room.max(RESERVE.min(config.output_limit)) } else { room }
    }

    /// Sends as much as the kernel takes and there is room for; returns how many bytes that was.
    pub(crate) fn send(&mut self, bytes: &[u8], config: &Config, account: &mut Account) -> usize {
        if self.output != Output::Open {
            self.is_broken_off();
            return 0;
        }
        let mut taken = 0;
        if self.latch.writable && self.kept.as_ref().is_none_or(|kept| kept.output.is_empty()) {
            taken = match self.write(bytes, account) {
                Ok(taken) if taken == bytes.len() => return taken,
                Ok(taken) => taken,
                Err(error) => {
                    self.break_output(error, account);
                    self.is_broken_off();
                    return 0;
                }
            };
        }
        let rest = &bytes[taken..];
        let keep = rest.len().min(self.room(config, account));
        if keep > 0 {
            self.kept.get_or_insert_default().output.push(&rest[..keep]);
            account.take(keep);
        }
        if keep < rest.len() {
            self.refusal = Refusal::Now;
        }
        taken + keep
    }

    /// Whether the kernel has refused something and has not said yet that there is room again.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        !self.latch.writable
    }

    /// Whether the kernel would be offered the next bytes at once.
    #[inline]
    pub(crate) fn is_straight(&self) -> bool {
        self.latch.writable && self.output == Output::Open && self.queued() == 0
    }

    /// Sends bytes that were taken before, so that what the kernel refuses is kept in any case.
    pub(crate) fn send_or_keep(&mut self, bytes: &[u8], account: &mut Account) {
        if matches!(self.output, Output::Shut | Output::Broken) {
            self.kept.get_or_insert_default().lost = true; // It has failed meanwhile.
            return;
        }
        let straight = self.latch.writable && self.queued() == 0;
        match if straight { self.write(bytes, account) } else { Ok(0) } {
            Ok(taken) if taken == bytes.len() => {}
            Ok(taken) => {
                self.kept.get_or_insert_default().output.push(&bytes[taken..]);
                account.take(bytes.len() - taken);
            }
            Err(error) => self.break_output(error, account),
        }
    }

    /// Writing has failed: nothing goes out any more. That says nothing about what has arrived, which is
    /// shown to the last byte; unless the service has to answer before it can take it.
    pub(super) fn break_output(&mut self, error: io::Error, account: &mut Account) {
        if self.input != Input::Flowing {
            return self.fail(Cause::Failed(error), account);
        }
        let kept = self.kept.get_or_insert_default();
        account.give_back(kept.output.len());
        kept.output = ByteQueue::new();
        kept.cause.get_or_insert(Cause::Failed(error));
        self.output = Output::Broken;
        self.writable(); // Nobody will: it is to be shown what is left, and see.
        self.latch.readable = true; // The event that told of this was perhaps the last one.
    }

    /// After a write has failed: the service is refused, and will be for ever.
    fn is_broken_off(&mut self) {
        if self.output == Output::Broken {
            self.refusal = Refusal::Now;
        }
    }

    /// Sends all of it, or nothing.
    pub(crate) fn send_all(
        &mut self,
        bytes: &[u8],
        config: &Config,
        account: &mut Account,
    ) -> bool {
        if bytes.len() <= self.room(config, account) {
            return self.send(bytes, config, account) == bytes.len();
        }
        if self.output == Output::Open {
            let in_the_way = !self.latch.writable || self.queued() > 0;
            self.refusal = match in_the_way {
                true => Refusal::Now,
                false if bytes.len() > config.output_limit => Refusal::Hopeless,
                false => Refusal::Crowded,
            };
        }
        self.is_broken_off();
        false
    }

    /// As if something had been refused just now. `false`: nothing is kept, so nothing has to go first.
    pub(crate) fn await_writable(&mut self) -> bool {
        let waits = self.output == Output::Open && self.queued() > 0;
        if waits {
            self.refusal = Refusal::Now;
        }
        waits
    }

    /// Takes out what is kept, for somebody who sends it in another way.
    pub(crate) fn take_queued(&mut self, account: &mut Account) -> ByteQueue {
        let output = self.kept.as_mut().map(|kept| mem::take(&mut kept.output)).unwrap_or_default();
        account.give_back(output.len());
        output
    }

    /// One write. Returns how many bytes the kernel took.
    #[inline]
    fn write(&mut self, bytes: &[u8], account: &mut Account) -> io::Result<usize> {
        match attempt(|| self.stream.write(bytes)) {
            Outcome::Done(taken) => {
                account.send(taken);
                // Less than all: the kernel's buffer is full, and an event will tell when it has
                // room again, epoll(7) question 9.
                self.latch.writable = taken == bytes.len();
                Ok(taken)
            }
            Outcome::Blocked => {
                self.latch.writable = false;
                Ok(0)
            }
            Outcome::Failed(error) => Err(error),
        }
    }

    /// Writes what is kept, as far as the kernel takes it.
    pub(super) fn flush(&mut self, account: &mut Account) -> io::Result<()> {
        while self.latch.writable && self.queued() > 0 {
            // The queue is lent out, so that `write` can be the one place that writes.
            let mut output = mem::take(&mut self.kept.get_or_insert_default().output);
            let written = self.write(output.as_slice(), account);
            if let Ok(taken) = written {
                output.consume(taken);
                account.give_back(taken);
            }
            self.kept.get_or_insert_default().output = output;
            written?;
        }
        let is_idle =
            |kept: &Kept| kept.input.is_empty() && kept.output.is_empty() && kept.cause.is_none();
        if self.kept.as_deref().is_some_and(is_idle) {
            self.kept = None;
        }
        Ok(())
    }

    /// Everything is out: tells the peer so. When its own end is known, closing alone tells.
    pub(super) fn shut(&mut self) {
        self.output = Output::Shut;
        if matches!(self.input, Input::Over | Input::Drained) {
            return;
        }
        match self.stream.shut_write() {
            Ok(true) => {}
            // There is no other direction, or no peer any more: nothing to linger for.
            Ok(false) | Err(_) if self.input == Input::Discarding => self.input = Input::Drained,
            Ok(false) | Err(_) => {}
        }
    }
}
