//! Histograms as text: compressed, and in base64, as the log format of HdrHistogram has them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use super::tally::histogram;

/// Some hundred bytes, where latencies are close to each other; some thousand, where they aren't.
pub(super) fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .expect("memory can be written to, and the bounds are right");
    BASE64_STANDARD.encode(bytes)
}

/// `None`: it isn't one, or not one that fits into ours.
pub(super) fn decoded(text: &str) -> Option<Histogram<u64>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let read: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).ok()?;
    let mut sum = histogram(); // With the bounds of all.
    sum.add(&read).ok()?;
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_come_back_as_they_were() {
        let mut some = histogram();
        some.record_n(12_345, 7).unwrap();
        some.record(3_000_000_000_000).unwrap();
        for histogram in [histogram(), some] {
            assert_eq!(decoded(&encoded(&histogram)), Some(histogram));
        }
        assert_eq!(decoded("nonsense"), None);
    }
}
