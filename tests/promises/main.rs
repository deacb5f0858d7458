//! The promises of the library, over real sockets: each test drives a reactor in this process, on a
//! port that the kernel chose, and talks to it in bytes.

mod accounts;
mod adopting;
mod afterwards;
#[path = "../again/mod.rs"]
mod again;
mod closing;
mod datagrams;
mod descriptors;
mod detaching;
mod detaching_edges;
mod dialling;
mod does;
mod embedding;
mod fairness;
mod layers;
mod limits;
mod listeners;
mod mem;
mod names;
mod panics;
mod paths;
mod pong;
mod pressure;
mod proxies;
mod racing;
mod recording;
mod services;
mod sessions;
#[cfg(feature = "signals")]
mod signals;
mod slowness;
mod stopping;
mod stopping_edges;
mod streams;
mod support;
mod telling;
mod threads;
mod timing;
mod trouble;
mod waking;
mod weapon;
