//! The log of histograms, as the reader that everybody uses reads it.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

/// Its histograms, in order.
#[track_caller]
pub(crate) fn log_of(log: &[u8]) -> Vec<Histogram<u64>> {
    let mut histograms = Vec::new();
    for entry in IntervalLogIterator::new(log) {
        let LogEntry::Interval(interval) = entry.unwrap() else { continue };
        let bytes = base64_decoded(interval.encoded_histogram());
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert!((histogram.max() as f64 / 1e6 - interval.max()).abs() < 0.01);
        histograms.push(histogram);
    }
    histograms
}

/// RFC 4648, as much as the test needs.
fn base64_decoded(text: &str) -> Vec<u8> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sixes = text.chars().filter(|c| *c != '=').map(|c| letters.find(c).unwrap() as u32);
    let (mut bits, mut held, mut bytes) = (0, 0, Vec::new());
    for six in sixes {
        (bits, held) = (bits << 6 | six, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
