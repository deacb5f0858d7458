//! A reactor inside tokio. It stays on its thread, so the runtime is one that does, too.

use std::error::Error;
use std::future::pending;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest, stdin};
use tokio::task::yield_now;
use tokio::time::sleep;

use foreign_loops::{server, tell_all};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut reactor, clients) = server()?;
    let poller = reactor.as_fd().try_clone_to_owned()?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose descriptor may change; this can't"
    )]
    let poller = AsyncFd::with_interest(poller, Interest::READABLE)?;
    let mut keyboard = stdin();
    let mut typed = [0; 1024];
    loop {
        let timeout = reactor.poll_timeout();
        tokio::select! {
            // Cleared before the turn and not behind it: what becomes ready meanwhile is an edge of its own.
            ready = poller.readable() => ready?.clear_ready(),
            () = due(timeout) => {}
            count = keyboard.read(&mut typed) => match count? {
                0 => return Ok(()),
                count => tell_all(&mut reactor, clients, &typed[..count]),
            },
        }
        reactor.turn(Some(Duration::ZERO))?;
    }
}

/// Waits for so long. Tokio's timers have milliseconds, so no time at all is a matter of its own: other tasks have
/// their go, and nobody sleeps.
async fn due(timeout: Option<Duration>) {
    match timeout {
        None => pending().await,
        Some(Duration::ZERO) => yield_now().await,
        Some(timeout) => sleep(timeout).await,
    }
}
