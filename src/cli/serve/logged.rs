//! Tells who came and what they said.

use echoloop::{Cause, Context, Peer, Service, TimerId};

/// Logs what passes through another service. In between only when somebody reads it.
pub(crate) struct Logged<S> {
    pub(crate) inner: S,
    pub(crate) name: &'static str,
}

/// The first bytes, printable, on one line.
fn preview(bytes: &[u8]) -> String {
    const MOST: usize = 60;
    match bytes.get(..MOST) {
        Some(first) => format!("{} bytes, \"{}\"...", bytes.len(), first.escape_ascii()),
        None => format!("{} bytes, \"{}\"", bytes.len(), bytes.escape_ascii()),
    }
}

/// The id, and the address if there is one.
fn who(cx: &mut Context<'_>) -> String {
    match cx.peer() {
        Some(peer) => format!("{} ({peer})", cx.id()),
        None => cx.id().to_string(),
    }
}

impl<S: Service> Service for Logged<S> {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.inner.opened(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let taken = self.inner.received(cx, input);
        log::debug!("{}: {} sent {}; {taken} taken", self.name, who(cx), preview(input));
        taken
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        log::debug!("{}: {} has ended", self.name, who(cx));
        self.inner.ended(cx, rest);
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.inner.writable(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        self.inner.closed(cx, cause);
    }

    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        log::debug!("{}: {from} sent {}", self.name, preview(payload));
        self.inner.datagram(cx, from, payload);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        self.inner.timer(cx, timer);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.inner.stopping(cx);
    }
}
