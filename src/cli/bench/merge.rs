//! Results of several generators at one server, made one result.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::Merge;
use super::files::is_dash;
use super::load::{Length, Load};
use super::outcome::Outcome;
use super::plot::Plot;
use super::series::Point;
use super::tcp::Tcp;
use super::words::duration;
use super::{baseline, files, json, report, restore, session};
use crate::cli::Done;

/// From this part of the time on they have run together.
const TOGETHER: f64 = 0.95;

/// Puts the results together, and shows and writes them.
pub(super) fn run(args: Merge, quiet: bool) -> Done {
    let outputs = || [&args.json, &args.plot].into_iter().flatten();
    let prints = !quiet && !outputs().any(|path| is_dash(path));
    files::same(outputs().map(PathBuf::as_path)).unwrap_or_else(|error| super::usage(&error));
    outputs().try_for_each(|path| files::check(path))?;
    if prints {
        files::check("-".as_ref())?;
    }
    if let Some(path) = twice(&args.files) {
        return Err(format!("{} is given twice, and would count twice", path.display()).into());
    }
    let mut merged = Merged::default();
    for path in args.files {
        let text = baseline::text(&path)?;
        merged.add(path, &text)?;
    }
    let mut sum = merged.sum()?;
    let outcome = &mut sum.outcome;
    outcome.load.allow_losses = args.allow_losses;
    let watched = outcome.server.is_some();
    args.fail_if.iter().try_for_each(|condition| condition.check(&outcome.load, watched))?;
    outcome.find(&args.fail_if);

    if prints {
        files::write("-".as_ref(), &sum.report())?;
    } else if quiet {
        session::complain(&sum.outcome);
    }
    if let Some(path) = &args.json {
        files::write(path, &format!("{:#}\n", sum.document()))?;
    }
    if let Some(path) = &args.plot {
        files::write(path, &sum.picture())?;
    }
    Ok(ExitCode::from(session::status(&sum.outcome)))
}

/// Results of several generators.
#[derive(Default)]
pub(crate) struct Merged {
    parts: Vec<(PathBuf, Outcome)>,
}

impl Merged {
    /// One more, which is what is in a file.
    pub(crate) fn add(&mut self, path: PathBuf, text: &str) -> Result<(), String> {
        let outcome = read(&path, text)?;
        let has_one = |part: &Outcome| outcome.ids.iter().any(|id| part.ids.contains(id));
        if let Some((before, _)) = self.parts.iter().find(|(_, part)| has_one(part)) {
            let (one, other) = (before.display(), path.display());
            return Err(format!(
                "{one} and {other} have the same run in them, which would count twice"
            ));
        }
        self.parts.push((path, outcome));
        Ok(())
    }

    /// What they come to together.
    pub(crate) fn sum(self) -> Result<Sum, String> {
        let apart = apart(&self.parts);
        let mut files = Vec::new();
        let mut sum: Option<Outcome> = None;
        for (path, part) in self.parts {
            let file = path.display().to_string();
            match &mut sum {
                None => sum = Some(part),
                Some(sum) => sum.join(&part).map_err(|why| format!("{file}: {why}"))?,
            }
            files.push(file);
        }
        let mut outcome = sum.ok_or("there is nothing to merge")?;
        outcome.notes.extend(apart);
        Ok(Sum { outcome, files })
    }
}

/// The result of them all.
pub(crate) struct Sum {
    outcome: Outcome,
    files: Vec<String>,
}

impl Sum {
    pub(crate) fn report(&self) -> String {
        report::full(&self.outcome)
    }

    pub(crate) fn document(&self) -> Value {
        let runs = vec![json::run(&self.outcome, 0)];
        json::document("merge", runs, ("merged", json!(self.files)))
    }

    pub(crate) fn picture(&self) -> String {
        Plot::single(&self.outcome).svg()
    }
}

/// A file that is there more than once, by whatever names.
fn twice(files: &[PathBuf]) -> Option<&PathBuf> {
    let real: Vec<_> = files.iter().map(|path| path.canonicalize().ok()).collect();
    let seen = |index: usize| real[index].is_some() && real[..index].contains(&real[index]);
    (0..files.len()).find(|index| seen(*index)).map(|index| &files[index])
}

/// The only run of a file.
fn read(path: &Path, text: &str) -> Result<Outcome, String> {
    let document = baseline::document(path, text)?;
    let runs = document["runs"].as_array().map_or(&[][..], Vec::as_slice);
    match (document["kind"].as_str(), runs) {
        (Some("single" | "merge"), [run]) => {
            restore::outcome(run).map_err(|why| format!("{}: {why}", path.display()))
        }
        (kind, _) => {
            let kind = Value::from(kind);
            Err(format!("{} is of kind {kind}: single runs can be merged", path.display()))
        }
    }
}

impl Outcome {
    /// Takes what another generator has measured at the same server.
    fn join(&mut self, other: &Outcome) -> Result<(), String> {
        self.load.join(&other.load)?;
        self.ids.extend_from_slice(&other.ids);
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.tally.add(other.tally.clone());
        self.drained += other.drained;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
        self.busiest = self.busiest.max(other.busiest);
        self.waited = self.waited.max(other.waited);
        self.server = self.server.or(other.server);
        self.no_room += other.no_room;
        self.tcp = self.tcp.zip(other.tcp).map(|(ours, theirs)| ours.and(&theirs));
        self.stopped |= other.stopped;
        self.reached = self.reached.max(other.reached);
        let quarters = self.backlog.len().min(other.backlog.len());
        self.backlog.truncate(quarters);
        self.backlog.iter_mut().zip(&other.backlog).for_each(|(ours, theirs)| *ours += theirs);
        self.began = self.began.into_iter().chain(other.began).min();
        for point in &other.series {
            match self.series.iter_mut().find(|ours| ours.number == point.number) {
                Some(ours) => ours.join(point),
                None => self.series.push(point.clone()),
            }
        }
        self.series.sort_by_key(|point| point.number);
        Ok(())
    }
}

impl Point {
    /// The same second of another generator, as far as its own beginning was the same.
    fn join(&mut self, other: &Point) {
        self.span = self.span.max(other.span);
        self.messages += other.messages;
        self.rate += other.rate;
        self.errors += other.errors;
        self.connections += other.connections;
        self.pending += other.pending;
        self.add_latency(other);
        self.cpu += other.cpu;
        self.server_cpu = self.server_cpu.or(other.server_cpu);
        self.tcp = self.tcp.zip(other.tcp).map(|(ours, theirs)| ours.and(&theirs));
    }
}

impl Tcp {
    /// Of both. What half of all connections have isn't known.
    fn and(&self, other: &Tcp) -> Tcp {
        Tcp {
            retransmitted: self.retransmitted + other.retransmitted,
            rtt_p50: None,
            rtt_max: self.rtt_max.max(other.rtt_max),
        }
    }
}

impl Load {
    /// One load of two, if they are of one kind; or what differs.
    fn join(&mut self, other: &Load) -> Result<(), String> {
        let differs = [
            ("endpoint", self.endpoint != other.endpoint),
            ("size or request", !self.talk.is_like(&other.talk)),
            ("depth", self.depth != other.depth),
            ("warmup", self.warmup != other.warmup),
            ("rate", self.rate.is_some() != other.rate.is_some()),
            ("ramp", self.ramp.is_some() != other.ramp.is_some()),
            (
                "arrival",
                std::mem::discriminant(&self.arrival) != std::mem::discriminant(&other.arrival),
            ),
            ("think", self.think != other.think),
            ("churn", self.churn != other.churn),
            ("timeout", self.timeout != other.timeout),
            ("offload", self.offload != other.offload),
        ];
        if let Some((name, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(format!("it was measured with another {name}, and can't be merged"));
        }
        self.length = match (self.length, other.length) {
            (Length::Count(ours), Length::Count(theirs)) => Length::Count(ours + theirs),
            (Length::Time(ours), Length::Time(theirs)) if ours == theirs => Length::Time(ours),
            _ => return Err("it was measured with another length, and can't be merged".to_owned()),
        };
        self.connections += other.connections;
        self.workers += other.workers;
        for (ours, theirs) in self.rate.iter_mut().zip(other.rate) {
            (ours.from, ours.to) = (ours.from + theirs.from, ours.to + theirs.to);
        }
        for (ours, theirs) in self.ramp.iter_mut().zip(other.ramp) {
            *ours += theirs;
        }
        self.bind.extend_from_slice(&other.bind);
        self.pin.extend_from_slice(&other.pin);
        Ok(())
    }
}

/// That they didn't run at the same time, by the clocks of their machines.
fn apart(parts: &[(PathBuf, Outcome)]) -> Option<String> {
    let parts = || parts.iter().map(|(_, part)| part);
    let began: Vec<_> = parts().filter_map(|part| part.began).collect();
    let ended = parts().filter_map(|part| Some(part.began? + part.elapsed));
    let together = match (began.iter().max(), ended.min()) {
        (Some(last), Some(first)) if began.len() == parts().count() => {
            first.duration_since(*last).unwrap_or_default()
        }
        _ => return Some("Not all of these runs have measured anything.".to_owned()),
    };
    let longest = parts().map(|part| part.elapsed).max().unwrap_or(Duration::ZERO);
    (together.as_secs_f64() < longest.as_secs_f64() * TOGETHER).then(|| {
        format!(
            "These runs were under way together for {} of {}, by the clocks of their machines: this is not \
             what one load of all of them would show.",
            duration(together),
            duration(longest)
        )
    })
}
