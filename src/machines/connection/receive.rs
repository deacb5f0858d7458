//! The way in: from the kernel to the service, and what it doesn't take is kept.

use std::{io, mem};

use super::state::{Appetite, Input, Latch, Refusal, Step};
use super::{Connection, Stream};
use crate::values::{Cause, Config, Outcome, Pool, RESERVE, attempt};

impl<S: Stream> Connection<S> {
    /// Saves what the service didn't take of what it was shown.
    pub(crate) fn keep(&mut self, rest: &[u8], taken: usize, config: &Config, pool: &mut Pool) {
        if rest.is_empty() || self.input != Input::Flowing {
            return; // All taken, or closed meanwhile, so that nobody will ask for the rest.
        }
        self.kept.get_or_insert_default().input.push(rest);
        pool.take(rest.len());
        if self.appetite == Appetite::Paused {
            return;
        }
        let lacks_memory = pool.free() == 0;
        match self.refusal {
            Refusal::Now => self.appetite = Appetite::Full,
            Refusal::Hopeless if taken > 0 => self.appetite = Appetite::Again,
            Refusal::Hopeless if lacks_memory => self.fail(Cause::KeptTotal, pool),
            Refusal::Hopeless => self.fail(Cause::OutputLimit, pool),
            // It will go on with what it has.
            _ if taken > 0 && self.appetite == Appetite::Again => {}
            _ if rest.len() >= config.input_limit => self.fail(Cause::InputLimit, pool),
            _ if rest.len() > RESERVE && lacks_memory => self.fail(Cause::KeptTotal, pool),
            _ => {}
        }
    }

    /// Shows the service what has arrived, if it wants to see it.
    pub(super) fn feed(&mut self, buffer: &mut [u8], config: &Config, pool: &mut Pool) -> Step {
        match self.appetite {
            Appetite::Paused | Appetite::Full => return Step::Wait,
            Appetite::Hungry => {}
            Appetite::Again => {
                self.appetite = Appetite::Hungry;
                let bytes = self.take_unread(buffer, pool);
                if bytes > 0 {
                    return self.show(bytes, 0);
                }
            }
        }
        if !self.latch.readable {
            return Step::Wait;
        }
        let kept = self.unread();
        let most = self.read_size(config, pool);
        if most == 0 {
            return Step::Wait;
        }
        match self.read(&mut buffer[kept..kept + most]) {
            Ok(0) if self.latch.readable => {}
            Ok(0) => return Step::Wait,
            Ok(read) => {
                let bytes = self.take_unread(buffer, pool) + read;
                return self.show(bytes, read);
            }
            Err(error) => return self.gone(Cause::Failed(error), pool),
        }
        self.input = Input::Over;
        Step::Ended { rest: self.take_unread(buffer, pool) }
    }

    fn show(&mut self, bytes: usize, read: usize) -> Step {
        self.refusal = match self.refusal {
            Refusal::Now => Refusal::Earlier,
            Refusal::Hopeless => Refusal::None,
            other => other,
        };
        Step::Show { bytes, read }
    }

    /// Moves what was kept to the front of the buffer.
    #[inline]
    fn take_unread(&mut self, buffer: &mut [u8], pool: &mut Pool) -> usize {
        let Some(kept) = &mut self.kept else { return 0 };
        let input = mem::take(&mut kept.input);
        buffer[..input.len()].copy_from_slice(input.as_slice());
        pool.give_back(input.len());
        input.len()
    }

    /// How much may be read, so that what the service may leave can be kept. 0: it has to wait until
    /// its own output has gone.
    fn read_size(&self, config: &Config, pool: &Pool) -> usize {
        if pool.free() >= config.read_buffer {
            config.read_buffer
        } else if self.queued() == 0 {
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
                // Less than asked for: the socket is empty, epoll(7) question 9, and the read that
                // would only say so is saved. Unless it stopped at an urgent mark, or the end is near.
                let drained = 0 < read && read < buffer.len() && !self.latch.read_on;
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
    pub(super) fn discard(&mut self, buffer: &mut [u8], config: &Config, pool: &mut Pool) -> Step {
        if !self.latch.readable {
            return Step::Wait;
        }
        match self.read(buffer) {
            Ok(0) if self.latch.readable => {
                self.input = Input::Drained;
                self.advance(buffer, config, pool)
            }
            Ok(0) => Step::Wait,
            Ok(read) => Step::Discarded(read),
            Err(error) => self.gone(Cause::Failed(error), pool),
        }
    }
}
