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
pub(super) struct Commands {
    shared: Arc<Shared>,
    /// A handle has woken the loop, or more is there than one share.
    pending: bool,
    /// What has its go now.
    taken: VecDeque<Run>,
}

/// What the handles hold. Nothing is run, and nobody waits, while it is locked.
///
/// Only whoever finds the queue empty wakes the loop, and that is enough. Whenever the lock is free and the queue is
/// not empty, one of three holds:
///
/// 1. the loop is `pending`, so it will not wait before it has taken more;
/// 2. the waker has been woken, and the poller has not yet told of it: its next wait ends at once, and then 1 holds;
/// 3. whoever put the first one in has unlocked, and is about to wake: then 2 holds.
///
/// For it becomes not empty in [`run`](Shared::run) alone, which goes on to 3; who comes second changes nothing. And
/// `pending` becomes false in [`take`](Commands::take) alone, locked, when the queue is empty. A wake that comes late,
/// for something that was taken before it, costs a turn in vain. What was put in is seen by whoever takes it out
/// because of the lock; that the loop has closed too, so that nothing is put in when nobody will look again. `pending`
/// and `taken` are the loop's own: no other thread has them.
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
        Ok(Commands { shared: Arc::new(shared), pending: false, taken: VecDeque::new() })
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The poller has told that a handle woke the loop.
    pub(super) fn wake(&mut self) {
        self.pending = true;
    }

    /// As if the poller had told, if a handle has anything to be done.
    #[cfg(feature = "simulation")]
    pub(super) fn look(&mut self) {
        let state = self.shared.lock();
        self.pending |= !state.runs.is_empty() || !state.stops.is_empty();
    }

    /// Whether there may be something to do without an event.
    pub(super) fn is_pending(&self) -> bool {
        self.pending || !self.taken.is_empty()
    }

    /// Takes as much of what is to be run as has its go now. Returns whether to stop. `None`:
    /// nobody has woken the loop.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Vec<Stop>> {
        if !self.pending {
            return None;
        }
        let mut state = self.shared.lock();
        let share = match self.taken.is_empty() {
            true => state.runs.len().min(COMMANDS_PER_SHARE),
            false => 0, // Those of the last turn come first.
        };
        self.taken.extend(state.runs.drain(..share));
        self.pending = !state.runs.is_empty();
        Some(mem::take(&mut state.stops))
    }

    /// The next one of what was taken.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Run> {
        self.taken.pop_front()
    }

    /// Whether any of what was taken is left.
    pub(super) fn has_more(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Takes all that is there, and no more from anybody.
    pub(super) fn close(&mut self) {
        self.pending = false;
        let mut state = self.shared.lock();
        state.is_closed = true;
        self.taken.append(&mut state.runs);
    }
}

/// What was not run is dropped, outside of the lock.
impl Drop for Commands {
    fn drop(&mut self) {
        self.close();
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
