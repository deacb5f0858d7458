//! `echoloop serve`: the services of the library on the endpoints of the command line.

mod args;
mod logged;
mod proxies;
mod workers;

pub(crate) use args::Args;
pub(crate) use workers::run;
