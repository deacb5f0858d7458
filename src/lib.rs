//! A small event loop for TCP, UDP and Unix sockets.

mod machines;
mod values;

pub use machines::{
    DatagramPolicy, DatagramRefusal, Frame, Frames, Header, Line, Lines, Rate, Timers, TokenBucket,
    Width,
};
pub use values::{
    Address, ByteQueue, Endpoint, EndpointError, Id, Local, Peer, Prefix, PrefixError, ServiceId,
    TimerId, TooLong, UnixName,
};
