//! What is counted, and how it is told at the end.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The percentiles that are told.
const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

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
    pub(super) elapsed: Duration,
    pub(super) times: Times,
}

impl Tally {
    fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { 100.0 * self.lost() as f64 / self.sent as f64 }
    }

    /// As a value, whose fields the README explains.
    pub(super) fn to_json(&self) -> Value {
        let times = (self.times.count > 0).then(|| {
            let mut times = json!({
                "min": rounded(self.times.min), "avg": rounded(self.times.mean),
                "max": rounded(self.times.max), "mdev": rounded(self.times.deviation()),
            });
            for p in PERCENTILES {
                times[format!("p{p}")] = json!(self.times.percentile(p));
            }
            times
        });
        json!({
            "connect_ms": self.connect.map(|time| rounded(milliseconds(time))),
            "sent": self.sent, "received": self.received, "lost": self.lost(),
            "loss_percent": rounded(self.loss()), "late": self.late,
            "duplicates": self.duplicates, "reordered": self.reordered, "wrong": self.wrong,
            "unexpected": self.unexpected, "errors": self.errors,
            "elapsed_ms": rounded(milliseconds(self.elapsed)), "round_trip_ms": times,
        })
    }
}

/// As ping(8) tells it.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} received", self.sent, self.received)?;
        let exceptions = [
            (self.late, "late"),
            (self.duplicates, "duplicates"),
            (self.reordered, "out of order"),
            (self.wrong, "wrong"),
            (self.unexpected, "unexpected"),
            (self.errors, "errors"),
        ];
        for (count, what) in exceptions.iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        let loss = (self.loss() * 100.0).round() / 100.0;
        writeln!(f, ", {loss}% lost, time {:.0} ms", milliseconds(self.elapsed))?;
        if let Some(connect) = self.connect {
            writeln!(f, "connect {:.3} ms", milliseconds(connect))?;
        }
        let times = &self.times;
        if times.count == 0 {
            return Ok(());
        }
        let (min, mean, max, mdev) = (times.min, times.mean, times.max, times.deviation());
        writeln!(f, "round trip min/avg/max/mdev = {min:.3}/{mean:.3}/{max:.3}/{mdev:.3} ms")?;
        let names = PERCENTILES.map(|p| format!("p{p}")).join("/");
        let values = PERCENTILES.map(|p| format!("{:.3}", times.percentile(p))).join("/");
        writeln!(f, "{names} = {values} ms")
    }
}

/// Round-trip times, in milliseconds, in memory that doesn't grow with their number.
#[derive(Debug)]
pub(super) struct Times {
    histogram: Histogram<u64>,
    count: u64,
    min: f64,
    max: f64,
    mean: f64,
    /// The sum of squared distances from the mean, after Welford.
    squares: f64,
}

impl Default for Times {
    fn default() -> Times {
        // Nanoseconds up to an hour, three significant digits: a quarter of a megabyte.
        let histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3);
        Times {
            histogram: histogram.expect("the bounds make sense"),
            count: 0,
            min: f64::INFINITY,
            max: 0.0,
            mean: 0.0,
            squares: 0.0,
        }
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let time = milliseconds(time);
        self.count += 1;
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        let distance = time - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (time - self.mean);
    }

    /// The standard deviation of all of them, which ping(8) calls mdev.
    fn deviation(&self) -> f64 {
        (self.squares / self.count as f64).max(0.0).sqrt()
    }

    /// The time that so many percent stay within; never more than the longest.
    fn percentile(&self, percent: f64) -> f64 {
        let time = self.histogram.value_at_percentile(percent) as f64 / 1e6;
        rounded(time.clamp(self.min, self.max))
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// To a millionth: nanoseconds, if it is milliseconds.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
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
            5 sent, 4 received, 1 late, 20% lost, time 4000 ms\n\
            connect 1.500 ms\n\
            round trip min/avg/max/mdev = 1.000/2.500/4.000/1.118 ms\n\
            p50/p90/p99/p99.9 = 2.001/4.000/4.000/4.000 ms\n";
        assert_eq!(tally().to_string(), expected);
        assert_eq!(Tally::default().to_string(), "0 sent, 0 received, 0% lost, time 0 ms\n");
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
