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
//! was lost and nothing was decided by anybody: taking less was enough.
//!
//! # When the answer goes elsewhere
//!
//! A proxy reads one connection and sends to another. If the second one is full, the first must wait;
//! since they don't know of each other, the service says so:
//!
//! ```
//! # use echoloop::{Context, Id, Service};
//! struct Proxy {
//!     client: Id,
//!     server: Id,
//! }
//!
//! impl Service for Proxy {
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         let other = if cx.id() == self.client { self.server } else { self.client };
//!         let taken = cx.on(other).send(input);
//!         if taken < input.len() {
//!             cx.pause(); // Until the other one has sent what it keeps.
//!         }
//!         taken
//!     }
//!
//!     fn refilled(&mut self, cx: &mut Context<'_>) {
//!         let other = if cx.id() == self.client { self.server } else { self.client };
//!         cx.on(other).resume();
//!     }
//! }
//! ```
//!
//! # All together
//!
//! A limit for each connection isn't a limit for the process: twenty thousand clients that don't read
//! are twenty thousand full buffers. [`Config::kept_total`](crate::Config::kept_total) bounds them
//! together. When it is used up, connections that keep nothing are still served, in small steps, since
//! their answers go straight through; those whose output waits go on waiting; and whoever sends the
//! beginning of a long message, and would need new memory for it, is closed with a stated cause.
