//! What can stand behind the options.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echoloop::Endpoint;

use super::words;
use crate::cli::{endpoint, units};

/// An endpoint, or what was meant instead of one.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    if text.starts_with(|c: char| c.is_ascii_digit()) && units::rate(text).is_ok() {
        return Err(
            "a number is no endpoint; -q, which takes a rate in hey, is --quiet here, and a \
                    rate is -r or --rate"
                .to_owned(),
        );
    }
    endpoint::endpoint(text)
}

/// A time that has not come yet, in seconds since 1970.
pub(super) fn moment(text: &str) -> Result<SystemTime, String> {
    let expected = "expected seconds since 1970, such as date -d '1 minute' +%s prints";
    let seconds = text.parse::<f64>().map_err(|_| expected)?;
    let since = Duration::try_from_secs_f64(seconds).map_err(|_| expected)?;
    let moment = UNIX_EPOCH.checked_add(since).ok_or(expected)?;
    match moment.duration_since(SystemTime::now()) {
        Err(past) => Err(format!("it is {} ago", words::duration(past.duration()))),
        Ok(wait) if wait > Duration::from_secs(86_400) => {
            Err("it is more than a day ahead".to_owned())
        }
        Ok(_) => Ok(moment),
    }
}

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

/// Messages a second: always so many, or at first so many and at the end so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Rate {
    pub(super) fn of(rate: f64) -> Rate {
        Rate { from: rate, to: rate }
    }

    /// Whether it changes.
    pub(super) fn changes(&self) -> bool {
        self.from != self.to
    }

    /// After this part of the measured time.
    pub(super) fn at(&self, part: f64) -> f64 {
        self.from + (self.to - self.from) * part
    }

    /// Over the whole of the measured time.
    pub(super) fn mean(&self) -> f64 {
        (self.from + self.to) / 2.0
    }

    /// A worker's part of it.
    pub(super) fn part(&self, fraction: f64) -> Rate {
        Rate { from: self.from * fraction, to: self.to * fraction }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        Ok(Rate { from: units::rate(from)?, to: units::rate(to)? })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.changes() {
            true => write!(f, "{} to {}", words::rate(self.from), words::rate(self.to)),
            false => f.write_str(&words::rate(self.from)),
        }
    }
}

/// How the messages of an open loop follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arrival {
    Even,
    /// By chance, as those of many users who know nothing of each other.
    Poisson {
        seed: u64,
    },
}

/// The same as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, clap::ValueEnum)]
pub(super) enum Arrivals {
    /// Evenly spread.
    #[default]
    Even,
    /// By chance, as those of many users who know nothing of each other.
    Poisson,
}

/// What a sweep varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Connections,
    Size,
    Depth,
    Rate,
}

impl Axis {
    /// A value of it, for people.
    pub(super) fn words(self, value: f64) -> String {
        match self {
            Axis::Size => words::bytes(value),
            _ => words::rate(value),
        }
    }
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
    pub(super) values: Vec<f64>,
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
            Axis::Size => units::size(value).map(|size| size as f64),
            Axis::Rate => units::rate(value),
            Axis::Connections | Axis::Depth => units::count(value).map(|count| count as f64),
        };
        let values = values.split(',').map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Sweep { axis, values })
    }
}

/// The processes of one server.
#[derive(Clone, Debug)]
pub(super) struct Processes(pub(super) Vec<u32>);

impl FromStr for Processes {
    type Err = String;

    fn from_str(text: &str) -> Result<Processes, String> {
        let process = |pid: &str| match pid.trim().parse() {
            Ok(0) | Err(_) => Err(format!("{pid:?} is no process id: expected 4711, or 4711,4712")),
            Ok(pid) => Ok(pid),
        };
        text.split(',').map(process).collect::<Result<_, _>>().map(Processes)
    }
}

/// A part of all messages, and how long it may take.
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
        let percent = percentile(percent).filter(|percent| *percent < 100.0).ok_or(expected)?;
        let limit = units::duration(limit)?;
        if limit.is_zero() {
            return Err(format!("no message takes no time: {expected}"));
        }
        Ok(Goal { percent, limit })
    }
}

/// `p99.9`, more than 0 and at most 100.
pub(super) fn percentile(text: &str) -> Option<f64> {
    let number = text.strip_prefix('p')?;
    let digits = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let percent = number.parse::<f64>().ok().filter(|_| digits)?;
    (percent > 0.0 && percent <= 100.0).then_some(percent)
}
