//! What other threads want done.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, mem};

use mio::{Registry, Token, Waker};

use super::service::Context;
use super::stopping::Stop;
use crate::values::{COMMANDS_PER_SHARE, HandleError, Id};

/// Something to be run on the loop.
pub(super) type Run = Box<dyn FnOnce(&mut Context<'_>) + Send>;

/// The loop's end of the queue that all its handles put into.
#[derive(Debug)]
pub(super) struct Commands {
    shared: Arc<Shared>,
    /// A handle has woken the loop, or more is there than one share.
    pending: bool,
}

/// What the handles hold. Nothing is run, and nobody waits, while it is locked.
#[derive(Debug)]
pub(super) struct Shared {
    waker: Waker,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    runs: VecDeque<Run>,
    /// Apart from the queue, which may be full.
    stops: Vec<Stop>,
    /// The reactor has stopped, or is gone.
    is_closed: bool,
}

impl Commands {
    pub(super) fn new(registry: &Registry, most: usize) -> io::Result<Commands> {
        let waker = Waker::new(registry, Token(Id::NONE.to_bits()))?;
        let shared = Shared { waker, most, state: Mutex::default() };
        Ok(Commands { shared: Arc::new(shared), pending: false })
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The poller has told that a handle woke the loop.
    pub(super) fn wake(&mut self) {
        self.pending = true;
    }

    /// Whether there may be something to do without an event.
    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Whether to stop, and as much of what is to be run as has its go now.
    pub(super) fn take(&mut self) -> (Vec<Stop>, VecDeque<Run>) {
        let mut state = self.shared.lock();
        let share = state.runs.len().min(COMMANDS_PER_SHARE);
        let runs = state.runs.drain(..share).collect();
        self.pending = !state.runs.is_empty();
        (mem::take(&mut state.stops), runs)
    }

    /// The slice has ended before these were run: they come first the next time.
    pub(super) fn put_back(&mut self, runs: VecDeque<Run>) {
        self.pending = true;
        let mut state = self.shared.lock();
        let later = mem::replace(&mut state.runs, runs);
        state.runs.extend(later);
    }

    /// Takes no more from anybody. What was taken is still to be run.
    pub(super) fn close(&mut self) -> VecDeque<Run> {
        self.pending = false;
        let mut state = self.shared.lock();
        state.is_closed = true;
        mem::take(&mut state.runs)
    }
}

/// What was not run is dropped, outside of the lock.
impl Drop for Commands {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl Shared {
    /// Nobody panics while holding it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn run(&self, run: Run) -> Result<(), HandleError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(HandleError::Stopped);
        }
        if state.runs.len() >= self.most {
            return Err(HandleError::Full);
        }
        state.runs.push_back(run);
        // Who finds the queue not empty comes behind somebody who has woken the loop, or behind what the
        // loop knows to be there.
        let wakes = state.runs.len() == 1;
        drop(state);
        if wakes { self.wake_loop() } else { Ok(()) }
    }

    pub(super) fn stop(&self, how: Stop) -> Result<(), HandleError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(HandleError::Stopped);
        }
        state.stops.truncate(1); // From the second on, all mean the same.
        state.stops.push(how);
        drop(state);
        self.wake_loop()
    }

    pub(super) fn wake(&self) -> io::Result<()> {
        self.waker.wake()
    }

    fn wake_loop(&self) -> Result<(), HandleError> {
        self.waker.wake().map_err(HandleError::Wake)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}
