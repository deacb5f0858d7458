//! `course run STEP`, `course list`, `course cost`, `course book`.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use course::stage::Stage;
use course::steps::{STEPS, Step};
use course::{book, cost, run, server};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const USAGE: &str = "\
usage: cargo run -- list            the steps
       cargo run -- run STEP        how STEP, 1 to 15, fails, and the next holds
       cargo run --release -- cost  what each step costs; takes half a minute
       cargo run -- book [runs]     brings the chapters up to date with the
                                    programs, or with what runs show";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["list"] => run::list(&mut Stage::standard()),
        ["run", step] => match Step::called(step) {
            Some(step) => with_servers(|| run::run(step, &mut Stage::standard())),
            None => return wrong(&format!("there is no step {step:?}: 1 to {}", STEPS.len())),
        },
        ["cost"] => with_servers(cost::table),
        ["book"] => book::update(false),
        ["book", "runs"] => with_servers(|| book::update(true)),
        ["help" | "--help" | "-h"] => writeln!(io::stdout(), "{USAGE}"),
        _ => return wrong(USAGE),
    };
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS, // Who read has gone.
        Err(error) => {
            eprintln!("course: {error}");
            ExitCode::FAILURE
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn wrong(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(2)
}

/// What has to be so before a server is started.
fn with_servers(call: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            server::end_all();
            std::process::exit(128 + signal);
        }
    });
    build()?;
    call()
}

/// `cargo run` builds the runner alone. The programs, too, are to be what their files say.
fn build() -> io::Result<()> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let mut command = Command::new(cargo);
    command.args(["build", "--bins", "--quiet", "--locked", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    match command.status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("the programs cannot be built")),
    }
}
