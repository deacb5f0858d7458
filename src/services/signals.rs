//! Signals, as sources of the loop.

use std::io;
use std::os::unix::net::UnixStream;

use signal_hook::SigId;
use signal_hook::consts::{FORBIDDEN, SIGINT, SIGTERM};
use signal_hook::low_level::{pipe, unregister};

use crate::values::Error;
use crate::{Context, Half, Id, Reactor, Service, Stop};

/// Signals; with the feature `signals`.
impl Reactor {
    /// Calls this on the loop whenever the signal comes.
    ///
    /// ```
    /// # use echoloop::{Config, Reactor};
    /// # let mut reactor = Reactor::new(Config::default())?;
    /// reactor.on_signal(libc::SIGUSR1, |cx| println!("{}", cx.statistics()))?;
    /// # Ok::<(), echoloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`Context::on_signal`].
    pub fn on_signal(
        &mut self,
        signal: i32,
        action: impl FnMut(&mut Context<'_>) + 'static,
    ) -> Result<Id, Error> {
        let (signals, service) = catch(signal, action)?;
        self.serve(service, |cx| hear(cx, signal, signals))
    }

    /// SIGINT, which is Ctrl-C, and SIGTERM stop the reactor: gracefully, the second one at once.
    ///
    /// # Errors
    ///
    /// Those of [`Context::on_signal`].
    pub fn stop_on_signals(&mut self) -> Result<(), Error> {
        for signal in [SIGINT, SIGTERM] {
            self.on_signal(signal, |cx| cx.stop(Stop::Gracefully))?;
        }
        Ok(())
    }
}

/// Signals; with the feature `signals`.
impl Context<'_> {
    /// Calls this on the loop whenever the signal comes, with a context that names the source of it:
    /// [closed](Context::close), this is called no more. It is in the
    /// [background](Context::unref), so a stopping reactor doesn't wait for it.
    ///
    /// The signal is caught for the whole process from here on: what it does by default it doesn't do any
    /// more, also not after the source has gone. All who ask for it are called, in this reactor and in
    /// others. What comes while the same signal waits to be delivered is one with it, signal(7).
    /// One that all threads block, as a mask that was inherited may do, is never delivered.
    ///
    /// # Errors
    ///
    /// A signal that can't be caught, or that reports a fault of the program: SIGKILL, SIGSTOP, SIGILL,
    /// SIGFPE, SIGSEGV; no such signal; no descriptor is left; the reactor has stopped.
    pub fn on_signal(
        &mut self,
        signal: i32,
        action: impl FnMut(&mut Context<'_>) + 'static,
    ) -> Result<Id, Error> {
        let (signals, service) = catch(signal, action)?;
        self.serve(service, |cx| hear(cx, signal, signals))
    }
}

const CATCH: &str = "catch";

/// Has the handler write a byte for each signal.
fn catch<F>(signal: i32, action: F) -> Result<(UnixStream, OnSignal<F>), Error> {
    let caught = || {
        if FORBIDDEN.contains(&signal) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it can't be caught"));
        }
        let (ours, handlers) = UnixStream::pair()?;
        Ok((ours, Caught(pipe::register(signal, handlers)?)))
    };
    let (ours, caught) =
        caught().map_err(|error| Error::new(CATCH, format_args!("signal {signal}"), error))?;
    Ok((ours, OnSignal { action, _caught: caught }))
}

/// Makes a source of them, for the service of this context.
fn hear(cx: &mut Context<'_>, signal: i32, signals: UnixStream) -> Result<Id, Error> {
    let adopted = cx.adopt(signals, Half::Read);
    let id = adopted.map_err(|error| error.of(CATCH, format_args!("signal {signal}")))?;
    cx.source(id).unref();
    Ok(id)
}

/// As long as it is there, the handler writes.
struct Caught(SigId);

impl Drop for Caught {
    fn drop(&mut self) {
        unregister(self.0);
    }
}

/// The end of a pipe that a signal handler writes to.
struct OnSignal<F> {
    action: F,
    _caught: Caught,
}

impl<F: FnMut(&mut Context<'_>) + 'static> Service for OnSignal<F> {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        cx.disowning(input.len(), |cx| input.iter().for_each(|_| (self.action)(cx)));
        input.len()
    }
}
