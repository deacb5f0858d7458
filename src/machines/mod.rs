//! Floor 1: state machines that own no socket and read no clock.

mod admission;
mod bucket;
mod connection;
#[cfg(feature = "simulation")]
mod dice;
mod flows;
mod frames;
mod lines;
mod own;
mod proxy;
mod quota;
mod race;
mod timers;

pub(crate) use admission::on_the_wire;
pub use admission::{DatagramPolicy, DatagramRefusal};
pub use bucket::TokenBucket;
pub(crate) use bucket::{SourceKey, source_key};
pub use connection::Half;
pub(crate) use connection::{Connection, Latch, Step, Stream};
#[cfg(feature = "simulation")]
pub(crate) use dice::Dice;
pub(crate) use flows::{Flow, Flows};
pub use frames::{Frame, Frames, Header, Width};
pub use lines::{Line, Lines};
pub(crate) use proxy::{Client, ProxyHeader};
pub(crate) use quota::Quota;
pub(crate) use race::{Race, Settled, interleaved};
pub use timers::Timers;
