//! The arguments of `serve`, and the configuration they stand for.

use std::path::PathBuf;
use std::time::Duration;

use echoloop::{Config, ConfigError, KeepAlive, Prefix, Rate, ReusePort, describe};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::offer::{Offer, Place};
use super::proxies::Proxies;
use crate::cli::units::{count, duration, duration_or_never, size};

/// Sockets and files of a worker that aren't connections: the poller, listeners, signals, standard
/// streams. Where descriptors are few they have a quarter of them: most listen on one or two endpoints.
const RESERVED_DESCRIPTORS: u64 = 64;

/// Of few descriptors, those kept back besides for --metrics, times the workers.
const WATCHERS: u64 = 8;

/// What to serve, where, and within which limits.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Endpoints: tcp://HOST:PORT, udp://HOST:PORT, unix://PATH, unixgram://PATH; port 0 takes any free
one; systemd://NAME is all sockets that systemd passes under that name. What is really bound is
printed, a line each: `listening on SERVICE=ENDPOINT`.

Counts take k and m, sizes KiB and MiB, times ms, s, m and h.

Signals: SIGINT and SIGTERM stop gracefully, the second one at once; SIGUSR1 logs the statistics.
Exit status: 0 stopped, 1 it could not serve, 2 the command line makes no sense.")]
pub(crate) struct Args {
    /// What to serve where: echo=tcp://0.0.0.0:7777, pong=udp://[::]:8889, echo=unix:///run/e.sock
    #[arg(value_name = "SERVICE=ENDPOINT", default_values = [
        "echo=tcp://127.0.0.1:8888",
        "echo=udp://127.0.0.1:8888",
        "pong=tcp://127.0.0.1:8889",
        "pong=udp://127.0.0.1:8889",
    ])]
    pub(crate) offers: Vec<Offer>,

    /// What pong answers
    #[arg(long, value_name = "TEXT", default_value = "pong")]
    pub(crate) reply: String,

    /// Serve metrics over HTTP to Prometheus, and a page to people, such as on tcp://127.0.0.1:9464;
    /// may be repeated
    #[arg(long, value_name = "ENDPOINT", help_heading = "Watching", value_parser = streams)]
    pub(crate) metrics: Vec<Place>,

    /// Show what goes on: on a terminal a block that is renewed each second, else a line each second
    #[arg(long, help_heading = "Watching")]
    pub(crate) live: bool,

    /// Event loops, a thread each; the kernel spreads the clients (SO_REUSEPORT). Unix sockets are
    /// served by the first
    #[arg(long, help_heading = "Workers", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) workers: u32,

    /// Keep each worker on a core of its own
    #[arg(long, help_heading = "Workers")]
    pub(crate) pin: bool,

    /// Share TCP and UDP ports with whoever has them already, if it shares them too: another server
    /// of the same user, which gets its part of the clients
    #[arg(long, help_heading = "Sockets")]
    pub(crate) share_ports: bool,

    /// The permissions of the files of Unix sockets, in octal: 660 [default: what the umask leaves]
    #[arg(long, value_name = "MODE", help_heading = "Sockets", value_parser = mode)]
    unix_mode: Option<u32>,

    /// Look for events for so long before sleeping: lower latency for all the processor time there is
    /// [default: sleep at once]
    #[arg(long, value_name = "TIME", help_heading = "Workers", value_parser = duration)]
    spin: Option<Duration>,

    /// Record what each turn of the loop does, the latest 200,000 steps of each worker, and write it here at
    /// the end: for Perfetto, chrome://tracing and `echoloop trace`
    #[arg(long, value_name = "FILE", help_heading = "Watching")]
    pub(crate) record: Option<PathBuf>,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    proxies: Proxies,
}

/// Everything that [`Config`] can limit.
#[derive(clap::Args, Clone, Debug)]
struct Limits {
    /// Connections at once, all workers together; others wait in the backlog. Each worker has its part,
    /// rounded up, for those that the kernel gives it. Not more than the descriptor limit allows
    /// [default: as many as that, which is raised to the hard limit]
    #[arg(long, help_heading = "Connections", value_name = "N", value_parser = positive)]
    connections: Option<u64>,
    /// Connections at once from one IPv4 address or IPv6 /64; more are refused. Each worker counts by
    /// itself, and the kernel chooses the worker [default: no limit]
    #[arg(long, help_heading = "Connections", value_name = "N", value_parser = positive)]
    connections_per_source: Option<u64>,
    /// Connections accepted a second, by each worker; others wait in the backlog [default: no limit]
    #[arg(long, help_heading = "Connections", value_name = "N", value_parser = positive)]
    accept_rate: Option<u64>,
    /// Serve only peers within this prefix, such as 10.0.0.0/8; may be repeated
    #[arg(long, help_heading = "Connections", value_name = "PREFIX", value_parser = prefix)]
    allow: Vec<Prefix>,
    /// Don't serve peers within this prefix; may be repeated
    #[arg(long, help_heading = "Connections", value_name = "PREFIX", value_parser = prefix)]
    deny: Vec<Prefix>,
    /// Close connections that are quiet for so long [default: never]
    #[arg(long, help_heading = "Connections", value_name = "TIME", value_parser = duration)]
    idle_timeout: Option<Duration>,
    /// How long a closing connection may take to send what is left, and its peer to end
    #[arg(long, help_heading = "Connections", value_name = "TIME", value_parser = duration, default_value = "5s")]
    linger: Duration,
    /// How long a graceful stop may take as a whole; `never`: as long as anything moves
    #[arg(long, help_heading = "Connections", value_name = "TIME", value_parser = duration_or_never, default_value = "30s")]
    stop_timeout: Duration,
    /// Bytes kept for a client that doesn't read
    #[arg(long, help_heading = "Memory", value_name = "SIZE", value_parser = size_from::<1>, default_value = "256KiB")]
    output_limit: usize,
    /// Bytes of an unfinished message
    #[arg(long, help_heading = "Memory", value_name = "SIZE", value_parser = size_from::<1>, default_value = "64KiB")]
    input_limit: usize,
    /// Bytes kept for all clients together, each worker. Beyond it, no more than 4 KiB for each direction
    /// of each connection
    #[arg(long, help_heading = "Memory", value_name = "SIZE", value_parser = size, default_value = "256MiB")]
    buffer_limit: usize,
    /// Bytes of a line that pong answers
    #[arg(long, help_heading = "Memory", value_name = "SIZE", value_parser = size, default_value = "8KiB")]
    line_length: usize,
    /// Connections accepted by one listener before others have their go
    #[arg(long, help_heading = "Fairness", value_name = "N", value_parser = positive, default_value = "64")]
    accept_budget: u64,
    /// Bytes read from one connection before others have their go
    #[arg(long, help_heading = "Fairness", value_name = "SIZE", value_parser = size_from::<1>, default_value = "256KiB")]
    read_budget: usize,
    /// Datagrams received by one socket before others have their go
    #[arg(long, help_heading = "Fairness", value_name = "N", value_parser = positive, default_value = "256")]
    datagram_budget: u64,
    /// The buffer that all streams are read into
    #[arg(long, help_heading = "Memory", value_name = "SIZE", value_parser = size_from::<4096>, default_value = "64KiB")]
    read_buffer: usize,
    /// The kernel's receive buffer of each socket [default: the kernel's choice]
    #[arg(long, help_heading = "Sockets", value_name = "SIZE", value_parser = size)]
    receive_buffer: Option<usize>,
    /// The kernel's send buffer of each socket [default: the kernel's choice]
    #[arg(long, help_heading = "Sockets", value_name = "SIZE", value_parser = size)]
    send_buffer: Option<usize>,
    /// Connections that may wait to be accepted
    #[arg(long, help_heading = "Sockets", value_name = "N", value_parser = from_one_to::<{ i32::MAX as u32 }>, default_value = "4096")]
    backlog: u32,
    /// Let TCP wait a little for more before it sends (no TCP_NODELAY)
    #[arg(long, help_heading = "Sockets")]
    delay: bool,
    /// Ask silent TCP peers whether they are still there, after so long; 0 or `never` doesn't
    #[arg(long, help_heading = "Sockets", value_name = "TIME", value_parser = duration_or_never, default_value = "15s")]
    keep_alive: Duration,
    /// How long to wait for the answer before asking again
    #[arg(long, help_heading = "Sockets", value_name = "TIME", value_parser = duration, default_value = "15s")]
    keep_alive_interval: Duration,
    /// How often to ask before the peer is taken for lost
    #[arg(long, help_heading = "Sockets", value_name = "N", value_parser = from_one_to::<127>, default_value = "9")]
    keep_alive_probes: u32,
    /// Datagrams a second for each source beyond this machine, each worker; 0: no limit. The kernel
    /// spreads the ports of a source over the workers
    #[arg(long, help_heading = "Datagrams", value_name = "N", value_parser = count, default_value = "10k")]
    datagram_rate: u64,
    /// The same for loopback, and for each name of a Unix datagram socket: against those on this machine
    /// who can forge their address; 0: no limit
    #[arg(long, help_heading = "Datagrams", value_name = "N", value_parser = count, default_value = "0")]
    datagram_rate_local: u64,
    /// Answer datagrams sent to multicast and broadcast addresses too
    #[arg(long, help_heading = "Datagrams")]
    multicast: bool,
    /// Answer datagrams from ports below 1024 too
    #[arg(long, help_heading = "Datagrams")]
    privileged_ports: bool,
    /// Don't let the kernel join and split datagrams (UDP_GRO, UDP_SEGMENT)
    #[arg(long, help_heading = "Datagrams")]
    no_offload: bool,
}

impl Args {
    /// What these arguments mean for the first worker; the others join its ports. Raises the descriptor
    /// limit on the way.
    pub(crate) fn config(&self) -> Config {
        let limits = &self.limits;
        let workers = u64::from(self.workers);
        let connections = self.connections(raise_descriptor_limit()).div_ceil(workers);
        Config {
            connections: Some(small(connections)),
            connections_per_source: limits.connections_per_source.map(small),
            accept_rate: limits.accept_rate.map(rate),
            output_limit: limits.output_limit,
            input_limit: limits.input_limit,
            buffer_limit: limits.buffer_limit,
            line_length: limits.line_length,
            idle_timeout: limits.idle_timeout,
            linger: limits.linger,
            stop_timeout: limits.stop_timeout,
            accept_budget: small(limits.accept_budget),
            read_budget: limits.read_budget,
            datagram_budget: small(limits.datagram_budget),
            read_buffer: limits.read_buffer,
            receive_buffer: limits.receive_buffer,
            send_buffer: limits.send_buffer,
            backlog: limits.backlog,
            nodelay: !limits.delay,
            keep_alive: limits.keep_alive(),
            reuse_port: match (self.share_ports, self.workers) {
                (true, _) => ReusePort::Join,
                (false, 1) => ReusePort::Never,
                (false, _) => ReusePort::First,
            },
            unix_mode: self.unix_mode,
            allow: limits.allow.clone(),
            deny: limits.deny.clone(),
            privileged_ports: limits.privileged_ports,
            multicast: limits.multicast,
            datagram_rate_local: (limits.datagram_rate_local > 0)
                .then(|| rate(limits.datagram_rate_local)),
            datagram_rate: (limits.datagram_rate > 0).then(|| rate(limits.datagram_rate)),
            offload: !limits.no_offload,
            spin: self.spin.unwrap_or_default(),
            ..self.proxies.config()
        }
    }
}

impl Args {
    /// How many connections there can be, all workers together: what is asked for, if there are descriptors for it.
    /// Those that are kept back are for us, and for who asks how we are when clients have all others.
    fn connections(&self, descriptors: u64) -> u64 {
        let workers = u64::from(self.workers);
        let watchers = match self.metrics.is_empty() {
            true => 0,
            false => (WATCHERS * workers).min(descriptors / 4),
        };
        let reserved = (RESERVED_DESCRIPTORS * workers).min(descriptors / 4 + watchers);
        let most = (descriptors - reserved).max(1);
        match self.limits.connections {
            Some(asked) if asked > most => {
                log::warn!(
                    "--connections {asked}: there are {descriptors} file descriptors, so at most {most} \
                     connections are served at once; see ulimit -Hn, LimitNOFILE= of a unit"
                );
                most
            }
            asked => asked.unwrap_or(most),
        }
    }

    /// For the reactor that only watches over workers: it obeys the same peers.
    pub(crate) fn control(config: &Config) -> Config {
        let (allow, deny) = (config.allow.clone(), config.deny.clone());
        Config { allow, deny, unix_mode: config.unix_mode, ..Config::default() }
    }
}

impl Limits {
    fn keep_alive(&self) -> Option<KeepAlive> {
        let idle = self.keep_alive;
        let interval = self.keep_alive_interval;
        let is_off = idle.is_zero() || idle == Duration::MAX;
        (!is_off).then_some(KeepAlive { idle, interval, probes: self.keep_alive_probes })
    }
}

/// Says which option makes no sense, and ends with status 2.
pub(crate) fn usage(error: &ConfigError) -> ! {
    let field = error.field();
    let option = field.trim_end_matches(".idle").replace(['_', '.'], "-");
    let why = error.to_string().replacen(field, &format!("--{option}"), 1);
    let mut command = clap::Command::new("echoloop serve");
    command.error(clap::error::ErrorKind::ValueValidation, why).exit()
}

/// Raises the soft limit of descriptors to the hard one. Returns what holds then.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// As many in a second, and as many at once.
fn rate(per_second: u64) -> Rate {
    let per_second = small(per_second);
    Rate { per_second, burst: per_second }
}

/// The number, or the largest that fits.
fn small<T: TryFrom<u64> + Bounded>(number: u64) -> T {
    T::try_from(number).unwrap_or(T::MOST)
}

trait Bounded {
    const MOST: Self;
}

impl Bounded for u32 {
    const MOST: u32 = u32::MAX;
}

impl Bounded for usize {
    const MOST: usize = usize::MAX;
}

fn positive(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("expected at least 1".to_string()),
        count => Ok(count),
    }
}

fn from_one_to<const MOST: u32>(text: &str) -> Result<u32, String> {
    let count = u32::try_from(count(text)?).ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| format!("must be from 1 to {MOST}"))
}

fn size_from<const LEAST: usize>(text: &str) -> Result<usize, String> {
    match size(text)? {
        size if size < LEAST => Err(format!("expected at least {LEAST} bytes")),
        size => Ok(size),
    }
}

/// HTTP needs a stream.
fn streams(text: &str) -> Result<Place, String> {
    match text.parse()? {
        Place::Endpoint(endpoint) if endpoint.is_datagram() => {
            Err("expected a stream, such as tcp://127.0.0.1:9464 or unix:///run/metrics"
                .to_string())
        }
        place => Ok(place),
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| mode <= 0o777);
    mode.ok_or_else(|| "expected octal permissions from 0 to 777, such as 660".to_string())
}

fn prefix(text: &str) -> Result<Prefix, String> {
    text.parse().map_err(|error| describe(&error))
}
