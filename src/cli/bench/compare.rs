//! Several endpoints, or several values, side by side.

use std::collections::BTreeSet;
use std::process::ExitCode;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::counts::Kind;
use super::load::Load;
use super::outcome::Outcome;
use super::plot::Plot;
use super::ratio::{ENOUGH, Ratio, median};
use super::report;
use super::session::{Failure, Session};
use super::table::Table;
use super::tally::histogram;
use super::values::Axis;
use super::verdict;
use super::words::{self, count, time};

/// What is kept of a run for comparing.
struct Figures {
    rate: f64,
    per_cpu: Option<f64>,
    p99: u64,
    memory: Option<f64>,
    instructions: Option<f64>,
    system_calls: Option<f64>,
    switches: Option<f64>,
}

/// One endpoint at one value, over all rounds.
struct Case {
    endpoint: usize,
    value: Option<f64>,
    rounds: Vec<Figures>,
    latency: Histogram<u64>,
    errors: u64,
    /// Runs in which the generator had to wait for its processor.
    disturbed: usize,
    /// What made a run of it a failure, in words.
    failures: Vec<String>,
    /// What could not be counted of the server, and why.
    uncounted: Vec<String>,
}

/// Runs all endpoints at all values: for each value in rounds, in each of which every endpoint has its
/// turn, and another one is the first. So what changes on the machine meanwhile changes it for all.
pub(super) fn run(mut session: Session) -> Result<ExitCode, Failure> {
    let loads = session.loads.clone();
    let values: Vec<Option<f64>> = match &session.args.sweep {
        Some(sweep) => sweep.values.iter().copied().map(Some).collect(),
        None => vec![None],
    };
    let rounds = if loads.len() > 1 { session.args.rounds } else { 1 };
    let mut cases: Vec<Case> = Vec::new();
    'all: for &value in &values {
        let first = cases.len();
        cases.extend((0..loads.len()).map(|endpoint| Case::new(endpoint, value)));
        for round in 0..rounds {
            for turn in 0..loads.len() {
                let endpoint = (round + turn) % loads.len();
                let label = label(&session, endpoint, value, round, rounds);
                let load = value.map_or(loads[endpoint].clone(), |value| {
                    session.args.at(&loads[endpoint], value)
                });
                let outcome = session.run(endpoint, &load, &label, round)?;
                if session.is_stopped() {
                    break 'all; // A run that was cut short is no match for the others.
                }
                session.judge(&outcome);
                cases[first + endpoint].add(&outcome);
            }
        }
    }
    cases.retain(|case| !case.rounds.is_empty());
    let text = text(&session, &loads, &cases);
    session.print(&(text + &session.against()))?;
    let comparison = comparison(&loads, &cases);
    let plot = session.args.sweep.as_ref().map(|sweep| sweep.axis);
    let plot = plot.map_or_else(|| percentiles(&loads, &cases), |axis| sweep(&loads, &cases, axis));
    let kind = if loads.len() > 1 { "compare" } else { "sweep" };
    session.finish(kind, ("comparison", comparison), Some(plot))
}

impl Case {
    fn new(endpoint: usize, value: Option<f64>) -> Case {
        Case {
            endpoint,
            value,
            rounds: Vec::new(),
            latency: histogram(),
            errors: 0,
            disturbed: 0,
            failures: Vec::new(),
            uncounted: Vec::new(),
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        let usage = outcome.server;
        let grown = usage.and_then(|usage| Some(usage.memory?.saturating_sub(usage.idle?)));
        self.rounds.push(Figures {
            rate: outcome.rate(),
            per_cpu: outcome.per_server_cpu(),
            p99: outcome.percentile(99.0),
            memory: grown.map(|grown| grown as f64 / outcome.load.connections as f64),
            instructions: outcome.instructions_per_message(),
            system_calls: outcome.per_message(Kind::SystemCalls),
            switches: outcome.per_message(Kind::ContextSwitches),
        });
        if let Some(usage) = usage {
            self.uncounted = usage.counts.refusals();
        }
        self.errors += outcome.tally.errors.total();
        self.disturbed += usize::from(verdict::is_disturbed(outcome));
        let sentences = verdict::sentences(outcome);
        self.failures.extend(sentences.into_iter().filter(|it| it.starts_with(verdict::MARK)));
        self.latency.add(&outcome.latency).expect("all histograms have the same bounds");
    }

    /// The median of a figure over the rounds.
    fn median(&self, figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.rounds.iter().filter_map(figure).collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// This figure over that of another case, in each of their rounds.
    fn ratio(&self, other: &Case, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Ratio> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let ratios: Vec<f64> = pairs
            .filter_map(|(ours, theirs)| Some(figure(ours)? / figure(theirs)?))
            .filter(|ratio| ratio.is_finite())
            .collect();
        (!ratios.is_empty()).then(|| Ratio::of(ratios))
    }
}

fn label(
    session: &Session,
    endpoint: usize,
    value: Option<f64>,
    round: usize,
    rounds: usize,
) -> String {
    let mut label = String::new();
    if let (Some(sweep), Some(value)) = (&session.args.sweep, value) {
        label.push_str(&format!("{} {}  ", sweep.axis, sweep.axis.words(value)));
    }
    if rounds > 1 {
        let name = &session.loads[endpoint].endpoint;
        label.push_str(&format!("round {} of {rounds}  {name}  ", round + 1));
    }
    label
}

fn text(session: &Session, loads: &[Load], cases: &[Case]) -> String {
    let several = loads.len() > 1;
    let axis = session.args.sweep.as_ref().map(|sweep| sweep.axis);
    let mut out = report::headline(&loads[0], axis) + "\n";
    if several {
        out = out.replacen(&format!(" to {}", loads[0].endpoint), "", 1);
        let rounds = cases.iter().map(|case| case.rounds.len()).max().unwrap_or(0);
        out.push_str(&format!(
            "{} endpoints in turn, {rounds} rounds. Medians; ratios to the first, and where their \
             median lies.\n",
            loads.len(),
        ));
    }
    let mut table = Table::default();
    let mut heads = Vec::from_iter(axis.map(|axis| axis.to_string()));
    let pids = !session.args.server_pid.is_empty();
    heads.extend(several.then(|| "endpoint".to_owned()));
    heads.extend(["messages/s", "p50", "p99", "p99.9", "max", "errors"].map(str::to_owned));
    if pids {
        heads.extend(["per server CPU-s", "bytes/connection"].map(str::to_owned));
    }
    let counted = COUNTED.map(|(.., figure)| cases.iter().any(|it| it.median(figure).is_some()));
    let shown = || COUNTED.iter().zip(counted).filter(|(_, is_known)| *is_known).map(|(it, _)| it);
    heads.extend(shown().map(|(_, name, _)| (*name).to_owned()));
    table.row(heads);
    for case in cases {
        let figure = |(.., figure): &(_, _, Pick)| case.median(figure);
        let words = |number: Option<f64>| number.map_or("-".to_owned(), words::figure);
        table.row(row(case, loads, axis, pids).into_iter().chain(shown().map(figure).map(words)));
    }
    out.push('\n');
    table.print(&mut out);
    if several {
        ratios(loads, cases, axis, &mut out);
    }
    let disturbed: usize = cases.iter().map(|case| case.disturbed).sum();
    if disturbed > 0 {
        out.push_str(&format!(
            "\nIn {disturbed} of {} the generator waited for its processor, by the scheduler's count: \
             something else was running on it.\n",
            words::number_of(cases.iter().map(|case| case.rounds.len() as u64).sum(), "run"),
        ));
    }
    failures(loads, cases, axis, &mut out);
    let uncounted: BTreeSet<&String> = cases.iter().flat_map(|case| &case.uncounted).collect();
    uncounted.into_iter().for_each(|sentence| out.push_str(&format!("\n{sentence}\n")));
    if session.is_stopped() {
        out.push_str("\nEnded early by a signal; a run that was cut short is left out.\n");
    }
    out
}

fn row(case: &Case, loads: &[Load], axis: Option<Axis>, pids: bool) -> Vec<String> {
    let mut cells = Vec::new();
    cells.extend(axis.zip(case.value).map(|(axis, value)| axis.words(value)));
    if loads.len() > 1 {
        cells.push(loads[case.endpoint].endpoint.to_string());
    }
    let number = |number: Option<f64>| number.map_or("-".to_owned(), words::rate);
    cells.push(number(case.median(|figures| Some(figures.rate))));
    let at = |quantile| match case.latency.is_empty() {
        true => "-".to_owned(),
        false => time(case.latency.value_at_quantile(quantile)),
    };
    cells.extend([0.5, 0.99, 0.999, 1.0].map(at));
    cells.push(count(case.errors as f64));
    if pids {
        cells.push(number(case.median(|figures| figures.per_cpu)));
        cells.push(number(case.median(|figures| figures.memory)));
    }
    cells
}

/// The figures whose ratios are shown.
type Pick = fn(&Figures) -> Option<f64>;

const RATIOS: [(&str, &str, Pick); 4] = [
    ("messages_per_second", "messages/s", |figures| Some(figures.rate)),
    ("messages_per_server_cpu_second", "per server CPU-s", |figures| figures.per_cpu),
    ("p99", "p99", |figures| Some(figures.p99 as f64)),
    INSTRUCTIONS,
];

const INSTRUCTIONS: (&str, &str, Pick) =
    ("instructions_per_message", "instructions/message", |figures| figures.instructions);

/// What is shown where it could be counted.
const COUNTED: [(&str, &str, Pick); 3] = [
    INSTRUCTIONS,
    ("system_calls_per_message", "system calls/message", |figures| figures.system_calls),
    ("context_switches_per_message", "switches/message", |figures| figures.switches),
];

fn ratios(loads: &[Load], cases: &[Case], axis: Option<Axis>, out: &mut String) {
    let mut table = Table::default();
    for case in cases.iter().filter(|case| case.endpoint != 0) {
        let Some(base) = reference(case, cases) else { continue };
        for (_, name, figure) in RATIOS {
            let Some(ratio) = case.ratio(base, figure) else { continue };
            let at =
                axis.zip(case.value).map(|(axis, value)| format!("{axis} {}: ", axis.words(value)));
            let name = format!("{}{name}", at.unwrap_or_default());
            let name = format!("{}  {name}", loads[case.endpoint].endpoint);
            table.row([name].into_iter().chain(ratio.words()));
        }
    }
    if table.is_empty() {
        return; // Nothing was measured, as will be said.
    }
    out.push_str(&format!("\n  ratios to {}\n", loads[0].endpoint));
    table.print(out);
    let rounds = cases.iter().map(|case| case.rounds.len()).min().unwrap_or(0);
    if rounds < ENOUGH {
        out.push_str(&format!(
            "\nNo verdict: {} {} too few to tell a difference from chance, {ENOUGH} are enough. What stands \
             in brackets is the lowest and the highest ratio.\n",
            words::number_of(rounds as u64, "round"),
            if rounds == 1 { "is" } else { "are" },
        ));
    }
}

/// What made runs failures: the first sentence of each case, and how many more there are.
fn failures(loads: &[Load], cases: &[Case], axis: Option<Axis>, out: &mut String) {
    for case in cases {
        let [first, more @ ..] = &case.failures[..] else { continue };
        let at = axis.zip(case.value).map(|(axis, value)| format!("{axis} {}", axis.words(value)));
        let name = (loads.len() > 1).then(|| loads[case.endpoint].endpoint.to_string());
        let place: Vec<String> = at.into_iter().chain(name).collect();
        let more = match more.len() {
            0 => String::new(),
            more => format!(" And {more} more; all of them are in the JSON."),
        };
        out.push_str(&format!("\n{}: {first}{more}\n", place.join(", ")));
    }
}

fn reference<'a>(case: &Case, cases: &'a [Case]) -> Option<&'a Case> {
    cases.iter().find(|other| other.endpoint == 0 && other.value == case.value)
}

fn comparison(loads: &[Load], cases: &[Case]) -> Value {
    let cases = cases.iter().map(|case| {
        let mut ratios = serde_json::Map::new();
        for (name, _, figure) in RATIOS {
            let base = reference(case, cases).filter(|_| case.endpoint != 0);
            let ratio = base.and_then(|base| case.ratio(base, figure));
            ratios.insert(name.to_owned(), ratio.map_or(Value::Null, |ratio| ratio.json()));
        }
        let mut value = json!({
            "endpoint": loads[case.endpoint].endpoint.to_string(),
            "value": case.value,
            "rounds": case.rounds.len(),
            "messages_per_second": case.median(|figures| Some(figures.rate)),
            "messages_per_server_cpu_second": case.median(|figures| figures.per_cpu),
            "p99": (!case.latency.is_empty()).then(|| case.latency.value_at_quantile(0.99)),
            "errors": case.errors,
            "ratios_to_first": ratios,
        });
        for (name, _, figure) in COUNTED {
            value[name] = case.median(figure).into();
        }
        value
    });
    Value::Array(cases.collect())
}

fn percentiles(loads: &[Load], cases: &[Case]) -> Plot {
    let mut plot = Plot::percentiles("Latency by percentile");
    for case in cases {
        plot.latencies(&loads[case.endpoint].endpoint.to_string(), &case.latency);
    }
    plot
}

fn sweep(loads: &[Load], cases: &[Case], axis: Axis) -> Plot {
    let mut plot = Plot::sweep(axis);
    for (endpoint, load) in loads.iter().enumerate() {
        let ours = || cases.iter().filter(|case| case.endpoint == endpoint);
        let point = |case: &Case, y: Option<f64>| Some((case.value?, y?));
        let rates = ours().filter_map(|it| point(it, it.median(|figures| Some(figures.rate))));
        let p99s =
            ours().filter_map(|it| point(it, Some(it.latency.value_at_quantile(0.99) as f64)));
        plot.values(&load.endpoint.to_string(), rates.collect(), p99s.collect());
    }
    plot
}
