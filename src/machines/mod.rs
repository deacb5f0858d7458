//! Floor 1: state machines that own no socket and read no clock.

mod admission;
mod bucket;
mod connection;
mod flows;
mod frames;
mod lines;
mod own;
mod quota;
mod timers;

pub(crate) use admission::on_the_wire;
pub use admission::{DatagramPolicy, DatagramRefusal};
pub use bucket::TokenBucket;
pub(crate) use bucket::{SourceKey, source_key};
pub use connection::Half;
pub(crate) use connection::{Connection, Latch, Step, Stream};
pub(crate) use flows::{Flow, Flows};
pub use frames::{Frame, Frames, Header, Width};
pub use lines::{Line, Lines};
pub(crate) use quota::Quota;
pub use timers::Timers;
