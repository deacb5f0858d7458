//! Recording what the loop does.

use super::core::Core;
use super::reactor::Reactor;
use super::service::Context;
use super::table::Source;
use crate::values::{Act, Id, Recording};

impl Core {
    fn record(&mut self, steps: usize) {
        self.watch.record(steps);
        self.table.ids().into_iter().for_each(|id| self.note_made(id)); // They are there already.
    }

    /// A source has come about.
    pub(super) fn note_made(&mut self, id: Id) {
        if self.watch.is_on()
            && let Some(entry) = self.table.get(id)
        {
            let kind = kind(&entry.source);
            self.watch.note(id, || Act::Made(kind));
        }
    }
}

impl Reactor {
    /// Records from here on what each turn does: what the poll said, who was marked and driven, what was
    /// read, shown, taken, sent and kept, timers, and how long everything took. The latest `steps` of
    /// it are held, 48 bytes each; a message is about five steps. 0 ends it, and throws away what was
    /// recorded before, as beginning anew does.
    ///
    /// While nothing is recorded, it costs nothing. While something is, the clock is read at each step: some
    /// 50 ns.
    pub fn record(&mut self, steps: usize) {
        self.halves.core.record(steps);
    }

    /// What has been recorded. `None`: nothing [is](Reactor::record).
    pub fn recording(&self) -> Option<&Recording> {
        self.halves.core.watch.recording()
    }
}

impl Context<'_> {
    /// What [`Reactor::record`] does, from inside.
    pub fn record(&mut self, steps: usize) {
        self.core.record(steps);
    }

    /// What has been recorded. `None`: nothing is.
    pub fn recording(&self) -> Option<&Recording> {
        self.core.watch.recording()
    }
}

fn kind(source: &Source) -> &'static str {
    match source {
        Source::Stream(_) => "stream",
        Source::Listener(_) => "listener",
        Source::Datagram(_) => "datagram socket",
        Source::Dial(_) => "connection being made",
        Source::Proxied(_) => "connection of a proxy",
    }
}
