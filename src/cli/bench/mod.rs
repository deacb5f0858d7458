//! `echoloop bench`: a load generator for any echo server.
//!
//! | module | does |
//! |---|---|
//! | `args`, `values`, `foreign`, `plan`, `load` | what is asked for, what others call it, and what it comes to |
//! | `talk`, `partial`, `script`, `wheel`, `stamp` | what is sent, what must come back, and whether it is that |
//! | `generator`, `streams`, `churn`, `datagrams` | the services that make load |
//! | `lane`, `flights`, `pacer`, `thinking` | what is on its way, and when more is due: they help them |
//! | `meter`, `phase`, `seconds`, `series`, `tally` | how far a run is, counts, times |
//! | `worker`, `outcome` | threads with a reactor each, and what they bring back |
//! | `process`, `counters`, `counts`, `tcp`, `watch`, `limits` | what the system says and allows |
//! | `session`, `compare`, `ratio`, `search` | one run, or several and what they say together |
//! | `encoded`, `baseline`, `restore`, `merge` | results that were saved |
//! | `failing`, `verdict`, `conditions` | what a run is worth |
//! | `live`, `report`, `table`, `words` | for people |
//! | `json`, `stream`, `hdr`, `files` | for machines |
//! | `plot`, `picture`, `scale` | for eyes |

mod args;
pub(crate) mod baseline;
mod churn;
mod compare;
mod conditions;
mod counters;
mod counts;
mod datagrams;
mod encoded;
mod failing;
mod files;
mod flights;
mod foreign;
mod generator;
mod hdr;
mod json;
mod lane;
mod limits;
mod live;
mod load;
pub(crate) mod merge;
mod meter;
mod outcome;
mod pacer;
mod partial;
mod patience;
mod phase;
mod picture;
mod plan;
mod plot;
mod process;
mod ratio;
mod report;
mod restore;
mod scale;
mod script;
mod search;
mod seconds;
mod series;
mod session;
mod stamp;
mod stream;
mod streams;
mod table;
mod talk;
mod tally;
mod tcp;
mod thinking;
mod values;
mod verdict;
mod watch;
mod wheel;
pub(crate) mod words;
mod worker;

use super::Done;
pub(crate) use args::Args;
use plot::Plot;
use serde_json::Value;
use session::Session;

/// Measures, and shows it.
pub(crate) fn run(mut args: Args, quiet: bool) -> Done {
    if let Some(args::Action::Merge(args)) = args.action.take() {
        return merge::run(args, quiet);
    }
    let loads = args.loads().unwrap_or_else(|error| usage(&error));
    let goal = args.find_rate;
    let several = args.sweep.is_some() || args.endpoints.len() > 1;
    let session = Session::new(args, loads, quiet)?;
    match goal {
        Some(goal) => search::run(session, goal),
        None if several => compare::run(session),
        None => single(session),
    }
}

fn single(mut session: Session) -> Done {
    let load = session.loads[0].clone();
    let outcome = session.run(0, &load, "", 0)?;
    session.judge(&outcome);
    session.print(&(report::full(&outcome) + &session.against()))?;
    let plot = Plot::single(&outcome);
    session.finish("single", ("", Value::Null), Some(plot))
}

/// Says what is wrong with the command line, and ends with status 2.
fn usage(error: &str) -> ! {
    let mut command = clap::Command::new("echoloop bench")
        .override_usage("echoloop bench [OPTIONS] <ENDPOINT>...");
    command.error(clap::error::ErrorKind::ValueValidation, error).exit()
}
