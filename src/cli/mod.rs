//! Floor 4: the command line. Everything here uses the library as any user would.

pub(crate) mod bench;
pub(crate) mod connect;
mod endpoint;
pub(crate) mod ping;
pub(crate) mod printer;
pub(crate) mod serve;
pub(crate) mod trace;
pub(crate) mod units;

use std::{env, io};

use anstream::{AutoStream, ColorChoice};
use echoloop::{Context, Endpoint, Id, describe};
use env_logger::{Target, WriteStyle};
use log::LevelFilter;
use nix::sys::signal::{SigSet, Signal};

/// What every command returns: an exit status, or what went wrong.
pub(crate) type Done = Result<std::process::ExitCode, Box<dyn std::error::Error>>;

/// Logs to standard error: what RUST_LOG says, or else what the flags say. A log that can't be written is
/// lost, and never waited for.
pub(crate) fn start_log(verbose: u8, quiet: bool) -> io::Result<()> {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (_, 0) => LevelFilter::Info,
        (_, 1) => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    printer::start_errors()?;
    let mut log = env_logger::Builder::new();
    log.filter_level(level).parse_default_env().format_target(false);
    log.target(Target::Pipe(Box::new(printer::Log)));
    // Of a pipe it would think that nobody sees colours there.
    if !matches!(env::var("RUST_LOG_STYLE").as_deref(), Ok("always" | "never")) {
        log.write_style(match AutoStream::choice(&io::stderr()) {
            ColorChoice::Never => WriteStyle::Never,
            _ => WriteStyle::Always,
        });
    }
    log.init();
    Ok(())
}

/// Connects, and looks a host name up first, which blocks: for what can do nothing before, and must not
/// take the time of the look-up for that of the network.
pub(crate) fn connect_known(
    cx: &mut Context<'_>,
    endpoint: &Endpoint,
) -> Result<Id, Box<dyn std::error::Error>> {
    let (Endpoint::Tcp { .. } | Endpoint::Udp { .. }) = endpoint else {
        return Ok(cx.connect(endpoint)?);
    };
    let addresses = endpoint
        .resolve()
        .map_err(|error| format!("cannot connect to {endpoint}: {}", describe(&error)))?;
    if !endpoint.is_datagram() {
        return Ok(cx.connect_any(&addresses, None)?);
    }
    let mut failure = None;
    for address in addresses {
        match cx.connect(&Endpoint::udp(address)) {
            Ok(id) => return Ok(id),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.expect("a name has at least one address").into())
}

/// A mask of blocked signals is inherited, and some of those who start others leave one behind: with it
/// we would be deaf to what we say we listen to. To be called before there are threads.
pub(crate) fn unblock_signals() {
    let ours = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1]);
    if let Err(error) = ours.thread_unblock() {
        eprintln!("echoloop: cannot unblock signals: {error}");
    }
}
