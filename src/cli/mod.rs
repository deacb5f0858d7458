//! Floor 4: the command line. Everything here uses the library as any user would.

pub(crate) mod bench;
mod closed;
pub(crate) mod completions;
pub(crate) mod connect;
mod endpoint;
mod family;
mod foreign;
pub(crate) mod output;
pub(crate) mod ping;
pub(crate) mod printer;
pub(crate) mod serve;
pub(crate) mod trace;
pub(crate) mod units;

use std::{env, io};

use anstream::{AutoStream, ColorChoice};
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

/// A mask of blocked signals is inherited, and some of those who start others leave one behind: with it
/// we would be deaf to what we say we listen to. To be called before there are threads.
pub(crate) fn unblock_signals() {
    let ours =
        SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGUSR1]);
    if let Err(error) = ours.thread_unblock() {
        eprintln!("echoloop: cannot unblock signals: {error}");
    }
}
