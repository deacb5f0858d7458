//! What is shown, as text.

use std::time::Duration;

use echoloop::Histogram;

use crate::cli::bench::words::{bytes, count, duration, number_of, rate};
use crate::cli::serve::snapshot::{
    CLOSED, DROPPED, Difference, Part, REFUSED, Snapshot, TURNS, WAITED, WAITS,
};

/// What a line is about, and what it says.
pub(super) type Line = (&'static str, String);

/// Columns of what the lines are about.
const NAMES: usize = 13;

/// All of it, a line each.
pub(super) fn block(it: &Difference<'_>, up: Duration) -> Vec<Line> {
    let now = it.now;
    let moved = |messages, bytes, datagrams| {
        let messages = cell(&rate(it.rate(messages)), "messages/s");
        let datagrams = cell(&rate(it.rate(datagrams)), "datagrams/s");
        [messages, measured(&per_second(it.rate(bytes)), ""), datagrams].concat()
    };
    let closed = CLOSED.iter().map(|(_, part)| it.rate(*part)).sum();
    let connections = [
        cell(&count(now.sum(|it| it.open) as f64), "open"),
        cell(&rate(it.rate(|it| it.accepted)), "accepted/s"),
        cell(&rate(closed), "closed/s"),
    ];
    let turns = [
        cell(&rate(it.rate(|it| it.turns)), "turns/s"),
        measured(&duration(now.longest_turn()), " longest"),
        measured(&bytes(now.sum(|it| it.buffered) as f64), " kept"),
    ];
    let mut lines = vec![
        ("echoloop", state(now, up)),
        ("connections", connections.concat()),
        ("in", moved(|it| it.messages_in, |it| it.bytes_in, |it| it.datagrams_in)),
        ("out", moved(|it| it.messages_out, |it| it.bytes_out, |it| it.datagrams_out)),
        ("loop", turns.concat()),
        ("turns", times(&it.times(TURNS))),
    ];
    for (source, waits) in WAITS {
        let name = if source == "busy" { "waits, busy" } else { "waits" };
        lines.push((name, times(&it.times(waits))));
    }
    let reasons: [(&str, &[(&str, Part)]); 4] = [
        ("closed", &CLOSED),
        ("refused", &REFUSED),
        ("had to wait", &WAITED),
        ("dropped", &DROPPED),
    ];
    for (name, rows) in reasons {
        lines.extend(by_reason(now, rows).map(|text| (name, text)));
    }
    lines
}

/// All of it on one line.
pub(super) fn line(it: &Difference<'_>) -> String {
    let now = it.now;
    let mut line = format!(
        "{} open, {} accepted/s; in {} messages/s, {}, {} datagrams/s; out {} messages/s, {}, \
         {} datagrams/s; longest turn {}",
        count(now.sum(|it| it.open) as f64),
        rate(it.rate(|it| it.accepted)),
        rate(it.rate(|it| it.messages_in)),
        per_second(it.rate(|it| it.bytes_in)),
        rate(it.rate(|it| it.datagrams_in)),
        rate(it.rate(|it| it.messages_out)),
        per_second(it.rate(|it| it.bytes_out)),
        rate(it.rate(|it| it.datagrams_out)),
        duration(now.longest_turn()),
    );
    let waits = WAITS.map(|(source, waits)| (format!("{source} waits"), it.times(waits)));
    for (name, times) in [("turns".to_owned(), it.times(TURNS))].into_iter().chain(waits) {
        if times.count() > 0 {
            let [half, most, max] = spread(&times).map(|(name, time)| format!("{name} {time}"));
            line += &format!("; {name} {half}, {most}, {max}");
        }
    }
    let reasons: [(&str, &[(&str, Part)]); 3] =
        [("refused", &REFUSED), ("had to wait", &WAITED), ("dropped", &DROPPED)];
    for (name, rows) in reasons {
        line.extend(by_reason(now, rows).map(|text| format!("; {name} {text}")));
    }
    if now.is_stopping {
        line += "; stopping";
    }
    late(now, &mut line);
    line + "\n"
}

/// In the last second: half of them, nearly all, and the longest.
fn times(histogram: &Histogram) -> String {
    if histogram.count() == 0 {
        return cell("none", "");
    }
    let [half, most, max] =
        spread(histogram).map(|(name, time)| measured(&time, &format!(" {name}")));
    [half, most, max].concat()
}

fn spread(histogram: &Histogram) -> [(&'static str, String); 3] {
    let percentile = |percent| duration(histogram.percentile(percent));
    [("p50", percentile(50.0)), ("p99", percentile(99.0)), ("max", duration(histogram.max()))]
}

fn state(now: &Snapshot, up: Duration) -> String {
    let workers = number_of(now.workers.len() as u64, "worker");
    let doing = if now.is_stopping { "stopping" } else { "serving" };
    let mut text = format!("{doing}, {workers}, up {}", clock(up));
    late(now, &mut text);
    text
}

fn late(now: &Snapshot, text: &mut String) {
    for number in now.late() {
        *text += &format!("; worker {number} has not turned for a second");
    }
}

/// `3 idle, 1 over a limit` so far; nothing if there are none.
fn by_reason(now: &Snapshot, rows: &[(&str, Part)]) -> Option<String> {
    let counts = rows.iter().map(|(name, part)| (now.sum(*part), name.replace('_', " ")));
    let counts = counts.filter(|(number, _)| *number > 0);
    let texts: Vec<_> =
        counts.map(|(number, name)| format!("{} {name}", count(number as f64))).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// A number, and what it counts: a column.
fn cell(number: &str, what: &str) -> String {
    format!("{number:>9} {what:<13}")
}

/// The same for a number that has its unit already.
fn measured(quantity: &str, what: &str) -> String {
    let (number, unit) = quantity.split_once(' ').unwrap_or((quantity, ""));
    cell(number, &format!("{unit}{what}"))
}

fn per_second(size: f64) -> String {
    format!("{}/s", bytes(size))
}

/// `1:02:03`, `2:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// As lines of a terminal of this size: the last column and the last row stay free, so that nothing wraps
/// and nothing scrolls.
pub(super) fn fit(block: &[Line], columns: usize, rows: usize, has_colours: bool) -> Vec<String> {
    let (bold, plain) = if has_colours { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let line = |(name, text): &Line| {
        let room = columns.saturating_sub(1);
        let name: String = format!("{name:<NAMES$}").chars().take(room).collect();
        let text: String = text.chars().take(room.saturating_sub(NAMES)).collect();
        format!("{bold}{name}{plain}{text}")
    };
    block.iter().take(rows.saturating_sub(1)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal() {
        let block = vec![("loop", "µ".repeat(200)), ("in", "x".to_owned()), ("out", String::new())];
        for (columns, rows) in [(80, 24), (20, 3), (5, 2), (1, 1), (0, 0)] {
            let lines = fit(&block, columns, rows, false);
            assert!(lines.len() < rows.max(1), "{columns} {rows}");
            assert!(lines.iter().all(|line| line.chars().count() < columns.max(1)));
        }
        assert_eq!(fit(&block, 80, 24, true)[1], "\x1b[1min           \x1b[0mx");
    }

    #[test]
    fn times_are_read_as_on_a_clock() {
        let clock = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([clock(3), clock(75), clock(3723)], ["0:03", "1:15", "1:02:03"]);
    }
}
