//! What is looked at, a file for each promise or two.

pub(crate) mod closing;
pub(crate) mod errors;
pub(crate) mod fairness;
pub(crate) mod idle;
pub(crate) mod limits;
pub(crate) mod lossless;
pub(crate) mod stale;
pub(crate) mod trouble;
pub(crate) mod weapon;
