//! Fairness: why a flood must not be served to its end.
//!
//! "Read until `WouldBlock`" is what every introduction to edge-triggered polling says, and it is a
//! trap. A client on the same machine can send faster than we can read; its socket never says
//! `WouldBlock`, and the loop never gets to the next one. One flood, and everybody else's server hangs.
//!
//! The way out is to count. A connection may move [`Config::read_budget`](crate::Config) bytes in a
//! turn; a listener may accept so many connections, a datagram socket may receive so many datagrams.
//! Who has more to do keeps its latch, goes to the back of the queue, and the next poll doesn't sleep.
//! So a whisper waits for one share of each flood, never for the end of one:
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
//! Fairness has a second half: what a service does in a callback is not counted. A callback that
//! computes for a second delays everybody for a second.
//! [`Statistics::longest_turn`](crate::Statistics::longest_turn) tells.
