//! A small event loop for TCP, UDP and Unix sockets.

#[cfg(not(all(unix, target_pointer_width = "64")))]
compile_error!(
    "echoloop needs a Unix with 64-bit pointers: an id is 32 bits of slot and 32 of generation"
);

mod machines;
mod net;
mod services;
mod values;

pub use machines::{
    DatagramPolicy, DatagramRefusal, Frame, Frames, Half, Header, Line, Lines, Timers, TokenBucket,
    Width,
};
pub use net::{Context, Handle, Reactor, Service, Stop};
pub use services::{Echo, Pong};
pub use values::{
    Address, ByteQueue, Cause, Closed, Config, Dropped, Endpoint, EndpointError, Error, Id, Local,
    Peer, Prefix, PrefixError, Rate, Refused, ServiceId, Statistics, TimerId, TooLong, UnixName,
    describe,
};
