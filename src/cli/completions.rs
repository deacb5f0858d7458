//! `echoloop completions`: what a shell needs to complete our command lines.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{Done, output};

/// Print what a shell needs to complete echoloop's command lines.
///
/// Where it belongs: bash, ~/.local/share/bash-completion/completions/echoloop; zsh, a file _echoloop in a
/// directory of $fpath; fish, ~/.config/fish/completions/echoloop.fish. Packages put it there for everybody.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exit status: 0 printed, 1 it could not be written, 2 the command line makes no sense."
)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints it for this command.
pub(crate) fn run(args: &Args, command: &mut clap::Command) -> Done {
    let mut script = Vec::new(); // Whole, since whoever makes it panics when it can't be written.
    clap_complete::generate(args.shell, command, "echoloop", &mut script);
    output::print(&script)?;
    Ok(ExitCode::SUCCESS)
}
