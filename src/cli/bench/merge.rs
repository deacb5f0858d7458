//! Results of several generators at one server, made one result.

use std::collections::HashMap;
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
pub(super) fn run(args: Merge) -> Done {
    let outputs = || [&args.json, &args.plot].into_iter().flatten();
    let prints = !outputs().any(|path| is_dash(path));
    outputs().try_for_each(|path| files::check(path))?;
    if prints {
        files::check("-".as_ref())?;
    }
    if let Some(path) = twice(&args.files) {
        return Err(format!("{} is given twice, and would count twice", path.display()).into());
    }
    let mut sum: Option<Outcome> = None;
    let mut parts: Vec<Outcome> = Vec::new();
    let mut seen: HashMap<String, &Path> = HashMap::new();
    for path in &args.files {
        let outcome = read(path)?;
        for id in &outcome.ids {
            if let Some(before) = seen.insert(id.clone(), path) {
                let (one, other) = (before.display(), path.display());
                let why =
                    format!("{one} and {other} have the same run in them, which would count twice");
                return Err(why.into());
            }
        }
        sum = Some(match sum {
            None => read(path)?,
            Some(mut sum) => {
                sum.join(&outcome).map_err(|why| format!("{}: {why}", path.display()))?;
                sum
            }
        });
        parts.push(outcome);
    }
    let mut sum = sum.ok_or("there is nothing to merge")?;
    sum.load.allow_losses = args.allow_losses;
    sum.notes.extend(apart(&parts));
    let watched = sum.server.is_some();
    args.fail_if.iter().try_for_each(|condition| condition.check(&sum.load, watched))?;
    sum.find(&args.fail_if);

    if prints {
        files::write("-".as_ref(), &report::full(&sum))?;
    }
    if let Some(path) = &args.json {
        let names = args.files.iter().map(|path| path.display().to_string());
        let merged = json!(names.collect::<Vec<_>>());
        let document = json::document("merge", vec![json::run(&sum, 0)], ("merged", merged));
        files::write(path, &format!("{document:#}\n"))?;
    }
    if let Some(path) = &args.plot {
        files::write(path, &Plot::single(&sum).svg())?;
    }
    Ok(ExitCode::from(session::status(&sum)))
}

/// A file that is there more than once, by whatever names.
fn twice(files: &[PathBuf]) -> Option<&PathBuf> {
    let real: Vec<_> = files.iter().map(|path| path.canonicalize().ok()).collect();
    let seen = |index: usize| real[index].is_some() && real[..index].contains(&real[index]);
    (0..files.len()).find(|index| seen(*index)).map(|index| &files[index])
}

/// The only run of a file.
fn read(path: &Path) -> Result<Outcome, String> {
    let document = baseline::read(path)?;
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
fn apart(parts: &[Outcome]) -> Option<String> {
    let began: Vec<_> = parts.iter().filter_map(|part| part.began).collect();
    let ended = parts.iter().filter_map(|part| Some(part.began? + part.elapsed));
    let together = match (began.iter().max(), ended.min()) {
        (Some(last), Some(first)) if began.len() == parts.len() => {
            first.duration_since(*last).unwrap_or_default()
        }
        _ => return Some("Not all of these runs have measured anything.".to_owned()),
    };
    let longest = parts.iter().map(|part| part.elapsed).max().unwrap_or(Duration::ZERO);
    (together.as_secs_f64() < longest.as_secs_f64() * TOGETHER).then(|| {
        format!(
            "These runs were under way together for {} of {}, by the clocks of their machines: this is not \
             what one load of all of them would show.",
            duration(together),
            duration(longest)
        )
    })
}
