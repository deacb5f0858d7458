//! `echoloop ping`: round-trip times, as ping(8) shows them.
//!
//! | module | does |
//! |---|---|
//! | `args`, `foreign` | what is asked for, and what ping(8) has that is not here |
//! | `course` | when the next message is due, what waits, and the end: whatever the message is |
//! | `pinger`, `payload` | messages that are echoed, and whether they came back as they were |
//! | `connector` | connections in their place |
//! | `window` | what a reply means |
//! | `tally`, `times`, `report` | what is counted, measured and printed |

mod args;
mod connector;
mod course;
mod foreign;
mod payload;
mod pinger;
mod report;
mod tally;
mod times;
mod window;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::error::ErrorKind;
use echoloop::{Config, Context, Error, Reactor, Service, Stop};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

use super::{Done, printer};
pub(crate) use args::Args;
use connector::Connector;
use course::{Course, Pace};
use payload::Payload;
use pinger::Pinger;
use report::Report;

/// Something that pings.
trait Ping: Service {
    /// Begins, in the name of the service itself.
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), Error>;

    fn course(&mut self) -> &mut Course;
}

/// Pings until it has its count, or somebody interrupts it.
pub(crate) fn run(args: Args) -> Done {
    if let Some(why) = args.nonsense() {
        clap::Error::raw(ErrorKind::ValueValidation, format!("{why}\n")).exit();
    }
    let target = match args.family.look_up(&args.endpoint) {
        Ok(target) => target,
        Err(why) => {
            let endpoint = &args.endpoint;
            printer::complain(&format!("echoloop: cannot connect to {endpoint}: {why}\n"));
            return Ok(ExitCode::from(2));
        }
    };
    let pace = Pace {
        count: args.count,
        interval: args.interval,
        timeout: args.timeout,
        deadline: args.deadline,
        flood: args.floods(),
        outstanding: args.outstanding,
    };
    let course = Course::new(pace, Report::new(&args, &target.first()));
    if args.tcp_connect {
        return ping(&args, Connector::new(course, target));
    }
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let is_line = args.expected().is_some();
    let payload = Payload::new(args.size, run ^ std::process::id(), is_line);
    ping(&args, Pinger::new(course, target, payload, &args))
}

fn ping<P: Ping>(args: &Args, ping: P) -> Done {
    let mut reactor = Reactor::new(Config {
        // Whoever waits for a connection as for a reply has a timeout for it.
        connect_timeout: if args.tcp_connect { args.timeout * 2 } else { args.connect_timeout },
        privileged_ports: true,
        datagram_rate: None,
        ..Config::default()
    })?;
    let service = reactor.add(ping);
    // The first signal ends it with the summary.
    for signal in [SIGINT, SIGTERM] {
        reactor.on_signal(signal, move |cx| {
            cx.tell(service, |ping, _| ping.course().interrupt());
            cx.stop(Stop::AtOnce);
        })?;
    }
    reactor.on_signal(SIGQUIT, move |cx| {
        cx.tell(service, |ping, _| ping.course().show_status());
    })?;
    reactor.with(service, |ping, cx| ping.begin(cx)).unwrap_or(Ok(()))?;
    reactor.run()?;
    let code = reactor.with(service, |ping, _| ping.course().finish(args));
    Ok(code.unwrap_or(ExitCode::FAILURE))
}
