//! Nobody gets more out of a datagram socket than was put in, and so can't have it hit somebody else.

use crate::fates::{Case, Fate};
use crate::rows::Flow;
use crate::stage::Manner;
use crate::world::{Setup, World};

pub(crate) fn no_more_out_than_in(case: Case, fate: Fate) {
    let setup = Setup { manner: Manner::Inflates, ..Setup::default() };
    let mut world = World::new(case, setup);
    world.serve(fate);
    world.stage.see().outcome = None;
    world.put(b"question");
    world.until("it has replied", |world| {
        world.collect();
        world.stage.see().outcome.is_some()
    });
    assert_eq!(world.stage.see().outcome, Some(Ok(())));
    // What was asked by us comes first.
    let answers = if case.kind.flow() == Flow::Asks { 2 } else { 1 };
    world.until("the reply comes", |world| {
        world.collect();
        world.pieces >= answers
    });
    world.rests("it rests when it has replied");
    world.collect();
    assert_eq!(world.got, b"question".repeat(answers));
    assert_eq!(world.statistics().dropped.amplified, 2);
    world.end();
}
