//! State for each connection: where it lives, and when it dies.
//!
//! With a thread for each client, what is known of a client lies on its stack: a half-read message, a file
//! that is being written, a name. The function returns, and all of it goes. An event loop has no such
//! stack: it calls the same service for all clients, again and again, with a few bytes of one of them.
//!
//! # The table that one writes first
//!
//! ```
//! # use std::collections::HashMap;
//! # use echoloop::{Cause, Context, Id, Service};
//! #[derive(Default)]
//! struct Greeter {
//!     names: HashMap<Id, String>,
//! }
//!
//! impl Service for Greeter {
//!     fn opened(&mut self, cx: &mut Context<'_>) {
//!         self.names.insert(cx.id(), format!("guest {}", self.names.len()));
//!     }
//!
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         let Some(name) = self.names.get(&cx.id()) else { return input.len() };
//!         cx.send_all(format!("hello, {name}\n").as_bytes());
//!         input.len()
//!     }
//!
//!     fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
//!         self.names.remove(&cx.id());
//!     }
//! }
//! ```
//!
//! It works, and each of its parts can be forgotten. Without the last method the table grows for ever. The
//! `else` can't happen, and must be written. A timer that was set for a client finds another one's
//! state, or none; so timers want a table too.
//!
//! # A value that is born with its connection
//!
//! A [`Session`](crate::Session) is what is known of one connection, and what is done with its bytes.
//! [`Sessions`](crate::Sessions) is the table, written once: a service like any other, on the public API
//! alone.
//!
//! ```
//! use echoloop::{Context, Hub, Session};
//!
//! struct Greeted {
//!     name: String,
//! }
//!
//! impl Session for Greeted {
//!     type Shared = ();
//!
//!     fn opened(hub: &mut Hub<'_, Greeted>, _cx: &mut Context<'_>) -> Greeted {
//!         Greeted { name: format!("guest {}", hub.others.len()) }
//!     }
//!
//!     fn received(&mut self, _hub: &mut Hub<'_, Greeted>, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         cx.send_all(format!("hello, {}\n", self.name).as_bytes());
//!         input.len()
//!     }
//! }
//! ```
//!
//! Whichever way the connection goes, its end, a reset, a timeout, a stop, the session is dropped, and with
//! it what it owns. `examples/upload.rs` is a state machine of three states in an `enum`; a client that
//! vanishes in the middle of a file drops the state, and the destructor removes the file.
//!
//! # Three things within reach
//!
//! | | whose it is |
//! |---|---|
//! | `self` | this connection's |
//! | [`hub.shared`](crate::Hub::shared) | the service's: a directory, a limit, a counter |
//! | [`hub.others`](crate::Hub::others) | each of the other connections' |
//!
//! All three can be borrowed at the same time, and none of them is behind a `RefCell`: the sessions lie in
//! one slice, and the one that is called splits it in two. `examples/chat.rs` tells a line to all others
//! like this:
//!
//! ```
//! # use echoloop::{Context, Hub, Session};
//! # struct Member { name: String, heard: usize }
//! # impl Session for Member {
//! #     type Shared = ();
//! #     fn opened(_: &mut Hub<'_, Member>, _: &mut Context<'_>) -> Member { unreachable!() }
//! # }
//! # impl Member {
//! fn tell(&self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, text: &str) {
//!     for (id, other) in hub.others.iter_mut() {
//!         cx.source(id).send_all(format!("{}: {text}\n", self.name).as_bytes());
//!         other.heard += 1;
//!     }
//! }
//! # }
//! ```
//!
//! # Helpers that go with their source
//!
//! What belongs to one source only can also be a service of its own, which goes when the source does:
//!
//! ```
//! # use std::io::PipeReader;
//! # use echoloop::{Cause, Context, Error, Half, Hub, Id, Service, ServiceId, Session, Sessions};
//! # struct Client { output: Vec<u8> }
//! # impl Session for Client {
//! #     type Shared = ();
//! #     fn opened(_: &mut Hub<'_, Client>, _: &mut Context<'_>) -> Client { unreachable!() }
//! # }
//! /// Reads what a command of a client says.
//! struct Pipe {
//!     clients: ServiceId<Sessions<Client>>,
//!     client: Id,
//!     output: Vec<u8>,
//! }
//!
//! impl Service for Pipe {
//!     fn received(&mut self, _cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         self.output.extend_from_slice(input);
//!         input.len()
//!     }
//!
//!     fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
//!         let output = std::mem::take(&mut self.output);
//!         cx.tell_one(self.clients, self.client, |client, _hub, _cx| client.output = output);
//!     }
//! }
//!
//! fn read(cx: &mut Context<'_>, pipe: PipeReader, helper: Pipe) -> Result<Id, Error> {
//!     cx.serve(helper, |cx| cx.adopt(pipe, Half::Read))
//! }
//! ```
//!
//! `Pipe` doesn't reach into its client, for it is called while the clients are not: it tells the client,
//! which hears of it as soon as `closed` has returned; and if the client has gone meanwhile, nothing happens.
//! `examples/remote_command` is made of such parts.
//!
//! # Timers with a word
//!
//! A session may have several timers: until when a command must have ended, how long a client that has said
//! all is waited for. [`after_with`](crate::Context::after_with) gives each a word that comes back when it is
//! due, the kind of the timer or the number of what it is about, so no table of timers is kept.
//! One that comes due when its connection has gone is told to no session.
//!
//! Next: [`threads`](super::threads).
