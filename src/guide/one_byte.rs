//! The way of one byte through the loop.
//!
//! A server with a thread for each client spends its life in two calls: `read` waits for bytes, `write`
//! waits for room. The waiting is what the threads are for. An event loop waits in one place only, for
//! everything at once, and everything else it does returns immediately.
//!
//! ```no_run
//! use echoloop::{Config, Echo, Reactor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! reactor.listen(&"tcp://127.0.0.1:8888".parse()?, Echo)?;
//! reactor.run()?;
//! # Ok(()) }
//! ```
//!
//! [`run`](crate::Reactor::run) is [`turn`](crate::Reactor::turn) again and again, and a turn is four
//! verbs:
//!
//! 1. **wait**: one `epoll_wait` (or `kevent`) for all sockets. It returns when something can move.
//! 2. **mark**: each event says that a source is readable or writable, or both. That is written down in
//!    the source's *latch*, and the source goes into the queue of those that can move. Nothing else.
//! 3. **drive**: each source in the queue gets its share. Here the reading, the calling of services and
//!    the writing happen.
//! 4. **fire timers** that have come due.
//!
//! Now a client connects and sends `A`.
//!
//! *First turn.* The listener becomes readable: a client is in its backlog. Driven, it calls `accept`,
//! and then again until none is left there: a poll(2) says so for less than an `accept` that only brings
//! [`WouldBlock`](std::io::ErrorKind::WouldBlock). The new socket goes into the slab,
//! which gives it a slot, and with a generation that makes an [`Id`](crate::Id). It is registered with
//! the poller, once, for both directions. [`Service::opened`](crate::Service::opened)
//! is called.
//!
//! *Second turn.* The connection becomes readable. Driven, it reads into the one buffer that all
//! connections share: `read` returns 1. The buffer is 64 KiB, so a read of 1 says that there is no more
//! for now, and the read that would only have said `WouldBlock` is saved. The service is shown a
//! slice of one byte. It calls [`Context::send`](crate::Context::send), nothing is queued before it, so
//! the byte goes to the kernel straight away: `write` returns 1. The service says that it took 1 byte.
//! Nothing is left to keep; the connection still owns no buffer at all.
//!
//! Two system calls for the byte, and a part of a third: the poll was shared with all others that were
//! ready at that moment. `echoloop -vv` shows each of these steps as it happens.
//!
//! In between, the connection costs an entry in a table. Ten thousand silent clients are a megabyte.
//!
//! Next: [`readiness`](super::readiness).
