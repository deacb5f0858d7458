//! How long a whisper waits beside floods: messages of 64 bytes, one every 3 ms over 50 connections, beside
//! connections that each have four messages of 64 KiB on their way.
//!
//! The whisper's generator goes before everybody else on its processor and the floods' behind everybody, so
//! that what the whisper waits for is the server and the kernel.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{self, Figures};
use crate::disciplines::Discipline;
use crate::process::{self, Priority};
use crate::servers::{Peer, Server};
use crate::table::{Spread, Table, count, time};
use crate::{Column, Failure, Settings, progress};

/// How many floods there are: a column each.
const FLOODS: [usize; 6] = [0, 1, 8, 32, 128, 1024];

/// Where the throughput of the floods is looked at.
const BUSY: [usize; 2] = [32, 128];

const FLOOD_SIZE: f64 = 65_536.0;

/// How long the floods run before the whisper begins, and after it has ended.
const LEAD: Duration = Duration::from_millis(700);
const TAIL: Duration = Duration::from_millis(300);

/// What came out of one run.
#[derive(Clone, Copy, Debug)]
struct Run {
    whisper: Figures,
    /// Bytes a second, there and back counted once.
    flooded: f64,
}

/// One server, and its runs for each number of floods.
struct Row {
    peer: &'static Peer,
    runs: [Vec<Run>; FLOODS.len()],
    failure: Option<String>,
}

impl Row {
    fn spread(&self, column: usize, figure: fn(&Run) -> f64) -> Option<f64> {
        Spread::of(self.runs[column].iter().map(figure)).map(|it| it.median)
    }
}

/// Runs all rounds and prints the table. Returns for the summary how much longer a whisper waits beside the
/// most floods of [`BUSY`] than beside none.
pub fn compare(what: &Discipline, settings: &Settings) -> Result<Column, Failure> {
    let peers = settings.peers_for(what);
    let row = |peer| Row { peer, runs: Default::default(), failure: None };
    let mut rows: Vec<Row> = peers.into_iter().map(row).collect();
    for round in 0..settings.rounds {
        let last = rows.len();
        for index in 0..last {
            let row = &mut rows[(index + round) % last];
            if row.failure.is_none() {
                row.failure = run_row(row, what, settings).err().map(|error| error.to_string());
            }
        }
    }
    progress("");
    print(what, &rows);
    let (none, most) = (0, FLOODS.len() - 2);
    let ratio = |row: &Row| {
        let p99 = |column| row.spread(column, |run| run.whisper.p99);
        p99(most).zip(p99(none)).map(|(beside, alone)| beside / alone)
    };
    Ok(rows.iter().map(|row| (row.peer.name, ratio(row))).collect())
}

/// A fresh server for all numbers of floods of one round.
fn run_row(row: &mut Row, what: &Discipline, settings: &Settings) -> Result<(), Failure> {
    let without = what.without.iter().find(|(name, _)| *name == row.peer.name);
    if let Some((_, why)) = without {
        return Err((*why).into());
    }
    let server = row.peer.start(what.mode(), settings)?;
    for (column, &floods) in FLOODS.iter().enumerate() {
        progress(&format!("{}: {} beside {floods}", what.name, row.peer.name));
        let mut run = run(&server, floods, what, settings)?;
        for _ in 1..settings.tries {
            if !bench::is_disturbed(&run.whisper) {
                break;
            }
            run = self::run(&server, floods, what, settings)?;
        }
        row.runs[column].push(run);
    }
    Ok(())
}

/// The whisper beside so many floods.
fn run(
    server: &Server,
    floods: usize,
    what: &Discipline,
    settings: &Settings,
) -> Result<Run, Failure> {
    let flood = (floods > 0).then(|| flood(server, floods, settings)).transpose()?;
    if flood.is_some() {
        thread::sleep(LEAD);
    }
    let whisper = bench::run_once(server, what, settings, Priority::First);
    let flooded = flood.map_or(Ok(0.0), rate)?;
    Ok(Run { whisper: whisper?, flooded })
}

fn flood(server: &Server, floods: usize, settings: &Settings) -> Result<Child, Failure> {
    let lasts = (LEAD + settings.length + TAIL).as_millis();
    let mut command = Command::new(&settings.echoloop);
    command.args(["bench", &server.endpoint, "--json", "-", "--allow-losses", "--warmup", "300ms"]);
    command.args(["-c", &floods.to_string(), "--depth", "4", "-s", "64KiB"]);
    command.args(["--duration", &format!("{lasts}ms")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    Ok(process::prefer(&mut command, Priority::Last).spawn()?)
}

/// Waits for a flood to end. Returns how many bytes a second it had back.
fn rate(flood: Child) -> Result<f64, Failure> {
    let output = flood.wait_with_output()?;
    let document: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| "the floods could not be made")?;
    let rate = document["runs"][0]["messages_per_second"].as_f64();
    Ok(rate.ok_or("the floods have no rate")? * FLOOD_SIZE)
}

fn print(what: &Discipline, rows: &[Row]) {
    println!("\n### {}\n", what.title);
    if !process::may_go_first() {
        println!(
            "Without the right to real-time priority: the generator's own waits are in every figure.\n"
        );
    }
    let mut table = Table::default();
    let head = FLOODS.iter().map(|floods| format!("p99 beside {floods}"));
    let busy = BUSY.iter().map(|floods| format!("MB/s of {floods}"));
    let last = [format!("p99.9 beside {}", BUSY[1])];
    table.row(["server".to_owned()].into_iter().chain(head).chain(last).chain(busy));
    for row in rows {
        if let Some(failure) = &row.failure {
            table.row([row.peer.name, "-", failure]);
            continue;
        }
        let cell = |figure: Option<f64>, show: fn(f64) -> String| figure.map_or("-".into(), show);
        let waits = (0..FLOODS.len()).map(|at| cell(row.spread(at, |it| it.whisper.p99), time));
        let place = |floods| FLOODS.iter().position(|it| *it == floods).unwrap_or_default();
        let last = [cell(row.spread(place(BUSY[1]), |it| it.whisper.p999), time)];
        let busy = BUSY.map(|floods| {
            cell(row.spread(place(floods), |it| it.flooded), |bytes| count(bytes / 1e6))
        });
        table.row([row.peer.name.to_owned()].into_iter().chain(waits).chain(last).chain(busy));
    }
    table.print();
}
