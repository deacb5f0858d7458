//! `echoloop bench`: a load generator for any echo server.
//!
//! | module | does |
//! |---|---|
//! | `args`, `load` | what is asked for, and what that comes to for a run |
//! | `streams`, `churn`, `datagrams` | the services that make load; `lane`, `pacer`, `wheel` help them |
//! | `meter`, `tally` | phases, counts, times |
//! | `worker`, `process`, `limits` | threads and reactors; what the system says and allows |
//! | `session`, `compare`, `search` | one run, or several and what they say together |
//! | `live`, `report`, `verdict`, `table`, `words` | for people |
//! | `json`, `hdr`, `plot` | for machines, and for eyes |

mod args;
mod churn;
mod datagrams;
mod lane;
mod load;
mod meter;
mod pacer;
mod process;
mod report;
mod streams;
mod table;
mod tally;
mod verdict;
mod wheel;
mod words;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Done;
pub(crate) use args::Args;

/// Measures, and shows it.
pub(crate) fn run(args: Args) -> Done {
    let loads = args.loads().unwrap_or_else(|error| usage(&error));
    let stop = Arc::new(AtomicBool::new(false));
    let outcome = worker::run(&loads[0], args.server_pid.first().copied(), &stop, |_| {})
        .map_err(|error| error as Box<dyn std::error::Error>)?;
    print!("{}", report::full(&outcome));
    Ok(ExitCode::from(u8::from(outcome.has_failed())))
}

/// Says what is wrong with the command line, and ends with status 2.
fn usage(error: &str) -> ! {
    let mut command = clap::Command::new("echoloop bench");
    command.error(clap::error::ErrorKind::ValueValidation, error).exit()
}
