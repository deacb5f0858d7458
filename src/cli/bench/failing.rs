//! What makes a run a failure.

use super::load::Length;
use super::outcome::Outcome;
use super::phase::Phase;
use super::words::{count, duration, number_of, time};

/// A reason why a run is a failure.
pub(super) struct Failing {
    /// For machines.
    pub(super) kind: &'static str,
    pub(super) words: String,
    /// Whether it is one even if losses are allowed.
    pub(super) always: bool,
}

impl Outcome {
    /// Why it is a failure, if it is one.
    pub(super) fn failings(&self) -> Vec<Failing> {
        let allowed = self.load.allow_losses;
        troubles(self).into_iter().filter(|failing| failing.always || !allowed).collect()
    }

    /// Whether it is a failure: wrong answers, lost connections, no reply on a stream, or none at all.
    pub(super) fn has_failed(&self) -> bool {
        !self.failings().is_empty()
    }
}

/// Everything that makes a run a failure, unless it is allowed.
pub(super) fn troubles(outcome: &Outcome) -> Vec<Failing> {
    let mut troubles = Vec::new();
    let tally = &outcome.tally;
    if outcome.has_faults() {
        let first = tally.first_fault.as_deref().unwrap_or("bytes that nobody had asked for");
        let words = format!("the server's answers are wrong. First: {first}.");
        troubles.push(Failing { kind: "wrong_replies", words, always: true });
    }
    if !outcome.has_replies() && outcome.stopped {
        let words = interrupted(outcome);
        troubles.push(Failing { kind: "interrupted", words, always: true });
        return troubles;
    }
    if !outcome.has_replies() {
        let words = nothing(outcome);
        troubles.push(Failing { kind: "nothing_measured", words, always: true });
    }
    let datagrams = outcome.load.endpoint.is_datagram();
    let told = !outcome.has_replies() && outcome.reached <= Phase::Warming;
    for (kind, words) in [
        ("connections_not_made", not_made(outcome)),
        ("connections_lost", lost(outcome).filter(|_| !told)),
        ("undeliverable", undeliverable(outcome).filter(|_| outcome.has_replies())),
        ("fell_silent", fell_silent(outcome).filter(|_| outcome.has_replies())),
        ("unanswered", unanswered(outcome)),
        ("unsent", unsent(outcome).filter(|_| !datagrams && !told)),
    ] {
        troubles.extend(words.map(|words| Failing { kind, words, always: false }));
    }
    troubles
}

fn interrupted(outcome: &Outcome) -> String {
    let when = match outcome.reached {
        Phase::Connecting => {
            let all = count(outcome.load.connections as f64);
            let made = count(outcome.tally.connects as f64);
            if made != all {
                return format!(
                    "Interrupted while connecting, {made} of {all} made: nothing was measured."
                );
            }
            "before the load began"
        }
        Phase::Warming => "in the warm-up",
        _ => "before the first reply",
    };
    format!("Interrupted {when}: nothing was measured.")
}

fn nothing(outcome: &Outcome) -> String {
    let first = outcome.tally.first_error.as_deref();
    let reason = match outcome.reached {
        Phase::Warming => {
            let first = first.map_or(String::new(), |error| format!(" ({error})"));
            format!("no connection was left in the warm-up{first}")
        }
        _ if outcome.tally.trouble.owed > 0 => "no reply came in time".to_owned(),
        _ => first.unwrap_or("no reply came in time").to_owned(),
    };
    format!("nothing was measured: {reason}.")
}

/// `3 of 10 connections`, or those of churn, of which nobody knows how many there should have been.
fn of_all(outcome: &Outcome, number: u64) -> String {
    let thing = if outcome.load.endpoint.is_datagram() { "socket" } else { "connection" };
    match outcome.load.churn {
        true => number_of(number, thing),
        false => {
            let all = number_of(outcome.load.connections as u64, thing);
            format!("{} of {all}", count(number as f64))
        }
    }
}

fn was(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

fn because(why: Option<&String>) -> String {
    why.map_or(String::new(), |why| format!(" ({why})"))
}

fn not_made(outcome: &Outcome) -> Option<String> {
    let number = outcome.tally.trouble.not_made;
    let why = outcome.tally.trouble.why_not_made.as_ref();
    let subject = of_all(outcome, number);
    let all = outcome.load.connections as u64;
    // Where that is all there is to tell, it has been told.
    let told = !outcome.has_replies() && number >= all && !outcome.load.churn;
    (number > 0 && !told).then(|| format!("{subject} could not be made{}.", because(why)))
}

fn lost(outcome: &Outcome) -> Option<String> {
    let trouble = &outcome.tally.trouble;
    let number = trouble.gone;
    let when = match trouble.first_gone {
        _ if trouble.gone_before > 0 => ", the first before the measured time".to_owned(),
        Some(after) => format!(", the first {} into the measured time", time(after)),
        None => String::new(),
    };
    let subject = of_all(outcome, number);
    let why = because(trouble.why_gone.as_ref());
    (number > 0).then(|| format!("{subject} {} lost{when}{why}.", was(number)))
}

/// Losing datagrams is one thing; a server that isn't there another, and the kernel says so.
fn undeliverable(outcome: &Outcome) -> Option<String> {
    let number = outcome.tally.errors.unreachable;
    let (datagrams, why) = (number_of(number, "datagram"), outcome.tally.first_error.as_ref());
    (number > 0).then(|| format!("{datagrams} could not be delivered{}.", because(why)))
}

fn fell_silent(outcome: &Outcome) -> Option<String> {
    let Length::Count(asked) = outcome.load.length else { return None };
    let (answered, asked) = (count(outcome.tally.messages as f64), number_of(asked, "message"));
    let timeout = duration(outcome.load.timeout);
    outcome.tally.trouble.fell_silent.then(|| {
        format!(
            "the server fell silent after {answered} of {asked}: no more replies within {timeout}, and no more \
             were waited for."
        )
    })
}

fn unanswered(outcome: &Outcome) -> Option<String> {
    let trouble = &outcome.tally.trouble;
    let messages = number_of(trouble.owed, "message");
    let timeout = duration(outcome.load.timeout);
    let all = number_of(outcome.load.connections as u64, "connection");
    let silent = count(trouble.silent as f64);
    (trouble.owed > 0)
        .then(|| format!("{messages} had no reply within {timeout}, on {silent} of {all}."))
}

pub(super) fn unsent(outcome: &Outcome) -> Option<String> {
    let number = outcome.tally.errors.unsent;
    let messages = number_of(number, "message");
    (number > 0).then(|| {
        format!(
            "{messages} {} due and could not be sent: the connection was gone, or still owed as many \
             replies as --depth allows.",
            was(number)
        )
    })
}
