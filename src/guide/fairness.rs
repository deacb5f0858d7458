//! Fairness: why a flood must not be served to its end.
//!
//! "Read until `WouldBlock`" is what every introduction to edge-triggered polling says, and it is a
//! trap. A client on the same machine can send faster than we can read; its socket never says
//! `WouldBlock`, and the loop never gets to the next one. One flood, and everybody else's server hangs.
//!
//! The first way out is to count. A connection may move [`Config::read_budget`](crate::Config) bytes in a
//! go; a listener may accept so many connections, a datagram socket may receive so many datagrams. A source that
//! has more to do keeps its latch, goes to the back of the queue, and the next poll doesn't sleep.
//!
//! But taking turns isn't fair. Beside a hundred floods, a whisper of one byte stands behind a hundred gos of
//! 50 µs each: it waits for 5 ms, and uses 5 µs. The more floods there are, the longer, although it takes
//! nothing from anybody. So there are two queues, FQ-CoDel's new and old flows (RFC 8290 section 4.1):
//!
//! ```text
//!   taking turns                    W stands behind all of them
//!     poll │ F1 ████ │ F2 ████ │ F3 ████ │ F4 ████ │ W ▌ │ poll ...
//!
//!   new ones first                  W waits for one go, of whichever it is
//!     poll │ W ▌ │ F1 ████ │ poll │ F2 ████ │ poll │ W ▌ │ F3 ████ │ poll ...
//!            new   old: 50 µs
//! ```
//!
//! A source that has used little lately is sparse: it has its go as soon as the poll has told of it, but a small
//! one, of 16 KiB. The others, which used more, share slices of 50 µs; between two slices the poll is asked, without
//! sleeping, who is new. What counts is not whether a source was quiet a moment ago: a flood that pauses
//! because its peer must read first is no whisper when it comes back. Each has a debt of what it
//! used, and time pays half of it every 4 ms; or every round of the floods, when a round takes longer, so that
//! waiting for a go doesn't pay for the last one.
//!
//! Nobody starves: in each turn one of the floods has a go at least, and together they have a fifth of the time,
//! however many whispers there are. Accepting, datagrams and services that take little at a time are charged
//! like bytes; and a service that computes for longer than a slice about a byte, twice in a row, is charged for
//! that. A go ends with its slice, however much of its budget is left; but not in the middle of a call, so a call
//! should be short. Commands of other threads, timers and tells that come in crowds have slices of their own.
//!
//! ```
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//! # use echoloop::{Address, Config, Echo, Reactor, Stop};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config { read_budget: 4096, ..Config::default() })?;
//! let id = reactor.listen(&"tcp://127.0.0.1:0".parse()?, Echo)?;
//! let Some(Address::Ip(address)) = reactor.local(id) else { unreachable!() };
//! let handle = reactor.handle();
//! let clients = std::thread::spawn(move || {
//!     let mut flood = TcpStream::connect(address)?;
//!     let mut answers = flood.try_clone()?;
//!     let writer = std::thread::spawn(move || while flood.write_all(&[b'f'; 65536]).is_ok() {});
//!     let reader = std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
//!
//!     let mut whisper = TcpStream::connect(address)?;
//!     for _ in 0..100 {
//!         whisper.write_all(b"w")?; // Answered while the flood goes on.
//!         whisper.read_exact(&mut [0])?;
//!     }
//!     handle.stop(Stop::AtOnce);
//!     writer.join().ok();
//!     reader.join().ok();
//!     std::io::Result::Ok(())
//! });
//! reactor.run()?;
//! clients.join().unwrap()?;
//! # Ok(()) }
//! ```
//!
//! Fairness has a second half: a callback is not interrupted. One that computes for a second delays everybody
//! for a second. [`Statistics`](crate::Statistics) tell: `turn_times`, `sparse_waits` and `busy_waits` are
//! histograms of how long turns took, and of how long sources waited for their gos.
//!
//! Next: [`closing`](super::closing).
