//! `echoloop ping`: round-trip times, as ping(8) shows them.

mod payload;
mod pinger;
mod report;
mod tally;
mod window;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::error::ErrorKind;
use echoloop::{Config, Endpoint, Reactor, Stop};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Done, connect_known, units};
use payload::Payload;
use pinger::{Pinger, Plan};
use report::Report;

/// The longest payload of a UDP datagram over IPv4: 65,535 less the headers of IP and UDP.
const LONGEST_DATAGRAM: usize = 65_507;

/// Send messages to an echo server, check every byte of the replies, and say how long they took.
///
/// It goes on until --count is reached or Ctrl-C. Over UDP, lost replies, duplicates and replies out of
/// order are told apart; over TCP and Unix sockets the time to connect is told too.
///
/// With --pong or --expect it pings servers that answer each message with a line of their own. Such an
/// answer doesn't say what it answers, so it counts for the oldest message that waits.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 replies came; 1 none did, or one was wrong, or the connection \
                        was lost; 2 the command line makes no sense."
)]
pub(crate) struct Args {
    /// tcp://HOST:PORT, udp://HOST:PORT, unix://PATH or unixgram://PATH.
    #[arg(value_parser = crate::cli::endpoint::endpoint)]
    endpoint: Endpoint,
    /// Stop after so many messages.
    #[arg(short, long, value_parser = at_least_one)]
    count: Option<u64>,
    /// The time from one message to the next.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    interval: Duration,
    /// Bytes of a message.
    #[arg(short, long, value_name = "SIZE", default_value = "64", value_parser = units::size)]
    size: usize,
    /// How long a reply may take before its message counts as lost.
    #[arg(short = 'W', long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    timeout: Duration,
    /// Send as soon as the last reply has come, or after 10 ms. A terminal shows a dot for each message
    /// without its reply.
    #[arg(short, long, conflicts_with = "interval")]
    flood: bool,
    /// The server answers each line with this one, and doesn't echo.
    #[arg(long, value_name = "LINE")]
    expect: Option<String>,
    /// The same as --expect pong.
    #[arg(long, conflicts_with = "expect")]
    pong: bool,
    /// Give up if there is no connection within this time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    connect_timeout: Duration,
    /// Print nothing but the summary.
    #[arg(long)]
    summary: bool,
    /// Print nothing but the result, as JSON.
    #[arg(long, conflicts_with = "summary")]
    json: bool,
}

fn at_least_one(text: &str) -> Result<u64, String> {
    units::count(text).and_then(|count| match count {
        0 => Err("expected at least 1".to_string()),
        count => Ok(count),
    })
}

impl Args {
    /// What the server answers, if it doesn't echo.
    fn expected(&self) -> Option<Vec<u8>> {
        let pong = self.pong.then(|| b"pong".to_vec());
        self.expect.as_ref().map(|line| line.as_bytes().to_vec()).or(pong)
    }

    /// Why this can't work.
    fn nonsense(&self) -> Option<String> {
        let is_datagram = self.endpoint.is_datagram();
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

/// Pings until it has its count, or somebody interrupts it.
pub(crate) fn run(args: Args) -> Done {
    if let Some(why) = args.nonsense() {
        clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n")).exit();
    }
    let config = Config {
        connect_timeout: args.connect_timeout,
        privileged_ports: true,
        datagram_rate: None,
        ..Config::default()
    };
    let mut reactor = Reactor::new(config)?;
    let expected = args.expected();
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let plan = Plan {
        payload: Payload::new(args.size, run ^ std::process::id(), expected.is_some()),
        count: args.count,
        interval: args.interval,
        timeout: args.timeout,
        flood: args.flood,
        expected,
        is_datagram: args.endpoint.is_datagram(),
    };
    let report = Report::new(&args);
    let service = reactor.add(Pinger::new(plan, report));
    let socket = connect_known(&mut reactor.context(service), &args.endpoint)?;
    // The first signal ends it with the summary.
    for signal in [SIGINT, SIGTERM] {
        reactor.on_signal(signal, move |cx| {
            cx.tell(service, |pinger, _| pinger.interrupt());
            cx.stop(Stop::AtOnce);
        })?;
    }
    reactor.with(service, |pinger, cx| {
        pinger.begin(Instant::now());
        if args.endpoint.is_datagram() {
            pinger.connected(&mut cx.source(socket)); // It is, at once, and nobody says so.
        }
    });
    reactor.run()?;
    let code = reactor.with(service, |pinger, _| pinger.finish(&args));
    Ok(code.unwrap_or(ExitCode::FAILURE))
}
