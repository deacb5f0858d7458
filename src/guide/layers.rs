//! Layers: a protocol in front of a service that knows nothing of it.
//!
//! TLS, compression, frames, a cipher: each changes the bytes between the wire and a service, and none should
//! be a service's own business. Where everything is a function that reads, layers are readers around readers.
//! A loop has no place that waits for a read; bytes come when they come. So a layer is a service
//! itself, with two connections for each client: one from the wire, and one to the service behind.
//!
//! ```text
//!              ┌──── front ─────┐               ┌──── inner ─────┐
//!   client ──▶ │ leg ─ decode ──│── mem://inner ─▶ Echo, Pong, … │
//!          ◀── │ ──── encode ◀──│◀──────────────│                │
//!              └────────────────┘               └────────────────┘
//!        TCP, TLS on it            memory, no system call
//! ```
//!
//! The one to the service behind is a stream in memory, [`mem://NAME`](crate::Endpoint). To both ends it is a
//! connection like any other: in the same table, with the same limits, back-pressure, half-close, timeouts and
//! statistics; and the kernel hears nothing of it. The service behind listens there as it would on a port, and
//! can't tell the difference.
//!
//! # A cipher in fifty lines
//!
//! This one is for no use, but it has all that a layer needs:
//!
//! ```
//! use echoloop::{Cause, Config, Context, Echo, Endpoint, Hub, Id, Reactor, Session, Sessions};
//!
//! /// One of two connections that belong together, and the other one's name.
//! struct Leg(Id);
//!
//! impl Session for Leg {
//!     type Shared = Endpoint; // Where the service behind listens.
//!
//!     /// A client has come: dials for it.
//!     fn opened(hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) -> Leg {
//!         let client = Leg(cx.id());
//!         match cx.connect(hub.shared) {
//!             Ok(inner) => {
//!                 hub.others.insert(&mut cx.source(inner), client);
//!                 Leg(inner)
//!             }
//!             Err(_) => {
//!                 cx.reset();
//!                 Leg(Id::NONE)
//!             }
//!         }
//!     }
//!
//!     /// The same in both directions: as much as the other one takes.
//!     fn received(&mut self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         let changed: Vec<u8> = input.iter().map(|byte| byte ^ 0x20).collect();
//!         let taken = cx.source(self.0).send(&changed);
//!         if taken < input.len() {
//!             cx.pause();
//!         }
//!         taken
//!     }
//!
//!     fn writable(&mut self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>) {
//!         cx.source(self.0).resume();
//!     }
//!
//!     /// One direction has ended, the other one may go on.
//!     fn ended(&mut self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>, _rest: &[u8]) {
//!         cx.source(self.0).finish();
//!     }
//!
//!     fn closed(self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>, cause: &Cause) {
//!         match cause {
//!             Cause::Ended | Cause::Closed => cx.source(self.0).close(),
//!             _ => cx.source(self.0).reset(), // Something is missing: not an end in order.
//!         }
//!     }
//!
//!     /// The service behind is told as well, and its end comes through.
//!     fn stopping(&mut self, _: &mut Hub<'_, Leg>, _: &mut Context<'_>) {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! let inner = Endpoint::mem("inner")?;
//! reactor.listen(&inner, Echo)?;
//! let front = reactor.listen(&"tcp://127.0.0.1:0".parse()?, Sessions::<Leg>::new(inner))?;
//! # use std::io::{Read, Write};
//! # use std::time::Duration;
//! # let echoloop::Address::Ip(address) = reactor.local(front).unwrap() else { panic!() };
//! # let mut client = std::net::TcpStream::connect(address)?;
//! # let asks = std::thread::spawn(move || {
//! #     client.write_all(b"There and back again")?;
//! #     client.shutdown(std::net::Shutdown::Write)?;
//! #     let mut answer = String::new();
//! #     client.read_to_string(&mut answer).map(|_| answer)
//! # });
//! # while !asks.is_finished() {
//! #     reactor.turn(Some(Duration::from_millis(1)))?;
//! # }
//! # assert_eq!(asks.join().unwrap()?, "There and back again");
//! # Ok(()) }
//! ```
//!
//! # What a layer has to mind
//!
//! - **It keeps nothing.** A leg takes what the other one has room for, and [pauses](crate::Context::pause) until
//!   that is [`writable`](crate::Service::writable) again. So a slow reader at one end slows down the sender at the
//!   other, through both connections, and each has its own limits. Not to take would not be enough: the end of
//!   a connection that isn't paused is told when it comes, with the rest that was not taken, and then it is
//!   too late for that.
//! - **Ends are passed on one direction at a time.** A client that half-closes still wants its answers. TLS has a
//!   word of its own for that, `close_notify`, since the end of a TCP connection can be forged; a connection
//!   that ends without it was cut, and is cut on the other side too.
//! - **It answers for its own protocol.** A handshake that never ends needs a deadline, and costs nothing behind
//!   before it is done: dial after it. What breaks the rules is closed by the layer.
//! - **Records are larger than bytes.** What comes out of a cipher is a little more than what went in; so a layer
//!   asks for [`send_capacity`](crate::Context::send_capacity) first, and leaves some of it.
//! - **A stop is left to the service behind.** It is told like all others, closes, and that end comes through; a leg that
//!   closed by itself would cut off the answer to what has just arrived. So `stopping` does nothing. (A client that
//!   then stays without a word keeps the stop waiting for the linger time; a leg that knows which side it is on may
//!   close there.) Clients that waited
//!   in the backlog are served too: names in memory can be dialled, and are listened on, until the last of them has
//!   gone.
//!
//! The example `tls` puts rustls in front of `Echo` and `Pong` in this way, and `framed` a length before each
//! line of any service that speaks in lines.
//!
//! Next: [`testing`](super::testing).
