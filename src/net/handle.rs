//! For other threads.

use std::sync::Arc;
use std::{fmt, io};

use super::commands::Shared;
use super::service::Context;
use super::stopping::Stop;
use crate::values::HandleError;

/// Reaches a reactor from other threads: wakes it, stops it, has it run something. Nothing here ever
/// waits.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// Ends the wait of the current turn, or else of the next one.
    ///
    /// # Errors
    ///
    /// Those of the system's means of waking, eventfd(2) on Linux.
    pub fn wake(&self) -> io::Result<()> {
        self.shared.wake()
    }

    /// Stops the loop; see [`Context::stop`]. It overtakes what waits to be run.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stopped`], or the loop can't be woken. Never [`HandleError::Full`].
    pub fn stop(&self, how: Stop) -> Result<(), HandleError> {
        self.shared.stop(how)
    }

    /// Has the loop call this once, on its own thread, with a context that names no source and no
    /// service of yours: what is made is to be made [for one](Context::as_service), or else takes all that comes
    /// and answers nothing.
    ///
    /// What is taken is run, in the order of the calls of each thread, before the reactor has stopped;
    /// unless that is dropped first. Each turn runs some of it, so that a flood delays no source.
    ///
    /// # Errors
    ///
    /// [`HandleError::Stopped`] and [`HandleError::Full`]: it will not be run. With
    /// [`HandleError::Wake`] it will, once something else wakes the loop.
    pub fn run(
        &self,
        run: impl FnOnce(&mut Context<'_>) + Send + 'static,
    ) -> Result<(), HandleError> {
        self.shared.run(Box::new(run))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
