//! Settings and results for machines. `docs/bench.schema.json` describes it, and a test holds us to it.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::conditions::Finding;
use super::counts::KINDS;
use super::load::{Length, Load};
use super::outcome::Outcome;
use super::process;
use super::report::PERCENTILES;
use super::restore;
use super::series::Point;
use super::talk::{Answer, Request, Sizes, Talk};
use super::tcp::Tcp;
use super::values::Arrival;
use super::verdict;

/// Goes up when something that was there before changes its name or its meaning.
pub(super) const VERSION: u32 = 2;

/// Everything around the runs.
pub(super) fn document(kind: &str, runs: Vec<Value>, more: (&str, Value)) -> Value {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
    let mut document = json!({
        "schema": "echoloop-bench",
        "schema_version": VERSION,
        "kind": kind,
        "echoloop": env!("CARGO_PKG_VERSION"),
        "arguments": arguments,
        "written_at": unix(SystemTime::now()).unwrap_or_default().as_secs(),
        "system": {
            "kernel": process::kernel(),
            "processor": process::processor(),
            "processors": thread::available_parallelism().map_or(1, usize::from),
        },
        "runs": runs,
    });
    let (name, value) = more;
    if !value.is_null() {
        document[name] = value;
    }
    document
}

fn unix(time: SystemTime) -> Option<Duration> {
    time.duration_since(UNIX_EPOCH).ok()
}

/// One run. Times are nanoseconds, unless they say seconds.
pub(super) fn run(outcome: &Outcome, round: usize) -> Value {
    let (times, trouble) = (&outcome.tally.times, &outcome.tally.trouble);
    let errors: Map<String, Value> = outcome
        .tally
        .errors
        .rows()
        .into_iter()
        .map(|(name, _, count)| (name.to_owned(), count.into()))
        .collect();
    let optional = |histogram: &Histogram<u64>| match histogram.is_empty() {
        true => Value::Null,
        false => distribution(histogram),
    };
    json!({
        "ids": outcome.ids,
        "round": round,
        "settings": settings(&outcome.load),
        "failed": outcome.has_failed(),
        "failings": outcome.failings().iter().map(|failing| failing.kind).collect::<Vec<_>>(),
        "fail_if": outcome.findings.iter().map(Finding::json).collect::<Vec<_>>(),
        "stopped": outcome.stopped,
        "notes": verdict::sentences(outcome),
        "reached": restore::phase(outcome.reached),
        "began_at": outcome.began.and_then(unix).map(|time| time.as_secs_f64()),
        "seconds": outcome.elapsed.as_secs_f64(),
        "messages": outcome.tally.messages,
        "messages_after_the_end": outcome.drained,
        "messages_per_second": outcome.rate(),
        "bytes_per_second": outcome.rate() * outcome.load.talk.mean(),
        "on_the_way": outcome.on_the_way(),
        "connects": outcome.tally.connects,
        "connections_not_made": trouble.not_made,
        "connections_lost": trouble.gone,
        "connections_silent": trouble.silent,
        "loss": outcome.loss(),
        "connections_lost_before": trouble.gone_before,
        "first_lost_after": trouble.first_gone,
        "messages_owed": trouble.owed,
        "why_not_made": trouble.why_not_made,
        "why_lost": trouble.why_gone,
        "fell_silent": trouble.fell_silent,
        "first_fault": outcome.tally.first_fault,
        "first_error": outcome.tally.first_error,
        "latency": optional(&outcome.latency),
        "latency_answered": optional(&times.answered),
        "latency_uncorrected": optional(&times.uncorrected),
        "connect": optional(&times.connect),
        "schedule_late": optional(&times.late),
        "errors": errors,
        "generator": {
            "cpu_seconds": outcome.cpu.as_secs_f64(),
            "busiest_worker": outcome.busiest,
            "waited_for_processor": outcome.waited,
            "messages_per_cpu_second": outcome.per_own_cpu(),
            "datagrams_without_room": outcome.no_room,
        },
        "server": server(outcome),
        "tcp": outcome.tcp.map(tcp),
        "pending_by_quarter": outcome.backlog,
        "histograms": restore::histograms(times),
        "series": outcome.series.iter().map(whole_point).collect::<Vec<_>>(),
    })
}

/// A second of the measured time, with all that is needed to add another generator's to it.
fn whole_point(it: &Point) -> Value {
    let mut value = point(it);
    value["histogram"] = it.histogram.as_deref().into();
    value
}

/// A second of the measured time.
pub(super) fn point(point: &Point) -> Value {
    let latency = json!({
        "count": point.latencies,
        "p50": point.p50,
        "p90": point.p90,
        "p99": point.p99,
        "max": point.max,
    });
    json!({
        "second": point.number,
        "seconds": point.span.as_secs_f64(),
        "messages": point.messages,
        "messages_per_second": point.rate,
        "errors": point.errors,
        "connections": point.connections,
        "pending": point.pending,
        "latency": if point.latencies > 0 { latency } else { Value::Null },
        "generator_cpu_share": point.cpu,
        "server_cpu_share": point.server_cpu,
        "tcp": point.tcp.map(tcp),
    })
}

pub(super) fn settings(load: &Load) -> Value {
    let (seconds, count) = match load.length {
        Length::Time(time) => (Some(time.as_secs_f64()), None),
        Length::Count(count) => (None, Some(count)),
    };
    let sizes = |sizes: &Sizes| {
        let part = |&(size, weight): &(usize, u64)| json!({ "size": size, "weight": weight });
        sizes.parts.iter().map(part).collect::<Vec<_>>()
    };
    let (sizes, request, expect, frame) = match &load.talk {
        Talk::Echo(mix) => (sizes(mix), None, None, None),
        Talk::Request(Request { bytes, answer }) => match answer {
            Answer::Bytes(answer) => (Vec::new(), Some(hex(bytes)), Some(hex(answer)), None),
            Answer::Any(frame) => (Vec::new(), Some(hex(bytes)), None, Some(frame.to_string())),
        },
    };
    json!({
        "endpoint": load.endpoint.to_string(),
        "connections": load.connections,
        "size": load.talk.mean(),
        "sizes": sizes,
        "request": request,
        "expect": expect,
        "frame": frame,
        "depth": load.depth,
        "seconds": seconds,
        "count": count,
        "warmup_seconds": load.warmup.as_secs_f64(),
        "ramp": load.ramp,
        "rate": load.rate.map(|rate| rate.from),
        "rate_at_the_end": load.rate.map(|rate| rate.to),
        "arrival": match load.arrival {
            Arrival::Even => "even",
            Arrival::Poisson { .. } => "poisson",
        },
        "seed": match (load.arrival, &load.talk) {
            (Arrival::Poisson { seed }, _) => Some(seed),
            (_, Talk::Echo(sizes)) if sizes.single().is_none() => Some(sizes.seed),
            _ => None,
        },
        "think_seconds": load.think.as_secs_f64(),
        "churn": load.churn,
        "bind": load.bind.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "timeout_seconds": load.timeout.as_secs_f64(),
        "allow_losses": load.allow_losses,
        "workers": load.workers,
        "pin": load.pin,
        "offload": load.offload,
    })
}

fn tcp(tcp: Tcp) -> Value {
    json!({
        "retransmitted": tcp.retransmitted,
        "rtt_p50": tcp.rtt_p50,
        "rtt_max": tcp.rtt_max,
    })
}

/// Two digits a byte.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn server(outcome: &Outcome) -> Value {
    let Some(usage) = outcome.server else { return Value::Null };
    let grown = usage.memory.zip(usage.idle).map(|(memory, idle)| memory.saturating_sub(idle));
    let each = grown.map(|grown| grown as f64 / outcome.load.connections as f64);
    json!({
        "ended_process": usage.ended,
        "cpu_seconds": usage.cpu.map(|cpu| cpu.as_secs_f64()),
        "cpu_share": outcome.server_share(),
        "messages_per_cpu_second": outcome.per_server_cpu(),
        "memory_bytes": usage.memory,
        "memory_bytes_before": usage.idle,
        "memory_bytes_per_connection": each,
        "counted": Map::from_iter(KINDS.map(|(kind, name, _)| {
            (name.to_owned(), usage.counts.of(kind).ok().into())
        })),
        "per_message": Map::from_iter(KINDS.map(|(kind, name, _)| {
            (name.to_owned(), outcome.per_message(kind).into())
        })),
    })
}

fn distribution(histogram: &Histogram<u64>) -> Value {
    let percentiles: Map<String, Value> = PERCENTILES
        .iter()
        .map(|&percent| (format!("p{percent}"), histogram.value_at_percentile(percent).into()))
        .collect();
    json!({
        "count": histogram.len(),
        "min": histogram.min(),
        "mean": histogram.mean(),
        "stdev": histogram.stdev(),
        "max": histogram.max(),
        "percentiles": percentiles,
    })
}
