//! Doing what other threads want done.

use super::commands::Run;
use super::reactor::Reactor;
use crate::values::{Id, SLICE};

impl Reactor {
    /// A share of what other threads want done.
    pub(super) fn obey(&mut self) {
        if self.halves.errands.has_tells() {
            self.halves.pass_on_slice(); // What the host has told, or what had to wait.
        }
        if let Some(stops) = self.commands.take() {
            self.halves.core.take_answers(); // A thread that has one wakes the loop like a handle.
            stops.into_iter().for_each(|how| self.halves.core.stopping.ask(how));
        }
        if self.commands.has_more() {
            self.run_commands();
        }
    }

    /// Runs what has been taken: one by one, so that a panic of one takes no other with it. Those that are
    /// behind the end of the slice have to wait for the next turn.
    fn run_commands(&mut self) {
        while let Some(run) = self.commands.next() {
            self.run_command(run);
            let clock = &self.halves.core.clock;
            if clock.this_moment().saturating_duration_since(clock.now()) >= SLICE {
                return;
            }
        }
    }

    fn run_command(&mut self, run: Run) {
        run(&mut self.halves.context(self.nobody, Id::NONE));
        self.halves.pass_on();
    }

    /// What was taken is run. From here on nothing is.
    pub(super) fn run_last_commands(&mut self) {
        self.commands.close();
        while let Some(run) = self.commands.next() {
            self.run_command(run);
        }
    }
}
