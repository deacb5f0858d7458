//! A service put together in the test.

use std::sync::mpsc;

use echoloop::{Cause, Context, Id, Peer, Service, TimerId};

type Called = Box<dyn FnMut(&mut Context<'_>) + Send>;
type Received = Box<dyn FnMut(&mut Context<'_>, &[u8]) -> usize + Send>;
type Closed = Box<dyn FnMut(&mut Context<'_>, &Cause) + Send>;
type Arrived = Box<dyn FnMut(&mut Context<'_>, &Peer, &[u8]) + Send>;
type Fired = Box<dyn FnMut(&mut Context<'_>, TimerId) + Send>;

/// A service put together in the test, from what it does when it is called. Otherwise it does what
/// services do by default.
#[derive(Default)]
pub(crate) struct Does {
    opened: Option<Called>,
    received: Option<Received>,
    ended: Option<Called>,
    writable: Option<Called>,
    closed: Option<Closed>,
    datagram: Option<Arrived>,
    unreachable: Option<Called>,
    timer: Option<Fired>,
    stopping: Option<Called>,
}

impl Does {
    pub(crate) fn new() -> Does {
        Does::default()
    }

    /// Gives back what comes.
    pub(crate) fn echo() -> Does {
        Does::new().received(|cx, input| cx.send(input))
    }

    pub(crate) fn opened(mut self, it: impl FnMut(&mut Context<'_>) + Send + 'static) -> Does {
        self.opened = Some(Box::new(it));
        self
    }

    pub(crate) fn received(
        mut self,
        it: impl FnMut(&mut Context<'_>, &[u8]) -> usize + Send + 'static,
    ) -> Does {
        self.received = Some(Box::new(it));
        self
    }

    pub(crate) fn ended(mut self, it: impl FnMut(&mut Context<'_>) + Send + 'static) -> Does {
        self.ended = Some(Box::new(it));
        self
    }

    pub(crate) fn writable(mut self, it: impl FnMut(&mut Context<'_>) + Send + 'static) -> Does {
        self.writable = Some(Box::new(it));
        self
    }

    pub(crate) fn closed(
        mut self,
        it: impl FnMut(&mut Context<'_>, &Cause) + Send + 'static,
    ) -> Does {
        self.closed = Some(Box::new(it));
        self
    }

    pub(crate) fn datagram(
        mut self,
        it: impl FnMut(&mut Context<'_>, &Peer, &[u8]) + Send + 'static,
    ) -> Does {
        self.datagram = Some(Box::new(it));
        self
    }

    pub(crate) fn unreachable(mut self, it: impl FnMut(&mut Context<'_>) + Send + 'static) -> Does {
        self.unreachable = Some(Box::new(it));
        self
    }

    pub(crate) fn timer(
        mut self,
        it: impl FnMut(&mut Context<'_>, TimerId) + Send + 'static,
    ) -> Does {
        self.timer = Some(Box::new(it));
        self
    }

    pub(crate) fn stopping(mut self, it: impl FnMut(&mut Context<'_>) + Send + 'static) -> Does {
        self.stopping = Some(Box::new(it));
        self
    }

    /// Tells over a channel of every connection that has gone, and why.
    pub(crate) fn tells_causes(self) -> (Does, mpsc::Receiver<(Id, String)>) {
        let (sender, causes) = mpsc::channel();
        let tells = self.closed(move |cx, cause| {
            let _ = sender.send((cx.id(), format!("{cause:?}")));
        });
        (tells, causes)
    }
}

impl Service for Does {
    fn opened(&mut self, cx: &mut Context<'_>) {
        if let Some(it) = &mut self.opened {
            it(cx);
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.received.as_mut().map_or(input.len(), |it| it(cx, input))
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        match &mut self.ended {
            Some(it) => it(cx),
            None => cx.close(),
        }
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        if let Some(it) = &mut self.writable {
            it(cx);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        if let Some(it) = &mut self.closed {
            it(cx, cause);
        }
    }

    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        if let Some(it) = &mut self.datagram {
            it(cx, from, payload);
        }
    }

    fn unreachable(&mut self, cx: &mut Context<'_>, _error: &std::io::Error) {
        if let Some(it) = &mut self.unreachable {
            it(cx);
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if let Some(it) = &mut self.timer {
            it(cx, timer);
        }
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        match &mut self.stopping {
            Some(it) => it(cx),
            None => cx.close(),
        }
    }
}
