//! What the kernel knows of the connections, over a run.

use std::net::SocketAddr;

use super::load::Load;
use super::phase::{Phase, Report};
use super::tcp::{Snapshot, Tcp, snapshot};

/// Looks at the connections now and then, from a thread that makes no load.
pub(super) struct Watch {
    server: Option<SocketAddr>,
    /// At the beginning of the measured time, at the last second, and at the last look.
    first: Option<Snapshot>,
    second: Option<Snapshot>,
    last: Option<Snapshot>,
    ended: bool,
}

impl Watch {
    /// Connections that come and go take what is known of them with them: they aren't watched.
    pub(super) fn new(load: &Load) -> Watch {
        let is_tcp = matches!(load.endpoint, echoloop::Endpoint::Tcp { .. }) && !load.churn;
        let address = || load.endpoint.resolve().ok()?.first().copied();
        let server = if is_tcp { address() } else { None };
        Watch { server, first: None, second: None, last: None, ended: false }
    }

    /// Looks at the beginning of the measured time, and at its end, as long as they are there.
    pub(super) fn report(&mut self, report: &Report) {
        if report.phase == Phase::Measuring && self.first.is_none() {
            self.look();
            (self.first, self.second) = (self.last, self.last);
        } else if report.phase > Phase::Measuring && !self.ended {
            self.look();
            self.ended = true;
        }
    }

    /// What the second that has ended just now was like.
    pub(super) fn second(&mut self) -> Option<Tcp> {
        if !self.ended {
            self.look();
        }
        let before = self.second?;
        self.second = self.last;
        Some(self.last?.since(&before))
    }

    /// What the whole measured time was like.
    pub(super) fn whole(&self) -> Option<Tcp> {
        Some(self.last?.since(&self.first?))
    }

    fn look(&mut self) {
        let Some(now) = self.server.and_then(snapshot) else { return };
        // Some are closed already: what they knew is lost.
        if self.last.is_none_or(|last| now.connections >= last.connections) && now.connections > 0 {
            self.last = Some(now);
        }
    }
}
