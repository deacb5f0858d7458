//! Floor 2: sockets. The only floor that knows the poller.

mod bind;
mod context;
mod core;
mod datagrams;
mod dial;
mod drive;
mod handle;
mod listen;
mod outgoing;
mod packets;
mod paths;
mod polling;
mod reactor;
mod service;
mod setup;
mod socket;
mod stop;
mod table;

pub use context::{Context, Stop};
pub use handle::Handle;
pub use reactor::Reactor;
pub use service::Service;
