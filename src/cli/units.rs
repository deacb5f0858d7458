//! Numbers as people write them: `10k` things, `64KiB`, `250ms`.

use std::time::Duration;

/// Thousands and millions.
const COUNTS: [(&str, f64); 4] = [("", 1.0), ("k", 1e3), ("m", 1e6), ("g", 1e9)];

/// A count: `200`, `10k`, `1.5m`. There are no parts of a thing.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    match number(text, &COUNTS, "a count such as 200, 10k or 1m")? {
        count if count.fract() == 0.0 => Ok(count as u64),
        _ => Err("expected a whole number".to_string()),
    }
}

/// So many a second: `0.5`, `200`, `50k`.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    number(text, &COUNTS, "a number such as 0.5, 200 or 50k")
}

/// Bytes: `512`, `64KiB`, `1MiB`, `10kB`. `k`, `m` and `g` alone are the binary ones, as in dd(1).
pub(crate) fn size(text: &str) -> Result<usize, String> {
    const KIB: f64 = 1024.0;
    let units = [
        ("", 1.0),
        ("b", 1.0),
        ("k", KIB),
        ("kib", KIB),
        ("kb", 1e3),
        ("m", KIB * KIB),
        ("mib", KIB * KIB),
        ("mb", 1e6),
        ("g", KIB * KIB * KIB),
        ("gib", KIB * KIB * KIB),
        ("gb", 1e9),
    ];
    number(text, &units, "a size such as 512, 64KiB or 1MiB").map(|size| size as usize)
}

/// A time: `250ms`, `30s`, `1.5s`, `5m`, `1h`. A number alone is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [
        ("", 1.0),
        ("ns", 1e-9),
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let wanted = "a time such as 250ms, 30s or 5m";
    let seconds = number(text, &units, wanted)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("expected {wanted}"))
}

/// The same, or `never`.
pub(crate) fn duration_or_never(text: &str) -> Result<Duration, String> {
    if text.eq_ignore_ascii_case("never") { Ok(Duration::MAX) } else { duration(text) }
}

/// A number that isn't negative, times what its unit stands for.
fn number(text: &str, units: &[(&str, f64)], wanted: &str) -> Result<f64, String> {
    let expected = || format!("expected {wanted}");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| expected())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
    // 1.1k is 1,100, and not what is next to it.
    let (value, whole) = (number * factor, (number * factor).round());
    let value = if (value - whole).abs() <= 2.0 * f64::EPSILON * whole { whole } else { value };
    if value < 1e18 { Ok(value) } else { Err("it is too large".to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(count("10k"), Ok(10_000));
        assert_eq!(count("1.5m"), Ok(1_500_000));
        assert_eq!(count("1.1k"), Ok(1100));
        assert_eq!(count("15011110002"), Ok(15_011_110_002));
        assert_eq!(size("15011110003"), Ok(15_011_110_003));
        assert_eq!(rate("0.5"), Ok(0.5));
        assert_eq!(rate("1.9k"), Ok(1900.0));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("64k"), Ok(65_536));
        assert_eq!(size("10kB"), Ok(10_000));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
    }

    #[test]
    fn anything_else_is_answered_with_what_would_be_right() {
        assert!(count("1.9").unwrap_err().contains("whole"));
        for text in ["", "x", "-1", "1x", "k", "1.2.3", "99999999999999999999g"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert!(duration("10 parsecs").unwrap_err().contains("250ms"));
    }
}
