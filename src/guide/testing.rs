//! Testing a service: the other end, and everything that can go wrong.
//!
//! # The other end
//!
//! A service is tested by being talked to. Over TCP that takes a port that nobody else has, a client that blocks,
//! and so a second thread, and a deadline for when it has waited in vain. None of it is what the test is about.
//!
//! In memory both ends are in one reactor. `mem://NAME` is a stream and `memgram://NAME` a datagram socket that
//! only this reactor knows. Everything above the sockets is the real thing: limits, back-pressure, half-close,
//! idle timeouts, the stop. What one end does is an event for the other one's next turn; so a test turns until
//! there is nothing left to do, and then looks.
//!
//! ```
//! use std::cell::RefCell;
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use echoloop::{Config, Context, Pong, Reactor, Service};
//!
//! /// The test's own end: asks, and notes the answer.
//! struct Asks(Rc<RefCell<Vec<u8>>>);
//!
//! impl Service for Asks {
//!     fn opened(&mut self, cx: &mut Context<'_>) {
//!         cx.send(b"who is there?\r\n");
//!         cx.finish();
//!     }
//!
//!     fn received(&mut self, _: &mut Context<'_>, input: &[u8]) -> usize {
//!         self.0.borrow_mut().extend_from_slice(input);
//!         input.len()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! reactor.listen(&"mem://pong".parse()?, Pong::default())?;
//! let answer = Rc::new(RefCell::new(Vec::new()));
//! reactor.connect(&"mem://pong".parse()?, Asks(Rc::clone(&answer)))?;
//!
//! while reactor.poll_timeout() == Some(Duration::ZERO) {
//!     reactor.turn(Some(Duration::ZERO))?;
//! }
//! assert_eq!(answer.take(), b"pong\r\n");
//! assert_eq!(reactor.statistics().open, 0);
//! # Ok(()) }
//! ```
//!
//! No thread, no port, no sleep; and what is expected and doesn't come is seen at once, since then there is
//! nothing to do either. Between the ends lie 64 KiB each way ([`Config::send_buffer`](crate::Config::send_buffer)
//! says otherwise), so a reader that pauses stops its writer after that and what the writer may keep.
//!
//! The same names put layers in front of a service: what decrypts, for example, listens on TCP and dials
//! `mem://inner` for each client, where the service itself listens and knows nothing of it.
//!
//! # Everything that can go wrong
//!
//! That test has seen one way in which things can go: everything at once, whole, and in order. The world has
//! others. Bytes come in two pieces, a write is taken in part, a client is deaf for a second or vanishes, a timer
//! is late, a datagram comes twice, and somebody stops the server in the middle of it. Each alone is easily
//! tested. What fails is two of them together, once in a thousand nights, and then nobody can say how.
//!
//! `Simulation`, which the feature `simulation` switches on, is a reactor to which all of that happens by chance,
//! and chance comes from a seed. Time is simulated too: it stands still while anybody is busy, and when nobody is,
//! it jumps to the next timer or to what arrives next. So a thousand worlds take a second, minutes of timeouts
//! included; and the same seed is the same world, byte for byte.
//!
#![cfg_attr(feature = "simulation", doc = "```")]
#![cfg_attr(not(feature = "simulation"), doc = "```ignore")]
//! use std::time::Duration;
//!
//! use echoloop::{Config, Faults, Pong, Script, Simulation};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! for seed in 0..200 {
//!     let mut world = Simulation::new(seed, Faults::default(), Config::default())?;
//!     world.reactor().listen(&"mem://pong".parse()?, Pong::default())?;
//!     let script = Script::new().sends("one\ntwo\n").waits(Duration::from_secs(1)).sends("three").ends();
//!     let client = world.client(&"mem://pong".parse()?, script)?;
//!     world.run_for(Duration::from_secs(60))?;
//!     assert_eq!(client.received(), b"pong\npong\npong", "seed {seed}");
//! }
//! # Ok(()) }
//! ```
//!
//! Three habits make it worth the while:
//!
//! - **Say what always holds.** Which bytes come back is one thing. That each connection that was opened is
//!   closed, once; that a stop ends in time; that nothing is kept at the end: these hold in every world, and are
//!   looked at after every turn rather than after the last.
//! - **Know what may be lost.** With `Faults::default()` nothing is: cuts, short writes, delays and late timers
//!   only take time, so all must come back. With `Faults::rough()` connections are reset and peers vanish: what
//!   came back must still be the beginning of what was to come.
//! - **Keep the seeds that failed.** A seed that found something is a test from then on.
//!
//! What a service does must follow from what it is told. If it asks the system for the time, iterates over a
//! `HashMap` or waits for a thread, the same seed is another world each time;
//! [`Context::now`](crate::Context::now) is the simulated time. `Simulation::trace` tells two runs apart, or
//! that they were the same.
//!
//! `Simulation::from_bytes` takes chance from bytes rather than from a seed: then a fuzzer looks for the world
//! that fails.
//!
//! Next: [`your_own`](super::your_own).
