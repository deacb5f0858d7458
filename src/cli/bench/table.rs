//! Tables and pictures of characters, for people.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::words;

/// Columns, the first one to the left and the others to the right.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn print(&self, out: &mut String) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = match index {
                    0 => write!(line, " {cell:<width$}"),
                    _ => write!(line, "  {cell:>width$}"),
                };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

/// Most rows of a histogram.
const ROWS: i32 = 20;
const BAR: f64 = 40.0;

/// The latencies as bars, on a logarithmic scale: what lies below and above the bulk is where the
/// stories are.
pub(super) fn bars(histogram: &Histogram<u64>, out: &mut String) {
    let (low, high) = (histogram.min().max(1) as f64, histogram.max().max(1) as f64);
    // Rows for each doubling: as many as fit.
    let steps = [8.0, 4.0, 2.0, 1.0, 0.5].into_iter().find(|&steps| {
        ((high.log2() * steps).floor() - (low.log2() * steps).floor()) < f64::from(ROWS)
    });
    let steps = steps.unwrap_or(0.25);
    let row_of = |value: f64| (value.log2() * steps).floor() as i32;
    let edge = |step: i32| (f64::from(step) / steps).exp2();
    let (first, last) = (row_of(low), row_of(high));
    let mut rows = vec![0_u64; (last - first + 1) as usize];
    for value in histogram.iter_recorded() {
        let row = row_of(value.value_iterated_to().max(1) as f64).clamp(first, last) - first;
        rows[row as usize] += value.count_since_last_iteration();
    }
    let most = rows.iter().copied().max().unwrap_or(0).max(1) as f64;
    let mut table = Table::default();
    let mut below = 0;
    for (index, &count) in rows.iter().enumerate() {
        below += count;
        if is_gap(&rows, index) {
            if !is_gap(&rows, index - 1) {
                table.row(["...".to_owned(), "0".to_owned()]);
            }
            continue;
        }
        let upper = edge(first + index as i32 + 1).min(high);
        let percent = 100.0 * below as f64 / histogram.len().max(1) as f64;
        table.row([
            format!("to {:>7}", words::time(upper as u64)),
            words::count(count as f64),
            format!("{percent:.3} %"),
            format!("|{:<40}", bar(count as f64 / most * BAR)),
        ]);
    }
    table.print(out);
}

/// Whether this row is one of three or more in which there is nothing: they are shown as one.
fn is_gap(rows: &[u64], index: usize) -> bool {
    let empty = |index: usize| rows.get(index) == Some(&0);
    let before = (0..index).rev().take_while(|index| empty(*index)).count();
    let after = (index..rows.len()).take_while(|index| empty(*index)).count();
    after > 0 && before + after > 2
}

/// Eighths of a character; something if there is anything.
fn bar(length: f64) -> String {
    let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let all = ((length * 8.0).round() as usize).max(usize::from(length > 0.0));
    "█".repeat(all / 8) + eighths[all % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let (mut table, mut out) = (Table::default(), String::new());
        table.row(["a", "1"]);
        table.row(["bcd", "23"]);
        table.print(&mut out);
        assert_eq!(out, "  a     1\n  bcd  23\n");
    }

    #[test]
    fn every_reply_is_in_a_bar() {
        let mut histogram = super::super::tally::histogram();
        for value in [1, 900, 1000, 1100, 2_000_000] {
            histogram.record(value).unwrap();
        }
        let mut out = String::new();
        bars(&histogram, &mut out);
        assert!(out.lines().last().unwrap().contains("100.000 %"), "{out}");
        assert!(out.contains("  ..."), "{out}");
        assert_eq!(bar(0.01), "▏");
        assert_eq!(bar(2.5), "██▌");
    }
}
