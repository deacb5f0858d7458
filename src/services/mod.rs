//! Floor 3: services, written as any user of the crate would write them.

mod echo;
mod pong;

pub use echo::Echo;
pub use pong::Pong;
