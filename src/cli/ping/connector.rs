//! Pings by connecting.

use std::collections::HashMap;

use echoloop::{Address, Cause, Context, Error, Id, Service, TimerId};

use super::Ping;
use super::course::{CATCH_UP, Course, Tick};
use crate::cli::family::Known;

/// Pings by connecting: the reply is that the connection is there. Then it is closed, and what the server may
/// have to say is of no interest.
pub(super) struct Connector {
    course: Course,
    /// What is connected to. From the first connection on it is the address that was reached.
    target: Known,
    /// The messages whose connections are being made.
    dials: HashMap<Id, u64>,
}

impl Connector {
    pub(super) fn new(course: Course, target: Known) -> Connector {
        Connector { course, target, dials: HashMap::new() }
    }

    fn connect_due(&mut self, cx: &mut Context<'_>) {
        for _ in 0..CATCH_UP {
            let Some(number) = self.course.due() else { break };
            match self.target.connect(cx) {
                Ok(id) => drop(self.dials.insert(id, number)),
                Err(error) => self.course.refused(cx, number, &error.into()),
            }
        }
        self.course.skip_overdue();
        self.course.set_timers(cx, true);
    }

    /// The system goes on for minutes; nobody waits for that any more.
    fn give_up(&mut self, cx: &mut Context<'_>, number: u64) {
        let mut dials = self.dials.iter();
        if let Some((&id, _)) = dials.find(|(_, waiting)| **waiting == number) {
            self.dials.remove(&id);
            cx.source(id).abort();
        }
        self.course.lost(cx, number);
    }
}

impl Ping for Connector {
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        self.course.prepare(cx);
        self.course.begin(None);
        self.connect_due(cx);
        Ok(())
    }

    fn course(&mut self) -> &mut Course {
        &mut self.course
    }
}

impl Service for Connector {
    fn opened(&mut self, cx: &mut Context<'_>) {
        if let Some(number) = self.dials.remove(&cx.id()) {
            if let Some(Address::Ip(address)) = cx.peer() {
                self.target.settle_for(address);
            }
            if self.course.answered(cx, number, 0, None) {
                self.connect_due(cx);
            }
        }
        cx.close();
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        loop {
            match self.course.tick(cx, timer) {
                Tick::Due => return self.connect_due(cx),
                Tick::Lost(number) => self.give_up(cx, number),
                Tick::Nothing => return self.course.set_timers(cx, true),
            }
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        if let (Some(number), Cause::ConnectFailed(error)) = (self.dials.remove(&cx.id()), cause) {
            self.course.refused(cx, number, error);
            self.course.set_timers(cx, true);
        }
    }
}
