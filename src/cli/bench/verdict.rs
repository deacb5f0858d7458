//! What a result is worth, in plain words: what makes it a failure, and what is known about its limits. Only
//! what was measured is said, with the numbers that it was seen by.

use super::outcome::Outcome;
use super::phase::Phase;
use super::values::Rate;
use super::words::{self, count, duration, number_of, time};

/// From this part of a processor on, a thread has no time left to speak of.
const BUSY: f64 = 0.93;

/// From this part of the time on, waiting for a processor is worth a word.
const WAITED: f64 = 0.03;

/// A schedule that runs late by more than this, for one message of a hundred, has a say in the latency.
const LATE: u64 = 500_000;

/// What a sentence begins with that says why a run is a failure.
pub(super) const MARK: &str = "FAILED: ";

/// A reason why a run is a failure.
pub(super) struct Failing {
    /// For machines.
    pub(super) kind: &'static str,
    words: String,
    /// Whether it is one even if losses are allowed.
    always: bool,
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

/// What has to be known about a result.
pub(super) fn sentences(outcome: &Outcome) -> Vec<String> {
    let mut sentences = Vec::new();
    let troubles = troubles(outcome);
    let interrupted = troubles.iter().any(|trouble| trouble.kind == "interrupted");
    if outcome.stopped && !interrupted {
        let elapsed = duration(outcome.elapsed);
        sentences.push(format!("Ended early by a signal, after {elapsed} of measured time."));
    }
    for trouble in troubles {
        let failed = trouble.always || !outcome.load.allow_losses;
        let mark = if failed && trouble.kind != "interrupted" { MARK } else { "" };
        sentences.push(format!("{mark}{}", trouble.words));
    }
    if outcome.tally.errors.no_ports > 0 {
        sentences.push(
            "There were no free local ports: one source address has a port range for each destination. \
             Give more addresses with --bind, such as 127.0.0.2-127.0.0.9."
                .to_owned(),
        );
    }
    let held = outcome.findings.iter().filter(|finding| finding.holds());
    sentences.extend(held.map(|finding| finding.to_string()));
    if !outcome.has_replies() {
        return sentences;
    }
    sentences.extend(end(outcome));
    sentences.extend(datagrams(outcome));
    match outcome.load.rate {
        Some(rate) => sentences.extend(open_loop(outcome, rate)),
        None => sentences.extend(closed_loop(outcome)),
    }
    if outcome.waited > WAITED {
        sentences.push(format!(
            "The generator waited for a processor {:.0} % of the time, by the scheduler's count: something \
             else was running on it.",
            outcome.waited * 100.0
        ));
    }
    sentences
}

/// Everything that makes a run a failure, unless it is allowed.
fn troubles(outcome: &Outcome) -> Vec<Failing> {
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
    for (kind, words) in [
        ("connections_not_made", not_made(outcome)),
        ("connections_lost", lost(outcome)),
        ("unanswered", unanswered(outcome)),
        ("unsent", unsent(outcome)),
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
            return format!(
                "Interrupted while connecting, {made} of {all} made: nothing was measured."
            );
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
        _ => first.unwrap_or("no reply came in time").to_owned(),
    };
    format!("nothing was measured: {reason}.")
}

/// `3 of 10 connections`, or those of churn, of which nobody knows how many there should have been.
fn of_all(outcome: &Outcome, number: u64) -> String {
    match outcome.load.churn {
        true => number_of(number, "connection"),
        false => {
            let all = number_of(outcome.load.connections as u64, "connection");
            format!("{} of {all}", count(number as f64))
        }
    }
}

fn was(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

fn because(outcome: &Outcome) -> String {
    outcome.tally.first_error.as_ref().map_or(String::new(), |error| format!(" ({error})"))
}

fn not_made(outcome: &Outcome) -> Option<String> {
    let number = outcome.tally.trouble.not_made;
    let subject = of_all(outcome, number);
    let all = outcome.load.connections as u64;
    // Where that is all there is to tell, it has been told.
    let told = !outcome.has_replies() && number >= all && !outcome.load.churn;
    (number > 0 && !told).then(|| format!("{subject} could not be made{}.", because(outcome)))
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
    (number > 0).then(|| format!("{subject} {} lost{when}{}.", was(number), because(outcome)))
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

fn unsent(outcome: &Outcome) -> Option<String> {
    let number = outcome.tally.errors.unsent;
    if number == 0 || outcome.load.endpoint.is_datagram() {
        return None;
    }
    let messages = number_of(number, "message");
    Some(format!(
        "{messages} {} due and could not be sent: the connection was gone, or still owed as many replies \
         as --depth allows.",
        was(number)
    ))
}

/// Why a run was shorter than it should have been.
fn end(outcome: &Outcome) -> Option<String> {
    let early = outcome.reached == Phase::Measuring && !outcome.stopped;
    let elapsed = duration(outcome.elapsed);
    early.then(|| format!("No connection was left: the run ended after {elapsed}."))
}

fn datagrams(outcome: &Outcome) -> Option<String> {
    let lost = outcome.tally.times.unanswered.len();
    (outcome.load.endpoint.is_datagram() && lost > 0).then(|| {
        format!(
            "{} ({}) had no reply within {}: in the latency each counts as the time that it was waited for.",
            number_of(lost, "datagram"),
            words::percent(outcome.loss()),
            duration(outcome.load.timeout),
        )
    })
}

fn open_loop(outcome: &Outcome, rate: Rate) -> Vec<String> {
    let mut sentences = Vec::new();
    let late = outcome.tally.times.late.value_at_quantile(0.99);
    if late > LATE {
        sentences.push(format!(
            "The generator's own schedule ran late by {} at p99, which is in the latency. A lower --rate, \
             more --workers, or a processor of its own would help.",
            time(late)
        ));
    }
    if outcome.rate() < rate.mean() * 0.99 {
        let never = outcome.tally.times.unanswered.len();
        sentences.push(format!(
            "Of {rate} messages a second, {} were answered within the measured time; {} of all were \
             answered after its end, {} never.",
            words::rate(outcome.rate()),
            count(outcome.drained as f64),
            count(never as f64),
        ));
    }
    sentences.extend(backlog(outcome, rate));
    sentences
}

/// A queue that grew from each quarter to the next, by steps that are no accident.
fn backlog(outcome: &Outcome, rate: Rate) -> Option<String> {
    let &[a, b, c, d] = &outcome.backlog[..] else { return None };
    let step = d / 8;
    let grew = step > 0 && b >= a + step && c >= b + step && d >= c + step;
    let due = rate.mean() * outcome.elapsed.as_secs_f64();
    (grew && d as f64 >= due * 0.01).then(|| {
        let [a, b, c, d] = [a, b, c, d].map(|pending| count(pending as f64));
        format!(
            "The queue grew all the time: {a}, {b}, {c} and {d} messages were waiting, or on their way, \
             after each quarter of it. So latency depends on how long one looks."
        )
    })
}

fn closed_loop(outcome: &Outcome) -> Option<String> {
    if outcome.busiest < BUSY {
        return None;
    }
    let own = format!("{:.0} %", outcome.busiest * 100.0);
    let generator = match outcome.load.workers {
        1 => "The generator",
        _ => "The busiest worker of the generator",
    };
    Some(match outcome.server_share().map(|server| (server, format!("{:.0} %", server * 100.0))) {
        Some((share, server)) if share < BUSY => format!(
            "The generator was the limit: it used {own} of a processor, the server {server}. Use more \
             --workers."
        ),
        Some((_, server)) => format!(
            "{generator} used {own} of a processor and the server {server}: which of them was the limit \
             can't be told from that. If more --workers get more done, it was the generator."
        ),
        None => format!(
            "{generator} used {own} of a processor and may have been the limit; --server-pid would tell."
        ),
    })
}
