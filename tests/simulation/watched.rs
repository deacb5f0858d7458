//! Looks over a service's shoulder.

use std::io;

use echoloop::{Cause, Context, Id, Peer, Service, TimerId};

use crate::world::{Life, Lives};

/// A service, and what must hold of each call of it.
pub(crate) struct Watched<S> {
    pub(crate) inner: S,
    pub(crate) lives: Lives,
    /// Those that it has dialled itself, and that may be told of their end without a beginning.
    pub(crate) name: &'static str,
}

impl<S> Watched<S> {
    /// Called for a connection that is there.
    fn look(&self, cx: &mut Context<'_>) {
        let id = cx.id();
        let (output_limit, queued) = (cx.config().output_limit, cx.queued());
        assert!(queued <= output_limit.max(4096), "{id} keeps {queued} of {output_limit}");
        self.with(id, |life| {
            assert_eq!((life.opened, life.closed), (1, 0), "{} {id} is called", self.name);
        });
    }

    fn with(&self, id: Id, with: impl FnOnce(&mut Life)) {
        with(self.lives.borrow_mut().entry(id).or_default());
    }
}

impl<S: Service> Service for Watched<S> {
    fn opened(&mut self, cx: &mut Context<'_>) {
        let accepted = cx.listener().is_some();
        self.with(cx.id(), |life| {
            life.opened += 1;
            life.was_accepted = accepted;
            assert_eq!((life.opened, life.closed), (1, 0));
        });
        self.inner.opened(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.look(cx);
        let (turn, config) = (cx.statistics().turns, cx.config());
        let (most, budget) = (config.input_limit + config.read_buffer, config.read_budget);
        assert!(!input.is_empty() && input.len() <= most, "{} bytes of {most} shown", input.len());
        self.with(cx.id(), |life| {
            if life.turn != turn {
                (life.turn, life.shown) = (turn, 0);
            }
            assert!(life.shown < budget, "{} bytes shown in one turn, of {budget}", life.shown);
            life.shown += input.len().max(1024);
        });
        let taken = self.inner.received(cx, input);
        self.look(cx);
        taken
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        self.look(cx);
        assert!(rest.len() <= cx.config().input_limit + cx.config().read_buffer);
        self.inner.ended(cx, rest);
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.look(cx);
        self.inner.writable(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        self.with(cx.id(), |life| {
            life.closed += 1;
            assert_eq!(life.closed, 1, "closed once");
            assert!(
                life.opened == 1
                    || matches!(cause, Cause::ConnectFailed(_) | Cause::Stopped | Cause::Closed)
            );
        });
        assert_eq!(cx.send_capacity(), 0, "nothing can be sent any more");
        self.inner.closed(cx, cause);
    }

    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        assert!(cx.is_open());
        self.inner.datagram(cx, from, payload);
    }

    fn unreachable(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        self.inner.unreachable(cx, error);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        self.inner.timer(cx, timer);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.look(cx);
        self.inner.stopping(cx);
    }
}
