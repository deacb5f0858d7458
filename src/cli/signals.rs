//! Signals, as sources of the loop.

use std::io;
use std::os::unix::net::UnixStream;

use echoloop::{Context, Half, Reactor, Service, Stop, describe};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Calls the action, on the loop, whenever the signal comes. The reactor doesn't wait for this source
/// when it stops.
pub(crate) fn on_signal(
    reactor: &mut Reactor,
    signal: i32,
    action: impl FnMut(&mut Context<'_>) + 'static,
) -> io::Result<()> {
    let hear = || {
        let (ours, handlers) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(signal, handlers)?;
        Ok(ours)
    };
    let deaf = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot hear signals: {}", describe(&error)))
    };
    let ours = hear().map_err(deaf)?;
    let service = reactor.add(OnSignal { action });
    let mut cx = reactor.context(service);
    let id = cx.adopt(ours, Half::Read)?;
    cx.on(id).in_background();
    Ok(())
}

/// SIGINT and SIGTERM stop the reactor: gracefully, the second one at once.
pub(crate) fn stop_on_signals(reactor: &mut Reactor) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        on_signal(reactor, signal, |cx| cx.stop(Stop::Gracefully))?;
    }
    Ok(())
}

/// The end of a pipe that a signal handler writes a byte to.
struct OnSignal<F> {
    action: F,
}

impl<F: FnMut(&mut Context<'_>) + 'static> Service for OnSignal<F> {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        for _ in input {
            (self.action)(cx);
        }
        input.len()
    }
}
