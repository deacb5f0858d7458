//! The highest rate at which a latency goal holds.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::load::Load;
use super::outcome::Outcome;
use super::plot::Plot;
use super::report;
use super::session::{Failure, Session};
use super::table::Table;
use super::values::{Axis, Goal, Rate};
use super::words::{self, count, duration, time};

/// The search ends when the highest rate that held and the lowest that didn't are so close.
const CLOSE: f64 = 1.03;

/// No more trials than this; 3 % are reached after ten or so.
const TRIALS: usize = 16;

/// A rate holds when this part of it is answered, and the goal is met.
const ANSWERED: f64 = 0.99;

struct Trial {
    rate: f64,
    answered: f64,
    latency: u64,
    held: bool,
    /// How late the generator's own schedule ran, at the percentile of the goal, if it is that what made
    /// it fail.
    late: Option<u64>,
    /// What else did, if it is not the latency that the table shows.
    why: Option<String>,
}

/// First a closed loop, which can't be outdone in throughput; then trials below that, each halving what
/// is left on a logarithmic scale. A rate fails when it has failed twice.
pub(super) fn run(mut session: Session, goal: Goal) -> Result<ExitCode, Failure> {
    let load = session.loads[0].clone();
    let closed = session.run(0, &load, "closed loop  ", 0)?;
    if closed.has_failed() {
        // What can't even be asked for as much as it gives has no rate to be found.
        session.judge(&closed);
        session.print(&report::full(&closed))?;
        return session.finish(
            "find-rate",
            ("found", found(goal, 0.0, None, !closed.stopped)),
            None,
        );
    }
    let capacity = closed.rate();
    let mut trials: Vec<Trial> = Vec::new();
    let (mut held, mut failed) = (None::<f64>, None::<f64>);
    let mut rate = capacity * 0.7;
    while trials.len() < TRIALS && rate >= capacity / 1000.0 && !session.is_stopped() {
        rate = if rate > 100.0 { rate.round() } else { rate };
        let load = Load { rate: Some(Rate::of(rate)), ..load.clone() };
        let label = format!("{}/s  ", words::rate(rate));
        let mut outcome = session.run(0, &load, &label, trials.len() + 1)?;
        if !Trial::of(&outcome, rate, goal).held && !session.is_stopped() {
            // Perhaps it was something else on this machine: a second chance.
            outcome = session.run(0, &load, &label, trials.len() + 1)?;
        }
        if outcome.stopped {
            break;
        }
        if outcome.has_faults() {
            session.fail("the server's answers are wrong.");
        }
        let trial = Trial::of(&outcome, rate, goal);
        *if trial.held { &mut held } else { &mut failed } = Some(rate);
        trials.push(trial);
        rate = match (held, failed) {
            (Some(held), Some(failed)) if failed / held <= CLOSE => break,
            (Some(held), Some(failed)) => (held * failed).sqrt(),
            (Some(held), None) if held >= capacity * 1.2 => break,
            (Some(held), None) => held * 1.2,
            (None, Some(failed)) => failed / 2.0,
            (None, None) => break,
        };
    }
    let finished = !session.is_stopped();
    let text = text(&session.loads[0], capacity, &trials, held, goal, finished);
    session.print(&text)?;
    let mut plot = Plot::sweep(Axis::Rate);
    trials.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let answered = trials.iter().map(|trial| (trial.rate, trial.answered));
    let latency = trials.iter().map(|trial| (trial.rate, trial.latency as f64));
    plot.values(&format!("p{}", goal.percent), answered.collect(), latency.collect());
    if held.is_none() {
        session.fail("no rate that was tried holds the goal.");
    }
    session.finish("find-rate", ("found", found(goal, capacity, held, finished)), Some(plot))
}

fn found(goal: Goal, capacity: f64, held: Option<f64>, finished: bool) -> Value {
    json!({
        "percentile": goal.percent,
        "limit": u64::try_from(goal.limit.as_nanos()).unwrap_or(u64::MAX),
        "closed_loop_messages_per_second": capacity,
        "rate": held,
        "finished": finished,
    })
}

impl Trial {
    fn of(outcome: &Outcome, rate: f64, goal: Goal) -> Trial {
        let latency = outcome.percentile(goal.percent);
        let within = !outcome.latency.is_empty() && u128::from(latency) <= goal.limit.as_nanos();
        let answered = outcome.rate();
        let held = within && answered >= rate * ANSWERED && !outcome.has_faults();
        // It can't be the server's fault if the generator alone was later than the goal allows.
        let late = outcome.tally.times.late.value_at_percentile(goal.percent);
        let late = (!held && u128::from(late) > goal.limit.as_nanos()).then_some(late);
        let why = if outcome.has_faults() {
            Some("wrong replies".to_owned())
        } else if outcome.loss() > 0.0 {
            Some(format!("{} had no reply", words::percent(outcome.loss())))
        } else if answered < rate * ANSWERED {
            Some(format!("only {} of it was answered in time", words::percent(answered / rate)))
        } else {
            None
        };
        Trial { rate, answered, latency, held, late, why: why.filter(|_| !held) }
    }

    fn verdict(&self) -> String {
        match (self.late, &self.why) {
            _ if self.held => "holds".to_owned(),
            (Some(late), _) => format!("fails: the generator ran late by {}", time(late)),
            (None, Some(why)) => format!("fails: {why}"),
            (None, None) => "fails".to_owned(),
        }
    }
}

fn text(
    load: &Load,
    capacity: f64,
    trials: &[Trial],
    held: Option<f64>,
    goal: Goal,
    finished: bool,
) -> String {
    let limit = duration(goal.limit);
    let mut out = report::headline(load, None).replacen("closed loop", "open loop", 1);
    out.push_str(&format!(
        "\nLooking for the highest rate with p{} within {limit}. Closed loop: {} a second.\n\n",
        goal.percent,
        count(capacity)
    ));
    let mut table = Table::default();
    table.row(["rate", "answered/s", &format!("p{}", goal.percent), ""]);
    if trials.is_empty() {
        out.push_str("Interrupted before any rate was tried.\n");
        return out;
    }
    for trial in trials {
        let cells = [words::rate(trial.rate), words::rate(trial.answered), time(trial.latency)];
        table.row(cells.into_iter().chain([trial.verdict()]));
    }
    table.print(&mut out);
    if trials.iter().any(|trial| trial.late.is_some()) {
        out.push_str(
            "\nWhere the generator ran late by more than the goal allows, the failure says nothing of the \
             server: use more --workers, or a processor of its own.\n",
        );
    }
    out.push_str(&match held {
        Some(rate) => {
            format!("\n{} a second hold p{} <= {limit}.\n", words::rate(rate), goal.percent)
        }
        None if !finished => String::new(),
        None => format!("\nNo rate that was tried holds p{} <= {limit}.\n", goal.percent),
    });
    if !finished {
        out.push_str("\nThe search was interrupted: the rates that were left to try may change its result.\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::outcome::tests::with_replies;

    /// A rate fails by what is measured; but if the generator alone was too late, that is said.
    #[test]
    fn a_failure_of_the_generator_is_told_from_one_of_the_server() {
        let goal: Goal = "p99=1ms".parse().unwrap();
        let mut outcome = with_replies(Some(1000.0), 4000);
        let trial = Trial::of(&outcome, 1000.0, goal);
        assert!(trial.held && trial.late.is_none());
        outcome.latency.record_n(5_000_000, 400).unwrap();
        let trial = Trial::of(&outcome, 1000.0, goal);
        assert!(!trial.held && trial.late.is_none());
        outcome.tally.times.late.record_n(4_000_000, 400).unwrap();
        let trial = Trial::of(&outcome, 1000.0, goal);
        assert!(!trial.held && trial.late.is_some());
    }

    /// Whoever reads the table sees what made a rate fail whose percentile is within the goal.
    #[test]
    fn a_failure_has_a_reason() {
        let goal: Goal = "p50=1ms".parse().unwrap();
        let mut outcome = with_replies(Some(2000.0), 4000);
        let of = |outcome: &Outcome, rate| Trial::of(outcome, rate, goal).verdict();
        assert_eq!(of(&outcome, 1000.0), "holds");
        assert_eq!(of(&outcome, 2000.0), "fails: only 50.0 % of it was answered in time");
        outcome.tally.times.unanswered.record_n(1_000_000_000, 1000).unwrap();
        outcome.latency.record_n(1_000_000_000, 1000).unwrap();
        assert_eq!(of(&outcome, 2000.0), "fails: 20.0 % had no reply");
        outcome.tally.errors.wrong = 1;
        assert_eq!(of(&outcome, 1000.0), "fails: wrong replies");
    }

    /// What was never answered has taken longer than any goal.
    #[test]
    fn loss_fails_a_rate() {
        let goal: Goal = "p99=1ms".parse().unwrap();
        let mut outcome = with_replies(Some(1000.0), 4000);
        outcome.latency.record_n(1_000_000_000, 60).unwrap();
        assert!(!Trial::of(&outcome, 1000.0, goal).held);
    }
}
