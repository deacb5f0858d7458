//! `echoloop completions`: what a shell needs to complete our command lines.

use std::process::ExitCode;

use clap::Command;
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
pub(crate) fn run(args: &Args, command: &Command) -> Done {
    let mut script = Vec::new(); // Whole, since whoever makes it panics when it can't be written.
    let mut command = command.clone();
    if args.shell == Shell::Zsh {
        command = command.mut_subcommand("bench", without_values);
    }
    clap_complete::generate(args.shell, &mut command, "echoloop", &mut script);
    output::print(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Of a command with values and subcommands, what is made for zsh completes a subcommand only behind a value, where
/// bench has the ones or the other: so there it is one without values. They are names that no shell can know.
fn without_values(bench: Command) -> Command {
    let options: Vec<_> = bench.get_arguments().filter(|it| !it.is_positional()).cloned().collect();
    let subcommands: Vec<_> = bench.get_subcommands().cloned().collect();
    let about = bench.get_about().cloned().unwrap_or_default();
    Command::new("bench").about(about).args(options).subcommands(subcommands)
}
