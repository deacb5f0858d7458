//! What the cells have come to.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::promises::PROMISES;
use crate::rows::{Driver, Kind, Moment, Way};
use crate::runner::Cell;

/// So many failures are told in full.
const MOST_TOLD: usize = 20;

#[derive(Default)]
pub(crate) struct Report {
    /// By promise.
    run: BTreeMap<usize, u64>,
    /// By promise and reason.
    left_out: BTreeMap<(usize, &'static str), u64>,
    /// What is so for every promise, by reason.
    cases: BTreeMap<&'static str, u64>,
    /// Rows that some cell has run in.
    rows: BTreeMap<&'static str, u64>,
    pub(crate) failures: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn run(&mut self, cell: &Cell) {
        *self.run.entry(cell.promise).or_default() += 1;
        for row in cell.rows() {
            *self.rows.entry(row).or_default() += 1;
        }
    }

    pub(crate) fn leave_out(&mut self, cell: &Cell, why: &'static str) {
        *self.left_out.entry((cell.promise, why)).or_default() += 1;
    }

    /// There is no such case, whatever the promise.
    pub(crate) fn leave_out_case(&mut self, why: &'static str) {
        *self.cases.entry(why).or_default() += 1;
    }

    pub(crate) fn fail(&mut self, name: String, why: String) {
        self.failures.push((name, why));
    }

    /// Promises and rows that nothing was looked at for.
    pub(crate) fn empty(&self) -> Vec<String> {
        let rows = |names: Vec<&'static str>| {
            names.into_iter().filter(|name| !self.rows.contains_key(name)).map(String::from)
        };
        let promises = (1..=PROMISES.len()).filter(|number| !self.run.contains_key(number));
        promises
            .map(|number| format!("promise {number}"))
            .chain(rows(Kind::ALL.iter().map(|it| it.name()).collect()))
            .chain(rows(Way::ALL.iter().map(|it| it.name()).collect()))
            .chain(rows(Moment::ALL.iter().map(|it| it.name()).collect()))
            .chain(rows(Driver::ALL.iter().map(|it| it.name()).collect()))
            .collect()
    }

    /// How many cells each promise has, and why it has no more.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (number, promise) in PROMISES.iter().enumerate().map(|(n, it)| (n + 1, it)) {
            let run = self.run.get(&number).copied().unwrap_or_default();
            writeln!(text, "{run:6}  {number}. {}", promise.says).expect("there is memory");
            for ((_, why), count) in self.left_out.range((number, "")..(number + 1, "")) {
                writeln!(text, "{:14} {count}: {why}", "none for").expect("there is memory");
            }
        }
        writeln!(text, "        of all promises").expect("there is memory");
        for (why, count) in &self.cases {
            writeln!(text, "{:14} {count}: {why}", "none for").expect("there is memory");
        }
        let run: u64 = self.run.values().sum();
        let out: u64 = self.left_out.values().chain(self.cases.values()).sum();
        writeln!(text, "{run:6}  cells, and {out} that make no sense").expect("there is memory");
        for (name, why) in self.failures.iter().take(MOST_TOLD) {
            writeln!(text, "\nFAILED {name}\n{why}").expect("there is memory");
        }
        text
    }
}
