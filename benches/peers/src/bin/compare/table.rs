//! Medians, and tables in Markdown.

/// The median of some values, and the half of them around it.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Spread { low: at(0.25), median: at(0.5), high: at(0.75) })
    }
}

/// Rows of cells; the first is the head.
#[derive(Default)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.push(cells.into_iter().map(Into::into).collect());
    }

    pub fn print(&self) {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column| {
            self.0.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0).max(3)
        };
        for (number, row) in self.0.iter().enumerate() {
            let cells = (0..columns).map(|column| {
                let (text, width) = (cell(row, column), width(column));
                if column == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") }
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if number == 0 {
                let rules = (0..columns).map(|column| match column {
                    0 => "-".repeat(width(column) + 1),
                    _ => "-".repeat(width(column)) + ":",
                });
                println!("|{}|", rules.collect::<Vec<_>>().join("|").replace("|-", "| -"));
            }
        }
    }
}

pub fn ratio(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.2}") } else { format!("{ratio:.1}") }
}

/// A number for people: 1,234 or 12.3k or 4.56M.
pub fn count(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.2}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// Nanoseconds for people.
pub fn time(nanos: f64) -> String {
    match nanos {
        n if n >= 1e6 => format!("{:.2} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.1} µs", n / 1e3),
        n => format!("{n:.0} ns"),
    }
}
