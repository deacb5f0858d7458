//! `echoloop serve`: the services of the library on the endpoints of the command line.
//!
//! | module | does |
//! |---|---|
//! | `args`, `offer` | what is asked for |
//! | `workers`, `listen` | threads with a reactor each, and what they listen on |
//! | `logged`, `counted` | around a service: who comes, and how many |
//! | `crew`, `snapshot` | what all workers have done, for those who watch |
//! | `record` | what each turn did, written to a file |
//! | `watch`, `metrics`, `live`, `systemd` | who they are: scrapers and browsers, a screen, a service manager |

mod args;
mod counted;
mod crew;
mod listen;
mod live;
mod logged;
pub(crate) mod metrics;
mod offer;
mod proxies;
mod record;
mod snapshot;
mod systemd;
mod watch;
mod workers;

pub(crate) use args::Args;
pub(crate) use systemd::Passed;
pub(crate) use workers::run;
