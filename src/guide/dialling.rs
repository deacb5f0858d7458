//! Dialling: how a connection is made without waiting for it.
//!
//! A blocking `connect` to a machine that is switched off takes two minutes, and a program with one thread
//! does nothing else meanwhile. There are three things in it to wait for: the addresses behind the name, the
//! peer's answer, and, if none comes, the next address.
//!
//! # In progress is a state
//!
//! On a non-blocking socket connect(2) says `EINPROGRESS` and returns. The kernel sends its first packet, and
//! when the answer comes, or none for long enough, the poller reports the socket writable. That alone doesn't
//! say that it is connected: `SO_ERROR`, getsockopt(2), says whether it has failed and why, and if it hasn't,
//! getpeername(2) whether it is there by now.
//!
//! [`Context::connect`](crate::Context::connect) does this, and returns an [`Id`](crate::Id) at once. Later
//! [`opened`](crate::Service::opened) tells that the connection is there, or
//! [`closed`](crate::Service::closed) that it could not be made: never both for the same try, never neither, and
//! never before `connect` has returned, so a service has time to write the `Id` down. All that can be asked
//! of a connection can be asked of it meanwhile: what is sent is kept up to
//! [`Config::output_limit`](crate::Config::output_limit) and leaves with the connection's first turn, `finish`
//! ends our direction behind it, and `abort` calls it off. So does `close`, unless something was sent: that is delivered
//! first, and so the connection is made, `opened` is called, and it goes.
//!
//! # Names beside the loop
//!
//! The system's resolver, getaddrinfo(3), has no non-blocking form: it reads files, asks servers, and waits for
//! them, up to half a minute if they are dead. So names are looked up by threads, the only ones that this library
//! starts. They are there as long as there is something to look up.
//!
//! ```text
//!   loop     connect("db:5432") ─ goes on: other sources, timers ──────┬─ addresses: attempts begin
//!   thread          └──▶ getaddrinfo(3) ── waits ── answer ── waker ───┘
//! ```
//!
//! The thread can't be interrupted. A connection that is closed meanwhile goes at once all the same; the
//! late answer is for an [`Id`](crate::Id) that names nothing any more, and is thrown away. With
//! [`Reactor::set_resolver`](crate::Reactor::set_resolver) the names can be looked up in another way; a test
//! can give any addresses, and answer when it likes.
//!
//! Addresses, as in `tcp://127.0.0.1:80`, need no thread.
//!
//! # Addresses side by side
//!
//! A name often has an IPv6 and an IPv4 address, and one of them may be dead: a router that drops packets
//! answers nothing, not even no. Whoever tries one after the other waits for the first one's timeout. So they
//! are tried side by side, each with a head start of 250 ms (RFC 8305, "Happy Eyeballs"):
//!
//! ```text
//!   ms          0          250              270
//!   [2001:db8::7]:80  ├──── no answer ─────────────────┤ closed
//!   192.0.2.7:80                 ├─ refused ┤
//!   [2001:db8::8]:80                        ├─ answer ─▶ opened
//! ```
//!
//! The families come in turn, the one that the resolver gave first first. One that fails makes room for the next
//! at once. Whatever was sent early is sent on the one that wins, and only there. If all fail, the error says
//! what became of each: `connection refused (192.0.2.7:80), timed out ([2001:db8::7]:80)`.
//!
//! Looking up and all attempts together have
//! [`Config::connect_timeout`](crate::Config::connect_timeout), 10 s unless told otherwise. Out of descriptors,
//! the race goes on with those that it has.
//!
//! # Without a connection
//!
//! A datagram socket has no peer to wait for: connect(2) only notes the peer, and no
//! [`opened`](crate::Service::opened) follows. If its peer is a name, what is sent before that is known is kept,
//! 32 datagrams of it, which is what a service that asks a question at once needs; and there is no race,
//! since no peer answers. [`closed`](crate::Service::closed) tells if the name is not known.
//!
//! # Once more, later
//!
//! A client that should stay connected tries again, and not at once: a server that is starting again would
//! have all its clients upon it. Each try waits twice as long as the last one. Which try it is goes with the
//! timer, as its [word](crate::Context::after_with):
//!
//! ```
//! use std::time::Duration;
//!
//! use echoloop::{Cause, Context, Endpoint, Service, TimerId};
//! # use echoloop::{Config, Reactor, Stop};
//! # use std::net::SocketAddr;
//! # use std::sync::atomic::{AtomicU16, Ordering};
//!
//! struct Client {
//!     server: Endpoint,
//!     /// In a row that came to nothing.
//!     failed: u32,
//! }
//!
//! impl Client {
//!     fn connect(&mut self, cx: &mut Context<'_>) {
//!         // What is known at once is no other failure than what is told later.
//!         if cx.connect(&self.server).is_err() {
//!             self.try_again(cx);
//!         }
//!     }
//!
//!     fn try_again(&mut self, cx: &mut Context<'_>) {
//!         if !cx.is_stopping() {
//!             let wait = Duration::from_millis(10) * 2_u32.pow(self.failed.min(10)); // At most 10 s.
//!             self.failed += 1;
//!             cx.after_with(wait, self.failed.into());
//!         }
//!     }
//! }
//!
//! impl Service for Client {
//!     fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
//!         if cx.word() == u64::from(self.failed) {
//!             self.connect(cx);
//!         }
//!     }
//!
//!     fn opened(&mut self, cx: &mut Context<'_>) {
//!         self.failed = 0;
//!         cx.send(b"here I am again\n");
//! #       cx.stop(Stop::AtOnce);
//!     }
//!
//!     fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
//!         self.try_again(cx); // Could not be made, or was lost.
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let there = listener.local_addr()?;
//! # let tries = AtomicU16::new(0);
//! let mut reactor = Reactor::new(Config::default())?;
//! # // The first two times nobody knows the name.
//! # reactor.set_resolver(move |_, _| match tries.fetch_add(1, Ordering::Relaxed) {
//! #     0 | 1 => Err(std::io::ErrorKind::NotFound.into()),
//! #     _ => Ok(vec![there]),
//! # });
//! let server = "tcp://db.example:5432".parse()?;
//! let client = reactor.add(Client { server, failed: 0 });
//! reactor.with(client, |client, cx| client.connect(cx));
//! reactor.run()?;
//! # assert_eq!(reactor.statistics().closed.connect_failed, 2);
//! # Ok(()) }
//! ```
//!
//! # In the middle of two connections
//!
//! A proxy dials when a client has come, and passes on in both directions. Since what is sent to a connection that
//! is still being made is kept, and `finish` too, it need not know whether its server is there yet; the
//! whole of it is in [the chapter on back-pressure](super::back_pressure#when-the-answer-goes-elsewhere). When
//! one side ends its direction, so does the proxy towards the other, and the way back stays open.
//!
//! Next: [`sessions`](super::sessions).
