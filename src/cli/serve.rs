//! `echoloop serve`.

use std::process::ExitCode;

use super::Done;

/// What to serve, where, and within which limits.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Args {}

/// Serves until it is told to stop.
pub(crate) fn run(_args: Args) -> Done {
    Ok(ExitCode::SUCCESS)
}
