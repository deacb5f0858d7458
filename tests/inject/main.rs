//! The built binary, one of whose system calls fails, for every call that it makes and every error that its manual
//! page allows, at several places: nobody else is harmed, no byte is wrong, newcomers are served, and SIGTERM ends it
//! with 0.
//!
//! The gate looks at a part of the [table]; `ECHOLOOP_INJECT=all cargo test --test inject` looks at all of it,
//! which takes five minutes. strace(1) makes the calls fail; where it is missing, or nobody may be
//! traced, this is left out.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod clients;
mod programs;
mod serving;
mod table;
mod traced;
#[path = "../clients/mod.rs"]
mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Mutex;
use std::thread;

use echoloop::Echo;

use programs::{PROGRAMS, SCHEMES};
use table::{CONNECTING, Harm, LIES, Load, SERVING, STARTING};
use traced::{Fault, MOMENTS, When, calls_before, can_trace};
use used::Server;

/// `Err`: what was wrong.
type Verdict = Result<(), String>;

/// How many programs run at a time: each waits for its tracer more than for a processor.
const AT_A_TIME: usize = 4;

/// Whether all of the table is looked at.
fn is_thorough() -> bool {
    std::env::var_os("ECHOLOOP_INJECT").is_some_and(|value| value == "all")
}

/// Whether there is nothing that could be looked at. Says so.
fn is_left_out() -> bool {
    let left_out = !can_trace();
    if left_out {
        println!("left out: strace is missing, or nothing may be traced here");
    }
    left_out
}

/// The moments at which the error at this place of its row is made up.
fn moments(place: usize) -> &'static [When] {
    match (is_thorough(), place) {
        (true, _) => &MOMENTS,
        (false, 0) => &[When::Nth(1), When::EveryThird],
        (false, 1) => &[When::Nth(2)],
        (false, _) => &[],
    }
}

/// Runs them all, and reports each that was wrong, and each call that was never made by whom it should be.
#[track_caller]
fn check_all<By>(
    cases: &[(Fault, By)],
    run: impl Fn(&Fault, By) -> Result<usize, String> + Sync,
) -> BTreeMap<(&'static str, By), usize>
where
    By: Copy + Debug + Ord + Send + Sync,
{
    let next = Mutex::new(cases.iter());
    let wrong = Mutex::new(Vec::new());
    let hits = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let Some((fault, by)) = next.lock().unwrap().next() else { return };
            match run(fault, *by) {
                Ok(count) => *hits.lock().unwrap().entry((fault.call, *by)).or_default() += count,
                Err(what) => {
                    wrong.lock().unwrap().push(format!("{by:?}: {}: {what}", fault.name()))
                }
            }
        }
    };
    thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
    let (wrong, hits) = (wrong.into_inner().unwrap(), hits.into_inner().unwrap());
    println!("{} programs, calls that failed: {hits:?}", cases.len());
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    hits
}

/// What was never made to fail hasn't been looked at.
#[track_caller]
fn check_hit<By: Debug>(hits: &BTreeMap<(&'static str, By), usize>) {
    let never: Vec<_> = hits.iter().filter(|(_, count)| **count == 0).collect();
    assert!(never.is_empty(), "never called: {never:?}");
}

/// An error at all moments at which it is made up.
fn faults(
    call: &'static str,
    place: usize,
    (error, harm): (&'static str, Harm),
) -> impl Iterator<Item = Fault> {
    moments(place).iter().map(move |&when| Fault { call, error, harm, when, after: 0 })
}

/// Those of a table that says nothing of harm.
fn faults_of(table: &[(&'static str, &[&'static str])]) -> Vec<Fault> {
    let mut all = Vec::new();
    for (call, errors) in table {
        for (place, error) in errors.iter().enumerate() {
            all.extend(faults(call, place, (error, Harm::Peer)));
        }
    }
    all
}

/// What fails for one client harms that one at most.
#[test]
fn calls_that_fail_while_it_serves() {
    if is_left_out() {
        return;
    }
    let mut cases = Vec::new();
    for row in SERVING {
        for (place, &error) in row.errors.iter().enumerate() {
            cases.extend(faults(row.call, place, error).map(|fault| (fault, row.load)));
        }
    }
    check_hit(&check_all(&cases, serving::fails_serving));
}

/// It starts, or says why it doesn't and leaves nothing behind.
#[test]
fn calls_that_fail_while_it_starts() {
    if is_left_out() {
        return;
    }
    let cases: Vec<_> = faults_of(STARTING).into_iter().map(|fault| (fault, ())).collect();
    check_hit(&check_all(&cases, |fault, ()| serving::fails_starting(fault)));
}

/// The programs that connect end, and say what was amiss.
#[test]
fn calls_that_fail_in_a_client() {
    if is_left_out() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let places = SCHEMES.map(|scheme| match scheme {
        "tcp" | "udp" => format!("{scheme}://localhost:0"),
        _ => format!("{scheme}://{}", directory.path().join(scheme).display()),
    });
    let servers = places.map(|place| Server::start(&place, Echo));
    let mut cases = Vec::new();
    for (i, fault) in faults_of(CONNECTING).into_iter().enumerate() {
        let all = (0..PROGRAMS.len() * SCHEMES.len()).collect::<Vec<_>>();
        // The gate takes some of each, turn by turn.
        let some = [i, i + 5];
        let chosen = if is_thorough() { &all[..] } else { &some[..] };
        for which in chosen {
            let program = PROGRAMS[which % PROGRAMS.len()];
            cases.push((fault.clone(), (program, which / PROGRAMS.len() % SCHEMES.len())));
        }
    }
    let hits = check_all(&cases, |fault, (program, scheme)| {
        programs::fails(fault, program, SCHEMES[scheme], &servers[scheme].endpoint)
    });
    let mut by_anyone = BTreeMap::new();
    for ((call, _), count) in hits {
        *by_anyone.entry((call, ())).or_default() += count;
    }
    // A few of the programs don't make every call.
    if is_thorough() {
        check_hit(&by_anyone);
    }
}

/// Between its last look and the close, something may arrive.
#[test]
fn a_slow_close_resets_nobody() {
    if !is_left_out() {
        serving::close_is_slow().unwrap();
    }
}

/// Nothing is called that the table doesn't know.
#[test]
fn every_call_has_been_thought_of() {
    if is_left_out() || !is_thorough() {
        return;
    }
    let log = serving::healthy(&[Load::Streams, Load::Datagrams]).unwrap().log;
    let before = calls_before(&log, "\"listening on ");
    let during = calls_before(&log, "");
    let known: BTreeSet<&str> =
        SERVING.iter().map(|row| row.call).chain(LIES.iter().map(|(call, _)| *call)).collect();
    let unknown: Vec<_> = during
        .iter()
        .filter(|(call, count)| before.get(*call) != Some(count) && !known.contains(call.as_str()))
        .collect();
    assert!(unknown.is_empty(), "the table doesn't know {unknown:?}");
}
