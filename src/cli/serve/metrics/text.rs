//! The text format of Prometheus, version 0.0.4: what a family of values is, then its values.

use std::fmt::{Display, Write};

/// A text that grows.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
}

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows. Its name ends in `_total`.
    Counter,
    Gauge,
    /// Its values are `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// A name and a value that tell one value of a family from the others.
pub(super) type Label<'a> = (&'a str, &'a str);

impl Text {
    /// Begins a family, whose values must follow without any other.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("it has room");
        Family { text: &mut self.text, name }
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }
}

/// A family that has begun.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    pub(super) fn value(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.part("", labels, value);
    }

    /// A value whose name goes on behind that of the family.
    pub(super) fn part(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (index, (name, label)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let label = Escaped(label);
            write!(self.text, "{before}{name}=\"{label}\"").expect("it has room");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        writeln!(self.text, "{end} {value}").expect("it has room");
    }
}

/// A label, as it stands between quotes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_behind_what_they_are() {
        let mut text = Text::default();
        let mut family = text.family("x_total", Kind::Counter, "Things.");
        family.value(&[], 1);
        family.value(&[("a", "\"\\\n"), ("b", "é")], 0.5);
        let expected = "# HELP x_total Things.\n# TYPE x_total counter\nx_total 1\n\
            x_total{a=\"\\\"\\\\\\n\",b=\"é\"} 0.5\n";
        assert_eq!(text.into_string(), expected);
    }
}
