//! What has nothing to do costs nothing.

use crate::fates::{Case, Fate};
use crate::rows::Kind;
use crate::world::{Setup, World};

pub(crate) fn rests(case: Case, fate: Fate) {
    let is_early = World::goes_early(case.kind, case.moment);
    let early = if is_early { b"hello".to_vec() } else { Vec::new() };
    let mut world = World::new(case, Setup { early, ..Setup::default() });
    world.serve(fate);
    world.pass(b"at first");
    world.rests("it rests when it has been served");
    assert_eq!(world.statistics().buffered, 0);
    if !is_early {
        world.exchange(b"and once more"); // It isn't dead.
        world.rests("it rests when it has been served again");
    }
    if case.kind == Kind::FileIn && !case.moment.is_in_a_stop() {
        world.gone(); // There is nothing more to come.
    }
    world.end();
}
