//! The command line of `ping`.

use std::time::Duration;

use echoloop::Endpoint;

use super::foreign::Pings;
use crate::cli::family::Family;
use crate::cli::foreign::Foreign;
use crate::cli::units;

/// The longest payload of a UDP datagram over IPv4: 65,535 less the headers of IP and UDP.
const LONGEST_DATAGRAM: usize = 65_507;

/// Send messages to an echo server, check every byte of the replies, and say how long they took.
///
/// What is printed, the options and the exit status are those of ping(8), as far as they make sense. It goes
/// on until --count is reached, until --deadline, or until Ctrl-C; Ctrl-\ shows how it stands. Over UDP, lost
/// replies, duplicates and replies out of order are told apart; over TCP and Unix sockets the time to
/// connect is told too.
///
/// With --pong or --expect it pings servers that answer each message with a line of their own. Such an
/// answer doesn't say what it answers, so it counts for the oldest message that waits. With --tcp-connect it
/// pings whatever listens: it connects, and closes again.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// tcp://HOST:PORT, udp://HOST:PORT, unix://PATH or unixgram://PATH.
    #[arg(value_parser = crate::cli::endpoint::endpoint)]
    pub(super) endpoint: Endpoint,
    /// Stop after so many messages; with --deadline, after so many replies.
    #[arg(short, long, value_parser = at_least_one)]
    pub(super) count: Option<u64>,
    /// The time from one message to the next: 1, 0.2, 500us. 0 is the pace of --flood.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    pub(super) interval: Duration,
    /// Bytes of a message.
    #[arg(short, long, value_name = "SIZE", default_value = "64", value_parser = units::size)]
    pub(super) size: usize,
    /// How long a reply may take before its message counts as lost. A later one counts all the same.
    #[arg(short = 'W', long, value_name = "TIME", default_value = "1s", value_parser = some_time)]
    pub(super) timeout: Duration,
    /// End after this time, whatever has been sent, lost or refused by then. A connection that is lost before is
    /// made again by the next message; without a deadline it is the end.
    #[arg(short = 'w', long, value_name = "TIME", value_parser = some_time)]
    pub(super) deadline: Option<Duration>,
    /// Send as soon as the last reply has come, or after 10 ms. A terminal shows a dot for each message
    /// without its reply.
    #[arg(short, long, conflicts_with = "interval")]
    pub(super) flood: bool,
    /// The server answers each line with this one, and doesn't echo.
    #[arg(long, value_name = "LINE", help_heading = "What is pinged")]
    pub(super) expect: Option<String>,
    /// The same as --expect pong.
    #[arg(long, conflicts_with = "expect", help_heading = "What is pinged")]
    pub(super) pong: bool,
    /// Measure how long it takes to connect, and send nothing. Works with anything that listens on TCP or a
    /// Unix stream socket.
    #[arg(long, help_heading = "What is pinged")]
    #[arg(conflicts_with_all = ["expect", "pong", "size", "connect_timeout"])]
    pub(super) tcp_connect: bool,
    /// How long an attempt to connect may take. The next message makes another one.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = some_time)]
    #[arg(help_heading = "What is pinged")]
    pub(super) connect_timeout: Duration,
    #[command(flatten)]
    pub(super) family: Family,
    /// Say before each message that the last one has no answer yet.
    #[arg(short = 'O', long, help_heading = "Output")]
    pub(super) outstanding: bool,
    /// Begin each line with the time, in seconds since 1970.
    #[arg(short = 'D', long, help_heading = "Output")]
    pub(super) timestamps: bool,
    /// Print the first line and the summary only.
    #[arg(short, long, alias = "summary", conflicts_with = "verbose", help_heading = "Output")]
    pub(super) quiet: bool,
    /// Print nothing but the result, as JSON.
    #[arg(long, conflicts_with = "quiet", help_heading = "Output")]
    pub(super) json: bool,
    /// For ping's sake: addresses are always printed as numbers.
    #[arg(short)]
    numeric: bool,
    #[command(flatten)]
    foreign: Foreign<Pings>,
}

const AFTER: &str = "\
Examples:
  echoloop ping tcp://127.0.0.1:8888
  echoloop ping -c 5 -i 0.2 udp://127.0.0.1:8888
  echoloop ping --pong -f -c 10k tcp://127.0.0.1:8889
  echoloop ping --tcp-connect -c 1 -w 30 tcp://127.0.0.1:5432    wait until something listens

Exit status: 0 replies came; 1 none did, or with both -c and -w fewer than so many, or one was \
wrong, or a stream brought bytes that nobody had asked for, or there was no connection at the end; 2 another error: the command line makes no \
sense, the host has no address, the output can't be written.";

fn at_least_one(text: &str) -> Result<u64, String> {
    units::count(text).and_then(|count| match count {
        0 => Err("expected at least 1".to_string()),
        count => Ok(count),
    })
}

fn some_time(text: &str) -> Result<Duration, String> {
    units::duration(text).and_then(|time| match time {
        Duration::ZERO => Err("expected more than 0".to_string()),
        time => Ok(time),
    })
}

impl Args {
    /// Whether replies set the pace.
    pub(super) fn floods(&self) -> bool {
        self.flood || self.interval.is_zero()
    }

    /// What the server answers, if it doesn't echo.
    pub(super) fn expected(&self) -> Option<Vec<u8>> {
        let pong = self.pong.then(|| b"pong".to_vec());
        self.expect.as_ref().map(|line| line.as_bytes().to_vec()).or(pong)
    }

    /// Why this can't work.
    pub(super) fn nonsense(&self) -> Option<String> {
        let is_datagram = self.endpoint.is_datagram();
        if is_datagram && self.tcp_connect {
            return Some("--tcp-connect: datagrams have no connections".to_string());
        }
        if is_datagram && self.size > LONGEST_DATAGRAM {
            return Some(format!("--size is at most {LONGEST_DATAGRAM} for datagrams"));
        }
        if !is_datagram && self.size == 0 {
            return Some("--size 0: a stream has no empty messages".to_string());
        }
        let answer = self.expected()?.len() + b"\n".len();
        match is_datagram {
            // Servers that care for others never answer with more than they were asked with.
            true if self.size < answer => {
                Some(format!("--size is at least {answer} for this answer"))
            }
            false if self.size == 0 => Some("--size 0: a line has its ending at least".to_string()),
            _ => None,
        }
    }
}
