//! `--fail-if`: conditions under which a run is a failure, though nothing in it was wrong.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value, json};

use super::load::Load;
use super::table::Table;
use super::values::percentile;
use super::words;
use crate::cli::units;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Figure {
    Percentile(f64),
    Mean,
    /// The part of all messages that had no reply.
    Loss,
    /// Errors of all kinds.
    Errors,
    /// Messages a second.
    Rate,
    /// Messages for each second of the server's processor time.
    PerCpu,
}

/// A condition under which a run has failed.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    text: String,
    figure: Figure,
    above: bool,
    /// Whether the limit itself is part of it: `>=`, `<=`.
    inclusive: bool,
    limit: f64,
}

/// A condition, and what was measured.
pub(super) struct Finding {
    condition: Condition,
    measured: Option<f64>,
}

const EXPECTED: &str = "expected a figure, > or <, and a limit: p99>1ms, max>50ms, mean>1ms, loss>1%, \
                        errors>0, rate<50k or per-cpu<100k";

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let at = text.find(['<', '>']).ok_or(EXPECTED)?;
        let (name, rest) = text.split_at(at);
        let above = rest.starts_with('>');
        let (inclusive, limit) = match rest[1..].strip_prefix('=') {
            Some(limit) => (true, limit.trim()),
            None => (false, rest[1..].trim()),
        };
        let figure = match name.trim() {
            "mean" => Figure::Mean,
            "max" => Figure::Percentile(100.0),
            "loss" => Figure::Loss,
            "errors" => Figure::Errors,
            "rate" => Figure::Rate,
            "per-cpu" => Figure::PerCpu,
            name => Figure::Percentile(percentile(name).ok_or(EXPECTED)?),
        };
        let limit = figure.limit(limit)?;
        let condition = Condition { text: text.to_owned(), figure, above, inclusive, limit };
        condition.makes_sense()?;
        Ok(condition)
    }
}

impl Figure {
    fn is_time(self) -> bool {
        matches!(self, Figure::Percentile(_) | Figure::Mean)
    }

    fn limit(self, text: &str) -> Result<f64, String> {
        match self {
            Figure::Percentile(_) | Figure::Mean => {
                if text.ends_with(|c: char| c.is_ascii_digit()) {
                    return Err(format!(
                        "{text:?} has no unit: expected a time such as 250us or 1ms"
                    ));
                }
                units::duration(text).map(|time| time.as_nanos() as f64)
            }
            Figure::Loss => {
                let expected = || format!("{text:?}: expected a percentage, as in loss>0.1%");
                let percent = text.strip_suffix('%').ok_or_else(expected)?;
                units::rate(percent).map(|percent| percent / 100.0).map_err(|_| expected())
            }
            Figure::Errors => units::count(text).map(|count| count as f64),
            Figure::Rate | Figure::PerCpu => units::rate(text),
        }
    }

    fn words(self, value: f64) -> String {
        match self {
            Figure::Percentile(_) | Figure::Mean => words::time(value as u64),
            Figure::Loss => words::percent(value),
            Figure::Errors => words::count(value),
            Figure::Rate => format!("{} a second", words::rate(value)),
            Figure::PerCpu => format!("{} per CPU-second", words::rate(value)),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Figure::Percentile(_) | Figure::Mean => "nanoseconds",
            Figure::Loss => "part of all messages",
            Figure::Errors => "errors",
            Figure::Rate => "messages a second",
            Figure::PerCpu => "messages per CPU-second of the server",
        }
    }
}

impl Condition {
    /// What no run can meet, or every run must, was meant otherwise.
    fn makes_sense(&self) -> Result<(), String> {
        let Condition { text, limit, .. } = self;
        let more_is_better = matches!(self.figure, Figure::Rate | Figure::PerCpu);
        if self.above == more_is_better {
            let other = if self.above { '<' } else { '>' };
            let turned = text.replace(['<', '>'], &other.to_string());
            return Err(format!("would fail a run that is good; is {turned} meant?"));
        }
        if self.figure == Figure::Loss && (*limit > 1.0 || *limit == 1.0 && !self.inclusive) {
            return Err("can never hold: no more than 100 % can be lost".to_owned());
        }
        if *limit == 0.0 && self.above == self.inclusive {
            let word = if self.above { "always" } else { "never" };
            return Err(format!("would {word} hold: nothing is less than 0"));
        }
        Ok(())
    }

    /// Whether this load can meet it, and it can be told.
    pub(super) fn check(&self, load: &Load, watched: bool) -> Result<(), String> {
        let refuse = |why: String| Err(format!("--fail-if {}: {why}", self.text));
        if self.figure == Figure::PerCpu && !watched {
            return refuse(
                "processor time of the server is known with --server-pid only".to_owned(),
            );
        }
        let timeout = load.timeout.as_nanos() as f64;
        if self.figure.is_time() && self.limit >= timeout {
            return refuse(format!(
                "a message without a reply counts as --timeout, {}, which must be longer than the limit",
                words::duration(Duration::from_nanos(timeout as u64))
            ));
        }
        match load.rate {
            Some(rate) if self.figure == Figure::Rate && self.limit > rate.mean() => {
                refuse(format!("it always holds, as no more than --rate {rate} is sent"))
            }
            _ => Ok(()),
        }
    }

    /// With what was measured of its figure.
    pub(super) fn find(&self, measured: impl FnOnce(Figure) -> Option<f64>) -> Finding {
        Finding { condition: self.clone(), measured: measured(self.figure) }
    }
}

impl Finding {
    /// Whether the condition holds, so that the run has failed. What was not measured fails nothing by
    /// itself: then the run has failed for another reason.
    pub(super) fn holds(&self) -> bool {
        let Condition { above, inclusive, limit, .. } = self.condition;
        self.measured.is_some_and(|measured| match (above, inclusive) {
            (true, false) => measured > limit,
            (true, true) => measured >= limit,
            (false, false) => measured < limit,
            (false, true) => measured <= limit,
        })
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "condition": self.condition.text,
            "measured": self.measured,
            "unit": self.condition.figure.unit(),
            "holds": self.holds(),
        })
    }
}

impl fmt::Display for Finding {
    /// What is said of one that holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measured = self.measured.unwrap_or_default();
        let words = self.condition.figure.words(measured);
        write!(f, "FAILED: {}, which --fail-if forbids: it was {words}.", self.condition.text)
    }
}

/// All conditions of a run, for people.
pub(super) fn table(findings: &[Finding], out: &mut String) {
    let mut table = Table::default();
    for finding in findings {
        let figure = finding.condition.figure;
        let measured = finding.measured.map_or("not measured".to_owned(), |it| figure.words(it));
        let verdict = if finding.holds() { "FAILED" } else { "ok" };
        let name = format!("fail if {}", finding.condition.text);
        table.row([name, measured, verdict.to_owned()]);
    }
    table.print(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_people_write_them() {
        let parse = |text: &str| {
            let Condition { figure, above, inclusive, limit, .. } = text.parse().unwrap();
            (figure, above, inclusive, limit)
        };
        assert_eq!(parse("p99>1ms"), (Figure::Percentile(99.0), true, false, 1e6));
        assert_eq!(parse("p99.9 >= 250us"), (Figure::Percentile(99.9), true, true, 250_000.0));
        assert_eq!(parse("max>2s"), (Figure::Percentile(100.0), true, false, 2e9));
        assert_eq!(parse("loss>0.5%"), (Figure::Loss, true, false, 0.005));
        assert_eq!(parse("rate<50k"), (Figure::Rate, false, false, 50_000.0));
        assert_eq!(parse("errors>0"), (Figure::Errors, true, false, 0.0));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, words) in [
            ("p99", "p99>1ms"),
            ("p99=1ms", "p99>1ms"),
            ("p0>1ms", "p99>1ms"),
            ("p101>1ms", "p99>1ms"),
            ("p99>1", "no unit"),
            ("p99>fast", "250ms"),
            ("p99<1ms", "is p99>1ms meant?"),
            ("rate>50k", "is rate<50k meant?"),
            ("loss>1", "percentage"),
            ("loss>100%", "never"),
            ("loss>=0%", "always"),
            ("errors>=0", "always"),
            ("rate<0", "never"),
            ("rate<fast", "expected"),
            ("speed>1", "expected a figure"),
            ("", "expected a figure"),
        ] {
            let error = text.parse::<Condition>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
