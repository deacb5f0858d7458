//! Counts who comes to each endpoint, and reports on a worker.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use echoloop::{Cause, Context, Peer, Service, TimerId};

use super::snapshot::{Door, Sample};

/// A service, and how many have come to it. In between, nothing is done for anybody.
pub(crate) struct Counted<S> {
    pub(crate) inner: S,
    pub(crate) counts: Rc<Counts>,
}

/// Connections through one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: Cell<u64>,
    open: Cell<u64>,
}

/// Tells what its worker has done so far.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    doors: Vec<Rc<Counts>>,
}

impl Reporter {
    /// Counts for one more endpoint.
    pub(crate) fn count(&mut self) -> Rc<Counts> {
        let counts = Rc::<Counts>::default();
        self.doors.push(Rc::clone(&counts));
        counts
    }

    pub(crate) fn sample(&self, cx: &Context<'_>) -> Sample {
        let doors = self.doors.iter();
        let doors = doors.map(|it| Door { accepted: it.accepted.get(), open: it.open.get() });
        Sample { statistics: cx.statistics(), doors: doors.collect() }
    }
}

impl Service for Reporter {}

impl<S: Service> Service for Counted<S> {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.counts.accepted.update(|accepted| accepted + 1);
        self.counts.open.update(|open| open + 1);
        self.inner.opened(cx);
    }

    #[inline]
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.inner.received(cx, input)
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        self.inner.ended(cx, rest);
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.inner.writable(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        self.counts.open.update(|open| open - 1);
        self.inner.closed(cx, cause);
    }

    #[inline]
    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        self.inner.datagram(cx, from, payload);
    }

    fn unreachable(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        self.inner.unreachable(cx, error);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        self.inner.timer(cx, timer);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.inner.stopping(cx);
    }
}
