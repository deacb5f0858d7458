//! Back-pressure: what happens when the other end doesn't read.
//!
//! Send a gigabyte to an echo server and read nothing. The kernel's buffers on the way back fill up;
//! then `write` says `WouldBlock`. A server with threads just waits in `write`, and by waiting stops
//! reading, and TCP stops the sender. A careless event loop keeps what it could not write in a vector,
//! and reads on. The gigabyte ends up in its memory, and a dozen such clients end the server.
//!
//! The whole remedy is one sentence: **a service takes only what it could answer.**
//! [`Service::received`](crate::Service::received) returns how many bytes it took, and
//! [`Context::send`](crate::Context::send) returns how many bytes it took, so echo is one line:
//!
//! ```
//! # use echoloop::{Context, Service};
//! # struct Echo;
//! impl Service for Echo {
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         cx.send(input)
//!     }
//! }
//! ```
//!
//! What happens then, step by step: `send` writes straight to the kernel. When that takes no more,
//! `send` keeps up to [`Config::output_limit`](crate::Config::output_limit) bytes. When that is full it
//! takes less than it was given; so the service takes less than it was shown; the rest is kept as
//! input, and the reactor doesn't read this connection any more. The kernel's receive buffer fills, the
//! TCP window closes, the sender's `write` waits. When the client reads at last, the poller reports
//! room, what is kept goes out, the service is shown the rest again, and reading resumes. Nothing
//! was lost and nothing had to be decided: taking less was enough.
//!
//! # When the answer goes elsewhere
//!
//! A proxy reads one connection and sends to another. If the second one is full, the first must wait;
//! since they don't know of each other, the service says so:
//!
//! ```
//! # use std::collections::HashMap;
//! # use std::io::{Read, Write};
//! # use std::net::{Shutdown, TcpStream};
//! # use echoloop::{Address, Cause, Config, Context, Echo, Endpoint, Id, Reactor, Service, Stop};
//! struct Proxy {
//!     to: Endpoint,
//!     /// Both ways: what comes from one end goes to the other.
//!     pairs: HashMap<Id, Id>,
//! }
//!
//! impl Service for Proxy {
//!     fn opened(&mut self, cx: &mut Context<'_>) {
//!         if self.pairs.contains_key(&cx.id()) {
//!             return; // The server, which we have called.
//!         }
//!         match cx.connect(&self.to) {
//!             Ok(server) => {
//!                 self.pairs.insert(cx.id(), server);
//!                 self.pairs.insert(server, cx.id());
//!             }
//!             Err(_) => cx.reset(),
//!         }
//!     }
//!
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         // The server may still be on its way: what is sent to it waits there.
//!         let Some(&other) = self.pairs.get(&cx.id()) else { return input.len() };
//!         let taken = cx.source(other).send(input);
//!         if taken < input.len() {
//!             cx.pause(); // Until the other one has sent what it keeps.
//!         }
//!         taken
//!     }
//!
//!     fn writable(&mut self, cx: &mut Context<'_>) {
//!         if let Some(&other) = self.pairs.get(&cx.id()) {
//!             cx.source(other).resume();
//!         }
//!     }
//!
//!     fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
//!         match self.pairs.get(&cx.id()) {
//!             Some(&other) => cx.source(other).finish(), // A half-close: the way back stays open.
//!             None => cx.close(),
//!         }
//!     }
//!
//!     fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
//!         let Some(other) = self.pairs.remove(&cx.id()) else { return };
//!         self.pairs.remove(&other);
//!         match cause {
//!             Cause::Ended | Cause::Closed => cx.source(other).close(),
//!             _ => cx.source(other).reset(), // Something is missing, and that must not look like an end.
//!         }
//!     }
//!
//!     /// Whoever is in the middle of something goes on: until both have ended, or nothing moves for a while.
//!     fn stopping(&mut self, _cx: &mut Context<'_>) {}
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut reactor = Reactor::new(Config::default())?;
//! # let at = |reactor: &mut Reactor, id| match reactor.local(id) {
//! #     Some(Address::Ip(address)) => address,
//! #     _ => unreachable!(),
//! # };
//! # let anywhere = "tcp://127.0.0.1:0".parse()?;
//! # let id = reactor.listen(&anywhere, Echo)?;
//! # let to = format!("tcp://{}", at(&mut reactor, id)).parse()?;
//! # let id = reactor.listen(&anywhere, Proxy { to, pairs: HashMap::new() })?;
//! # let address = at(&mut reactor, id);
//! # let handle = reactor.handle();
//! # let client = std::thread::spawn(move || -> std::io::Result<Vec<u8>> {
//! #     let mut client = TcpStream::connect(address)?;
//! #     let mut writer = client.try_clone()?;
//! #     let writing = std::thread::spawn(move || {
//! #         writer.write_all(&vec![7; 3_000_000])?;
//! #         writer.shutdown(Shutdown::Write)
//! #     });
//! #     let mut answer = Vec::new();
//! #     client.read_to_end(&mut answer)?;
//! #     writing.join().unwrap()?;
//! #     handle.stop(Stop::Gracefully).ok();
//! #     Ok(answer)
//! # });
//! # reactor.run()?;
//! # assert!(client.join().unwrap()? == vec![7; 3_000_000]);
//! # Ok(()) }
//! ```
//!
//! What a pause holds back is kept, or is still in the kernel: nothing is read meanwhile, and the peer's
//! end is not told before all that came first has been taken. A stop waits for it, too. An end that the peer
//! *resets* is not held back: nothing that was paused could be answered any more.
//!
//! `examples/proxy.rs` is this as a program, with a [session](super::sessions) in place of the table.
//!
//! # Many small sends
//!
//! The other half of the question is how bytes leave. A protocol says a header, a body, a line ending; a room says
//! one line to a hundred members. While several sources are driven in a turn, small sends are gathered, and what was
//! sent to one connection leaves in one write at the end of the turn. So where many talk, nothing has to be put
//! together in a buffer first, and the services in `examples/` send a header and what belongs to it apart.
//!
//! A source that is alone in its turn is written to at once, for there is nothing to gain by waiting. So a
//! service that finds many questions in what it is shown, and has an answer to each, does well to send the answers
//! together, as `examples/resp.rs` does.
//!
//! # All together
//!
//! A limit for each connection isn't a limit for the process: twenty thousand clients that don't read
//! are twenty thousand full buffers. [`Config::buffer_limit`](crate::Config::buffer_limit) bounds them
//! together. When it is used up, connections that keep nothing are still served, in small steps, since
//! their answers go straight through; those whose output waits go on waiting; and a connection that sends the
//! beginning of a long message, and would need new memory for it, is closed with a stated cause.
//!
//! Next: [`fairness`](super::fairness).
