//! Floor 0: plain values. They know `std` and nothing else of this crate.

mod endpoint;
mod key;
mod peer;
mod prefix;
mod queue;
mod too_long;

pub use endpoint::{Endpoint, EndpointError};
pub use key::{Id, ServiceId, TimerId};
pub use peer::{Address, Local, Peer, UnixName};
pub use prefix::{Prefix, PrefixError};
pub use queue::ByteQueue;
pub use too_long::TooLong;
