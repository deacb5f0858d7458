//! The systems under test that aren't the library's own.

use std::collections::BTreeMap;

use echoloop::{Context, Endpoint, Hub, Id, Lines, Peer, Service, Session};

/// Passes on what comes to another service, and back.
pub(crate) struct Proxy {
    to: Endpoint,
    other: BTreeMap<Id, Id>,
}

impl Proxy {
    pub(crate) fn new(to: Endpoint) -> Proxy {
        Proxy { to, other: BTreeMap::new() }
    }
}

impl Service for Proxy {
    fn opened(&mut self, cx: &mut Context<'_>) {
        if cx.listener().is_none() {
            return; // The one that we have made.
        }
        match cx.connect(&self.to) {
            Ok(inner) => {
                self.other.insert(cx.id(), inner);
                self.other.insert(inner, cx.id());
            }
            Err(_) => cx.abort_because("there is no way"),
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Some(&other) = self.other.get(&cx.id()) else { return 0 };
        let taken = cx.source(other).send(input);
        if taken < input.len() {
            cx.pause();
        }
        taken
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        if let Some(&other) = self.other.get(&cx.id()) {
            cx.source(other).resume();
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        let Some(&other) = self.other.get(&cx.id()) else { return cx.abort() };
        if cx.source(other).send_all(rest) {
            cx.source(other).finish();
        } else {
            cx.abort();
            cx.source(other).abort();
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &echoloop::Cause) {
        let Some(other) = self.other.remove(&cx.id()) else { return };
        self.other.remove(&other);
        match cause {
            echoloop::Cause::Ended | echoloop::Cause::Closed => cx.source(other).close(),
            _ => cx.source(other).abort(),
        }
    }
}

/// Says a member's lines to all others, with its number.
pub(crate) struct Member {
    number: usize,
    is_slow: bool,
}

impl Session for Member {
    /// How many there have been.
    type Shared = usize;

    fn opened(hub: &mut Hub<'_, Member>, _: &mut Context<'_>) -> Member {
        *hub.shared += 1;
        Member { number: *hub.shared, is_slow: false }
    }

    fn received(&mut self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let lines = Lines::new(100);
        let mut taken = 0;
        while let Ok(Some(line)) = lines.next(&input[taken..]) {
            taken += line.len();
            let text = [format!("{} ", self.number).as_bytes(), line.text, b"\n"].concat();
            for (id, other) in hub.others.iter_mut() {
                if !other.is_slow && !cx.source(id).send_all(&text) {
                    other.is_slow = true; // From here on there would be a gap.
                    cx.source(id).close_because("reads too slowly");
                }
            }
        }
        taken
    }
}

/// Passes on each datagram to everybody else who has ever sent one.
#[derive(Default)]
pub(crate) struct Group {
    members: Vec<Peer>,
}

impl Service for Group {
    fn datagram(&mut self, cx: &mut Context<'_>, from: &Peer, payload: &[u8]) {
        if !self.members.contains(from) {
            self.members.push(*from);
        }
        for member in self.members.iter().filter(|&member| member != from) {
            cx.send_to(member, payload);
        }
    }
}
