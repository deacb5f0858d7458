//! Whether the numbers of a configuration make sense.

use std::ops::RangeInclusive;
use std::time::Duration;
use std::{fmt, io};

use super::Config;
use super::config::RESERVE;

/// The most bytes of one buffer that is allocated whole, if need be: 1 GiB. Somebody who must see more of
/// a message before taking any of it wants a file.
const MOST_BUFFERED: usize = 1 << 30;

/// The most events of one poll: 12 MiB of them. epoll_wait(2) takes an `int`, and for many fewer the
/// allocation would fail first.
const MOST_EVENTS: usize = 1 << 20;

/// socket(7): Linux doubles the size of a socket's buffer, and holds that in an `int`.
const MOST_IN_KERNEL: usize = i32::MAX as usize / 2;

/// tcp(7): times of keep-alive have 15 bits.
const MOST_SECONDS: u64 = i16::MAX as u64;

/// tcp(7): the number of probes has 7.
const MOST_PROBES: u32 = i8::MAX as u32;

/// The times that connections have are kept in milliseconds.
const LEAST_TIME: Duration = Duration::from_millis(1);

/// A number of a [`Config`] that makes no sense, and what would: `backlog is 0 and must be from 1 to
/// 2147483647`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    why: String,
}

impl ConfigError {
    /// The field, as it is called in the [`Config`]; `keep_alive.idle` is one in a field.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.why)
    }
}

impl std::error::Error for ConfigError {}

/// An invalid input.
impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

impl Config {
    /// Whether every number lies where its field says. [`Reactor::new`](crate::Reactor::new) asks this too;
    /// whoever takes numbers from somebody else can say it earlier.
    ///
    /// # Errors
    ///
    /// The first field that doesn't.
    pub fn check(&self) -> Result<(), ConfigError> {
        const ANY: RangeInclusive<usize> = 1..=usize::MAX;
        const SOME: RangeInclusive<u32> = 1..=u32::MAX;

        within("connections", self.connections, ANY)?;
        within("connections_per_source", self.connections_per_source, SOME)?;
        within("output_limit", Some(self.output_limit), ANY)?;
        within("input_limit", Some(self.input_limit), 1..=MOST_BUFFERED)?;
        within("line_length", Some(self.line_length), ANY)?;
        within("accept_budget", Some(self.accept_budget), ANY)?;
        within("read_budget", Some(self.read_budget), ANY)?;
        within("datagram_budget", Some(self.datagram_budget), ANY)?;
        within("read_buffer", Some(self.read_buffer), RESERVE..=MOST_BUFFERED)?;
        within("commands", Some(self.commands), ANY)?;
        within("events", Some(self.events), 1..=MOST_EVENTS)?;
        within("receive_buffer", self.receive_buffer, 1..=MOST_IN_KERNEL)?;
        within("send_buffer", self.send_buffer, 1..=MOST_IN_KERNEL)?;
        within("backlog", Some(self.backlog), 1..=i32::MAX as u32)?;
        at_least_a_moment("idle_timeout", self.idle_timeout)?;
        at_least_a_moment("proxy_timeout", Some(self.proxy_timeout))?;
        if let Some(mode) = self.unix_mode
            && mode > 0o777
        {
            let why = format!("is {mode:#o} and must be from 0 to 0o777");
            return Err(ConfigError { field: "unix_mode", why });
        }
        self.check_keep_alive()
    }

    fn check_keep_alive(&self) -> Result<(), ConfigError> {
        let Some(keep_alive) = self.keep_alive else { return Ok(()) };
        for (field, time) in
            [("keep_alive.idle", keep_alive.idle), ("keep_alive.interval", keep_alive.interval)]
        {
            if !(1..=MOST_SECONDS).contains(&time.as_secs()) {
                let time = shown(time);
                let why = format!("is {time} and must be from 1s to {MOST_SECONDS}s");
                return Err(ConfigError { field, why });
            }
        }
        within("keep_alive.probes", Some(keep_alive.probes), 1..=MOST_PROBES)
    }
}

fn at_least_a_moment(field: &'static str, time: Option<Duration>) -> Result<(), ConfigError> {
    let Some(time) = time.filter(|&time| time < LEAST_TIME) else { return Ok(()) };
    let why = format!("is {} and must be at least {LEAST_TIME:?}", shown(time));
    Err(ConfigError { field, why })
}

/// As it was probably written: nothing has no unit.
fn shown(time: Duration) -> String {
    if time.is_zero() { "0".to_owned() } else { format!("{time:?}") }
}

/// No number is no limit, and that always makes sense.
fn within<T: PartialOrd + fmt::Display + Bound>(
    field: &'static str,
    value: Option<T>,
    allowed: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    let Some(value) = value.filter(|value| !allowed.contains(value)) else { return Ok(()) };
    let (least, most) = allowed.into_inner();
    let why = match most == T::MOST {
        true => format!("is {value} and must be at least {least}"),
        false => format!("is {value} and must be from {least} to {most}"),
    };
    Err(ConfigError { field, why })
}

/// A type's own largest number, which is no limit of ours.
trait Bound {
    const MOST: Self;
}

impl Bound for usize {
    const MOST: usize = usize::MAX;
}

impl Bound for u32 {
    const MOST: u32 = u32::MAX;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::KeepAlive;

    /// A limit is allowed itself, and what is beyond it is not.
    #[test]
    fn limits_are_allowed_and_nothing_beyond() {
        let idle = |idle_timeout| Config { idle_timeout, ..Config::default() };
        let probes = |probes| {
            let keep_alive = Config::default().keep_alive.map(|it| KeepAlive { probes, ..it });
            Config { keep_alive, ..Config::default() }
        };
        let mode = |mode| Config { unix_mode: Some(mode), ..Config::default() };
        for allowed in [
            idle(None),
            idle(Some(LEAST_TIME)),
            idle(Some(Duration::MAX)),
            mode(0),
            mode(0o777),
            probes(1),
            probes(MOST_PROBES),
        ] {
            assert_eq!(allowed.check(), Ok(()), "{allowed:?}");
        }
        for (beyond, field) in [
            (idle(Some(LEAST_TIME - Duration::from_nanos(1))), "idle_timeout"),
            (idle(Some(Duration::ZERO)), "idle_timeout"),
            (mode(0o1000), "unix_mode"),
            (probes(0), "keep_alive.probes"),
            (probes(MOST_PROBES + 1), "keep_alive.probes"),
        ] {
            assert_eq!(beyond.check().unwrap_err().field(), field, "{beyond:?}");
        }
    }
}
