//! Runs, one after the other, and what is kept of each.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::Args;
use super::baseline::Baseline;
use super::files::is_dash;
use super::hdr::Log;
use super::live::{Live, Outputs};
use super::load::Load;
use super::outcome::Outcome;
use super::phase::Phase;
use super::plot::Plot;
use super::stream::Stream;
use super::verdict::{self, MARK};
use super::{files, json, limits, process, worker};
use crate::cli::{output, printer};

pub(super) type Failure = Box<dyn std::error::Error>;

/// Exit status when something was wrong.
pub(super) const FAILED: u8 = 1;
/// When nothing was, but a condition of --fail-if holds.
const FORBIDDEN: u8 = 3;

/// All runs of one command.
pub(super) struct Session {
    pub(super) args: Args,
    /// One for each endpoint.
    pub(super) loads: Vec<Load>,
    stop: Arc<AtomicBool>,
    log: Option<Log>,
    stream: Option<Stream>,
    baseline: Option<Baseline>,
    runs: Vec<Value>,
    /// Print no report, and only what makes a run a failure.
    quiet: bool,
    /// Whether anything was measured, or could have been.
    began: bool,
    /// Why the log or the seconds could not be written.
    broken: Option<String>,
    status: u8,
}

/// The exit status that says what this run was worth.
pub(super) fn status(outcome: &Outcome) -> u8 {
    match outcome.has_failed() {
        true => FAILED,
        false if outcome.findings.iter().any(|finding| finding.holds()) => FORBIDDEN,
        false => 0,
    }
}

/// Says on standard error what gives a run its exit status.
pub(super) fn complain(outcome: &Outcome) {
    for failing in verdict::failures(outcome) {
        printer::complain(&format!("{failing}\n"));
    }
}

impl Session {
    /// Looks whether everything is there that will be needed.
    pub(super) fn new(args: Args, mut loads: Vec<Load>, quiet: bool) -> Result<Session, Failure> {
        for load in &mut loads {
            load.endpoint = limits::resolved(&load.endpoint)
                .map_err(|error| format!("cannot find {}: {error}", load.endpoint))?;
            limits::check(load)?;
            for &value in args.sweep.iter().flat_map(|sweep| &sweep.values) {
                limits::check(&args.at(load, value))?;
            }
        }
        if let Some(pid) =
            args.server_pid.iter().flat_map(|it| &it.0).find(|pid| !process::exists(**pid))
        {
            return Err(format!("cannot watch process {pid}: there is none").into());
        }
        // Now, so that a long run doesn't end with a wrong name.
        args.outputs().try_for_each(files::check)?;
        if !quiet && !args.outputs().any(is_dash) {
            files::check("-".as_ref())?;
        }
        let log = args.hdr.as_deref().map(Log::new);
        let stream = args.stream.as_deref().map(Stream::new);
        let baseline = args.baseline.as_deref().map(Baseline::read).transpose()?;
        if let Some(baseline) = &baseline {
            let values = args.sweep.iter().flat_map(|sweep| &sweep.values);
            let swept: Vec<Load> = values.map(|value| args.at(&loads[0], *value)).collect();
            let all = if swept.is_empty() { &loads } else { &swept };
            all.iter().try_for_each(|load| baseline.check(&json::settings(load)))?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The second signal ends the process; so the order matters.
            signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
            signal_hook::flag::register(signal, stop.clone())?;
        }
        Ok(Session {
            args,
            loads,
            stop,
            log,
            stream,
            baseline,
            runs: Vec::new(),
            quiet,
            began: false,
            broken: None,
            status: 0,
        })
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
        let server = self.args.watched(endpoint);
        let outputs =
            Outputs { log: self.log.as_mut(), stream: self.stream.as_mut(), run: self.runs.len() };
        let mut live = Live::new(load, label, outputs, self.quiet);
        let outcome = worker::run(load, server, &self.stop, |sign| live.watch(sign));
        let failure = live.failure.take();
        drop(live);
        if failure.is_some() {
            // The result is worth no less; what can't be written is told when it has been shown.
            (self.broken, self.log, self.stream) = (failure, None, None);
        }
        let mut outcome = outcome.map_err(|error| error as Failure)?;
        self.began |= outcome.reached >= Phase::Measuring;
        outcome.find(&self.args.fail_if);
        let mut run = json::run(&outcome, round);
        if let Some(baseline) = &self.baseline {
            run["baseline"] = baseline.json(&run);
        }
        self.runs.push(run);
        Ok(outcome)
    }

    /// The runs beside the saved ones.
    pub(super) fn against(&self) -> String {
        let axis = self.args.sweep.as_ref().map(|sweep| sweep.axis);
        let text = |baseline: &Baseline| baseline.text(&self.runs, axis);
        self.baseline.as_ref().map_or(String::new(), text)
    }

    /// Lets the exit status say what this run was worth.
    pub(super) fn judge(&mut self, outcome: &Outcome) {
        if self.quiet {
            complain(outcome);
        }
        self.status = match (self.status, status(outcome)) {
            (FAILED, _) | (_, FAILED) => FAILED,
            (ours, theirs) => ours.max(theirs),
        };
    }

    /// Lets the exit status say that something was wrong, which is this.
    pub(super) fn fail(&mut self, why: &str) {
        if self.quiet {
            printer::complain(&format!("{MARK}{why}\n"));
        }
        self.status = FAILED;
    }

    /// Prints the result for people, unless the standard output is for a machine.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        if self.quiet || self.args.outputs().any(is_dash) {
            return Ok(());
        }
        Ok(output::print(text.as_bytes())?)
    }

    /// Writes the files; but if nothing was measured, an older result is worth more, and left.
    /// The exit status says whether the server was right.
    pub(super) fn finish(
        self,
        kind: &str,
        more: (&str, Value),
        plot: Option<Plot>,
    ) -> Result<ExitCode, Failure> {
        let document = || format!("{:#}\n", json::document(kind, self.runs, more));
        let document = self.args.json.as_deref().map(|path| (path, document()));
        let picture = self.args.plot.as_deref().zip(plot.map(|plot| plot.svg()));
        for (path, text) in document.into_iter().chain(picture) {
            if self.began || !files::has_content(path) {
                files::write(path, &text)?;
            } else {
                let path = path.display();
                printer::complain(&format!(
                    "echoloop: {path} is left as it was: nothing was measured\n"
                ));
            }
        }
        match self.broken {
            Some(error) => Err(error.into()),
            None => Ok(ExitCode::from(self.status)),
        }
    }
}
