//! One thread, one poll loop, any number of sockets: a small event loop for TCP, UDP and Unix sockets, and for
//! streams and datagrams in memory.
//!
//! ```no_run
//! use echoloop::{Config, Echo, Reactor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! reactor.listen(&"tcp://127.0.0.1:8888".parse()?, Echo)?;
//! reactor.listen(&"udp://127.0.0.1:8888".parse()?, Echo)?;
//! reactor.run()?;
//! # Ok(()) }
//! ```
//!
//! - A [`Service`] says what is done with bytes. [`Echo`] and [`Pong`] are two of them; yours is a type with
//!   one method or more.
//! - A [`Session`] is a service in which each connection has a value of its own.
//! - A [`Reactor`] is the loop. It listens and connects, on whatever an [`Endpoint`] can name, within the
//!   limits of its [`Config`].
//! - A [`Context`] is what a service may touch while it is called: everything. It sends, closes, connects,
//!   sets timers, from inside any callback.
//! - A [`Handle`] reaches the reactor from other threads.
//! - [`Lines`] and [`Frames`] find messages in a stream.
//! - [`Statistics`] tell what has happened, [`Cause`] why a connection has gone.
//!
//! The [`guide`] explains from the ground up how all of this works, and what goes wrong without it. Its chapter
//! [`your_own`](guide::your_own) goes from an empty directory to a service with tests.
//!
//! # Promises
//!
//! 1. Nothing is lost, reordered or invented, also after a half-close, also when the server stops.
//! 2. A service takes only what it could answer; memory is bounded by the numbers in [`Config`].
//! 3. A peer can end its own connection, and nothing else. Only the poller's own failure ends
//!    [`Reactor::run`].
//! 4. Running out of descriptors is neither a stall nor a busy loop.
//! 5. What is stale finds nothing: each [`Id`] carries a generation.
//! 6. A flood doesn't starve a whisper.
//! 7. Closing is polite: flush, shut down, read to the end, close.
//! 8. Idle costs nothing: no events, no CPU; about 100 bytes for each connection.
//! 9. A UDP socket can't be turned against others.
//! 10. Errors name the deed and the object, and nothing is left half started.
//! 11. A graceful stop loses nothing.
//! 12. Closed standard streams, broken log pipes, interrupts, stale socket files don't matter.
//!
//! # Features
//!
//! `cli`, on by default, is the `echoloop` binary and its dependencies. The library alone:
//! `default-features = false`. It starts no threads but those that look up host names, and those only when it
//! [connects](Context::connect) to a name and not to an address; it has no global state, and writes to nothing
//! but [`log`]: at `debug` which connections come and go, at `trace` every step of the loop.
//!
//! `signals`, which `cli` switches on, is `Reactor::on_signal`: it needs signal-hook, and catches signals for the
//! whole process.
//!
//! `simulation` is `Simulation`: a reactor whose time and faults are in the hand of a test, see
//! [`guide::testing`].
//!
//! It runs on 64-bit Unix. Linux has the fast datagrams; other systems get plain ones.

// On docs.rs each item says which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(all(unix, target_pointer_width = "64")))]
compile_error!("echoloop needs a 64-bit Unix: an id is 32 bits of slot and 32 of generation");

/// The examples of the README compile and run too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod guide;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod machines;
mod net;
mod services;
mod values;

pub use machines::{
    DatagramPolicy, DatagramRefusal, Frame, Frames, Half, Header, Line, Lines, Timers, TokenBucket,
    Width,
};
#[cfg(feature = "simulation")]
pub use net::{Client, Script, Simulation};
pub use net::{Context, Handle, Reactor, Service, Stop};
pub use services::{Echo, Hub, Others, Pong, Session, Sessions};
#[cfg(feature = "simulation")]
pub use values::Faults;
pub use values::{
    Address, ByteQueue, Cast, Cause, Closed, Config, ConfigError, Dropped, Endpoint, EndpointError,
    Error, HandleError, Histogram, Id, KeepAlive, Local, MemName, Peer, Prefix, PrefixError, Rate,
    Recording, Refused, ReusePort, ServiceId, Statistics, TimerId, TooLong, UnixName, describe,
};
