//! A small event loop for TCP, UDP and Unix sockets.

mod machines;
mod net;
mod values;

pub use machines::{
    DatagramPolicy, DatagramRefusal, Frame, Frames, Header, Line, Lines, Timers, TokenBucket, Width,
};
pub use values::{
    Address, ByteQueue, Cause, Closed, Config, Dropped, Endpoint, EndpointError, Error, Id, Local,
    Peer, Prefix, PrefixError, Rate, Refused, ServiceId, Statistics, TimerId, TooLong, UnixName,
    describe,
};
