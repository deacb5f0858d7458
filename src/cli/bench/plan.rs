//! What the command line comes to: loads that make sense, or why they don't.

use std::path::{Path, PathBuf};
use std::time::Duration;

use echoloop::Endpoint;

use super::args::Args;
use super::files::{self, is_dash};
use super::flights::DEPTH;
use super::load::{Length, Load};
use super::process::Watched;
use super::stamp;
use super::talk::{Request, Sizes, Talk};
use super::values::{Arrival, Arrivals, Axis, Rate};

impl Args {
    /// Whether it takes more than one run.
    pub(super) fn is_several(&self) -> bool {
        self.endpoints.len() > 1 || self.sweep.is_some() || self.find_rate.is_some()
    }

    /// Where results go.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Path> {
        [&self.json, &self.hdr, &self.plot, &self.stream]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    /// The processes of the server at this endpoint: of the only one, all that are given.
    pub(super) fn watched(&self, endpoint: usize) -> Watched {
        let ours = |server: usize| server == endpoint || self.endpoints.len() == 1;
        let servers = self.server_pid.iter().enumerate().filter(|(server, _)| ours(*server));
        Watched {
            pids: servers.flat_map(|(_, processes)| processes.0.clone()).collect(),
            system_calls: self.count_system_calls,
        }
    }

    /// What to do at each of the endpoints, or why that makes no sense.
    pub(super) fn loads(&self) -> Result<Vec<Load>, String> {
        let (servers, endpoints) = (self.server_pid.len(), self.endpoints.len());
        if servers > 0 && servers != endpoints && endpoints > 1 {
            return Err(
                "--server-pid is needed once for each endpoint, or not at all; several processes of one \
                 server are joined with commas"
                    .to_owned(),
            );
        }
        if let Some(pid) = (0..endpoints).find_map(|it| twice(&self.watched(it).pids)) {
            return Err(format!(
                "--server-pid names process {pid} twice, and it would count twice"
            ));
        }
        if self.endpoints.len() > 1 && (self.hdr.is_some() || self.find_rate.is_some()) {
            return Err("--hdr and --find-rate take one endpoint".to_owned());
        }
        if self.endpoints.len() > 1 && self.baseline.is_some() {
            return Err(
                "--baseline takes one endpoint: several are compared with each other".to_owned()
            );
        }
        if self.endpoints.len() > 1 && self.start_at.is_some() {
            return Err("--start-at is for one run".to_owned());
        }
        if self.rounds == 0 {
            return Err("--rounds must be at least 1".to_owned());
        }
        files::same(self.outputs())?;
        if self.outputs().filter(|path| is_dash(path)).count() > 1 {
            return Err("only one result can be written to the standard output".to_owned());
        }
        self.endpoints.iter().map(|endpoint| self.load(endpoint)).collect()
    }

    fn load(&self, endpoint: &Endpoint) -> Result<Load, String> {
        let datagrams = endpoint.is_datagram();
        let seconds = if self.is_several() { 3 } else { 10 };
        let timeout = if datagrams { 1 } else { 10 };
        let length = match (self.count, self.duration) {
            (Some(count), _) => Length::Count(count),
            (None, time) => Length::Time(time.unwrap_or(Duration::from_secs(seconds))),
        };
        let warmup = Duration::from_secs(u64::from(self.count.is_none()));
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let load = Load {
            endpoint: endpoint.clone(),
            connections: number(self.connections),
            talk: self.talk()?,
            depth: number(self.depth),
            length,
            warmup: self.warmup.unwrap_or(warmup),
            ramp: self.ramp,
            rate: self.rate,
            arrival: match self.arrival {
                Arrivals::Even => Arrival::Even,
                Arrivals::Poisson => Arrival::Poisson { seed: self.seed },
            },
            think: self.think,
            churn: self.churn,
            bind: self.bind.clone().unwrap_or_default().0,
            timeout: self.timeout.unwrap_or(Duration::from_secs(timeout)),
            allow_losses: self.allow_losses,
            start: self.start_at,
            workers: self.workers,
            pin: self.pin.clone(),
            offload: !self.no_offload,
        };
        self.check(&load)?;
        for &value in self.sweep.iter().flat_map(|sweep| &sweep.values) {
            self.check(&self.at(&load, value))?;
        }
        Ok(load)
    }

    fn talk(&self) -> Result<Talk, String> {
        let Some(request) = &self.request else {
            return Ok(Talk::Echo(self.size.clone().seeded(self.seed)));
        };
        if self.sweep.as_ref().is_some_and(|sweep| sweep.axis == Axis::Size) {
            return Err(
                "--sweep size is for echoes: a --request has the size that it has".to_owned()
            );
        }
        Request::new(request, self.expect.as_ref(), self.frame).map(Talk::Request)
    }

    fn check(&self, load: &Load) -> Result<(), String> {
        check(load)?;
        let sweeps_rate = self.sweep.as_ref().is_some_and(|sweep| sweep.axis == Axis::Rate);
        let open = load.rate.is_some() || sweeps_rate || self.find_rate.is_some();
        if self.arrival == Arrivals::Poisson && !open {
            return Err("--arrival is for an open loop: give a --rate".to_owned());
        }
        if let Some(goal) = self.find_rate
            && goal.limit >= load.timeout
        {
            return Err(format!(
                "--find-rate p{}: a message without a reply counts as --timeout, which must be longer \
                 than the limit",
                goal.percent
            ));
        }
        self.fail_if
            .iter()
            .try_for_each(|condition| condition.check(load, !self.server_pid.is_empty()))
    }

    /// The load at one value of the sweep.
    pub(super) fn at(&self, load: &Load, value: f64) -> Load {
        let mut load = load.clone();
        match self.sweep.as_ref().map(|sweep| sweep.axis) {
            Some(Axis::Connections) => load.connections = value as usize,
            Some(Axis::Size) => load.talk = Talk::Echo(Sizes::one(value as usize)),
            Some(Axis::Depth) => load.depth = value as usize,
            Some(Axis::Rate) => load.rate = Some(Rate::of(value)),
            None => {}
        }
        load
    }
}

/// The first that has been there before.
fn twice(pids: &[u32]) -> Option<u32> {
    let again = |&(index, pid): &(usize, &u32)| pids[..index].contains(pid);
    pids.iter().enumerate().find(again).map(|(_, pid)| *pid)
}

fn check(load: &Load) -> Result<(), String> {
    let (smallest, largest) = match &load.talk {
        Talk::Echo(sizes) => (sizes.smallest(), sizes.largest()),
        Talk::Request(request) => (request.bytes.len(), request.bytes.len()),
    };
    let positive = [
        ("--connections", load.connections > 0),
        ("--size", smallest > 0),
        ("--depth", load.depth > 0),
        ("--workers", load.workers > 0),
        ("--rate", load.rate.is_none_or(|rate| rate.from > 0.0 && rate.to > 0.0)),
        ("--ramp", load.ramp.is_none_or(|ramp| ramp > 0.0)),
        ("--count", load.goal() != Some(0)),
        ("--duration", load.length != Length::Time(Duration::ZERO)),
        ("--timeout", load.timeout > Duration::ZERO),
    ];
    if let Some((name, _)) = positive.iter().find(|(_, fits)| !fits) {
        return Err(format!("{name} must be more than 0"));
    }
    if load.workers > load.connections {
        return Err("more --workers than --connections: each needs one at least".to_owned());
    }
    if load.goal().is_some_and(|goal| goal < load.workers as u64) {
        return Err("--count is less than --workers".to_owned());
    }
    let ip = matches!(load.endpoint, Endpoint::Tcp { .. } | Endpoint::Udp { .. });
    if !load.bind.is_empty() && !ip {
        return Err("--bind is for tcp and udp".to_owned());
    }
    if load.rate.is_some_and(|rate| rate.changes()) && load.goal().is_some() {
        return Err("a --rate that changes does so within a --duration, and needs one".to_owned());
    }
    if load.endpoint.is_datagram() {
        if matches!(load.talk, Talk::Request(_)) {
            return Err(
                "--request is for streams: datagrams are found by a number in front".to_owned()
            );
        }
        if !load.think.is_zero() {
            return Err("--think is for streams".to_owned());
        }
        if load.churn {
            return Err("--churn is for connections: tcp and unix".to_owned());
        }
        if load.depth > DEPTH {
            return Err(format!("--depth can be at most {DEPTH} for datagrams"));
        }
        if smallest < stamp::LENGTH || largest > 65_507 {
            return Err(format!(
                "--size must be {} to 65507 for datagrams, which are found by a number in front",
                stamp::LENGTH
            ));
        }
    }
    Ok(())
}
