//! Runs, one after the other, and what is kept of each.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::Args;
use super::hdr::Log;
use super::live::Live;
use super::load::Load;
use super::plot::Plot;
use super::worker::{self, Outcome};
use super::{json, limits, process};

pub(super) type Failure = Box<dyn std::error::Error>;

/// All runs of one command.
pub(super) struct Session {
    pub(super) args: Args,
    /// One for each endpoint.
    pub(super) loads: Vec<Load>,
    stop: Arc<AtomicBool>,
    log: Option<Log>,
    runs: Vec<Value>,
    failed: bool,
}

impl Session {
    /// Looks whether everything is there that will be needed.
    pub(super) fn new(args: Args, mut loads: Vec<Load>) -> Result<Session, Failure> {
        for load in &mut loads {
            load.endpoint = limits::resolved(&load.endpoint)
                .map_err(|error| format!("cannot find {}: {error}", load.endpoint))?;
            limits::check(load)?;
            for &value in args.sweep.iter().flat_map(|sweep| &sweep.values) {
                limits::check(&args.at(load, value))?;
            }
        }
        if let Some(pid) = args.server_pid.iter().find(|pid| !process::exists(**pid)) {
            return Err(format!("cannot watch process {pid}: there is none").into());
        }
        // Files are created now, so that a long run doesn't end with a wrong name.
        for path in [&args.json, &args.plot].into_iter().flatten().filter(|path| !is_dash(path)) {
            fs::File::create(path).map_err(cannot_write(path))?;
        }
        let log = args.hdr.as_deref().map(|path| Log::create(path).map_err(cannot_write(path)));
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The second signal ends the process; so the order matters.
            signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
            signal_hook::flag::register(signal, stop.clone())?;
        }
        Ok(Session { args, loads, stop, log: log.transpose()?, runs: Vec::new(), failed: false })
    }

    /// Whether somebody wants it to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// One run at an endpoint. Its numbers are kept for the JSON file.
    pub(super) fn run(
        &mut self,
        endpoint: usize,
        load: &Load,
        label: &str,
        round: usize,
    ) -> Result<Outcome, Failure> {
        let server = self.args.server_pid.get(endpoint).copied();
        let mut live = Live::new(load, label, self.log.as_mut());
        let outcome = worker::run(load, server, &self.stop, |report| live.watch(report));
        let failure = live.failure.take();
        drop(live);
        if let (Some(error), Some(path)) = (failure, &self.args.hdr) {
            return Err(cannot_write(path)(error).into());
        }
        let outcome = outcome.map_err(|error| error as Failure)?;
        self.failed |= outcome.has_failed() && !outcome.stopped || outcome.has_faults();
        self.runs.push(json::run(&outcome, round));
        Ok(outcome)
    }

    /// Prints the result for people, unless the standard output is for a machine.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        let quiet = self.args.json.as_deref().is_some_and(is_dash);
        match io::stdout().write_all(if quiet { b"" } else { text.as_bytes() }) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes the files. The exit status says whether the server was right.
    pub(super) fn finish(
        self,
        kind: &str,
        more: (&str, Value),
        plot: Option<Plot>,
    ) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.args.json {
            let text = format!("{:#}\n", json::document(kind, self.runs, more));
            match is_dash(path) {
                true => io::stdout().write_all(text.as_bytes())?,
                false => fs::write(path, text).map_err(cannot_write(path))?,
            }
        }
        if let (Some(path), Some(plot)) = (&self.args.plot, plot) {
            fs::write(path, plot.svg()).map_err(cannot_write(path))?;
        }
        Ok(ExitCode::from(u8::from(self.failed)))
    }
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("cannot write {}: {}", path.display(), echoloop::describe(&error))
}
