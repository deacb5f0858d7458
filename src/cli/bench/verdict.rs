//! What a result is worth, in plain words. Only what was measured is said, with the numbers that it was
//! seen by.

use super::failing::{Failing, troubles, unsent};
use super::outcome::Outcome;
use super::phase::Phase;
use super::values::Rate;
use super::words::{self, count, duration, number_of, time};

/// From this part of a processor on, a thread has no time left to speak of.
const BUSY: f64 = 0.93;

/// Up to this part it has some left, without doubt.
const SPARE: f64 = 0.75;

/// From this part of the time on, waiting for a processor is worth a word.
const WAITED: f64 = 0.03;

/// A schedule that runs late by more than this, for one message of a hundred, has a say in the latency.
const LATE: u64 = 500_000;

/// What a sentence begins with that says why a run is a failure.
pub(super) const MARK: &str = "FAILED: ";

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
        sentences.push(if failed { marked(&trouble) } else { trouble.words });
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
    sentences.extend(outcome.notes.iter().cloned());
    sentences.extend(end(outcome));
    if outcome.load.endpoint.is_datagram() {
        // Of datagrams some are lost, wherever they are sent to.
        sentences.extend(datagrams(outcome).into_iter().chain(unsent(outcome)));
    }
    match outcome.load.rate {
        Some(rate) => sentences.extend(open_loop(outcome, rate)),
        None => sentences.extend(closed_loop(outcome)),
    }
    sentences.extend(outcome.server.and_then(|server| server.ended).map(|pid| {
        format!(
            "Process {pid} of the server ended within the run: what the server used is left out."
        )
    }));
    sentences.extend(outcome.server.iter().flat_map(|server| server.counts.refusals()));
    if is_disturbed(outcome) {
        sentences.push(format!(
            "The generator waited for a processor {:.0} % of the time, by the scheduler's count: something \
             else was running on it.",
            outcome.waited * 100.0
        ));
    }
    sentences
}

/// Of that only what gives the run its exit status.
pub(super) fn failures(outcome: &Outcome) -> Vec<String> {
    let held = outcome.findings.iter().filter(|finding| finding.holds());
    let failings = outcome.failings();
    failings.iter().map(marked).chain(held.map(ToString::to_string)).collect()
}

fn marked(failing: &Failing) -> String {
    let mark = if failing.kind == "interrupted" { "" } else { MARK };
    format!("{mark}{}", failing.words)
}

/// Whether the generator had to wait for its processor so long that it matters.
pub(super) fn is_disturbed(outcome: &Outcome) -> bool {
    outcome.waited > WAITED
}

/// Why a run was shorter than it should have been.
fn end(outcome: &Outcome) -> Option<String> {
    let early = outcome.reached == Phase::Measuring && !outcome.stopped;
    let elapsed = duration(outcome.elapsed);
    early.then(|| format!("No connection was left: the run ended after {elapsed}."))
}

fn datagrams(outcome: &Outcome) -> Option<String> {
    let lost = outcome.tally.errors.lost;
    let all =
        (outcome.latency.len() - outcome.tally.errors.unsent.min(outcome.latency.len())).max(1);
    (lost > 0).then(|| {
        format!(
            "{} ({}) had no reply within {}: in the latency each counts as the time that it was waited for, \
             and so long it kept its place. Of {} places for datagrams on their way, {} were used on average.",
            number_of(lost, "datagram"),
            words::percent(lost as f64 / all as f64),
            duration(outcome.load.timeout),
            count(outcome.places() as f64),
            words::figure(outcome.on_the_way()),
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
            "Of {} a second, {} were answered within the measured time; {} of all were \
             answered after its end, {} never.",
            number_of_rate(rate.mean()),
            words::rate(outcome.rate()),
            count(outcome.drained as f64),
            count(never as f64),
        ));
    }
    sentences.extend(backlog(outcome, rate));
    sentences
}

/// `1 message`, `2.50 messages`.
fn number_of_rate(rate: f64) -> String {
    let thing = if rate == 1.0 { "message" } else { "messages" };
    format!("{} {thing}", words::rate(rate))
}

/// A queue that grew from each quarter to the next, by steps that are no accident. Behind lost datagrams and
/// connections there is one that says nothing of how much a server can do.
fn backlog(outcome: &Outcome, rate: Rate) -> Option<String> {
    let &[a, b, c, d] = &outcome.backlog[..] else { return None };
    let waits_for_lost = outcome.tally.errors.lost > 0 || outcome.tally.trouble.gone > 0;
    let step = d / 8;
    let grew = step > 0 && b >= a + step && c >= b + step && d >= c + step;
    let due = rate.mean() * outcome.elapsed.as_secs_f64();
    (grew && !waits_for_lost && d as f64 >= due * 0.01).then(|| {
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
        Some((share, server)) if share < SPARE => format!(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::outcome::tests::{outcome, with_replies};
    use std::time::Duration;

    fn says(outcome: &Outcome, words: &str) -> bool {
        sentences(outcome).iter().any(|sentence| sentence.contains(words))
    }

    /// Also when that is why nothing was measured at all.
    #[test]
    fn without_ports_more_addresses_are_advised() {
        let mut none = outcome(None);
        none.tally.errors.no_ports = 10;
        none.tally.trouble.not_made = 10;
        assert!(says(&none, "nothing was measured") && says(&none, "--bind"));
    }

    /// A queue that grows is said of one that was seen to grow, in every quarter.
    #[test]
    fn only_a_queue_that_grew_is_said_to_have_grown() {
        let grew = |backlog: [u64; 4]| {
            let mut outcome = with_replies(Some(1000.0), 3000);
            outcome.backlog = backlog.to_vec();
            says(&outcome, "The queue grew")
        };
        assert!(grew([250, 500, 750, 1000]));
        assert!(!grew([0, 0, 0, 1000]), "a stall at the end");
        assert!(!grew([0, 1000, 500, 0]), "a stall in the middle");
        assert!(!grew([10, 10, 11, 10]));
        assert!(!grew([1, 2, 3, 4]), "too few to matter");
    }

    /// Two that both have nothing to spare: which one the other waited for can't be seen.
    #[test]
    fn who_is_the_limit_is_said_only_if_one_is_not() {
        let of = |own: f64, server: Option<f64>| {
            let mut outcome = with_replies(None, 1000);
            outcome.busiest = own;
            outcome.server = server.map(|share| crate::cli::bench::process::Usage {
                cpu: Some(Duration::from_secs(4).mul_f64(share)),
                ..Default::default()
            });
            sentences(&outcome).join(" ")
        };
        assert_eq!(of(0.5, Some(1.0)), "");
        assert!(of(0.99, Some(0.5)).contains("The generator was the limit"));
        for server in [0.8, 0.92, 0.99] {
            assert!(of(0.93, Some(server)).contains("can't be told"), "{server}");
        }
        assert!(of(0.99, Some(1.98)).contains("can't be told"), "a server with several threads");
        assert!(of(0.99, None).contains("--server-pid would tell"));
    }
}
