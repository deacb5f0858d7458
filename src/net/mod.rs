//! Floor 2: sockets. The only floor that knows the poller.

mod adopt;
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
mod handle;
mod listen;
mod mark;
mod outgoing;
mod packets;
mod paths;
mod polling;
mod reactor;
mod roster;
mod service;
mod setup;
mod socket;
mod stop;
mod table;
mod tell;
mod throttle;
mod timing;
mod unwinding;

pub use context::{Context, Stop};
pub use handle::{Handle, HandleError};
pub use reactor::Reactor;
pub use service::Service;
