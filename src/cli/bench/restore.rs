//! A run as it was before it became JSON.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::counts::{Counts, KINDS, Refusal};
use super::encoded::{decoded, encoded};
use super::load::{Length, Load};
use super::outcome::Outcome;
use super::phase::Phase;
use super::process::Usage;
use super::series::Point;
use super::talk::{Answer, Request, Sizes, Talk, Text};
use super::tally::{Times, Trouble};
use super::tcp::Tcp;
use super::values::{Arrival, Rate};

/// Anybody may have written the file. More than this no run has counted, and sums of these still have room.
const MOST: u64 = 1 << 53;

/// What the processor counts may be more, and isn't added up.
const MOST_CYCLES: u64 = 1 << 62;

/// Seconds of any time, or since 1970: three thousand years.
const LONGEST: f64 = 1e11;

/// A rate, or a part of something.
const LARGEST: f64 = 1e18;

/// The names of the phases that a run can have come to.
const PHASES: [(&str, Phase); 4] = [
    ("connecting", Phase::Connecting),
    ("warming", Phase::Warming),
    ("measuring", Phase::Measuring),
    ("draining", Phase::Draining),
];

/// The name of a phase.
pub(super) fn phase(phase: Phase) -> &'static str {
    let found = PHASES.iter().find(|(_, it)| *it == phase);
    found.map_or("over", |(name, _)| name)
}

/// All histograms of a run.
pub(super) fn histograms(times: &Times) -> Value {
    let named = times.named().map(|(name, it)| (name.to_owned(), Value::from(encoded(it))));
    Value::Object(Map::from_iter(named))
}

/// Reads a run back, and says what is missing.
pub(super) fn outcome(run: &Value) -> Result<Outcome, String> {
    let run = Object(run);
    let load = load(run.object("settings")?)?;
    let mut outcome = Outcome::new(&load, run.flag("stopped")?, series(&run)?);
    outcome.ids = ids(&run);
    let tally = &mut outcome.tally;
    tally.messages = run.whole("messages")?;
    tally.connects = run.whole("connects")?;
    tally.trouble = Trouble {
        not_made: run.whole("connections_not_made")?,
        why_not_made: run.text("why_not_made"),
        gone: run.whole("connections_lost")?,
        why_gone: run.text("why_lost"),
        gone_before: run.whole("connections_lost_before")?,
        first_gone: run.0["first_lost_after"].as_u64(),
        silent: run.whole("connections_silent")?,
        owed: run.whole("messages_owed")?,
        fell_silent: run.flag("fell_silent").unwrap_or(false),
    };
    let errors = run.object("errors")?;
    for (name, count) in tally.errors.by_name() {
        *count = errors.whole(name)?;
    }
    tally.first_fault = run.text("first_fault");
    tally.first_error = run.text("first_error");
    let encoded = run.object("histograms")?;
    for (name, histogram) in tally.times.named_mut() {
        *histogram = encoded.0[name]
            .as_str()
            .and_then(decoded)
            .ok_or_else(|| format!("its histogram {name} can't be read"))?;
    }
    outcome.latency = outcome.tally.times.latency();
    outcome.drained = run.whole("messages_after_the_end")?;
    outcome.elapsed = run.time("seconds")?;
    let generator = run.object("generator")?;
    outcome.cpu = generator.time("cpu_seconds")?;
    outcome.busiest = generator.number("busiest_worker")?;
    outcome.waited = generator.number("waited_for_processor")?;
    outcome.no_room = generator.whole("datagrams_without_room")?;
    outcome.server = run.object("server").ok().filter(|it| !it.0.is_null()).map(|server| Usage {
        ended: server.whole("ended_process").ok().and_then(|pid| u32::try_from(pid).ok()),
        cpu: server.time("cpu_seconds").ok(),
        memory: server.whole("memory_bytes").ok(),
        idle: server.whole("memory_bytes_before").ok(),
        counts: counts(&server),
    });
    outcome.tcp = tcp(&run);
    let reached = run.0["reached"].as_str();
    let reached = PHASES.iter().find(|(name, _)| Some(*name) == reached);
    outcome.reached = reached.ok_or("it has no \"reached\"")?.1;
    outcome.backlog = run.get("pending_by_quarter", |value| {
        value.as_array()?.iter().map(|pending| pending.as_u64().filter(is_count)).collect()
    })?;
    outcome.began = match run.0["began_at"] {
        Value::Null => None,
        _ => Some(UNIX_EPOCH + run.time("began_at")?),
    };
    Ok(outcome)
}

/// What it is known by. Results of earlier versions have no name, but no two are the same to the nanosecond.
fn ids(run: &Object<'_>) -> Vec<String> {
    let named = run.list("ids").unwrap_or_default();
    match named.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>() {
        none if none.is_empty() => vec![format!("{} {}", run.0["began_at"], run.0["histograms"])],
        named => named,
    }
}

/// What was counted of the server. Why something wasn't is not kept: whoever saved it was told.
fn counts(server: &Object<'_>) -> Counts {
    let counted = server.object("counted");
    Counts::by(|kind| {
        let (_, name, _) = KINDS[kind as usize];
        counted
            .as_ref()
            .map_err(drop)
            .and_then(|it| it.0[name].as_u64().filter(|&it| it <= MOST_CYCLES).ok_or(()))
            .or(Err(Refusal::Unknown))
    })
}

fn load(settings: Object<'_>) -> Result<Load, String> {
    let endpoint = settings.text("endpoint").and_then(|endpoint| endpoint.parse().ok());
    let length = match settings.0["count"].as_u64() {
        Some(count) => Length::Count(count),
        None => Length::Time(settings.time("seconds")?),
    };
    let seed = settings.0["seed"].as_u64().unwrap_or_default();
    let rate = settings.number("rate").ok();
    let strings = |name| settings.list(name).map(|list| list.iter().filter_map(Value::as_str));
    Ok(Load {
        endpoint: endpoint.ok_or("it has no endpoint")?,
        connections: settings.whole("connections")? as usize,
        talk: talk(&settings, seed)?,
        depth: settings.whole("depth")? as usize,
        length,
        warmup: settings.time("warmup_seconds")?,
        ramp: settings.number("ramp").ok(),
        rate: match rate {
            Some(from) => Some(Rate { from, to: settings.number("rate_at_the_end")? }),
            None => None,
        },
        arrival: match settings.0["arrival"].as_str() {
            Some("poisson") => Arrival::Poisson { seed },
            _ => Arrival::Even,
        },
        think: settings.time("think_seconds")?,
        churn: settings.flag("churn")?,
        bind: strings("bind")?.filter_map(|address| address.parse().ok()).collect(),
        timeout: settings.time("timeout_seconds")?,
        allow_losses: settings.flag("allow_losses")?,
        start: None,
        workers: settings.whole("workers")? as usize,
        pin: settings.list("pin")?.iter().filter_map(Value::as_u64).map(|it| it as usize).collect(),
        offload: settings.flag("offload")?,
    })
}

fn talk(settings: &Object<'_>, seed: u64) -> Result<Talk, String> {
    let bytes = |digits: String| format!("hex:{digits}").parse::<Text>().map(|text| text.0);
    let Some(request) = settings.text("request") else {
        let part = |part: &Value| Some((part["size"].as_u64()? as usize, part["weight"].as_u64()?));
        let parts = settings.list("sizes")?.iter().filter_map(part).collect();
        return Ok(Talk::Echo(Sizes::of_parts(parts)?.seeded(seed)));
    };
    let answer = match (settings.text("expect"), settings.text("frame")) {
        (Some(expect), _) => Answer::Bytes(bytes(expect)?),
        (None, frame) => Answer::Any(frame.ok_or("it has no frame")?.parse()?),
    };
    Ok(Talk::Request(Request { bytes: bytes(request)?, answer }))
}

fn tcp(from: &Object<'_>) -> Option<Tcp> {
    let tcp = from.object("tcp").ok()?;
    Some(Tcp {
        retransmitted: tcp.whole("retransmitted").ok()?,
        rtt_p50: tcp.whole("rtt_p50").ok(),
        rtt_max: tcp.whole("rtt_max").ok()?,
    })
}

/// The seconds; those that were written without histograms have no latencies.
fn series(run: &Object<'_>) -> Result<Vec<Point>, String> {
    let point = |point: &Value| {
        let point = Object(point);
        let mut read = Point {
            number: point.whole("second")?,
            span: point.time("seconds")?,
            messages: point.whole("messages")?,
            rate: point.number("messages_per_second")?,
            errors: point.whole("errors")?,
            connections: point.whole("connections")?,
            pending: point.whole("pending")?,
            cpu: point.number("generator_cpu_share")?,
            server_cpu: point.number("server_cpu_share").ok(),
            tcp: tcp(&point),
            ..Point::default()
        };
        if let Some(text) = point.0["histogram"].as_str() {
            let number = read.number;
            let latency = decoded(text)
                .ok_or_else(|| format!("its histogram of second {number} can't be read"))?;
            read.set_latency(&latency);
        }
        Ok(read)
    };
    run.list("series")?.iter().map(point).collect()
}

/// Whether so much can have been counted.
fn is_count(number: &u64) -> bool {
    *number <= MOST
}

/// An object, and what is expected in it.
#[derive(Clone, Copy)]
struct Object<'a>(&'a Value);

impl<'a> Object<'a> {
    fn get<T>(&self, name: &str, as_what: impl Fn(&'a Value) -> Option<T>) -> Result<T, String> {
        as_what(&self.0[name])
            .ok_or_else(|| format!("it has no {name:?}, or not what it should be"))
    }

    fn object(&self, name: &str) -> Result<Object<'a>, String> {
        self.get(name, |value| Some(Object(value)))
    }

    fn whole(&self, name: &str) -> Result<u64, String> {
        self.get(name, |value| value.as_u64().filter(is_count))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        self.get(name, |value| value.as_f64().filter(|number| (0.0..=LARGEST).contains(number)))
    }

    fn time(&self, name: &str) -> Result<Duration, String> {
        let seconds = |value: &Value| value.as_f64().filter(|seconds| *seconds <= LONGEST);
        self.get(name, |value| Duration::try_from_secs_f64(seconds(value)?).ok())
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        self.get(name, Value::as_bool)
    }

    fn list(&self, name: &str) -> Result<&'a [Value], String> {
        self.get(name, |value| value.as_array().map(Vec::as_slice))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0[name].as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn histograms_come_back_as_they_were() {
        let mut times = Times::new();
        times.answered.record_n(12_345, 7).unwrap();
        times.unanswered.record(3_000_000_000_000).unwrap();
        let encoded = histograms(&times);
        for (name, histogram) in times.named() {
            let read = encoded[name].as_str().and_then(decoded);
            assert_eq!(read.as_ref(), Some(histogram), "{name}");
        }
        assert!(outcome(&json!({ "settings": {} })).is_err());
    }
}
