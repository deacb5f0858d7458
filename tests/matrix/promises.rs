//! The promises of the crate's page: to each its check, and where it makes no sense.

use crate::checks::{closing, errors, fairness, idle, limits, lossless, stale, trouble, weapon};
use crate::fates::{Case, Fate};
use crate::rows::{Driver, Flow, Moment, Way};

pub(crate) struct Promise {
    /// How it begins on the crate's page.
    pub(crate) says: &'static str,
    /// Why there is nothing to look at in a case.
    pub(crate) why_not: fn(&Case, Fate) -> Option<&'static str>,
    pub(crate) check: fn(Case, Fate),
}

/// In the order of the page.
pub(crate) const PROMISES: &[Promise] = &[
    Promise {
        says: "Nothing is lost, reordered or invented",
        why_not: must_be_served,
        check: lossless::through,
    },
    Promise {
        says: "A service takes only what it could answer",
        why_not: |case, fate| match () {
            () if case.moment.is_in_a_stop() => Some("a stop takes no more than what had arrived"),
            () => must_be_served(case, fate),
        },
        check: limits::bounded,
    },
    Promise {
        says: "A peer can end its own connection, and nothing else",
        why_not: |case, fate| match () {
            () if case.kind.is_file() => Some("a file has no peer"),
            () => must_be_served(case, fate),
        },
        check: trouble::one_peer,
    },
    Promise {
        says: "Running out of descriptors is neither a stall nor a busy loop",
        why_not: |case, _| {
            (case.moment != Moment::NoDescriptors).then_some("there are descriptors")
        },
        check: limits::without_descriptors,
    },
    Promise {
        says: "What is stale finds nothing",
        why_not: must_be_served,
        check: stale::nothing_is_found,
    },
    Promise {
        says: "A flood doesn't starve a whisper",
        why_not: |case, fate| match () {
            () if case.kind.flow() == Flow::Out => Some("nobody can flood what is only written"),
            () if case.driver == Driver::Run => {
                Some("it turns while the peers write, and so nobody knows who was first")
            }
            () if case.moment.is_in_a_stop() => Some("a stop takes no more than what had arrived"),
            () => must_be_served(case, fate),
        },
        check: fairness::whisper,
    },
    Promise {
        says: "Closing is polite",
        why_not: |case, fate| match () {
            () if case.kind.is_datagrams() => Some("datagrams know no goodbye"),
            () => must_be_served(case, fate),
        },
        check: closing::polite,
    },
    Promise { says: "Idle costs nothing", why_not: must_be_served, check: idle::rests },
    Promise {
        says: "A UDP socket can't be turned against others",
        why_not: |case, fate| match () {
            () if !case.kind.is_datagrams() => Some("it has no datagrams"),
            () => must_be_served(case, fate),
        },
        check: weapon::no_more_out_than_in,
    },
    Promise {
        says: "Errors name the deed and the object",
        why_not: |case, fate| match fate {
            Fate::Served | Fate::Waits if case.comes_by_a_listener() => {
                Some("nobody calls for what is accepted, and so nobody gets an error")
            }
            _ => None,
        },
        check: errors::named,
    },
    Promise {
        says: "A graceful stop loses nothing",
        why_not: |case, fate| match () {
            () if case.way == Way::Background => Some("a stop doesn't wait for the background"),
            () => must_be_served(case, fate),
        },
        check: lossless::stopped,
    },
    Promise {
        says: "Closed standard streams, broken log pipes, interrupts, stale socket files",
        why_not: |case, fate| match () {
            () if case.moment == Moment::NoDescriptors => Some("promise 4 looks at that"),
            () => must_be_served(case, fate),
        },
        check: lossless::in_rough_surroundings,
    },
];

/// Most of them are about what is served.
fn must_be_served(_: &Case, fate: Fate) -> Option<&'static str> {
    match fate {
        Fate::Served | Fate::Waits => None,
        Fate::Refused(_) | Fate::Fails(_) => Some("it is refused, and promise 10 looks at how"),
    }
}

/// What the page says in its list of promises, in a line each.
pub(crate) fn of_the_page() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
    let page = std::fs::read_to_string(path).expect("the crate's page");
    let lines = page.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let list = lines.skip_while(|line| *line != "# Promises").skip(1);
    let mut promises: Vec<String> = Vec::new();
    for line in list.take_while(|line| !line.starts_with('#')).filter(|line| !line.is_empty()) {
        let number = format!("{}. ", promises.len() + 1);
        match (line.strip_prefix(&number), promises.last_mut()) {
            (Some(promise), _) => promises.push(promise.to_owned()),
            (None, Some(promise)) => *promise = format!("{promise} {line}"),
            (None, None) => panic!("the list of promises begins with {line:?}"),
        }
    }
    promises
}

/// What is on the page and not here, or here and not on the page.
pub(crate) fn strangers() -> Vec<String> {
    let page = of_the_page();
    let mut strangers = Vec::new();
    for number in 0..page.len().max(PROMISES.len()) {
        match (page.get(number), PROMISES.get(number)) {
            (Some(page), Some(ours)) if page.starts_with(ours.says) => {}
            (Some(page), _) => {
                strangers.push(format!("no cells for promise {}: {page}", number + 1))
            }
            (None, Some(ours)) => strangers.push(format!("not on the crate's page: {}", ours.says)),
            (None, None) => unreachable!("there are no more"),
        }
    }
    strangers
}

/// Whether what it needs is a process of its own, and which one.
pub(crate) fn process(number: usize, moment: Moment) -> Process {
    match (number, moment) {
        (_, Moment::NoDescriptors) => Process::WithoutDescriptors,
        (12, _) => Process::InRoughSurroundings,
        _ => Process::This,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    This,
    WithoutDescriptors,
    InRoughSurroundings,
}
