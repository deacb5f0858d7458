//! What goes on, while it goes on: on a terminal a block that is renewed each second, and elsewhere a line
//! each second.

mod block;

use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use echoloop::{Context, Reactor, Service, ServiceId, TimerId};
use rustix::process::getpgrp;
use rustix::termios::{tcgetpgrp, tcgetwinsize};
use signal_hook::consts::SIGCONT;

use super::crew::{Crew, look};
use super::listen::Failure;
use super::snapshot::{Difference, Snapshot};
use crate::cli::printer;

const PERIOD: Duration = Duration::from_secs(1);

/// Where there is no telling how wide it is.
const USUAL: (usize, usize) = (80, 24);

/// Shows what goes on.
struct Live {
    me: ServiceId<Live>,
    crew: ServiceId<Crew>,
    started: Instant,
    is_terminal: bool,
    before: Option<Rc<Snapshot>>,
}

/// Shows it on standard output from now on.
pub(super) fn start(reactor: &mut Reactor, crew: ServiceId<Crew>) -> Result<(), Failure> {
    let is_terminal = io::stdout().is_terminal();
    let live = reactor.add_with(|me| Live {
        me,
        crew,
        started: Instant::now(),
        is_terminal,
        before: None,
    });
    let mut cx = reactor.context(live);
    cx.every(PERIOD);
    look(&mut cx, crew, live, Live::show); // What the first second is compared with.
    if is_terminal {
        // After Ctrl-Z and `fg` what the shell has said stands below the block.
        reactor.on_signal(SIGCONT, move |cx| {
            printer::leave_block();
            look(cx, crew, live, Live::show);
        })?;
    }
    Ok(())
}

impl Live {
    fn show(&mut self, _cx: &mut Context<'_>, now: &Rc<Snapshot>) {
        let before = self.before.replace(Rc::clone(now));
        let Some(before) = before else { return };
        let difference = Difference { before: &before, now };
        if !self.is_terminal {
            return printer::show(&block::line(&difference));
        }
        if !is_in_foreground() {
            return printer::leave_block(); // The terminal is somebody else's, after `bg`.
        }
        let (columns, rows) = size();
        let has_colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        let block = block::block(&difference, now.at.duration_since(self.started));
        printer::show_block(&block::fit(&block, columns, rows, has_colours));
    }
}

/// Whether the terminal is for us at the moment. Where there is no job control, it always is.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdout()).map_or(true, |group| group == getpgrp())
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL,
    }
}

impl Service for Live {
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        look(cx, self.crew, self.me, Live::show);
    }
}
