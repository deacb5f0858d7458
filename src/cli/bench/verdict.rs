//! What a result is worth, in plain words.

use super::words::{count, time};
use super::worker::Outcome;

/// From this part of a processor on, a thread has no time left to speak of.
const BUSY: f64 = 0.93;

/// From this part of the time on, waiting for a processor is worth a word.
const WAITED: f64 = 0.03;

/// A schedule that runs late by more than this, for one message of a hundred, has a say in the latency.
const LATE: u64 = 500_000;

/// What has to be known about a result.
pub(super) fn sentences(outcome: &Outcome) -> Vec<String> {
    let mut sentences = Vec::new();
    if outcome.stopped {
        sentences.push("Ended early by a signal.".to_owned());
    }
    sentences.extend(failure(outcome));
    if outcome.tally.times.latency.is_empty() {
        return sentences;
    }
    match outcome.load.rate {
        Some(rate) => sentences.extend(open_loop(outcome, rate)),
        None => sentences.extend(closed_loop(outcome)),
    }
    if outcome.waited > WAITED {
        sentences.push(format!(
            "Others used the generator's processor: it waited for it {:.0} % of the time.",
            outcome.waited * 100.0
        ));
    }
    let errors = &outcome.tally.errors;
    if errors.no_ports > 0 {
        sentences.push("Local ports ran out: give more addresses with --bind.".to_owned());
    }
    sentences
}

fn failure(outcome: &Outcome) -> Option<String> {
    let tally = &outcome.tally;
    if tally.errors.faults() > 0 {
        let first = tally.first_fault.as_deref().unwrap_or("bytes that nobody had asked for");
        return Some(format!("FAILED: the server's answers are wrong. First: {first}."));
    }
    if tally.times.latency.is_empty() && !outcome.stopped {
        let reason = tally.first_error.as_deref().unwrap_or("no reply came in time");
        return Some(format!("FAILED: nothing was measured: {reason}."));
    }
    None
}

fn open_loop(outcome: &Outcome, rate: f64) -> Vec<String> {
    let mut sentences = Vec::new();
    let late = outcome.tally.times.late.value_at_quantile(0.99);
    if late > LATE {
        sentences.push(format!(
            "The generator was a bottleneck: its own schedule ran late by {} at p99, which is in the \
             latency. Use a lower --rate, more --workers, or a processor of its own.",
            time(late)
        ));
    }
    if outcome.rate() < rate * 0.99 {
        sentences.push(format!(
            "Only {} of the {} messages a second were answered in time: what is measured is a queue \
             that grows, and latency depends on how long one looks.",
            count(outcome.rate()),
            count(rate)
        ));
    }
    sentences
}

fn closed_loop(outcome: &Outcome) -> Option<String> {
    let own = outcome.busiest;
    match outcome.server_share() {
        _ if own < BUSY => None,
        Some(server) if server >= BUSY => Some(
            "Generator and server both used a whole processor: neither waited for the other."
                .into(),
        ),
        Some(server) => Some(format!(
            "The generator was the bottleneck: it used {:.0} % of a processor, the server {:.0} %. The \
             server can do more than this; use more --workers.",
            own * 100.0,
            server * 100.0
        )),
        None => Some(format!(
            "The generator used {:.0} % of a processor and may have been the bottleneck; --server-pid \
             would tell.",
            own * 100.0
        )),
    }
}
