//! Floor 1: state machines that own no socket and read no clock.

mod lines;
mod timers;

pub use lines::{Line, Lines};
pub use timers::Timers;
