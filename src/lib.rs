//! A small event loop for TCP, UDP and Unix sockets.

mod machines;
mod values;

pub use values::{
    Address, Endpoint, EndpointError, Id, Local, Peer, Prefix, PrefixError, ServiceId, TimerId,
    UnixName,
};
