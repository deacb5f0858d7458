//! How long things took, in buckets.

use std::fmt;
use std::time::Duration;

/// How long things took: counts in buckets, four to each doubling from 1 µs to 60 s, so that a percentile says
/// at most a quarter too much. What was shorter or longer is in the first bucket or the last. Always 856
/// bytes; counting allocates nothing.
///
/// Shown as `p50 12.3µs, p99 56.0µs, max 78.9µs`, or `none`.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
    /// In nanoseconds.
    max: u64,
    /// In nanoseconds.
    sum: u64,
}

/// Buckets of a doubling, as a power of two.
const STEPS: u32 = 2;

/// The first doubling, in nanoseconds, as a power of two.
const FIRST: u32 = 10;

/// Doublings.
const DOUBLINGS: u32 = 26;

/// One more is for what is shorter than the first doubling.
const BUCKETS: usize = (DOUBLINGS << STEPS) as usize + 1;

impl Histogram {
    #[inline]
    pub(crate) fn count_one(&mut self, took: Duration) {
        self.count_same(Sample::new(took));
    }

    /// The same, for what is counted in several.
    #[inline]
    pub(crate) fn count_same(&mut self, sample: Sample) {
        self.max = self.max.max(sample.nanos);
        self.sum = self.sum.saturating_add(sample.nanos);
        self.buckets[sample.bucket] += 1;
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The longest, exactly; zero if there was none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// For each doubling from 1.024 µs to about 34 s, how many took less: the sum of all before it too.
    pub fn doublings(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut sum = 0;
        let counts = self.buckets.iter().enumerate().map(move |(bucket, count)| {
            sum += count;
            (bucket, sum)
        });
        let wanted = counts.filter(|(bucket, _)| bucket % (1 << STEPS) == 0);
        wanted.take(DOUBLINGS as usize).map(|(bucket, sum)| (end(bucket), sum))
    }

    /// Counts what another one has counted, too: that of another worker, say.
    pub fn add(&mut self, other: &Histogram) {
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *ours += theirs;
        }
    }

    /// What was counted since then, of which this is an earlier copy. The longest is exact if nothing before was as
    /// long, and else at most a quarter too long, as a percentile is.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut since = Histogram { sum: self.sum.saturating_sub(earlier.sum), ..self.clone() };
        for (ours, theirs) in since.buckets.iter_mut().zip(&earlier.buckets) {
            *ours = ours.saturating_sub(*theirs);
        }
        if self.max <= earlier.max {
            let last = since.buckets.iter().rposition(|count| *count > 0);
            let end = last.map_or(Duration::ZERO, end).min(self.max());
            since.max = end.as_nanos() as u64; // At most what it was.
        }
        since
    }

    /// How long so many of a hundred took at most, 50 for the median: the end of a bucket, or the longest of
    /// all if that was shorter. Zero if nothing was counted.
    pub fn percentile(&self, percent: f64) -> Duration {
        let rank = (self.count() as f64 * percent / 100.0).ceil();
        let mut sum = 0;
        let reaches = |count: &u64| {
            sum += count;
            sum > 0 && sum as f64 >= rank
        };
        self.buckets
            .iter()
            .position(reaches)
            .map_or(self.max(), |bucket| end(bucket).min(self.max()))
    }
}

/// Something to be counted.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    nanos: u64,
    bucket: usize,
}

impl Sample {
    /// What took longer than the 584 years that 64 bits hold counts as that.
    #[inline]
    pub(crate) fn new(took: Duration) -> Sample {
        let nanos = took.as_secs().saturating_mul(1_000_000_000);
        let nanos = nanos.saturating_add(took.subsec_nanos().into());
        Sample { nanos, bucket: bucket(nanos) }
    }
}

/// Which bucket it belongs to: the leading bit and the two behind it, if it is long enough to have any.
#[inline]
fn bucket(nanos: u64) -> usize {
    let Some(doubling) = nanos.checked_ilog2().and_then(|log| log.checked_sub(FIRST)) else {
        return 0;
    };
    let step = (nanos >> (doubling + FIRST - STEPS)) as usize & ((1 << STEPS) - 1);
    ((doubling as usize) << STEPS | step).min(BUCKETS - 2) + 1
}

/// What is in the bucket was shorter than this.
fn end(bucket: usize) -> Duration {
    let (doubling, step) = (bucket >> STEPS, bucket & ((1 << STEPS) - 1));
    if bucket == BUCKETS - 1 {
        return Duration::MAX;
    }
    Duration::from_nanos(((1 << STEPS) + step as u64) << (doubling + (FIRST - STEPS) as usize))
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; BUCKETS], max: 0, sum: 0 }
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count() == 0 {
            return f.write_str("none");
        }
        let (half, most) = (self.percentile(50.0), self.percentile(99.0));
        write!(f, "p50 {half:.1?}, p99 {most:.1?}, max {:.1?}", self.max())
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of a doubling is the end of its last bucket, and what is counted stands below it.
    #[test]
    fn doublings_are_cumulative() {
        let mut histogram = Histogram::default();
        for micros in [0, 1, 3, 3, 1000] {
            histogram.count_one(Duration::from_micros(micros));
        }
        let doublings: Vec<_> = histogram.doublings().collect();
        assert_eq!(doublings[0], (Duration::from_nanos(1024), 2));
        assert_eq!(doublings[2], (Duration::from_nanos(4096), 4));
        assert_eq!(doublings.last().unwrap().1, 5);
        assert!(doublings.windows(2).all(|pair| pair[1].0 == pair[0].0 * 2));
        assert_eq!(histogram.sum(), Duration::from_micros(1007));
    }

    #[test]
    fn each_duration_is_in_a_bucket_at_most_a_quarter_too_long() {
        let mut last = 0;
        for nanos in (0..if cfg!(miri) { 2_000 } else { 200_000 })
            .chain((18..35).flat_map(|log| (0..100).map(move |n| (1 << log) + (n << log) / 100)))
        {
            let bucket = bucket(nanos);
            assert!(bucket >= last && bucket < BUCKETS);
            last = bucket;
            let end = end(bucket).as_nanos() as u64;
            assert!(nanos < end, "{nanos} ns in the bucket before {end}");
            assert!(
                nanos < 1024 || end - nanos <= nanos / 4,
                "{nanos} ns in the bucket before {end}"
            );
        }
        for too_long in [Duration::from_secs(69), Duration::MAX] {
            assert_eq!(Sample::new(too_long).bucket, BUCKETS - 1);
        }
        assert_eq!(size_of::<Histogram>(), 856);
    }

    #[test]
    fn what_was_counted_in_between_can_be_told() {
        let millis = |them: &[u64]| {
            let mut histogram = Histogram::default();
            them.iter().for_each(|it| histogram.count_one(Duration::from_millis(*it)));
            histogram
        };
        let (before, mut now) = (millis(&[1, 50]), millis(&[1, 50]));
        assert_eq!(now.since(&before), Histogram::default());
        now.add(&millis(&[3, 3, 7]));
        assert_eq!(now, millis(&[1, 50, 3, 3, 7]));
        let since = now.since(&before);
        assert_eq!((since.count(), since.sum()), (3, Duration::from_millis(13)));
        assert!((7..9).contains(&since.max().as_millis()), "{since}");
        assert!((3..4).contains(&since.percentile(50.0).as_millis()), "{since}");
        now.add(&millis(&[60]));
        assert_eq!(now.since(&before).max(), Duration::from_millis(60));
    }

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50.0), histogram.max()), Default::default());
        assert_eq!(histogram.to_string(), "none");
        for millis in 1..=100 {
            histogram.count_one(Duration::from_millis(millis));
        }
        for percent in [1, 50, 99, 100] {
            let says = histogram.percentile(percent as f64).as_millis() as u64;
            assert!((percent..=percent + percent / 4).contains(&says), "{says} at {percent} %");
        }
        assert_eq!(histogram.count(), 100);
        assert_eq!(histogram.percentile(100.0), Duration::from_millis(100));
        histogram.count_one(Duration::from_secs(100));
        assert_eq!(histogram.percentile(100.0), Duration::from_secs(100));
    }
}
