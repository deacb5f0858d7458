//! The way in: from the kernel to the service, and what it doesn't take is kept.

use std::{io, mem};

use super::state::{Appetite, Input, Latch, Output, Refusal, Step};
use super::{Connection, Stream};
use crate::values::{Account, ByteQueue, Cause, Config, Outcome, RESERVE, attempt};

impl<S: Stream> Connection<S> {
    /// What was read before it was a connection, and is the first to be shown.
    pub(crate) fn begin_with(&mut self, bytes: &[u8], account: &mut Account) {
        if !bytes.is_empty() {
            self.kept.get_or_insert_default().input.push(bytes);
            account.take(bytes.len());
            account.receive(bytes.len());
            self.appetite = Appetite::Again;
        }
    }

    /// Saves what the service didn't take of what it was shown.
    pub(crate) fn keep(
        &mut self,
        rest: &[u8],
        taken: usize,
        config: &Config,
        account: &mut Account,
    ) {
        if rest.is_empty() || self.input != Input::Flowing {
            // All taken, or closed meanwhile, so that nobody will ask for the rest.
            return self.forgo(rest.len());
        }
        self.kept.get_or_insert_default().input.push(rest);
        account.take(rest.len());
        self.weigh(rest.len(), taken, config, account);
    }

    /// The same for what was shown [again](Step::Again): it goes back to where it was.
    pub(crate) fn put_back(
        &mut self,
        mut input: ByteQueue,
        taken: usize,
        config: &Config,
        account: &mut Account,
    ) {
        input.consume(taken);
        if input.is_empty() || self.input != Input::Flowing {
            return self.forgo(input.len());
        }
        let rest = input.len();
        account.take(rest);
        self.kept.get_or_insert_default().input = input;
        self.weigh(rest, taken, config, account);
    }

    /// So many bytes of the input will never be taken. If it was aborted meanwhile, the peer has to know.
    fn forgo(&mut self, bytes: usize) {
        if bytes > 0 && self.input == Input::Failed {
            self.lose();
        }
    }

    /// Decides what the service's leaving a rest of its input means.
    fn weigh(&mut self, rest: usize, taken: usize, config: &Config, account: &mut Account) {
        if self.appetite == Appetite::Paused {
            return;
        }
        let lacks_memory = account.free() == 0;
        match self.refusal {
            // It wants to answer, and nothing can be answered any more.
            Refusal::Now if self.output == Output::Broken => self.fail(Cause::Closed, account),
            Refusal::Now => self.appetite = Appetite::Full,
            Refusal::Hopeless | Refusal::Crowded if taken > 0 => self.appetite = Appetite::Again,
            Refusal::Hopeless => self.fail(Cause::OutputLimit, account),
            Refusal::Crowded => self.fail(Cause::BufferLimit, account),
            // It will go on with what it has.
            _ if taken > 0 && self.appetite == Appetite::Again => {}
            _ if rest >= config.input_limit => self.fail(Cause::InputLimit, account),
            _ if rest > RESERVE && lacks_memory => self.fail(Cause::BufferLimit, account),
            _ => {}
        }
    }

    /// Shows the service what has arrived, if it wants to see it.
    pub(super) fn feed(
        &mut self,
        buffer: &mut [u8],
        config: &Config,
        account: &mut Account,
    ) -> Step {
        match self.appetite {
            Appetite::Paused | Appetite::Full => return Step::Wait,
            Appetite::Hungry => {}
            Appetite::Again => {
                self.appetite = Appetite::Hungry;
                if let Some(kept) = self.kept.as_mut().filter(|kept| !kept.input.is_empty()) {
                    let input = mem::take(&mut kept.input);
                    account.give_back(input.len());
                    self.refuse_anew();
                    return Step::Again(input);
                }
            }
        }
        if !self.latch.readable {
            return self.nothing_to_show(account);
        }
        let kept = self.unread();
        let most = self.read_size(config, account);
        if most == 0 {
            return Step::Wait;
        }
        match self.read(&mut buffer[kept..kept + most]) {
            Ok(0) if self.latch.readable => {}
            Ok(0) => return self.nothing_to_show(account),
            Ok(read) => {
                account.receive(read);
                let bytes = self.take_unread(buffer, account) + read;
                self.refuse_anew();
                return Step::Show { bytes, read };
            }
            Err(error) => return self.gone(Cause::Failed(error), account),
        }
        if self.output == Output::Broken {
            // Whether this is an end or a reset can't be told any more: writing has heard of it first.
            return self.nothing_to_show(account);
        }
        self.input = Input::Over;
        Step::Ended { rest: self.take_unread(buffer, account) }
    }

    /// More may come; unless writing has failed, and all that had arrived by then has been shown.
    fn nothing_to_show(&mut self, account: &mut Account) -> Step {
        match self.output {
            Output::Broken => self.gone(Cause::Closed, account),
            _ => Step::Wait,
        }
    }

    /// The service is about to be shown something: what is refused from here on is new.
    fn refuse_anew(&mut self) {
        self.refusal = match self.refusal {
            Refusal::Now => Refusal::Earlier,
            Refusal::Hopeless | Refusal::Crowded => Refusal::None,
            other => other,
        };
    }

    /// Moves what was kept to the front of the buffer.
    #[inline]
    fn take_unread(&mut self, buffer: &mut [u8], account: &mut Account) -> usize {
        let Some(kept) = &mut self.kept else { return 0 };
        let input = mem::take(&mut kept.input);
        buffer[..input.len()].copy_from_slice(input.as_slice());
        account.give_back(input.len());
        input.len()
    }

    /// How much may be read, so that what the service may leave can be kept. 0: it has to wait until
    /// its own output has gone.
    fn read_size(&self, config: &Config, account: &Account) -> usize {
        if account.free() >= config.read_buffer {
            config.read_buffer
        } else if self.queued() == 0 || self.unread() == 0 {
            // Also with output kept: it may be for a peer that waits for us to read.
            RESERVE
        } else {
            0
        }
    }

    /// One read. 0 with the latch still set: the peer has sent its last byte.
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match attempt(|| self.stream.read(buffer)) {
            Outcome::Done(read) => {
                // Less than asked for: it is empty, and the read that would only say so is saved.
                // Unless it stopped at an urgent mark, or the end is near.
                let drained = 0 < read
                    && read < buffer.len()
                    && !self.latch.read_on
                    && self.stream.short_read_drains();
                self.latch.readable = !drained;
                Ok(read)
            }
            Outcome::Blocked => {
                self.latch = Latch { readable: false, read_on: false, ..self.latch };
                Ok(0)
            }
            Outcome::Failed(error) => Err(error),
        }
    }

    /// Reads on after the service has closed.
    pub(super) fn discard(
        &mut self,
        buffer: &mut [u8],
        config: &Config,
        account: &mut Account,
    ) -> Step {
        if !self.latch.readable {
            return Step::Wait;
        }
        match self.read(buffer) {
            Ok(0) if self.latch.readable => {
                self.input = Input::Drained;
                self.advance(buffer, config, account)
            }
            Ok(0) => Step::Wait,
            Ok(read) => {
                account.discard(read);
                Step::Discarded(read)
            }
            Err(error) => self.gone(Cause::Failed(error), account),
        }
    }
}
