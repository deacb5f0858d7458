//! For other threads.

use std::sync::Arc;
use std::{error, fmt, io};

use super::commands::Shared;
use super::context::{Context, Stop};
use crate::values::write_cause;

/// Reaches a reactor from other threads: wakes it, stops it, has it run something. Nothing here ever
/// waits.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// Why a [`Handle`] could not pass something on.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandleError {
    /// The reactor has stopped, or was dropped.
    Stopped,
    /// As many as [`Config::commands`](crate::Config::commands) wait to be run already. Later there may
    /// be room.
    Full,
    /// The system's means of waking failed, eventfd(2) on Linux.
    Wake(io::Error),
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
    /// unless that is dropped first. Each turn runs some of it, so that a flood delays nobody.
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

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandleError::Stopped => "the reactor has stopped",
            HandleError::Full => "too much waits to be run by the reactor",
            HandleError::Wake(_) => "cannot wake the reactor",
        })?;
        write_cause(f, self)
    }
}

impl error::Error for HandleError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            HandleError::Wake(error) => Some(error),
            HandleError::Stopped | HandleError::Full => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alternate_form_tells_the_cause() {
        let error = HandleError::Wake(io::Error::from_raw_os_error(24));
        assert_eq!(error.to_string(), "cannot wake the reactor");
        assert_eq!(format!("{error:#}"), "cannot wake the reactor: too many open files");
        assert_eq!(format!("{:#}", HandleError::Full), HandleError::Full.to_string());
    }
}
