//! Rounds: every server has its turn in each, between turns of the reference.

use crate::bench::{self, Figures};
use crate::disciplines::{Discipline, Load};
use crate::servers::{Peer, Server};
use crate::table::{Spread, Table, count, ratio, time};
use crate::{Failure, Settings, progress};

/// How many runs there are between two of the reference.
const STRIDE: usize = 3;

/// One server and what it did.
pub struct Row {
    pub peer: &'static Peer,
    server: Option<Server>,
    rounds: Vec<Figures>,
    /// Messages per processor second, over those of the reference before and after. Of the reference
    /// itself: over those of the run before, which shows the noise.
    pub ratios: Vec<f64>,
    /// Why it is not measured any more.
    pub failure: Option<String>,
}

impl Row {
    pub fn new(peer: &'static Peer, what: &Discipline, settings: &Settings) -> Row {
        let mut row =
            Row { peer, server: None, rounds: Vec::new(), ratios: Vec::new(), failure: None };
        let without = what.without.iter().find(|(name, _)| *name == peer.name);
        match without {
            Some((_, why)) => row.failure = Some((*why).to_owned()),
            None => match peer.start(what.mode(), settings) {
                Ok(server) => row.server = Some(server),
                Err(error) => row.failure = Some(error.to_string()),
            },
        }
        row
    }

    /// A server that fails once is not asked again.
    fn run(&mut self, what: &Discipline, settings: &Settings) -> Option<Figures> {
        let server = self.server.as_ref()?;
        progress(&format!("{}: {}", what.name, self.peer.name));
        match bench::run(server, what, settings) {
            Ok(figures) => Some(figures),
            Err(error) => {
                self.failure = Some(error.to_string());
                self.server = None;
                None
            }
        }
    }

    fn spread(&self, figure: impl Fn(&Figures) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(figure))
    }
}

/// Runs one discipline and prints its table; the rows are for the summary.
pub fn compare(what: &Discipline, settings: &Settings) -> Result<Vec<Row>, Failure> {
    let peers = settings.peers_for(what);
    let mut others: Vec<Row> = Vec::new();
    let reference = peers.first().ok_or("no reference")?;
    let mut reference = Row::new(reference, what, settings);
    if let Some(failure) = reference.failure {
        return Err(format!("{}: {failure}", reference.peer.name).into());
    }
    others.extend(peers[1..].iter().map(|peer| Row::new(peer, what, settings)));
    let found;
    let what = match what.load {
        Load::HalfRate => {
            found = at_half_rate(what, &mut reference, &mut others, settings);
            &found
        }
        _ => what,
    };
    for round in 0..settings.rounds {
        run_round(round, what, &mut reference, &mut others, settings)?;
    }
    progress("");
    others.insert(0, reference);
    print(what, &others);
    Ok(others)
}

/// Everybody's turn, starting elsewhere in each round.
fn run_round(
    round: usize,
    what: &Discipline,
    reference: &mut Row,
    others: &mut [Row],
    settings: &Settings,
) -> Result<(), Failure> {
    let mut run_reference = || -> Result<Figures, Failure> {
        let figures = reference.run(what, settings);
        let figures = figures.ok_or_else(|| reference.failure.take().unwrap_or_default())?;
        if let Some(before) = reference.rounds.last() {
            reference.ratios.push(figures.per_cpu / before.per_cpu);
        }
        reference.rounds.push(figures);
        Ok(figures)
    };
    let mut before = run_reference()?;
    let mut order: Vec<usize> = (0..others.len()).collect();
    order.rotate_left((round * STRIDE) % others.len().max(1));
    for indices in order.chunks(STRIDE) {
        let runs = indices.iter().map(|&index| (index, others[index].run(what, settings)));
        let runs: Vec<_> = runs.collect();
        let after = run_reference()?;
        for (index, figures) in runs {
            let Some(figures) = figures else { continue };
            let base = (before.per_cpu + after.per_cpu) / 2.0;
            others[index].ratios.push(figures.per_cpu / base);
            others[index].rounds.push(figures);
        }
        before = after;
    }
    Ok(())
}

/// The same at a rate that leaves every good server half of its time.
fn at_half_rate(
    what: &Discipline,
    reference: &mut Row,
    others: &mut [Row],
    settings: &Settings,
) -> Discipline {
    let closed = Discipline { load: Load::Streams, ..*what };
    let rows = others.iter_mut().chain([reference]);
    let rates = rows.filter_map(|row| Some((row.peer.good, row.run(&closed, settings)?.rate)));
    let slowest = rates.filter(|(good, _)| *good).map(|(_, rate)| rate).fold(f64::MAX, f64::min);
    let rate = (slowest / 2.0).min(f64::from(u32::MAX)) as u32;
    Discipline { load: Load::Rate(rate / 1000 * 1000), ..*what }
}

fn print(what: &Discipline, rows: &[Row]) {
    println!("\n### {}\n", what.title);
    if let Load::Rate(rate) = what.load {
        println!("Latency at {rate} messages a second, from the scheduled time.\n");
    }
    let datagrams = matches!(what.load, Load::Datagrams(_));
    let mut table = Table::default();
    let mut head =
        vec!["server", "ratio", "middle half", "per CPU-s", "per second", "CPU", "generator"];
    head.extend(["p50", "p99", "p99.9"].into_iter().chain(datagrams.then_some("lost")));
    table.row(head);
    for row in rows {
        let cells = || cells(row, datagrams);
        match &row.failure {
            Some(failure) => table.row([row.peer.name, "-", failure]),
            None => table.row(cells().unwrap_or_else(|| vec![row.peer.name.to_owned()])),
        }
    }
    table.print();
    let all = || rows.iter().flat_map(|row| &row.rounds);
    let disturbed = Spread::of(all().map(|figures| figures.disturbed));
    let Some(disturbed) = disturbed.filter(|spread| spread.high > 0.01) else { return };
    println!(
        "\nDisturbed: in the middle half of all runs, others had the processor of the server or of the \
         generator for {:.0} to {:.0} % of the time.",
        disturbed.low * 100.0,
        disturbed.high * 100.0,
    );
}

fn cells(row: &Row, datagrams: bool) -> Option<Vec<String>> {
    let ratios = Spread::of(row.ratios.iter().copied());
    let median = |figure: fn(&Figures) -> f64| Some(row.spread(figure)?.median);
    let mut cells = vec![
        row.peer.name.to_owned(),
        ratios.map_or("-".to_owned(), |it| ratio(it.median)),
        ratios.map_or("-".to_owned(), |it| format!("{}-{}", ratio(it.low), ratio(it.high))),
        count(median(|it| it.per_cpu)?),
        count(median(|it| it.rate)?),
        format!("{:.0} %", median(|it| it.server)? * 100.0),
        format!("{:.0} %", median(|it| it.generator)? * 100.0),
        time(median(|it| it.p50)?),
        time(median(|it| it.p99)?),
        time(median(|it| it.p999)?),
    ];
    if datagrams {
        cells.push(format!("{:.1} %", median(|it| it.lost)? * 100.0));
    }
    Some(cells)
}
