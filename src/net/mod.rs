//! Floor 2: sockets. The only floor that knows the poller.

mod acceptor;
mod adopt;
mod asked;
mod bind;
mod clock;
mod commands;
mod context;
mod core;
mod datagrams;
mod deadlines;
mod dial;
mod doors;
mod drive;
mod early;
mod gos;
mod guard;
mod handle;
mod introduce;
mod listen;
mod making;
mod mark;
mod mem;
mod names;
mod obey;
mod outbound;
mod outgoing;
mod outlet;
mod packets;
mod paths;
mod polling;
mod proxied;
mod reactor;
mod receiving;
mod record;
mod roster;
mod send;
mod service;
mod setup;
#[cfg(feature = "simulation")]
mod simulation;
mod socket;
mod stop;
mod stopping;
mod table;
mod tell;
mod throttle;
mod timeouts;
mod timing;
#[cfg(feature = "simulation")]
mod trace;
mod unwinding;
mod watch;
mod words;

pub use handle::Handle;
#[cfg(feature = "internals")]
pub use packets::{Told, told};
pub use reactor::Reactor;
pub use service::{Context, Service};
#[cfg(feature = "simulation")]
pub use simulation::{Client, Script, Simulation};
pub use stopping::Stop;
