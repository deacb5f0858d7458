//! Floor 1: state machines that own no socket and read no clock.

mod admission;
mod connection;
mod frames;
mod lines;
mod timers;

pub use admission::{DatagramPolicy, DatagramRefusal, TokenBucket};
pub(crate) use admission::{SourceKey, source_key};
pub use connection::Half;
pub(crate) use connection::{Connection, Latch, Step, Stream};
pub use frames::{Frame, Frames, Header, Width};
pub use lines::{Line, Lines};
pub use timers::Timers;
