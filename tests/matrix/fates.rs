//! What becomes of a source that comes in a certain way in a certain moment: what the crate's page says of it.

use crate::rows::{Driver, Kind, Moment, Way};

/// One cell, but for the promise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    pub(crate) moment: Moment,
    pub(crate) driver: Driver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is served.
    Served,
    /// It is served as soon as there is room.
    Waits,
    /// Whoever makes it gets an error, which ends like this.
    Refused(&'static str),
    /// It is made, and can't be connected: its service is told this.
    Fails(&'static str),
}

impl Case {
    /// How it comes; without the background, which is where it goes then.
    pub(crate) fn base(&self) -> Result<Way, &'static str> {
        self.kind.by(self.way)
    }

    pub(crate) fn is_background(&self) -> bool {
        self.way == Way::Background
    }

    /// What becomes of it, or why there is no such case.
    pub(crate) fn fate(&self) -> Result<Fate, &'static str> {
        let way = self.base()?;
        match self.moment {
            Moment::BetweenTurns if self.driver == Driver::Run => {
                Err("nobody has the reactor between the turns of run")
            }
            Moment::FullTable => Ok(self.in_a_full_table(way)),
            Moment::NoDescriptors => Ok(self.without_descriptors(way)),
            Moment::Asked => self.in_a_stop(way, false),
            Moment::Stopping | Moment::InStopping => self.in_a_stop(way, true),
            Moment::AfterStop => self.after_the_stop(),
            _ => Ok(Fate::Served),
        }
    }

    /// One place, and it is taken.
    fn in_a_full_table(&self, way: Way) -> Fate {
        let is_accepted = way == Way::Accepted || self.kind.is_listener();
        // Handed over, it is accepted first; in the background it isn't counted.
        let is_accepted =
            is_accepted || way == Way::HandedOver && matches!(self.kind, Kind::Tcp | Kind::Unix);
        if is_accepted && !self.is_background() { Fate::Waits } else { Fate::Served }
    }

    fn without_descriptors(&self, way: Way) -> Fate {
        let needs_none = self.kind.is_in_memory();
        match way {
            _ if needs_none => Fate::Served,
            Way::Accepted => Fate::Waits,
            Way::HandedOver if matches!(self.kind, Kind::Tcp | Kind::Unix) => Fate::Waits,
            Way::ListenedOn if self.kind.is_listener() => Fate::Waits,
            // Another one finds out whether it is bound to the address of many.
            Way::ListenedOn if self.kind == Kind::Udp => Fate::Refused("too many open files"),
            Way::Adopted | Way::HandedOver | Way::ListenedOn => Fate::Served,
            Way::Dialled if self.kind.is_datagrams() => Fate::Refused("too many open files"),
            Way::Dialled => Fate::Fails("too many open files"),
            Way::Listened | Way::Background => Fate::Refused("too many open files"),
        }
    }

    fn in_a_stop(&self, way: Way, is_told: bool) -> Result<Fate, &'static str> {
        match way {
            Way::Accepted | Way::HandedOver if self.comes_by_a_listener() && is_told => {
                match self.kind {
                    Kind::Mem => Ok(Fate::Served),
                    _ => Err("the backlog has been emptied, and nobody is let in behind it"),
                }
            }
            Way::Dialled if self.kind == Kind::Mem => Ok(Fate::Served),
            Way::Accepted | Way::Adopted | Way::HandedOver => Ok(Fate::Served),
            Way::Dialled | Way::Listened | Way::ListenedOn | Way::Background => {
                Ok(Fate::Refused("the reactor is stopping"))
            }
        }
    }

    fn after_the_stop(&self) -> Result<Fate, &'static str> {
        match self.comes_by_a_listener() {
            true => Err("the listener has gone with the stop"),
            false => Ok(Fate::Refused("the reactor has stopped")),
        }
    }

    /// Whether somebody has to accept it first.
    pub(crate) fn comes_by_a_listener(&self) -> bool {
        matches!(self.base(), Ok(Way::Accepted))
            || self.base() == Ok(Way::HandedOver) && matches!(self.kind, Kind::Tcp | Kind::Unix)
    }

    /// Whether its peer can say something before it comes.
    pub(crate) fn has_its_peer_before(&self) -> bool {
        let comes_first = self.kind.is_in_memory() && !self.kind.is_datagrams();
        comes_first
            || matches!(self.base(), Ok(Way::Adopted | Way::HandedOver))
                && !self.comes_by_a_listener()
    }

    /// Whether the reactor has stopped by then.
    pub(crate) fn has_stopped(&self) -> bool {
        self.moment == Moment::AfterStop
    }
}
