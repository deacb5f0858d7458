//! Readiness, edges and latches.
//!
//! A poller doesn't read for you. It tells that a `read` would not wait. That can be told in two ways:
//!
//! - **level-triggered**: "there are bytes", said again at every poll for as long as there are.
//! - **edge-triggered**: "bytes have come", said once. If you leave some, you will not hear of them
//!   again, until more come.
//!
//! Edges are cheaper: a socket is registered once for both directions, and no poll ever reports what is
//! known already. The price is that *we* must remember. The example has a pair of sockets and a poller
//! and nothing of this crate:
//!
//! ```
//! # use std::io::{Read, Write, ErrorKind};
//! # use std::time::Duration;
//! # use mio::{Events, Interest, Poll, Token, net::UnixStream};
//! # fn main() -> std::io::Result<()> {
//! let (mut client, mut server) = UnixStream::pair()?;
//! let mut poll = Poll::new()?;
//! poll.registry().register(&mut server, Token(0), Interest::READABLE)?;
//! let mut events = Events::with_capacity(8);
//!
//! client.write_all(b"ab")?;
//! poll.poll(&mut events, None)?;
//! assert_eq!(events.iter().count(), 1); // The edge.
//!
//! let mut byte = [0];
//! server.read_exact(&mut byte)?; // One of two: 'b' is still there ...
//! poll.poll(&mut events, Some(Duration::ZERO))?;
//! assert_eq!(events.iter().count(), 0); // ... and no event will ever tell.
//!
//! server.read_exact(&mut byte)?;
//! assert_eq!(server.read(&mut byte).unwrap_err().kind(), ErrorKind::WouldBlock);
//! # Ok(()) }
//! ```
//!
//! A server that forgets this works on its author's machine and hangs under load. The remedy is the
//! **latch**: an event sets it, and only the kernel's own refusal, `WouldBlock`, clears it. While it
//! is set the source is taken to be ready, whatever the poller says or doesn't. So it doesn't matter
//! why reading stopped: because the share was used up, because the service paused, because the
//! output was full. The latch remembers.
//!
//! Two things look like refusals and save a call. A read that fills less than the buffer has emptied the
//! socket, and a write that was not taken whole has filled it (epoll(7), questions 9). There are
//! exceptions, and each must be known: the peer's end is behind the last byte and has no edge of its
//! own any more if its event has been used up; a read stops at TCP's urgent mark with more behind it; a
//! terminal returns one line at a time. In those cases an event or the kind of source says so, and the
//! loop reads on until it is refused.
//!
//! # Why nothing moves while events are marked
//!
//! One poll returns many events. If the first is acted upon at once, it may close a connection that the
//! seventh is about; its slot may even have been given to a new source by then, which gets a stranger's
//! event. So there are two rules. Marking only sets latches. And every [`Id`](crate::Id) carries a
//! generation that no other user of the slot has: what is stale finds nothing.
//!
//! ```
//! # use echoloop::{Config, Echo, Reactor, Stop};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! let echo = reactor.add(Echo);
//! let mut cx = reactor.context(echo);
//! let old = cx.listen(&"tcp://127.0.0.1:0".parse()?)?;
//! cx.source(old).close();
//! let new = cx.listen(&"tcp://127.0.0.1:0".parse()?)?; // The same slot ...
//! assert_ne!(old, new); // ... and another name.
//! assert!(!cx.source(old).is_open());
//! # Ok(()) }
//! ```
//!
//! Next: [`back_pressure`](super::back_pressure).
