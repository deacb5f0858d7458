//! Row.
