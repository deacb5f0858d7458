//! Floor 3: services, written as any user of the crate would write them.

mod echo;
mod pong;
mod sessions;
#[cfg(feature = "signals")]
mod signals;

pub use echo::Echo;
pub use pong::Pong;
pub use sessions::{Hub, Others, Session, Sessions};
