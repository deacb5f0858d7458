//! Whoever wants something that can't be had is told what, and why; and nothing is left of it.

use crate::fates::{Case, Fate};
use crate::faulty;
use crate::rows::Way;
use crate::world::{Setup, World};

pub(crate) fn named(case: Case, fate: Fate) {
    match fate {
        Fate::Refused(_) | Fate::Fails(_) => refused(case, fate, Setup::default()),
        // The same way, with something that can't be had.
        Fate::Served | Fate::Waits => {
            let (why, swap) = faulty::swap(&case);
            refused(case, why, Setup { swap: Some(swap), ..Setup::default() });
        }
    }
}

fn refused(case: Case, fate: Fate, setup: Setup) {
    let mut world = World::new(case, setup);
    let outcome = world.stage.see().outcome.clone().expect("it was tried");
    match fate {
        Fate::Refused(why) => {
            let error = outcome.expect_err("it can't be had");
            assert!(error.starts_with(deed(&case)), "{error}");
            assert!(error.ends_with(&format!(": {why}")), "{error}");
        }
        Fate::Fails(why) => {
            assert_eq!(outcome, Ok(()));
            let id = world.stage.see().made.expect("it was begun");
            world.until("its service is told", |world| !world.stage.see().closed.is_empty());
            assert_eq!(world.stage.see().closed, [(id, why.to_owned())]);
        }
        Fate::Served | Fate::Waits => unreachable!("it can't be had"),
    }
    let seen = world.stage.see();
    assert_eq!((seen.id, &seen.ids[..]), (None, &[][..]), "something is there");
    drop(seen);
    if case.has_stopped() {
        return world.stopped();
    }
    let made = world.stage.see().made;
    if let Some(made) = made {
        assert!(!world.run(move |cx| cx.source(made).is_open()), "something is left of it");
    }
    world.rests("it rests when that couldn't be had");
    world.give_way();
    world.witness_unless_stopping();
    world.release();
    world.end();
}

/// How the error begins.
fn deed(case: &Case) -> &'static str {
    match case.base().expect("there is such a way") {
        Way::Dialled => "cannot connect to ",
        Way::Adopted | Way::HandedOver => "cannot adopt a descriptor: ",
        Way::ListenedOn => "cannot listen on a descriptor: ",
        _ => "cannot listen on ",
    }
}
