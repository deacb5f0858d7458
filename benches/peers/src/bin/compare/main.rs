//! Echoloop and its peers side by side. See the README beside the package for what is measured.

mod bench;
mod disciplines;
mod idle;
mod process;
mod rounds;
mod servers;
mod settings;
mod table;
mod whisper;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use disciplines::{DISCIPLINES, Load};
use servers::PEERS;
pub use settings::Settings;
use settings::USAGE;
use table::{Spread, Table, ratio};

pub type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        println!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let settings = match Settings::from_arguments() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("compare: {error}\n\n{}", usage());
            return ExitCode::from(2);
        }
    };
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let disciplines = DISCIPLINES.map(|it| it.name).join(" ");
    let peers = PEERS.map(|it| it.name).join(" ");
    format!("{USAGE}\ndisciplines: {disciplines}\npeers: {peers}")
}

fn run(settings: &Settings) -> Result<(), Failure> {
    if settings.build_echoloop {
        build_echoloop(settings)?;
    }
    if settings.build_peers {
        build_peers()?;
    }
    process::pin_self(settings.generator_cpu);
    println!(
        "Messages per processor second of the server, over those of bare epoll; {} rounds of {} s, servers \
         on processor {}, generator on {}.",
        settings.rounds,
        settings.length.as_secs_f64(),
        settings.server_cpu,
        settings.generator_cpu,
    );
    let mut summary = Summary::default();
    for what in &settings.disciplines {
        let column = match what.load {
            Load::Idle => idle::compare(what, settings)?,
            Load::Whisper => whisper::compare(what, settings)?,
            _ => {
                let rows = rounds::compare(what, settings)?;
                let cell = |row: &rounds::Row| match row.failure {
                    None => Spread::of(row.ratios.iter().copied()).map(|it| it.median),
                    Some(_) => None,
                };
                rows.iter().map(|row| (row.peer.name, cell(row))).collect()
            }
        };
        summary.0.push((what.name, column));
    }
    summary.print();
    Ok(())
}

/// The median ratio of each peer that took part; `None` if it failed.
pub type Column = Vec<(&'static str, Option<f64>)>;

/// A column for each discipline.
#[derive(Default)]
struct Summary(Vec<(&'static str, Column)>);

impl Summary {
    fn print(&self) {
        if self.0.len() < 2 {
            return;
        }
        println!("\n### All of it: ratios to bare epoll\n");
        let mut table = Table::default();
        table.row(["server"].into_iter().chain(self.0.iter().map(|(name, _)| *name)));
        for peer in &PEERS {
            let cell = |column: &[(&str, Option<f64>)]| {
                let found = column.iter().find(|(name, _)| *name == peer.name);
                found.map(|(_, value)| value.map_or("-".to_owned(), ratio))
            };
            let cells: Vec<_> = self.0.iter().map(|(_, column)| cell(column)).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(Option::unwrap_or_default);
                table.row([peer.name.to_owned()].into_iter().chain(cells));
            }
        }
        table.print();
    }
}

/// Says on a terminal what is going on, in one line that comes and goes.
pub fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn build_echoloop(settings: &Settings) -> Result<(), Failure> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked", "--bin", "echoloop"]).current_dir(root());
    if !command.status()?.success() || !settings.echoloop.exists() {
        return Err("cannot build echoloop".into());
    }
    Ok(())
}

fn build_peers() -> Result<(), Failure> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.sh");
    let output = Command::new(script).output()?;
    eprint!("{}", String::from_utf8_lossy(&output.stdout)); // What was skipped, and why.
    if output.status.success() { Ok(()) } else { Err("cannot build the peers".into()) }
}
