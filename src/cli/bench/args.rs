//! The command line of `bench`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use echoloop::Endpoint;

use super::conditions::Condition;
use super::foreign::Generators;
use super::talk::{Frame, Sizes, Text};
use super::values::{self, Addresses, Arrivals, Goal, Processes, Rate, Sweep};
use crate::cli::foreign::Foreign;
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
#[command(after_help = AFTER, args_conflicts_with_subcommands = true)]
#[command(subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// What to load: tcp://HOST:PORT, udp://HOST:PORT, unix:///PATH, unixgram:///PATH.
    #[arg(required = true, value_name = "ENDPOINT", value_parser = values::endpoint)]
    pub(super) endpoints: Vec<Endpoint>,

    /// Connections, or datagram sockets.
    #[arg(short, long, value_name = "N", default_value = "10", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) connections: u64,
    /// Bytes of a message; or several sizes and how often each comes, as 64:9,64KiB:1.
    #[arg(short, long, value_name = "BYTES", default_value = "64", help_heading = "Load")]
    pub(super) size: Sizes,
    /// Send these bytes instead of random ones to be echoed: text with escapes (PING\r\n), hex:2a0d0a, or
    /// @FILE of at most 16 MiB. Streams only.
    #[arg(long, value_name = "BYTES", help_heading = "Load", conflicts_with = "size")]
    pub(super) request: Option<Text>,
    /// The answer to each --request, written in the same way. Every byte of it is compared.
    #[arg(long, value_name = "BYTES", help_heading = "Load", requires = "request")]
    pub(super) expect: Option<Text>,
    /// How --request and --expect are framed: line appends a line feed; u8, u16 and u32 put the length in
    /// front, big-endian. Without --expect, any answer in such a frame is right.
    #[arg(long, value_name = "HOW", help_heading = "Load", requires = "request")]
    pub(super) frame: Option<Frame>,
    /// Most messages on their way at a time, each connection.
    #[arg(short = 'P', long, value_name = "N", default_value = "1", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) depth: u64,
    /// How long to measure. [default: 10s; 3s for each run of several]
    #[arg(short = 'z', long, value_name = "TIME", value_parser = units::duration)]
    #[arg(help_heading = "Load", conflicts_with = "count")]
    pub(super) duration: Option<Duration>,
    /// Measure until there are so many replies; a message that has none in time counts as one of them. Ends
    /// early where nobody replies any more.
    #[arg(short = 'n', long, value_name = "N", value_parser = units::count)]
    #[arg(help_heading = "Load")]
    pub(super) count: Option<u64>,
    /// Load that is left out of the result, before it begins. [default: 1s; 0 with --count]
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Load")]
    pub(super) warmup: Option<Duration>,
    /// Begin the load at this time, in seconds since 1970 as date +%s prints them; so generators on several
    /// machines begin together. Connections are made before.
    #[arg(long, value_name = "SECONDS", value_parser = values::moment, help_heading = "Load")]
    #[arg(conflicts_with_all = ["ramp", "sweep", "find_rate"])]
    pub(super) start_at: Option<SystemTime>,
    /// Open so many connections a second, and load those that are there. [default: as fast as it goes,
    /// and the load begins when all are there]
    #[arg(long, value_name = "PER-SECOND", value_parser = units::rate, help_heading = "Load")]
    pub(super) ramp: Option<f64>,
    /// Send so many messages a second, all connections together, whether or not replies come: an open
    /// loop. What finds the depth used up waits, and its waiting counts. Occupies a processor. 1k..20k
    /// is a rate that changes evenly over the measured time.
    #[arg(short, long, value_name = "PER-SECOND", help_heading = "Load")]
    pub(super) rate: Option<Rate>,
    /// How the messages of an open loop follow each other.
    #[arg(long, value_name = "HOW", default_value = "even", help_heading = "Load")]
    pub(super) arrival: Arrivals,
    /// What chance begins with, in --arrival poisson and several sizes.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Load")]
    pub(super) seed: u64,
    /// In a closed loop, wait so long from a reply to the next message.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    #[arg(help_heading = "Load", conflicts_with_all = ["rate", "churn", "find_rate"])]
    pub(super) think: Duration,
    /// Connect, exchange one message, close, and again.
    #[arg(long, help_heading = "Load", conflicts_with = "ramp")]
    pub(super) churn: bool,
    /// Connect from these addresses in turn, 127.0.0.2-127.0.0.40 or a list with commas; each has a port
    /// range of its own.
    #[arg(long, value_name = "ADDRESSES", help_heading = "Load")]
    pub(super) bind: Option<Addresses>,
    /// How long a reply may take, or connecting. After that a datagram is lost; at the end, the last replies
    /// are waited for so long. What has no reply counts as having taken this long at least. [default: 1s
    /// for datagrams, 10s for streams]
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
    /// The process of the server, to report its processor time, its memory, and what a message costs it in
    /// instructions, cycles and context switches; several with commas; once for each endpoint.
    #[arg(long, value_name = "PID", help_heading = "Generator")]
    pub(super) server_pid: Vec<Processes>,
    /// Count the server's system calls too. Each of them takes longer then, so that its processor time and
    /// what follows from it say less.
    #[arg(long, help_heading = "Generator", requires = "server_pid")]
    pub(super) count_system_calls: bool,

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

    /// Exit with status 3 if this holds; may be given several times: 'p99>1ms', 'max>50ms', 'loss>1%',
    /// 'errors>0', 'rate<50k', 'per-cpu<100k'. Percentiles and loss are those of all messages, with a
    /// reply or without.
    #[arg(long, value_name = "CONDITION", help_heading = "Verdict", conflicts_with = "find_rate")]
    pub(super) fail_if: Vec<Condition>,
    /// Connections that can't be made or are lost, and messages without a reply, don't fail the run; they
    /// are told and counted all the same. Wrong replies always fail it.
    #[arg(long, help_heading = "Verdict")]
    pub(super) allow_losses: bool,

    /// Write settings and results as JSON; with any of these, - is the standard output, and nothing else
    /// is written there. Files are not touched before there is a result.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) json: Option<PathBuf>,
    /// Write latencies, a histogram for each second, in the HdrHistogram log format.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    #[arg(conflicts_with_all = ["sweep", "find_rate"])]
    pub(super) hdr: Option<PathBuf>,
    /// Write a line of JSON for each second as it passes.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) stream: Option<PathBuf>,
    /// Show the ratios to a result that was saved with --json. What was measured with other settings is
    /// refused.
    #[arg(long, value_name = "FILE", help_heading = "Output", conflicts_with = "find_rate")]
    pub(super) baseline: Option<PathBuf>,
    /// Write a picture: latency by percentile and by second; for a sweep, throughput and p99 by value.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    pub(super) plot: Option<PathBuf>,

    #[command(flatten)]
    foreign: Foreign<Generators>,
    #[command(subcommand)]
    pub(super) action: Option<Action>,
}

/// What else can be done.
#[derive(clap::Subcommand, Debug)]
pub(super) enum Action {
    Merge(Merge),
}

/// Put together what several generators have measured at the same time, each with --json.
///
/// Counts are added, and histograms: a percentile of all messages is not the mean of percentiles. What was
/// measured differently is refused. Let the generators begin together with --start-at.
#[derive(clap::Args, Debug)]
pub(super) struct Merge {
    /// Results of single runs.
    #[arg(required = true, value_name = "FILE.json")]
    pub(super) files: Vec<PathBuf>,
    /// Write the result as JSON; - is the standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a picture; - is the standard output.
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,
    /// Exit with status 3 if this holds, as with bench itself.
    #[arg(long, value_name = "CONDITION")]
    pub(super) fail_if: Vec<Condition>,
    /// Lost connections and messages without a reply don't fail the run.
    #[arg(long)]
    pub(super) allow_losses: bool,
}

const AFTER: &str = "\
Examples:
  echoloop bench tcp://127.0.0.1:8888 -c 100
  echoloop bench tcp://127.0.0.1:8888 -c 100 --rate 50k --plot latency.svg
  echoloop bench tcp://127.0.0.1:8888 --sweep connections=1,10,100,1k,10k --bind 127.0.0.2-127.0.0.9
  echoloop bench tcp://127.0.0.1:8888 -c 100 --find-rate p99=1ms
  echoloop bench tcp://127.0.0.1:8888 --rate 5k --fail-if 'p99>1ms' --fail-if 'rate<4.9k'
  echoloop bench tcp://127.0.0.1:7001 tcp://127.0.0.1:7002 --server-pid 11 --server-pid 12
  echoloop bench udp://127.0.0.1:8888 -c 64 --depth 8

Exit status: 0 measured; 1 wrong replies, lost connections, messages of a stream without a reply,
nothing measured, or it could not be done; 2 the command line makes no sense; 3 a condition of
--fail-if holds. Ctrl-C ends the run early and shows what has been measured.";
