//! A peer that goes without a word takes its own connection with it, and nothing else.

use crate::fates::{Case, Fate};
use crate::peers::{Peer, Stream};
use crate::rows::Flow;
use crate::world::{Setup, World};

pub(crate) fn one_peer(case: Case, fate: Fate) {
    let early = if case.moment.is_in_a_stop() { b"early".to_vec() } else { Vec::new() };
    let mut world = World::new(case, Setup { early, ..Setup::default() });
    let id = world.serve(fate);
    if !case.moment.is_in_a_stop() {
        world.exchange(b"hello");
    }
    if case.kind.flow() == Flow::Echo {
        world.peer.lock().write(b"never answered");
    }
    world.peer.lock().reset();
    if let Flow::Out | Flow::Asks = case.kind.flow() {
        world.put(b"to nobody");
    }
    if case.kind.is_datagrams() {
        world.rests("it rests without its peer");
        assert!(world.run(move |cx| cx.source(id).is_open()), "a datagram socket goes on");
    } else {
        world.gone();
    }
    world.witness_unless_stopping();
    world.rests("it rests when the peer has gone");
    if case.kind.is_listener() && !case.kind.is_in_memory() {
        let mut next = Stream::client(world.stage.see().address);
        assert_eq!(next.write(b"next"), 4);
        world.until("the next one is served", |_| next.has(b"next"));
    }
    world.release();
    world.end();
}
