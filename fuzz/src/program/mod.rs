//! What the program reads, besides what the library does.

mod request;
mod results;
mod trace;
mod units;

pub use request::request;
pub use results::results;
pub use trace::trace;
pub use units::units;
