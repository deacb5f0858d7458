//! For other threads.

use std::fmt;
use std::io;
use std::sync::{Arc, mpsc};

use mio::{Registry, Token, Waker};

use super::context::{Context, Stop};
use crate::values::Id;

/// What another thread wants done.
pub(super) enum Command {
    Stop(Stop),
    Run(Box<dyn FnOnce(&mut Context<'_>) + Send>),
}

/// Reaches a reactor from other threads: wakes it, stops it, has it run something.
#[derive(Clone)]
pub struct Handle {
    waker: Arc<Waker>,
    commands: mpsc::Sender<Command>,
}

impl Handle {
    pub(super) fn new(registry: &Registry) -> io::Result<(Handle, mpsc::Receiver<Command>)> {
        let waker = Arc::new(Waker::new(registry, Token(Id::NONE.to_bits()))?);
        let (commands, receiver) = mpsc::channel();
        Ok((Handle { waker, commands }, receiver))
    }

    /// Ends the wait of the current turn, or else of the next one.
    ///
    /// # Errors
    ///
    /// Those of the system's means of waking, eventfd(2) on Linux.
    pub fn wake(&self) -> io::Result<()> {
        self.waker.wake()
    }

    /// Stops the loop; see [`Context::stop`]. `false`: the reactor is gone.
    pub fn stop(&self, how: Stop) -> bool {
        self.send(Command::Stop(how))
    }

    /// Has the loop call this once, on its own thread, with a context that names no source and no
    /// service of yours: what is made is to be made [for one](Context::of), or else takes all that comes
    /// and answers nothing. `false`: the reactor is gone.
    pub fn run(&self, run: impl FnOnce(&mut Context<'_>) + Send + 'static) -> bool {
        self.send(Command::Run(Box::new(run)))
    }

    fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok() && self.waker.wake().is_ok()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}
