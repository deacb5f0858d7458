//! A service that closes while its peer goes on sending: what it has said arrives, and an end in order.

use crate::fates::{Case, Fate};
use crate::flows::pattern;
use crate::rows::{Flow, Kind};
use crate::stage::{GOODBYE, Manner};
use crate::world::{Setup, World};

pub(crate) fn polite(case: Case, fate: Fate) {
    let is_early = World::goes_early(case.kind, case.moment);
    let goodbye = pattern(GOODBYE);
    let early = match case.kind.flow() {
        _ if !is_early => Vec::new(),
        Flow::Out => goodbye.to_vec(),
        _ => vec![b'x'; 1_000],
    };
    let setup = Setup { early, manner: Manner::Leaves, ..Setup::default() };
    let mut world = World::new(case, setup);
    let id = world.serve(fate);
    match case.kind.flow() {
        Flow::Out if is_early => {}
        Flow::Out => {
            world.put(goodbye);
            world.run(move |cx| cx.source(id).close());
        }
        _ if is_early => {}
        _ => assert_eq!(world.peer.lock().write(&[b'x'; 1_000]), 1_000),
    }
    if case.kind.flow() == Flow::In {
        world.gone(); // It has nobody to say anything to.
    } else {
        world.until("it says something", |world| !world.out().is_empty());
        if case.kind != Kind::PipeOut && case.kind != Kind::FileOut {
            world.peer.lock().write(b"more that nobody reads");
        }
        world.expect(goodbye);
        world.expect_end();
        world.finish_peer();
        world.gone();
    }
    world.witness_unless_stopping();
    world.release();
    world.end();
}
