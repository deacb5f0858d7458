//! The command line of `bench`, and what it comes to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use echoloop::Endpoint;

use super::datagrams::{DEPTH, HEADER};
use super::load::{Length, Load};
use crate::cli::units;

/// Load any echo server, check every byte that comes back, and say how long it took.
///
/// In a closed loop (the default) the next message goes out when a reply has come in, which shows how
/// much a server can do. With --rate messages go out on a schedule, an open loop, and latency counts
/// from the scheduled time, which shows how long users would wait. Several endpoints are compared: they
/// are loaded in turn, in rounds, and the result is their ratios.
///
/// Numbers may have suffixes: 10k, 1m; sizes 64KiB; times 250ms, 30s, 5m.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// What to load: tcp://HOST:PORT, udp://HOST:PORT, unix:///PATH, unixgram:///PATH.
    #[arg(required = true, value_name = "ENDPOINT")]
    pub(super) endpoints: Vec<Endpoint>,

    /// Connections, or datagram sockets.
    #[arg(short, long, value_name = "N", default_value = "10", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) connections: u64,
    /// Bytes of a message.
    #[arg(short, long, value_name = "BYTES", default_value = "64", value_parser = units::size)]
    #[arg(help_heading = "Load")]
    pub(super) size: usize,
    /// Most messages on their way at a time, each connection.
    #[arg(short, long, value_name = "N", default_value = "1", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) depth: u64,
    /// How long to measure. [default: 10s; 3s for each run of several]
    #[arg(short = 't', long, value_name = "TIME", value_parser = units::duration)]
    #[arg(help_heading = "Load", conflicts_with = "count")]
    pub(super) duration: Option<Duration>,
    /// Measure until there are so many replies.
    #[arg(short = 'n', long, value_name = "N", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) count: Option<u64>,
    /// Load that is left out of the result, before it begins. [default: 1s; 0 with --count]
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Load")]
    pub(super) warmup: Option<Duration>,
    /// Open so many connections a second, and load those that are there. [default: as fast as it goes,
    /// and the load begins when all are there]
    #[arg(long, value_name = "PER-SECOND", value_parser = units::count, help_heading = "Load")]
    pub(super) ramp: Option<u64>,
    /// Send so many messages a second, all connections together, whether or not replies come: an open
    /// loop. What finds the depth used up waits, and its waiting counts. Occupies a processor.
    #[arg(short, long, value_name = "PER-SECOND", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) rate: Option<u64>,
    /// Connect, exchange one message, close, and again.
    #[arg(long, help_heading = "Load", conflicts_with = "ramp")]
    pub(super) churn: bool,
    /// Connect from these addresses in turn, 127.0.0.2-127.0.0.40 or a list with commas; each has a port
    /// range of its own.
    #[arg(long, value_name = "ADDRESSES", help_heading = "Load")]
    pub(super) bind: Option<Addresses>,
    /// How long a reply may take; after that a datagram is lost, and the last replies are not waited for.
    /// [default: 1s for datagrams, 10s for streams]
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Load")]
    pub(super) timeout: Option<Duration>,

    /// Threads that make the load, each with a loop of its own.
    #[arg(short, long, value_name = "N", default_value = "1", help_heading = "Generator")]
    pub(super) workers: usize,
    /// Keep the threads on these processors, in turn: 1 or 2,3.
    #[arg(long, value_name = "CPUS", value_delimiter = ',', help_heading = "Generator")]
    pub(super) pin: Vec<usize>,
    /// Send and receive each datagram by itself, as clients do that don't let the kernel join and split
    /// them (UDP_GRO, UDP_SEGMENT).
    #[arg(long, help_heading = "Generator")]
    pub(super) no_offload: bool,
    /// The process of the server, to report its processor time and memory; once for each endpoint.
    #[arg(long, value_name = "PID", help_heading = "Generator")]
    pub(super) server_pid: Vec<u32>,

    /// Run once for each value of connections, size, depth or rate: connections=1,10,100,1k.
    #[arg(long, value_name = "WHAT=VALUES", help_heading = "Several runs")]
    pub(super) sweep: Option<Sweep>,
    /// Find the highest rate at which a latency goal holds: p99=1ms.
    #[arg(long, value_name = "GOAL", help_heading = "Several runs")]
    #[arg(conflicts_with_all = ["rate", "sweep", "count"])]
    pub(super) find_rate: Option<Goal>,
    /// Rounds in which several endpoints are compared.
    #[arg(long, value_name = "N", default_value = "6", help_heading = "Several runs")]
    pub(super) rounds: usize,

    /// Write settings and results as JSON; - is the standard output, and nothing else is written there.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) json: Option<PathBuf>,
    /// Write latencies, a histogram for each second, in the HdrHistogram log format.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    #[arg(conflicts_with_all = ["sweep", "find_rate"])]
    pub(super) hdr: Option<PathBuf>,
    /// Write a picture: latency by percentile; for a sweep, throughput and p99 by value.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    pub(super) plot: Option<PathBuf>,
}

const AFTER: &str = "\
Examples:
  echoloop bench tcp://127.0.0.1:8888 -c 100
  echoloop bench tcp://127.0.0.1:8888 -c 100 --rate 50k --plot latency.svg
  echoloop bench tcp://127.0.0.1:8888 --sweep connections=1,10,100,1k,10k --bind 127.0.0.2-127.0.0.9
  echoloop bench tcp://127.0.0.1:8888 -c 100 --find-rate p99=1ms
  echoloop bench tcp://127.0.0.1:7001 tcp://127.0.0.1:7002 --server-pid 11 --server-pid 12
  echoloop bench udp://127.0.0.1:8888 -c 64 -d 8

Exit status: 0 measured; 1 wrong replies, or none, or it could not be done; 2 the command line makes
no sense. Ctrl-C ends the run early and shows what has been measured.";

/// Addresses to connect from.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses(pub(super) Vec<IpAddr>);

impl FromStr for Addresses {
    type Err = String;

    fn from_str(text: &str) -> Result<Addresses, String> {
        let expected =
            |part: &str| format!("{part:?} is neither an address nor a range of IPv4 addresses");
        let mut addresses = Vec::new();
        for part in text.split(',') {
            let Some((first, last)) = part.split_once('-') else {
                addresses.push(part.parse().map_err(|_| expected(part))?);
                continue;
            };
            let parse = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| expected(part));
            let (first, last) = (parse(first)?.to_bits(), parse(last)?.to_bits());
            if !(first..first.saturating_add(65_536)).contains(&last) {
                return Err(format!("{part:?} is not a range of 1 to 65,536 addresses"));
            }
            addresses.extend((first..=last).map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))));
        }
        Ok(Addresses(addresses))
    }
}

/// What a sweep varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Connections,
    Size,
    Depth,
    Rate,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Axis::Connections => "connections",
            Axis::Size => "size",
            Axis::Depth => "depth",
            Axis::Rate => "rate",
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sweep {
    pub(super) axis: Axis,
    pub(super) values: Vec<u64>,
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Sweep, String> {
        let expected = "expected connections, size, depth or rate, and values, as in depth=1,4,16";
        let (axis, values) = text.split_once('=').ok_or(expected)?;
        let axis = [Axis::Connections, Axis::Size, Axis::Depth, Axis::Rate]
            .into_iter()
            .find(|it| it.to_string() == axis)
            .ok_or(expected)?;
        let parse = |value| match axis {
            Axis::Size => units::size(value).map(|size| size as u64),
            _ => units::count(value),
        };
        let values = values.split(',').map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Sweep { axis, values })
    }
}

/// A part of all replies, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) percent: f64,
    pub(super) limit: Duration,
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Goal, String> {
        let expected = "expected a percentile and a time, as in p99=1ms or p99.9=5ms";
        let (percent, limit) = text.split_once('=').ok_or(expected)?;
        let percent = percent.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
        let percent = percent.filter(|percent| (0.0..100.0).contains(percent)).ok_or(expected)?;
        Ok(Goal { percent, limit: units::duration(limit)? })
    }
}

impl Args {
    /// Whether it takes more than one run.
    pub(super) fn is_several(&self) -> bool {
        self.endpoints.len() > 1 || self.sweep.is_some() || self.find_rate.is_some()
    }

    /// What to do at each of the endpoints, or why that makes no sense.
    pub(super) fn loads(&self) -> Result<Vec<Load>, String> {
        if !self.server_pid.is_empty() && self.server_pid.len() != self.endpoints.len() {
            return Err("--server-pid is needed once for each endpoint, or not at all".to_owned());
        }
        if self.endpoints.len() > 1 && (self.hdr.is_some() || self.find_rate.is_some()) {
            return Err("--hdr and --find-rate take one endpoint".to_owned());
        }
        if self.rounds == 0 {
            return Err("--rounds must be at least 1".to_owned());
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
            size: self.size,
            depth: number(self.depth),
            length,
            warmup: self.warmup.unwrap_or(warmup),
            ramp: self.ramp.map(|ramp| ramp as f64),
            rate: self.rate.map(|rate| rate as f64),
            churn: self.churn,
            bind: self.bind.clone().unwrap_or_default().0,
            timeout: self.timeout.unwrap_or(Duration::from_secs(timeout)),
            workers: self.workers,
            pin: self.pin.clone(),
            offload: !self.no_offload,
        };
        check(&load)?;
        for &value in self.sweep.iter().flat_map(|sweep| &sweep.values) {
            check(&self.at(&load, value))?;
        }
        Ok(load)
    }

    /// The load at one value of the sweep.
    pub(super) fn at(&self, load: &Load, value: u64) -> Load {
        let mut load = load.clone();
        let number = usize::try_from(value).unwrap_or(usize::MAX);
        match self.sweep.as_ref().map(|sweep| sweep.axis) {
            Some(Axis::Connections) => load.connections = number,
            Some(Axis::Size) => load.size = number,
            Some(Axis::Depth) => load.depth = number,
            Some(Axis::Rate) => load.rate = Some(value as f64),
            None => {}
        }
        load
    }
}

fn check(load: &Load) -> Result<(), String> {
    let positive = [
        ("--connections", load.connections as u64),
        ("--size", load.size as u64),
        ("--depth", load.depth as u64),
        ("--workers", load.workers as u64),
        ("--rate", load.rate.map_or(1, |rate| rate as u64)),
        ("--ramp", load.ramp.map_or(1, |ramp| ramp as u64)),
        ("--count", load.goal().unwrap_or(1)),
        ("--duration", u64::from(load.length != Length::Time(Duration::ZERO))),
    ];
    if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
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
    if load.endpoint.is_datagram() {
        if load.churn {
            return Err("--churn is for connections: tcp and unix".to_owned());
        }
        if load.depth > DEPTH {
            return Err(format!("--depth can be at most {DEPTH} for datagrams"));
        }
        if !(HEADER..=65_507).contains(&load.size) {
            return Err(format!(
                "--size must be {HEADER} to 65507 for datagrams, which are found by a number in front"
            ));
        }
    }
    Ok(())
}
