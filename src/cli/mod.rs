//! Floor 4: the command line. Everything here uses the library as any user would.

pub(crate) mod bench;
pub(crate) mod connect;
pub(crate) mod ping;
pub(crate) mod serve;
pub(crate) mod signals;
pub(crate) mod units;

use log::LevelFilter;

/// What every command returns: an exit status, or what went wrong.
pub(crate) type Done = Result<std::process::ExitCode, Box<dyn std::error::Error>>;

/// Logs to standard error: what RUST_LOG says, or else what the flags say.
///
/// A log that can't be written is lost, never waited for beyond the write itself, and never a panic.
pub(crate) fn start_log(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (_, 0) => LevelFilter::Info,
        (_, 1) => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    env_logger::Builder::new().filter_level(level).parse_default_env().format_target(false).init();
}
