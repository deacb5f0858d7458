//! Round-trip times.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The percentiles that are told.
const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// How much of the moving average each new time is, as in ping(8).
const WEIGHT: f64 = 1.0 / 8.0;

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
    /// The exponentially weighted moving average: what it has been lately.
    moving: f64,
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
            moving: 0.0,
        }
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let time = milliseconds(time);
        self.moving = match self.count {
            0 => time,
            _ => self.moving + (time - self.moving) * WEIGHT,
        };
        self.count += 1;
        self.min = self.min.min(time);
        self.max = self.max.max(time);
        let distance = time - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (time - self.mean);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The standard deviation of all of them, which ping(8) calls mdev.
    fn deviation(&self) -> f64 {
        (self.squares / self.count as f64).max(0.0).sqrt()
    }

    /// The time that so many percent stay within; never more than the longest.
    fn percentile(&self, percent: f64) -> f64 {
        let time = self.histogram.value_at_percentile(percent) as f64 / 1e6;
        time.clamp(self.min, self.max)
    }

    /// What it has been lately.
    pub(super) fn moving(&self) -> f64 {
        self.moving
    }

    /// `min/avg/ewma/max = … ms`
    pub(super) fn in_short(&self) -> String {
        let Times { min, mean, moving, max, .. } = self;
        format!("min/avg/ewma/max = {min:.3}/{mean:.3}/{moving:.3}/{max:.3} ms")
    }

    /// `p50/… = … ms`
    pub(super) fn percentiles(&self) -> String {
        let names = PERCENTILES.map(|p| format!("p{p}")).join("/");
        let values = PERCENTILES.map(|p| format!("{:.3}", self.percentile(p))).join("/");
        format!("{names} = {values} ms")
    }

    /// As a value; `null` if there are none.
    pub(super) fn to_json(&self) -> Value {
        if self.is_empty() {
            return Value::Null;
        }
        let mut times = json!({
            "min": rounded(self.min), "avg": rounded(self.mean), "max": rounded(self.max),
            "mdev": rounded(self.deviation()), "ewma": rounded(self.moving),
        });
        for p in PERCENTILES {
            times[format!("p{p}")] = json!(rounded(self.percentile(p)));
        }
        times
    }
}

/// `min/avg/max/mdev = … ms`
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, mean, max, mdev) = (self.min, self.mean, self.max, self.deviation());
        write!(f, "min/avg/max/mdev = {min:.3}/{mean:.3}/{max:.3}/{mdev:.3} ms")
    }
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// To a millionth: nanoseconds, if it is milliseconds.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only one there is has one value, however it is asked for.
    #[test]
    fn one_time_is_all_percentiles() {
        let mut times = Times::default();
        let time = Duration::from_nanos(1_007_500);
        times.add(time);
        let shown = format!("{:.3}", milliseconds(time));
        assert_eq!(
            times.percentiles(),
            format!("p50/p90/p99/p99.9 = {} ms", [&shown[..]; 4].join("/"))
        );
    }

    #[test]
    fn what_it_has_been_lately_follows_slowly() {
        let mut times = Times::default();
        for time in [8, 16, 16] {
            times.add(Duration::from_millis(time));
        }
        assert_eq!(times.moving(), 9.875); // 8, then an eighth of the way to 16, twice.
        assert_eq!(times.in_short(), "min/avg/ewma/max = 8.000/13.333/9.875/16.000 ms");
    }
}
