//! From other threads and loops: how what happens elsewhere gets into the loop.
//!
//! Everything in a reactor happens on one thread, so nothing in it is locked. What happens elsewhere, a
//! computation that takes a second, a file system that is slow, a window with buttons, a signal, comes in by
//! one of three doors: a thread tells, the host has both in its hands, a descriptor becomes ready.
//!
//! # Another thread tells
//!
//! A [`Handle`](crate::Handle) can be cloned and sent to any thread.
//! [`tell`](crate::Handle::tell) passes a closure over, which is called on the loop's thread with the
//! service that was meant and with what it may do. So the service stays without a lock, and the thread
//! without a channel of its own.
//!
//! The usual case is work that would block the loop: a session gives it away, goes on when the answer is
//! there, and is not told if it has gone by then.
//!
//! ```
//! use std::thread;
//!
//! use echoloop::{Context, Handle, Hub, ServiceId, Session, Sessions};
//! # use std::io::{Read, Write};
//! # use echoloop::{Address, Config, Reactor, Stop};
//!
//! /// Sums up numbers for its client, which may take long.
//! struct Asker;
//!
//! struct Work {
//!     handle: Handle,
//!     askers: ServiceId<Sessions<Asker>>,
//! }
//!
//! impl Session for Asker {
//!     type Shared = Work;
//!
//!     fn opened(_hub: &mut Hub<'_, Asker>, _cx: &mut Context<'_>) -> Asker {
//!         Asker
//!     }
//!
//!     fn received(&mut self, hub: &mut Hub<'_, Asker>, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         let (numbers, id) = (input.to_vec(), cx.id());
//!         let (handle, askers) = (hub.shared.handle.clone(), hub.shared.askers);
//!         cx.pause(); // One question after the other: this client waits, and no other.
//!         thread::spawn(move || {
//!             let sum: u64 = numbers.iter().map(|&number| u64::from(number)).sum();
//!             // If the reactor has stopped by now, the answer is of no use.
//!             let _ = handle.tell_one(askers, id, move |_asker, _hub, cx| {
//!                 cx.send_all(&sum.to_be_bytes());
//!                 cx.resume();
//!             });
//!         });
//!         input.len()
//!     }
//! }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! let handle = reactor.handle();
//! let askers = reactor.add_with(|askers| Sessions::new(Work { handle, askers }));
//! let listener = reactor.context(askers).listen(&"tcp://127.0.0.1:0".parse()?)?;
//! # let Some(Address::Ip(address)) = reactor.local(listener) else { panic!() };
//! # let handle = reactor.handle();
//! # let client = thread::spawn(move || {
//! #     let mut client = std::net::TcpStream::connect(address).unwrap();
//! #     let mut answer = [0; 8];
//! #     client.write_all(&[200, 100]).unwrap();
//! #     client.read_exact(&mut answer).unwrap();
//! #     handle.stop(Stop::AtOnce).unwrap();
//! #     u64::from_be_bytes(answer)
//! # });
//! # reactor.run()?;
//! # assert_eq!(client.join().unwrap(), 300);
//! # Ok(()) }
//! ```
//!
//! [`add_with`](crate::Reactor::add_with) tells the service its own name, by which it is told.
//!
//! Nothing is unbounded: when [`Config::commands`](crate::Config::commands) closures wait, the next one is
//! refused with [`HandleError::Full`](crate::HandleError::Full), and the thread can wait or give up. Each turn runs a
//! share of them, so a thread that never ceases to tell delays no client. What is accepted is run, in order,
//! before the reactor has stopped.
//!
//! # A host has both
//!
//! Between turns the reactor belongs to its host. [`with`](crate::Reactor::with) gives the service and its
//! context at once, and returns what the closure returns: a question is answered without a channel.
//!
//! ```
//! # use echoloop::{Config, Context, Reactor, Service};
//! struct Count(u64);
//!
//! impl Service for Count {
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         self.0 += input.len() as u64;
//!         input.len()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut reactor = Reactor::new(Config::default())?;
//! let count = reactor.add(Count(0));
//! reactor.context(count).listen(&"tcp://127.0.0.1:0".parse()?)?;
//! reactor.turn(Some(std::time::Duration::ZERO))?;
//! let bytes = reactor.with(count, |count, _cx| count.0);
//! # assert_eq!(bytes, Some(0));
//! # Ok(()) }
//! ```
//!
//! # Another loop waits for both
//!
//! A window system, a game, another event library has a loop already, and a thread can wait in one place
//! only. A reactor is a descriptor that becomes readable when it has something to do: the other loop waits
//! for that beside its own sources, no longer than [`poll_timeout`](crate::Reactor::poll_timeout) says, and calls
//! [`turn`](crate::Reactor::turn) with no timeout left. With poll(2):
//!
//! ```
//! use std::os::fd::{AsFd, BorrowedFd};
//! use std::time::Duration;
//!
//! use echoloop::{Error, Reactor};
//! use rustix::event::{PollFd, PollFlags, Timespec, poll};
//! # use echoloop::{Config, Service, Context};
//!
//! /// Waits for a source of ours and for the reactor. Returns whether ours is ready.
//! fn once(ours: BorrowedFd<'_>, reactor: &mut Reactor) -> Result<bool, Error> {
//!     let timeout = reactor.poll_timeout().and_then(|timeout| Timespec::try_from(timeout).ok());
//!     let mut sources = [ours, reactor.as_fd()].map(|it| PollFd::from_borrowed_fd(it, PollFlags::IN));
//!     let _ = poll(&mut sources, timeout.as_ref()); // Interrupted, it is a turn like any other.
//!     let is_ready = !sources[0].revents().is_empty();
//!     reactor.turn(Some(Duration::ZERO))?; // Whatever was ready: a timer may be due.
//!     Ok(is_ready)
//! }
//! # struct Writes(Option<std::io::PipeWriter>);
//! # impl Service for Writes {
//! #     fn timer(&mut self, _cx: &mut Context<'_>, _timer: echoloop::TimerId) { self.0 = None }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (ours, theirs) = std::io::pipe()?;
//! # let mut reactor = Reactor::new(Config::default())?;
//! # let writes = reactor.add(Writes(Some(theirs)));
//! # reactor.context(writes).after(Duration::from_millis(20));
//! # while !once(ours.as_fd(), &mut reactor)? {}
//! # assert!(reactor.statistics().turns < 10);
//! # Ok(()) }
//! ```
//!
//! The timeout must be asked for each time, after everything else: what was told from outside may have left
//! something to do that no descriptor tells of. A turn does a share of what there is, never all of it however
//! long that takes; if more is left, the next timeout is zero, and the other loop's own sources have their go in
//! between.
//!
//! `examples/foreign_loops` has whole programs, for poll(2), calloop and tokio. What is different in each:
//!
//! - **calloop** wants to own what it waits for. It gets a copy of the descriptor,
//!   `reactor.as_fd().try_clone_to_owned()`, which means the same poller; level-triggered, and with a callback that does
//!   nothing. The loop is `dispatch(reactor.poll_timeout(), ...)`, then a turn.
//! - **tokio** tells edges. `AsyncFd` on such a copy is waited for in a `select!` beside `sleep` with the poll timeout;
//!   its guard's `clear_ready` comes before the turn, so that what becomes ready during the turn is an edge of its
//!   own. A reactor stays on its thread: a current-thread runtime, or a `LocalSet`.
//!
//! # A connection goes elsewhere
//!
//! Streams can be handed on: [`detach`](crate::Context::detach) takes a connection out of one reactor and returns its
//! descriptor, [`adopt`](crate::Context::adopt) takes it into another one, on another thread, with the peer, and
//! with all that it has sent and that was not read.
//!
//! ```
//! use echoloop::{Context, Echo, Half, Handle, Service, ServiceId};
//!
//! struct Dealer {
//!     workers: Vec<(Handle, ServiceId<Echo>)>,
//!     next: usize,
//! }
//!
//! impl Service for Dealer {
//!     fn opened(&mut self, cx: &mut Context<'_>) {
//!         let Ok(socket) = cx.detach() else { return cx.reset() };
//!         let (handle, echo) = &self.workers[self.next];
//!         self.next = (self.next + 1) % self.workers.len();
//!         let _ = handle.tell(*echo, move |_, cx| {
//!             let _ = cx.adopt(socket, Half::Both); // Or else it is closed, as when the worker has stopped.
//!         });
//!     }
//! }
//! ```
//!
//! `examples/dealer.rs` is this with all that belongs to it. A connection that has said something already takes that
//! along: what is shown in [`received`](crate::Service::received) may be sent over with the descriptor. So a service
//! can look at the first bytes, and give the connection to the reactor that speaks that protocol.
//!
//! # A panic
//!
//! A service that panics unwinds out of [`turn`](crate::Reactor::turn), and mostly that is the end of the process, or
//! of the thread and its sockets. A host may not want to lose a thousand connections for a fault in the handling of
//! one: it catches the panic and turns on.
//!
//! ```
//! use std::panic::{AssertUnwindSafe, catch_unwind};
//!
//! use echoloop::{Error, Reactor};
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//! # use echoloop::{Address, Config, Context, Service};
//!
//! fn turn(reactor: &mut Reactor) -> Result<(), Error> {
//!     match catch_unwind(AssertUnwindSafe(|| reactor.turn(None))) {
//!         Ok(turned) => turned,
//!         Err(_) => Ok(()), // The panic hook has printed what it was.
//!     }
//! }
//! # struct Divides;
//! # impl Service for Divides {
//! #     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//! #         if input[0] == 0 { std::panic::resume_unwind(Box::new("by zero")) }
//! #         cx.send(&[100 / input[0]])
//! #     }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut reactor = Reactor::new(Config::default())?;
//! # let id = reactor.listen(&"tcp://127.0.0.1:0".parse()?, Divides)?;
//! # let Some(Address::Ip(address)) = reactor.local(id) else { panic!() };
//! # let (mut one, mut two) = (TcpStream::connect(address)?, TcpStream::connect(address)?);
//! # one.write_all(&[0])?;
//! # two.write_all(&[5])?;
//! # while reactor.statistics().bytes_out < 1 || reactor.statistics().closed.panicked < 1 {
//! #     turn(&mut reactor)?;
//! # }
//! # let mut answer = [0];
//! # assert!(one.read(&mut answer).is_err());
//! # two.read_exact(&mut answer)?;
//! # assert_eq!(answer, [20]);
//! # Ok(()) }
//! ```
//!
//! What holds then:
//!
//! | | |
//! |---|---|
//! | the connection that the service was called for, or that the timer was set for | is reset: what it had shown is lost, and what comes behind must not be taken for the whole. [`closed`](crate::Service::closed) follows with [`Cause::Panicked`](crate::Cause::Panicked), once; if it was that which panicked, it just goes |
//! | its [session](super::sessions) | goes with it |
//! | the service | stays, as the panic has left it. Whether it can go on from there is its author's to say, which is why the compiler wants to read `AssertUnwindSafe` |
//! | a listener, a datagram socket | goes on; of datagrams that arrived in one batch, those behind are lost |
//! | other connections | what was sent to them leaves. Those that stood behind in the turn have their go in the next one |
//! | what was told, timed or to be run | is told, timed and run, but for the one that panicked |
//! | a stop | comes to its end |
//!
//! A program that is built with `panic = "abort"` ends instead, and nothing can be caught.
//!
//! # Signals
//!
//! A signal handler may do next to nothing, signal-safety(7). So it writes a byte into a pipe, and the
//! other end of the pipe is a source of the loop. With the feature `signals` the library does it:
//! `reactor.on_signal(SIGUSR1, |cx| ...)` is called on the loop, and `reactor.stop_on_signals()` stops it on
//! Ctrl-C. A service hears of it as of anything else:
//! `reactor.on_signal(SIGCHLD, move |cx| { cx.tell(commands, reap); })`.
//!
//! Next: [`layers`](super::layers).
