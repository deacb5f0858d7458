//! Floor 0: plain values. They know `std` and nothing else of this crate.

mod account;
mod buffer;
mod cause;
mod check;
mod config;
mod endpoint;
mod error;
mod handle_error;
mod histogram;
mod keep_alive;
mod key;
mod outcome;
mod peer;
mod prefix;
mod queue;
mod rate;
mod reuse_port;
mod statistics;
mod too_long;

pub(crate) use account::Account;
pub(crate) use buffer::Buffer;
pub use cause::Cause;
pub use check::ConfigError;
pub use config::Config;
pub(crate) use config::{
    ACCEPT_COST, ACCEPT_LOOKS, ACCEPT_RETRY, CALL_COST, COMMANDS_PER_SHARE, DATAGRAM_BATCH,
    DATAGRAM_COST, DIAL_RETRY, EPOCH, LOCK_TRIES, LOG_INTERVAL, RESERVE, SLICE, SPARSE, STOP_CHECK,
};
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use error::write_cause;
pub use error::{Error, describe};
pub use handle_error::HandleError;
pub use histogram::Histogram;
pub(crate) use histogram::Sample;
pub use keep_alive::KeepAlive;
pub(crate) use key::ServiceKey;
pub use key::{Id, ServiceId, TimerId};
pub(crate) use outcome::{Outcome, attempt};
pub use peer::{Address, Cast, Local, Peer, UnixName};
pub use prefix::{Prefix, PrefixError};
pub use queue::ByteQueue;
pub use rate::Rate;
pub use reuse_port::ReusePort;
pub use statistics::{Closed, Dropped, Refused, Statistics};
pub use too_long::TooLong;
