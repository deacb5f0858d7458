//! The `echoloop` command: serve, connect, ping and bench, each a service on the library's reactor.
//!
//! Exit status: 0 done, 1 it could not be done, 2 the command line makes no sense.

mod cli;
#[cfg(test)]
mod man;
#[cfg(test)]
mod shipped;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use cli::{bench, completions, connect, output, ping, printer, serve, trace};

/// Echo and pong over TCP, UDP and Unix sockets, from one event loop.
///
/// Without a command it serves echo on TCP and UDP 127.0.0.1:8888, and pong on TCP and UDP
/// 127.0.0.1:8889.
#[derive(Parser)]
#[command(name = "echoloop", version, max_term_width = 100, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Log more: -v who comes and what they say, -vv every step of the loop. RUST_LOG chooses in detail
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 900)]
    verbose: u8,
    /// Log errors only, and print no statistics; of bench, only why it failed, on standard error
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 901)]
    quiet: bool,
}

const AFTER: &str = "\
Examples:
  echoloop serve echo=tcp://0.0.0.0:7777 echo=udp://0.0.0.0:7777
  echoloop connect tcp://127.0.0.1:8888
  echoloop ping -c 3 udp://127.0.0.1:8888
  echoloop bench tcp://127.0.0.1:8888 -c 100

`echoloop COMMAND --help` explains each.";

#[derive(Subcommand)]
enum Command {
    /// Serve echo, pong, or both, on any number of endpoints
    Serve(Box<serve::Args>),
    Connect(connect::Args),
    Ping(ping::Args),
    Bench(Box<bench::Args>),
    Trace(trace::Args),
    Completions(completions::Args),
}

fn main() -> ExitCode {
    let passed = serve::Passed::take(); // Before anything is opened.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return told(&error),
    };
    cli::unblock_signals();
    if let Err(error) = cli::start_log(cli.verbose, cli.quiet) {
        eprintln!("echoloop: cannot start the log: {}", echoloop::describe(&error));
        return ExitCode::from(1);
    }
    let command = cli.command.unwrap_or_else(|| {
        let Cli { command, .. } = Cli::parse_from(["echoloop", "serve"]);
        command.expect("just given")
    });
    let done = match command {
        Command::Serve(args) => serve::run(*args, passed),
        Command::Connect(args) => connect::run(args),
        Command::Ping(args) => ping::run(args),
        Command::Bench(args) => bench::run(*args, cli.quiet),
        Command::Trace(args) => trace::run(args),
        Command::Completions(args) => completions::run(&args, &Cli::command()),
    };
    let status = done.unwrap_or_else(|error| {
        printer::complain(&format!("echoloop: {}\n", echoloop::describe(&*error)));
        ExitCode::from(1)
    });
    printer::finish();
    status
}

/// Prints what there is instead of a command: help, the version, or what is wrong with the command line.
fn told(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        error.exit();
    }
    let print = || output::check().and_then(|()| error.print()).and_then(|()| io::stdout().flush());
    match output::judge(print()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "echoloop: {why}");
            ExitCode::from(1)
        }
    }
}
