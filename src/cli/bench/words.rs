//! Numbers as people read them.

use std::time::Duration;

/// Three digits and a unit: `87 ns`, `12.3 µs`, `1.25 ms`, `3.00 s`.
pub(crate) fn time(nanos: u64) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    format!("{} {unit}", digits(value))
}

pub(crate) fn duration(duration: Duration) -> String {
    time(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// Three digits and a unit: `512 B`, `64.0 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{value:.0} B") } else { format!("{} {}", digits(value), units[unit]) }
}

/// A number that need not be whole: `0.5`, `1.9`, `12.3`, `1,235`.
pub(crate) fn rate(number: f64) -> String {
    if number >= 99.95 || number.fract() == 0.0 { count(number) } else { digits(number) }
}

/// A number that may be much less than one: `0.003`, `0.5`, `12.3`, `1,235`.
pub(super) fn figure(number: f64) -> String {
    match number {
        0.0 | 1.0.. => rate(number),
        0.0..0.001 => "< 0.001".to_owned(),
        _ => format!("{number:.3}"),
    }
}

/// `0.25 %`, three digits of it.
pub(super) fn percent(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => format!("{percent:.1e} %"),
        percent => format!("{} %", digits(percent)),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn number_of(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number as f64), if number == 1 { "" } else { "s" })
}

/// With a comma for each thousand: `1,234,567`.
pub(crate) fn count(number: f64) -> String {
    let text = format!("{:.0}", number.abs());
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn digits(value: f64) -> String {
    match value {
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_say_it() {
        assert_eq!(time(87), "87 ns");
        assert_eq!(time(12_345), "12.3 µs");
        assert_eq!(time(1_250_000), "1.25 ms");
        assert_eq!(time(200_000_000_000), "200 s");
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(65_536.0), "64.0 KiB");
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(0.0), "0");
        assert_eq!(count(100.0), "100");
        assert_eq!([rate(0.5), rate(1.9), rate(2.0)], ["0.50", "1.90", "2"]);
        assert_eq!([rate(12.34), rate(1234.5)], ["12.3", "1,234"]);
        assert_eq!([figure(0.0), figure(0.0004), figure(0.25)], ["0", "< 0.001", "0.250"]);
        assert_eq!([figure(2.04), figure(1234.5)], ["2.04", "1,234"]);
        assert_eq!([percent(0.0), percent(0.0025), percent(1.0)], ["0 %", "0.25 %", "100 %"]);
        assert_eq!(percent(0.000_012), "1.2e-3 %");
    }
}
