//! The `echoloop` command: serve, connect, ping and bench, each a service on the library's reactor.
//!
//! Exit status: 0 done, 1 it could not be done, 2 the command line makes no sense.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cli::{bench, serve};

/// Echo and pong over TCP, UDP and Unix sockets, from one event loop.
///
/// Without a command it serves echo on TCP and UDP 127.0.0.1:8888, and pong on TCP and UDP
/// 127.0.0.1:8889.
#[derive(Parser)]
#[command(name = "echoloop", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Log more: -v what happens, -vv to connections, -vvv in every step. RUST_LOG says it in detail.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Log errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve echo, pong, or both, on any number of endpoints.
    Serve(serve::Args),
    Bench(Box<bench::Args>),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::start_log(cli.verbose, cli.quiet);
    let done = match cli.command {
        None => serve::run(serve::Args::default()),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Bench(args)) => bench::run(*args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("echoloop: {}", echoloop::describe(&*error));
        ExitCode::from(1)
    })
}
