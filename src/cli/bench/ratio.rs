//! Ratios of two servers, and when they say something.

use serde_json::{Value, json};

/// Rounds from which on there is a verdict. With fewer, not even ratios that all lie on one side of 1 are
/// out of chance's reach: of two equal servers the one that was better in the first round is better in all
/// of 5 once in 16 times, in all of 6 once in 32.
pub(super) const ENOUGH: usize = 6;

/// Ratios to the first endpoint, round by round.
#[derive(Clone, Debug)]
pub(super) struct Ratio {
    rounds: usize,
    median: f64,
    /// Where the median of ever more rounds would lie, with a confidence of 95 % at least, if there are
    /// rounds enough; otherwise the lowest and the highest.
    low: f64,
    high: f64,
}

/// The value in the middle, or between the two that are.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

impl Ratio {
    /// The median, and the interval that it lies in by the order of the values alone, whatever their
    /// distribution (the sign test turned round): leave out as many at each end as 5 % allow.
    pub(super) fn of(mut values: Vec<f64>) -> Ratio {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let (mut outside, mut term, mut skip) = (0.0, 0.5_f64.powi(n as i32), 0);
        while outside + 2.0 * term <= 0.05 {
            outside += 2.0 * term;
            term *= (n - skip) as f64 / (skip + 1) as f64;
            skip += 1;
        }
        let skip = skip.saturating_sub(1).min((n - 1) / 2);
        let (low, high) = (values[skip], values[n - 1 - skip]);
        Ratio { rounds: n, median: median(values), low, high }
    }

    /// Whether there is no difference to be seen. `None`: that can't be told.
    fn is_noise(&self) -> Option<bool> {
        (self.rounds >= ENOUGH).then(|| (self.low..=self.high).contains(&1.0))
    }

    pub(super) fn words(&self) -> [String; 3] {
        let Ratio { median, low, high, .. } = self;
        let verdict = match self.is_noise() {
            None => "no verdict",
            Some(true) => "within the noise",
            Some(false) if *median > 1.0 => "more",
            Some(false) => "less",
        };
        [format!("{median:.3}"), format!("({low:.3}-{high:.3})"), verdict.to_owned()]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "within_noise": self.is_noise(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_median_leaves_out_what_chance_allows() {
        let of = |n: usize| {
            let ratio = Ratio::of((0..n).map(|i| i as f64).collect());
            (ratio.low, ratio.median, ratio.high)
        };
        assert_eq!(of(1), (0.0, 0.0, 0.0));
        assert_eq!(of(5), (0.0, 2.0, 4.0));
        assert_eq!(of(6), (0.0, 2.5, 5.0)); // 2 / 2^6 = 3.1 %.
        assert_eq!(of(9), (1.0, 4.0, 7.0)); // 2 * (1 + 9) / 2^9 = 3.9 %.
        assert_eq!(of(20), (5.0, 9.5, 14.0)); // The table of the sign test says the same.
    }

    #[test]
    fn a_difference_must_leave_the_noise() {
        let of = |low: f64| Ratio { rounds: 6, median: 1.02, low, high: 1.05 };
        assert_eq!(of(0.99).is_noise(), Some(true));
        assert_eq!(of(1.01).is_noise(), Some(false));
    }

    #[test]
    fn few_rounds_say_nothing() {
        for rounds in 1..ENOUGH {
            assert_eq!(Ratio::of(vec![2.0; rounds]).is_noise(), None);
        }
        assert_eq!(Ratio::of(vec![2.0; ENOUGH]).is_noise(), Some(false));
    }
}
