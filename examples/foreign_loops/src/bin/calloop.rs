//! A reactor inside calloop.

use std::error::Error;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use calloop::generic::Generic;
use calloop::{EventLoop, Interest, Mode, PostAction};
use echoloop::Reactor;

use foreign_loops::{Clients, server, tell_all};

/// What the callbacks of the loop share.
struct State {
    reactor: Reactor,
    clients: Clients,
    is_over: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (reactor, clients) = server()?;
    let mut event_loop: EventLoop<'_, State> = EventLoop::try_new()?;
    // A copy of the descriptor, which means the same poller: the reactor itself is needed elsewhere. It only has to
    // wake the loop, which turns the reactor whatever woke it.
    let poller = reactor.as_fd().try_clone_to_owned()?;
    let woken = Generic::new(poller, Interest::READ, Mode::Level);
    event_loop.handle().insert_source(woken, |_, _, _| Ok(PostAction::Continue))?;
    let keyboard = Generic::new(io::stdin(), Interest::READ, Mode::Level);
    event_loop.handle().insert_source(keyboard, |_, _, state: &mut State| {
        let mut typed = [0; 1024];
        // Past the buffer of `std::io::stdin`: of what stays behind in that, no poll tells.
        match rustix::io::read(io::stdin(), &mut typed)? {
            0 => state.is_over = true,
            count => tell_all(&mut state.reactor, state.clients, &typed[..count]),
        }
        Ok(PostAction::Continue)
    })?;
    let mut state = State { reactor, clients, is_over: false };
    while !state.is_over {
        let timeout = state.reactor.poll_timeout();
        event_loop.dispatch(timeout, &mut state)?;
        state.reactor.turn(Some(Duration::ZERO))?;
    }
    Ok(())
}
