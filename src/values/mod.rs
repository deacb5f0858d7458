//! Floor 0: plain values. They know `std` and nothing else of this crate.

mod account;
mod act;
mod buffer;
mod cause;
mod check;
mod config;
mod endpoint;
mod error;
#[cfg(feature = "simulation")]
mod faults;
mod handle_error;
mod histogram;
mod keep_alive;
mod key;
mod mem_name;
mod name;
mod outcome;
mod peer;
mod prefix;
mod queue;
mod rate;
mod recording;
mod reuse_port;
mod statistics;
mod too_long;

pub(crate) use account::Account;
pub(crate) use act::{Act, Readiness};
pub(crate) use buffer::Buffer;
pub use cause::Cause;
pub use check::ConfigError;
pub use config::Config;
pub(crate) use config::{
    ACCEPT_COST, ACCEPT_LOOKS, ACCEPT_RETRY, CALL_COST, COMMANDS_PER_SHARE,
    CONNECTION_ATTEMPT_DELAY, DATAGRAM_BATCH, DATAGRAM_COST, DIAL_RETRY, EARLY_DATAGRAMS, EPOCH,
    LOCK_TRIES, LOG_INTERVAL, LOOKUP_THREADS, LOOKUPS_WAITING, MEM_DATAGRAM, MEM_MAILBOX,
    MEM_OVERHEAD, MEM_STREAM, MOST_ADDRESSES, PROXY_HEADER, RESERVE, SLICE, SPARSE, STOP_CHECK,
};
pub(crate) use endpoint::look_up;
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use error::write_cause;
pub use error::{Error, describe};
#[cfg(feature = "simulation")]
pub use faults::Faults;
pub use handle_error::HandleError;
pub use histogram::Histogram;
pub(crate) use histogram::Sample;
pub use keep_alive::KeepAlive;
pub(crate) use key::ServiceKey;
pub use key::{Id, ServiceId, TimerId};
pub use mem_name::MemName;
pub(crate) use outcome::{Outcome, attempt};
pub use peer::{Address, Cast, Local, Peer, UnixName};
pub use prefix::{Prefix, PrefixError};
pub use queue::ByteQueue;
pub use rate::Rate;
pub use recording::Recording;
pub use reuse_port::ReusePort;
pub use statistics::{Closed, Dropped, Refused, Statistics};
pub use too_long::TooLong;
