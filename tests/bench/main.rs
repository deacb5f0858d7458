//! `echoloop bench` as its users meet it: the real binary at one end, and at the other a server that does
//! what it should, or doesn't.
#![cfg(feature = "cli")]

#[path = "../again/mod.rs"]
mod again;
mod datagrams;
mod ends;
mod load;
mod log;
mod options;
mod output;
mod phases;
mod saved;
mod schema;
mod shapes;
mod support;
mod verdict;
