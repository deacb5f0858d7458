//! From values to places on paper, and which values are written there.

use super::words;

/// What an axis counts, and how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things, from nothing on.
    Count,
    /// Things, each ten times as many as far from the next: what a sweep varies.
    Times,
    Bytes,
    /// Nanoseconds.
    Time,
    /// Of the measured time.
    Second,
    /// One over the part that is slower: 100 stands for the 99th percentile.
    Percentile,
}

impl Unit {
    pub(super) fn label(self, value: f64) -> String {
        match self {
            Unit::Count | Unit::Times => words::rate(value),
            Unit::Bytes => words::bytes(value),
            Unit::Time => words::time(value as u64),
            Unit::Second => format!("{} s", words::rate(value)),
            Unit::Percentile => {
                // As many nines as are needed, and no rounding that would make it 100.
                let digits = (value.log10().round() as usize).saturating_sub(2);
                format!("p{:.digits$}", 100.0 - 100.0 / value)
            }
        }
    }

    fn is_logarithmic(self) -> bool {
        !matches!(self, Unit::Count | Unit::Second)
    }
}

/// From values to places on the paper.
pub(super) struct Scale {
    unit: Unit,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    pub(super) fn new(unit: Unit, (low, high): (f64, f64), from: f64, to: f64) -> Scale {
        let (low, high) = match unit.is_logarithmic() {
            true if high > low => (low, high),
            true => (low / 2.0, high * 2.0), // One value only: in the middle.
            false => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
        };
        Scale { unit, low, high, from, to }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let part = match self.unit.is_logarithmic() {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        self.from + part * (self.to - self.from)
    }

    /// Round numbers within: powers of ten (of four, for bytes), with 2 and 5 between if they are few;
    /// or a handful of even steps, where there are no such numbers or a scale is even itself.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let inside = |values: Vec<f64>| -> Vec<f64> {
            values.into_iter().filter(|value| (self.low..=self.high).contains(value)).collect()
        };
        let tens = || (-3..16).map(|i| 10_f64.powi(i));
        let candidates = match self.unit {
            Unit::Percentile => vec![[1.0, 2.0].into_iter().chain(tens().skip(4)).collect()],
            Unit::Bytes => vec![
                (0..24).map(|i| 4_f64.powi(i)).collect(),
                (0..48).map(|i| 2_f64.powi(i)).collect(),
            ],
            Unit::Count | Unit::Second => vec![],
            Unit::Times | Unit::Time => {
                let between = tens().flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]);
                vec![tens().collect(), between.collect()]
            }
        };
        let enough = if self.unit == Unit::Percentile { 1 } else { 3 };
        let found = candidates.into_iter().map(inside).find(|ticks| ticks.len() >= enough);
        found.unwrap_or_else(|| inside(self.even_steps()))
    }

    fn even_steps(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(power);
        let first = (self.low / step).ceil();
        (0..12).map(|i| (first + f64::from(i)) * step).collect()
    }
}

/// The lowest and the highest that a scale must have room for.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = values.filter(|value| *value > 0.0);
    let (low, high) =
        values.fold((f64::MAX, 0.0_f64), |(low, high), it| (low.min(it), high.max(it)));
    if high == 0.0 { (1.0, 1.0) } else { (low, high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_have_as_many_nines_as_they_need() {
        let label = |value| Unit::Percentile.label(value);
        assert_eq!([label(2.0), label(10.0), label(100.0)], ["p50", "p90", "p99"]);
        assert_eq!([label(1e3), label(1e5)], ["p99.9", "p99.999"]);
        let scale = Scale::new(Unit::Percentile, (1.0, 5000.0), 0.0, 1.0);
        assert_eq!(scale.ticks(), [1.0, 2.0, 10.0, 100.0, 1000.0]);
    }

    /// However narrow, wide or odd the range: there are always numbers to read.
    #[test]
    fn there_are_always_ticks() {
        for unit in [Unit::Count, Unit::Times, Unit::Bytes, Unit::Time, Unit::Second] {
            for low in [0.5, 1.0, 64.0, 6_100_000.0] {
                for times in [1.0, 1.05, 1.3, 3.0, 100.0, 1e6] {
                    let scale = Scale::new(unit, (low, low * times), 0.0, 1.0);
                    let ticks = scale.ticks();
                    assert!((2..=16).contains(&ticks.len()), "{unit:?} {low} {times}: {ticks:?}");
                }
            }
        }
    }
}
