//! A saved result, and how a new one compares with it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::table::Table;
use super::values::Axis;
use super::words;

/// A document that was written before.
pub(crate) struct Baseline {
    path: PathBuf,
    document: Value,
}

/// How a figure is shown.
#[derive(Clone, Copy)]
enum Shown {
    Number,
    Time,
    Bytes,
}

/// What is compared: its name, and where it stands in a run.
const FIGURES: [(&str, &str, Shown); 9] = [
    ("messages a second", "/messages_per_second", Shown::Number),
    ("latency p50", "/latency/percentiles/p50", Shown::Time),
    ("latency p90", "/latency/percentiles/p90", Shown::Time),
    ("latency p99", "/latency/percentiles/p99", Shown::Time),
    ("latency p99.9", "/latency/percentiles/p99.9", Shown::Time),
    ("latency max", "/latency/max", Shown::Time),
    ("per server CPU-second", "/server/messages_per_cpu_second", Shown::Number),
    ("memory of the server", "/server/memory_bytes", Shown::Bytes),
    ("per generator CPU-second", "/generator/messages_per_cpu_second", Shown::Number),
];

/// Settings that may differ: they are not what is measured.
const FREE: [&str; 2] = ["endpoint", "allow_losses"];

impl Baseline {
    pub(super) fn read(path: &Path) -> Result<Baseline, String> {
        Baseline::parse(path, &text(path)?)
    }

    pub(crate) fn parse(path: &Path, text: &str) -> Result<Baseline, String> {
        let document = document(path, text)?;
        match document["kind"].as_str() {
            Some("single" | "sweep" | "merge") => {}
            _ => {
                let kind = &document["kind"];
                return Err(format!("--baseline {}: it is of kind {kind}", path.display()));
            }
        }
        Ok(Baseline { path: path.to_owned(), document })
    }

    /// The run that a load with these settings is to be compared with; or which setting is in the way.
    fn run(&self, settings: &Value) -> Result<&Value, String> {
        let name = self.path.display();
        let runs = self.document["runs"].as_array().map_or(&[][..], Vec::as_slice);
        let differs = |run: &&Value| difference(settings, &run["settings"]).is_none();
        let Some(run) = runs.iter().find(differs) else {
            let why = runs.first().and_then(|run| difference(settings, &run["settings"]));
            return Err(match why {
                Some((name_of, ours, theirs)) => format!(
                    "--baseline {name} was measured differently: {name_of} was {}, and is {} now",
                    shown(&theirs),
                    shown(&ours)
                ),
                None => format!("--baseline {name} has no run in it"),
            });
        };
        match run["failed"].as_bool() {
            Some(false) => Ok(run),
            _ => Err(format!("--baseline {name}: that run has failed")),
        }
    }

    /// Whether there is something to compare these settings with.
    pub(crate) fn check(&self, settings: &Value) -> Result<(), String> {
        self.run(settings).map(drop)
    }

    /// The figures of runs beside those of the baseline; of a sweep, each with its value.
    pub(crate) fn text(&self, runs: &[Value], axis: Option<Axis>) -> String {
        let mut out = String::new();
        for run in runs {
            let value = axis.map(|axis| (axis, run["settings"][axis.to_string()].as_f64()));
            let value =
                value.and_then(|(axis, value)| Some(format!("{axis} {}", axis.words(value?))));
            out.push_str(&self.table(run, value));
        }
        out.push_str(
            "\nOne run then and one now: chance is not told from difference. Both servers as endpoints of \
             one command are compared in rounds.\n",
        );
        out
    }

    fn table(&self, run: &Value, value: Option<String>) -> String {
        let Ok(old) = self.run(&run["settings"]) else { return String::new() };
        let value = value.map_or(String::new(), |value| format!("{value}, "));
        let mut out = format!("\n  {value}against {}\n", self.path.display());
        let mut table = Table::default();
        table.row(["", "now", "then", "ratio"]);
        for (name, place, shown) in FIGURES {
            let Some((now, then)) = pair(run, old, place) else { continue };
            let show = |number: f64| match shown {
                Shown::Number => words::rate(number),
                Shown::Time => words::time(number as u64),
                Shown::Bytes => words::bytes(number),
            };
            table.row([name.to_owned(), show(now), show(then), format!("{:.3}", now / then)]);
        }
        table.print(&mut out);
        out
    }

    /// The same for machines.
    pub(crate) fn json(&self, run: &Value) -> Value {
        let Ok(old) = self.run(&run["settings"]) else { return Value::Null };
        let mut figures = serde_json::Map::new();
        for (_, place, _) in FIGURES {
            if let Some((now, then)) = pair(run, old, place) {
                let name = place.trim_start_matches('/').replace('/', ".");
                figures.insert(name, json!({ "now": now, "then": then, "ratio": now / then }));
            }
        }
        json!({
            "file": self.path.display().to_string(),
            "written_at": self.document["written_at"],
            "echoloop": self.document["echoloop"],
            "figures": figures,
        })
    }
}

/// What is in a file.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let why = |error| format!("cannot read {}: {}", path.display(), echoloop::describe(&error));
    fs::read_to_string(path).map_err(why)
}

/// A document of ours, of this version.
pub(super) fn document(path: &Path, text: &str) -> Result<Value, String> {
    let name = path.display();
    let document: Value =
        serde_json::from_str(text).map_err(|error| format!("cannot read {name}: {error}"))?;
    if document["schema"] != "echoloop-bench" {
        return Err(format!("{name} was not written by echoloop bench --json, or by an older one"));
    }
    if document["schema_version"] != super::json::VERSION {
        let version = &document["schema_version"];
        return Err(format!(
            "{name} is of version {version}, and {} is read",
            super::json::VERSION
        ));
    }
    Ok(document)
}

/// The first setting that differs: its name, the one, and the other.
fn difference(one: &Value, other: &Value) -> Option<(String, Value, Value)> {
    let scheme = |settings: &Value| {
        let endpoint = settings["endpoint"].as_str().unwrap_or_default();
        Value::from(endpoint.split(':').next().unwrap_or_default())
    };
    if scheme(one) != scheme(other) {
        return Some(("endpoint".to_owned(), scheme(one), scheme(other)));
    }
    let settings = one.as_object()?.iter().filter(|(name, _)| !FREE.contains(&name.as_str()));
    settings
        .map(|(name, value)| (name.clone(), value.clone(), other[name].clone()))
        .find(|(_, one, other)| !same(one, other))
}

/// Numbers that were written and read again may differ in their last digit.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-12,
        _ => one == other,
    }
}

fn shown(value: &Value) -> String {
    match (value, value.as_f64()) {
        (_, Some(number)) => words::rate(number),
        (Value::Null, _) => "none".to_owned(),
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

fn pair(run: &Value, old: &Value, place: &str) -> Option<(f64, f64)> {
    let (now, then) = (run.pointer(place)?.as_f64()?, old.pointer(place)?.as_f64()?);
    (then > 0.0).then_some((now, then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_differs_is_named() {
        let old = json!({ "endpoint": "tcp://127.0.0.1:1", "size": 64.0, "depth": 1 });
        let same = json!({ "endpoint": "tcp://127.0.0.1:2", "size": 64, "depth": 1 });
        assert_eq!(difference(&same, &old), None);
        let other = json!({ "endpoint": "tcp://127.0.0.1:2", "size": 64, "depth": 4 });
        assert_eq!(difference(&other, &old), Some(("depth".to_owned(), 4.into(), 1.into())));
        let udp = json!({ "endpoint": "udp://127.0.0.1:2", "size": 64, "depth": 1 });
        assert_eq!(difference(&udp, &old).unwrap().0, "endpoint");
    }
}
