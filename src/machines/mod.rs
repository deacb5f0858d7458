//! Floor 1: state machines that own no socket and read no clock.

mod timers;

pub use timers::Timers;
