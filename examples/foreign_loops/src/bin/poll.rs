//! A reactor inside poll(2), in a loop written by hand.

use std::error::Error;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use foreign_loops::{server, tell_all};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut reactor, clients) = server()?;
    let mut typed = [0; 1024];
    loop {
        // Asked each time, after everything else: what was done since may have left something to do.
        let timeout = reactor.poll_timeout().map(Timespec::try_from).transpose()?;
        let stdin = rustix::stdio::stdin();
        let mut sources = [
            PollFd::from_borrowed_fd(stdin, PollFlags::IN),
            PollFd::from_borrowed_fd(reactor.as_fd(), PollFlags::IN),
        ];
        match poll(&mut sources, timeout.as_ref()) {
            Err(Errno::INTR) => {} // A signal; the reactor's own waits are as patient.
            other => _ = other?,
        }
        if !sources[0].revents().is_empty() {
            // Past the buffer of `std::io::stdin`: of what stays behind in that, no poll tells.
            match rustix::io::read(stdin, &mut typed)? {
                0 => return Ok(()),
                count => tell_all(&mut reactor, clients, &typed[..count]),
            }
        }
        // Whether or not its descriptor is ready: a timer may be due.
        reactor.turn(Some(Duration::ZERO))?;
    }
}
