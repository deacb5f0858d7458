//! The result of one run, in words.

use std::fmt::Write;

use super::conditions;
use super::counts::Kind;
use super::load::{Length, Load};
use super::outcome::Outcome;
use super::table::{Table, bars};
use super::talk::Talk;
use super::values::{Arrival, Axis};
use super::verdict;
use super::words::{self, bytes, count, duration, number_of, time};

/// The percentiles that are shown.
pub(super) const PERCENTILES: [f64; 6] = [50.0, 90.0, 99.0, 99.9, 99.99, 100.0];

/// `100 connections to tcp://127.0.0.1:8888, 64 bytes, 16 deep, closed loop, 10.0 s after 1.00 s of
/// warm-up`. What a sweep varies is an `N`.
pub(super) fn headline(load: &Load, swept: Option<Axis>) -> String {
    let mut text = subject(load, swept);
    let _ = match load.length {
        Length::Time(time) => write!(text, ", {}", duration(time)),
        Length::Count(messages) => write!(text, ", {}", number_of(messages, "message")),
    };
    if !load.warmup.is_zero() {
        let _ = write!(text, " after {} of warm-up", duration(load.warmup));
    }
    text
}

/// The same without how long it takes.
pub(super) fn subject(load: &Load, swept: Option<Axis>) -> String {
    let number = |axis: Axis, number: usize| match swept == Some(axis) {
        true => "N".to_owned(),
        false => count(number as f64),
    };
    let one = load.connections == 1 && swept != Some(Axis::Connections);
    let things = match (load.endpoint.is_datagram(), one) {
        (true, true) => "socket",
        (true, false) => "sockets",
        (false, true) => "connection",
        (false, false) => "connections",
    };
    let mut text = format!(
        "{} {things} to {}, {}",
        number(Axis::Connections, load.connections),
        load.endpoint,
        if swept == Some(Axis::Size) { "N bytes".to_owned() } else { load.talk.to_string() }
    );
    if load.depth > 1 || swept == Some(Axis::Depth) {
        let _ = write!(text, ", {} deep", number(Axis::Depth, load.depth));
    }
    text.push_str(match load.churn {
        true => ", one message a connection",
        false => "",
    });
    let _ = match load.rate {
        None if swept != Some(Axis::Rate) => write!(text, ", closed loop"),
        Some(rate) if swept != Some(Axis::Rate) => {
            let at = if rate.changes() { "from" } else { "at" };
            write!(text, ", open loop {at} {rate} a second")
        }
        _ => write!(text, ", open loop at N a second"),
    };
    if !load.think.is_zero() {
        let _ = write!(text, " with {} of thought", duration(load.think));
    }
    let _ = match load.arrival {
        Arrival::Even => Ok(()),
        Arrival::Poisson { seed } => write!(text, " by chance (Poisson, seed {seed})"),
    };
    if load.workers > 1 {
        let _ = write!(text, ", {} workers", load.workers);
    }
    text
}

/// Everything about one run.
pub(super) fn full(outcome: &Outcome) -> String {
    let mut out = headline(&outcome.load, None);
    if outcome.connections() < outcome.load.connections as u64 {
        // What was meant to be loaded is not what was.
        out = format!("{} of {out}", count(outcome.connections() as f64));
    }
    out.push_str("\n\n");
    if outcome.has_replies() {
        throughput(outcome, &mut out);
        latencies(outcome, &mut out);
        out.push('\n');
        bars(&outcome.latency, &mut out);
        by_rate(outcome, &mut out);
        resources(outcome, &mut out);
    }
    errors(outcome, &mut out);
    if !outcome.findings.is_empty() {
        out.push('\n');
        conditions::table(&outcome.findings, &mut out);
    }
    for sentence in verdict::sentences(outcome) {
        let _ = write!(out, "\n{sentence}");
    }
    out.trim_end().to_owned() + "\n"
}

fn throughput(outcome: &Outcome, out: &mut String) {
    let load = &outcome.load;
    let messages = outcome.tally.messages;
    let _ = write!(out, "  {} a second", words::rate(outcome.rate()));
    let volume = outcome.rate() * load.talk.mean();
    let way = if matches!(load.talk, Talk::Echo(_)) { "each way" } else { "sent" };
    let _ = write!(out, ", {}/s {way}", bytes(volume));
    let things = number_of(messages, if load.churn { "connection" } else { "message" });
    let _ = write!(out, ": {things} in {}", duration(outcome.elapsed));
    let _ = match load.churn {
        true => writeln!(out),
        false => writeln!(out, ", {} on their way at a time", words::figure(outcome.on_the_way())),
    };
}

fn latencies(outcome: &Outcome, out: &mut String) {
    let load = &outcome.load;
    let times = &outcome.tally.times;
    let lossy = !times.unanswered.is_empty();
    let mut rows = Vec::new();
    if load.rate.is_some() {
        rows.push(("from the scheduled time", &outcome.latency));
        if lossy {
            rows.push(("  of those answered", &times.answered));
        }
        rows.push(("uncorrected, from sending", &times.uncorrected));
        rows.push(("the schedule ran late by", &times.late));
    } else {
        rows.push(("latency", &outcome.latency));
        if lossy {
            rows.push(("  of those answered", &times.answered));
        }
    }
    if !load.endpoint.is_datagram() {
        rows.push(("connecting", &times.connect));
    }
    let mut table = Table::default();
    let name = |percent: &f64| match percent {
        100.0 => "max".to_owned(),
        percent => format!("p{percent}"),
    };
    let heads = ["min".to_owned(), "mean".to_owned()];
    table.row([String::new()].into_iter().chain(heads).chain(PERCENTILES.iter().map(name)));
    for (name, histogram) in rows.into_iter().filter(|(_, histogram)| !histogram.is_empty()) {
        let values = PERCENTILES.map(|percent| time(histogram.value_at_percentile(percent)));
        let heads = [name.to_owned(), time(histogram.min()), time(histogram.mean() as u64)];
        table.row(heads.into_iter().chain(values));
    }
    out.push('\n');
    table.print(out);
}

/// How latency went with a rate that changed: a row for each of twenty seconds at most.
fn by_rate(outcome: &Outcome, out: &mut String) {
    let offered = outcome.offered();
    let step = offered.len().div_ceil(20).max(1);
    let mut table = Table::default();
    table.row(["at a rate of", "replies/s", "p50", "p99", "max"]);
    for (rate, point) in offered.iter().step_by(step) {
        let latencies = [point.p50, point.p99, point.max].map(time);
        let rates = [words::rate(*rate), words::rate(point.rate)];
        table.row(rates.into_iter().chain(latencies));
    }
    if !offered.is_empty() {
        out.push('\n');
        table.print(out);
    }
}

fn resources(outcome: &Outcome, out: &mut String) {
    let mut table = Table::default();
    let workers = outcome.load.workers;
    let share = match workers {
        1 => format!("{:.0} % of a processor", outcome.busiest * 100.0),
        _ => format!("{:.0} % of a processor, the busiest worker", outcome.busiest * 100.0),
    };
    let per = |rate: f64| format!("{} messages per CPU-second", count(rate));
    table.row(["generator".to_owned(), share, per(outcome.per_own_cpu())]);
    if let Some(tcp) = outcome.tcp {
        let again = format!("{} sent again", number_of(tcp.retransmitted, "segment"));
        let most = time(tcp.rtt_max);
        let trip = match tcp.rtt_p50 {
            Some(half) => format!("round trip p50 {}, max {most}", time(half)),
            None => format!("round trip max {most}"),
        };
        table.row(["tcp".to_owned(), again, trip]);
    }
    if let Some(usage) = outcome.server.filter(|it| it.ended.is_none()) {
        let share = outcome.server_share();
        let share = share.map(|share| format!("{:.0} % of a processor", share * 100.0));
        let rate = outcome.per_server_cpu().map(per);
        let unknown = || "processor time unknown".to_owned();
        table.row(["server".to_owned(), share.unwrap_or_else(unknown), rate.unwrap_or_default()]);
        if let Some(memory) = usage.memory {
            let each = usage.idle.map(|idle| {
                let grown = memory.saturating_sub(idle) as f64;
                format!("{} a connection", bytes(grown / outcome.load.connections as f64))
            });
            table.row([String::new(), bytes(memory as f64), each.unwrap_or_default()]);
        }
        for row in each_message(outcome) {
            table.row(row);
        }
    }
    out.push('\n');
    table.print(out);
}

/// What a message costs the server, as far as it could be counted.
fn each_message(outcome: &Outcome) -> Vec<[String; 3]> {
    let count = |kind, things: &str| {
        let number = outcome.per_message(kind).map(words::figure);
        number.map(|number| format!("{number} {things}")).unwrap_or_default()
    };
    let rows = [
        (
            count(Kind::Instructions, "instructions"),
            count(Kind::KernelInstructions, "in the kernel"),
        ),
        (count(Kind::Cycles, "cycles"), count(Kind::KernelCycles, "in the kernel")),
        (
            count(Kind::SystemCalls, "system calls"),
            count(Kind::ContextSwitches, "context switches"),
        ),
    ];
    let known = rows.into_iter().filter(|(one, other)| !one.is_empty() || !other.is_empty());
    let name = |index| if index == 0 { "each message".to_owned() } else { String::new() };
    known.enumerate().map(|(index, (one, other))| [name(index), one, other]).collect()
}

fn errors(outcome: &Outcome, out: &mut String) {
    let errors = &outcome.tally.errors;
    let mut rows: Vec<_> = errors.rows().into_iter().filter(|(.., count)| *count > 0).collect();
    if outcome.no_room > 0 {
        rows.push(("", "datagrams that our own kernel had no room for", outcome.no_room));
    }
    if rows.is_empty() {
        return;
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    let mut table = Table::default();
    for (_, words, number) in rows {
        table.row([words.to_owned(), count(number as f64)]);
    }
    table.print(out);
}
