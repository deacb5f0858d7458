//! What is counted, and how it is told at the end.

use std::time::Duration;
use std::{fmt, io};

use serde_json::{Value, json};

use super::times::{Times, milliseconds, rounded};

/// Everything that was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) connect: Option<Duration>,
    pub(super) sent: u64,
    /// Replies, each message's first.
    pub(super) received: u64,
    /// Among them, those after the timeout.
    pub(super) late: u64,
    /// Among them, those that an earlier message's reply came after.
    pub(super) reordered: u64,
    pub(super) duplicates: u64,
    /// Replies that were not what was sent.
    pub(super) wrong: u64,
    /// Messages from the server that answer nothing.
    pub(super) unexpected: u64,
    /// What the network said, such as that nobody is there.
    pub(super) errors: u64,
    /// Among that, that nobody listens there.
    pub(super) refused: u64,
    /// The most messages that waited for their replies at a time.
    pub(super) most_waiting: usize,
    pub(super) elapsed: Duration,
    pub(super) times: Times,
}

impl Tally {
    /// The network has said something.
    pub(super) fn error(&mut self, error: &io::Error) {
        self.errors += 1;
        self.refused += u64::from(error.kind() == io::ErrorKind::ConnectionRefused);
    }

    fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { 100.0 * self.lost() as f64 / self.sent as f64 }
    }

    /// As a value. Times are milliseconds; `null` is what there was none of.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "connect_ms": self.connect.map(|time| rounded(milliseconds(time))),
            "sent": self.sent, "received": self.received, "lost": self.lost(),
            "loss_percent": rounded(self.loss()), "late": self.late,
            "duplicates": self.duplicates, "reordered": self.reordered, "wrong": self.wrong,
            "unexpected": self.unexpected, "errors": self.errors, "refused": self.refused,
            "elapsed_ms": rounded(milliseconds(self.elapsed)),
            "round_trip_ms": self.times.to_json(),
        })
    }

    /// How it stands, as ping(8) says it when it is sent SIGQUIT: behind the `^\` of a terminal.
    pub(super) fn status(&self) -> String {
        let Tally { received, sent, times, .. } = self;
        let loss = self.loss().floor();
        let times = match times.is_empty() {
            true => String::new(),
            false => format!(", {}", times.in_short()),
        };
        format!("\r{received}/{sent} packets, {loss}% loss{times}\n")
    }

    /// The first two lines, as ping(8) tells them; then what it doesn't know of.
    pub(super) fn summary(&self, flood: bool) -> String {
        let mut text = format!("{self}\n");
        if !self.times.is_empty() {
            text += &format!("rtt {}", self.times);
            if self.most_waiting > 1 {
                text += &format!(", pipe {}", self.most_waiting);
            }
            if flood && self.sent > 1 {
                let gap = milliseconds(self.elapsed) / (self.sent - 1) as f64;
                text += &format!(", ipg/ewma {gap:.3}/{:.3} ms", self.times.moving());
            }
            text += &format!("\n{}\n", self.times.percentiles());
        }
        let ours = [(self.late, "late"), (self.reordered, "out of order")];
        let others = [(self.unexpected, "unexpected"), (self.refused, "refused")];
        let ours = ours.into_iter().chain(others);
        let ours: Vec<_> = ours.filter(|(count, _)| *count > 0).collect();
        if !ours.is_empty() {
            let ours: Vec<_> = ours.iter().map(|(count, what)| format!("{count} {what}")).collect();
            text += &format!("{}\n", ours.join(", "));
        }
        if let Some(connect) = self.connect {
            text += &format!("connected in {:.3} ms\n", milliseconds(connect));
        }
        text
    }
}

/// The line of counts, as ping(8) tells it, word for word.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets transmitted, {} received", self.sent, self.received)?;
        let exceptions =
            [(self.duplicates, "duplicates"), (self.wrong, "corrupted"), (self.errors, "errors")];
        for (count, what) in exceptions.iter().filter(|(count, _)| *count > 0) {
            write!(f, ", +{count} {what}")?;
        }
        let (loss, time) = (significant(self.loss()), milliseconds(self.elapsed));
        write!(f, ", {loss}% packet loss, time {time:.0}ms")
    }
}

/// Six significant digits and no zeros behind them: `%g` of printf(3).
fn significant(value: f64) -> f64 {
    let digits = value.abs().log10().floor().clamp(-6.0, 6.0);
    let unit = 10_f64.powf(5.0 - digits);
    (value * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally { sent: 5, received: 4, late: 1, ..Tally::default() };
        (1..=4).for_each(|time| tally.times.add(Duration::from_millis(time)));
        tally.connect = Some(Duration::from_micros(1500));
        tally.elapsed = Duration::from_secs(4);
        tally
    }

    #[test]
    fn the_summary_says_it_as_ping_does() {
        let expected = "\
            5 packets transmitted, 4 received, 20% packet loss, time 4000ms\n\
            rtt min/avg/max/mdev = 1.000/2.500/4.000/1.118 ms\n\
            p50/p90/p99/p99.9 = 2.001/4.000/4.000/4.000 ms\n\
            1 late\n\
            connected in 1.500 ms\n";
        assert_eq!(tally().summary(false), expected);
        let flood = Tally { most_waiting: 3, ..tally() }.summary(true);
        assert!(flood.contains("/1.118 ms, pipe 3, ipg/ewma 1000.000/1.689 ms\n"), "{flood}");
        let none = "0 packets transmitted, 0 received, 0% packet loss, time 0ms\n";
        assert_eq!(Tally::default().summary(true), none);
    }

    #[test]
    fn what_went_wrong_stands_where_ping_says_it() {
        let mut tally = tally();
        (tally.sent, tally.duplicates, tally.wrong, tally.errors) = (6, 1, 2, 3);
        let expected = "6 packets transmitted, 4 received, +1 duplicates, +2 corrupted, +3 errors, \
                        33.3333% packet loss, time 4000ms";
        assert_eq!(tally.to_string(), expected);
    }

    #[test]
    fn the_status_is_one_line() {
        let expected = "\r4/5 packets, 20% loss, min/avg/ewma/max = 1.000/2.500/1.689/4.000 ms\n";
        assert_eq!(tally().status(), expected);
        assert_eq!(Tally::default().status(), "\r0/0 packets, 0% loss\n");
    }

    #[test]
    fn losses_have_six_digits() {
        let cases = [(0.0, "0"), (100.0, "100"), (100.0 / 3.0, "33.3333"), (1.0 / 3.0, "0.333333")];
        for (value, expected) in cases {
            assert_eq!(significant(value).to_string(), expected);
        }
    }

    #[test]
    fn machines_are_told_the_same() {
        let json = tally().to_json();
        assert_eq!(json["lost"], 1);
        assert_eq!(json["loss_percent"], 20.0);
        assert_eq!(json["connect_ms"], 1.5);
        assert_eq!(json["round_trip_ms"]["max"], 4.0);
        assert_eq!(json["round_trip_ms"]["p99.9"], 4.0);
        assert_eq!(Tally::default().to_json()["round_trip_ms"], Value::Null);
    }
}
