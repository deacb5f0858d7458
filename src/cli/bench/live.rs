//! What is going on, while it goes on: on a terminal a line, and for the log file the seconds.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::hdr::Log;
use super::load::{Length, Load};
use super::phase::{Phase, Report};
use super::seconds::Second;
use super::series::{Point, end_of};
use super::stream::Stream;
use super::words::{count, time};
use super::worker::Sign;

/// How a worker stands.
struct State {
    phase: Phase,
    connections: u64,
    messages: u64,
    errors: u64,
}

/// Where seconds are written as they pass.
pub(super) struct Outputs<'a> {
    pub(super) log: Option<&'a mut Log>,
    pub(super) stream: Option<&'a mut Stream>,
    /// Which run of all this is.
    pub(super) run: usize,
}

/// Adds up what the workers report.
pub(super) struct Live<'a> {
    bar: Option<ProgressBar>,
    load: Load,
    /// What this run is one of, as the line shows it.
    label: String,
    outputs: Outputs<'a>,
    workers: BTreeMap<usize, State>,
    percentiles: Option<(u64, u64)>,
    measuring: Option<Instant>,
    messages: (Instant, u64),
    rate: f64,
    /// Why the log could not be written.
    pub(super) failure: Option<String>,
}

impl<'a> Live<'a> {
    pub(super) fn new(load: &Load, label: &str, outputs: Outputs<'a>, quiet: bool) -> Live<'a> {
        let terminal = !quiet && io::stdout().is_terminal() && io::stderr().is_terminal();
        Live {
            bar: terminal.then(bar),
            load: load.clone(),
            label: label.to_owned(),
            outputs,
            workers: BTreeMap::new(),
            percentiles: None,
            measuring: None,
            messages: (Instant::now(), 0),
            rate: 0.0,
            failure: None,
        }
    }

    pub(super) fn watch(&mut self, sign: Sign<'_>) {
        match sign {
            Sign::Report(report) => self.report(report),
            Sign::Second(second) => self.second(second),
        }
    }

    fn report(&mut self, report: &Report) {
        if report.phase == Phase::Measuring && self.measuring.is_none() {
            self.measuring = Some(Instant::now());
            self.messages = (Instant::now(), 0);
            self.outputs.log.iter_mut().for_each(|log| log.begin());
        }
        let state = State {
            phase: report.phase,
            connections: report.connections as u64,
            messages: report.messages,
            errors: report.errors,
        };
        self.workers.insert(report.worker, state);
        let Some(bar) = &self.bar else { return };
        let sum = |part: fn(&State) -> u64| self.workers.values().map(part).sum::<u64>();
        let messages = sum(|state| state.messages);
        let since = self.messages.0.elapsed().as_secs_f64();
        if since > 0.4 {
            self.rate = messages.saturating_sub(self.messages.1) as f64 / since;
            self.messages = (Instant::now(), messages);
        }
        let connections = sum(|state| state.connections);
        bar.set_message(self.line(connections, sum(|state| state.errors)));
        bar.set_position((self.done(messages) * 1000.0) as u64);
    }

    fn second(&mut self, second: &Second) {
        if !second.latency.is_empty() {
            let at = |quantile| second.latency.value_at_quantile(quantile);
            self.percentiles = Some((at(0.5), at(0.99)));
        }
        if self.failure.is_some() {
            return; // What comes behind a gap would say something else than it seems to.
        }
        let Outputs { log, stream, run } = &mut self.outputs;
        let logged = log.as_mut().map(|log| log.write(end_of(second), &second.latency));
        let point = Point::from(second);
        let streamed = stream.as_mut().map(|stream| stream.write(*run, &self.load, &point));
        let failures = [logged, streamed].into_iter().flatten().filter_map(Result::err);
        self.failure = failures.into_iter().next();
    }

    /// How much of it is done.
    fn done(&self, messages: u64) -> f64 {
        let Some(start) = self.measuring else { return 0.0 };
        match self.load.length {
            Length::Time(time) => (start.elapsed().as_secs_f64() / time.as_secs_f64()).min(1.0),
            Length::Count(count) => (messages as f64 / count as f64).min(1.0),
        }
    }

    fn line(&self, connections: u64, errors: u64) -> String {
        let phase = self.workers.values().map(|state| state.phase).min();
        let errors = match errors {
            0 => "no errors".to_owned(),
            1 => "1 error".to_owned(),
            errors => format!("{} errors", count(errors as f64)),
        };
        let state = match phase.unwrap_or(Phase::Connecting) {
            Phase::Connecting => format!("connecting {}", count(self.load.connections as f64)),
            Phase::Warming => "warming up".to_owned(),
            Phase::Draining | Phase::Over => "last replies".to_owned(),
            Phase::Measuring => match (self.load.length, self.measuring) {
                (Length::Time(time), Some(start)) => {
                    let left = time.saturating_sub(start.elapsed());
                    format!("{:.0} s left", left.as_secs_f64().ceil())
                }
                _ => format!("{} connections", count(connections as f64)),
            },
        };
        let percentiles = self.percentiles.map_or(String::new(), |(half, most)| {
            format!("  p50 {}  p99 {}", time(half), time(most))
        });
        let rate = match self.rate {
            0.0 => String::new(),
            rate => format!("  {}/s", count(rate)),
        };
        format!("{}{state}{rate}{percentiles}  {errors}", self.label)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:20} {wide_msg}");
    bar.set_style(style.expect("the template is right").progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}
