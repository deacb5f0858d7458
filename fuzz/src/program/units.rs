//! Numbers with units.

use std::time::Duration;

use crate::cli::units::{count, duration, duration_or_never, rate, size};

/// A number with any unit that a count, a size or a time may have, each in billionths.
type Unit = (&'static str, u128);

const COUNTS: &[Unit] = &[("", G), ("k", 1000 * G), ("m", 1_000_000 * G), ("g", G * G)];
const SIZES: &[Unit] = &[
    ("", G),
    ("b", G),
    ("k", K),
    ("kib", K),
    ("kb", 1000 * G),
    ("m", 1024 * K),
    ("mib", 1024 * K),
    ("mb", 1_000_000 * G),
    ("g", 1024 * 1024 * K),
    ("gib", 1024 * 1024 * K),
    ("gb", G * G),
];
const TIMES: &[Unit] = &[
    ("", G),
    ("ns", 1),
    ("us", 1000),
    ("ms", 1_000_000),
    ("s", G),
    ("m", 60 * G),
    ("h", 3600 * G),
];
const G: u128 = 1_000_000_000;
const K: u128 = 1024 * G;

/// A text.
pub fn units(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let billionths = |whole: u64| u128::from(whole) * G;
    let nanos = |time: Duration| time.as_nanos();
    agrees(text, count(text).map(billionths), exact(text, COUNTS), true);
    agrees(text, rate(text).map(|rate| (rate * 1e9) as u128), exact(text, COUNTS), false);
    agrees(text, size(text).map(|size| billionths(size as u64)), exact(text, SIZES), true);
    agrees(text, duration(text).map(nanos), exact(text, TIMES), false);
    let or_never = duration_or_never(text);
    match text.eq_ignore_ascii_case("never") {
        true => assert_eq!(or_never, Ok(Duration::MAX)),
        false => assert_eq!(or_never, duration(text)),
    }
}

/// What was read is what exact arithmetic says, as far as 53 bits can say it.
#[track_caller]
fn agrees(text: &str, read: Result<u128, String>, exact: Option<Exact>, whole: bool) {
    match (read, exact) {
        (Ok(read), Some(Exact { billionths, cut, .. })) => {
            let most = billionths / (1 << 50) + cut + if whole { G } else { 2 };
            let difference = read.abs_diff(billionths);
            assert!(difference <= most, "{text:?} was read as {read}, and is {billionths}");
        }
        (Err(error), None) => assert!(!error.is_empty()),
        (Err(_), Some(exact)) => {
            let is_part = whole && (exact.is_cut || exact.billionths % G != 0);
            let is_large = exact.billionths >= G * G * 999_999_999;
            assert!(is_part || is_large, "{text:?} was refused");
        }
        (Ok(read), None) => panic!("{text:?} was read as {read}"),
    }
}

/// A number in billionths.
struct Exact {
    billionths: u128,
    /// There would be more of it behind them.
    is_cut: bool,
    /// Billionths that digits were cut off for.
    cut: u128,
}

/// `None`: it is no number, or its unit is none.
fn exact(text: &str, units: &[Unit]) -> Option<Exact> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.contains('.') || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let digits = |digits: &str| {
        digits.bytes().fold(0_u128, |sum, digit| {
            sum.saturating_mul(10).saturating_add(u128::from(digit - b'0'))
        })
    };
    let (part, behind) = part.split_at(part.len().min(17));
    let (part, of) = (digits(part) * factor, 10_u128.pow(part.len() as u32));
    let is_more = behind.bytes().any(|digit| digit != b'0');
    Some(Exact {
        billionths: digits(whole).saturating_mul(factor).saturating_add(part / of),
        is_cut: part % of != 0 || is_more,
        cut: if is_more { factor / of } else { 0 },
    })
}
