//! From other threads and loops: how what happens elsewhere gets into the loop.
//!
//! Everything in a reactor happens on one thread, so nothing in it is locked. What happens elsewhere, a
//! computation that takes a second, a file system that is slow, a window with buttons, a signal, comes in by
//! one of three doors.
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
//!         cx.pause(); // One question after the other: the client waits, nobody else.
//!         thread::spawn(move || {
//!             let sum: u64 = numbers.iter().map(|&number| u64::from(number)).sum();
//!             // If the reactor has stopped by now, nobody wants to know.
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
//! share of them, so a thread that never ceases to tell delays nobody. What is accepted is run, in order,
//! before the reactor has stopped.
//!
//! # A host has both
//!
//! Between turns the reactor belongs to whoever calls it. [`with`](crate::Reactor::with) gives the service and its
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
//! for that beside its own, no longer than [`poll_timeout`](crate::Reactor::poll_timeout) says, and calls
//! [`turn`](crate::Reactor::turn) with no timeout left.
//!
//! ```
//! use std::os::fd::AsFd;
//! use std::time::Duration;
//!
//! use echoloop::Reactor;
//! # use echoloop::{Config, Echo};
//! # trait Ours { fn wait(&mut self, fd: std::os::fd::BorrowedFd<'_>, timeout: Option<Duration>); }
//!
//! fn once(ours: &mut impl Ours, reactor: &mut Reactor) -> Result<(), echoloop::Error> {
//!     let timeout = reactor.poll_timeout();
//!     ours.wait(reactor.as_fd(), timeout); // poll(2), with whatever else it waits for.
//!     reactor.turn(Some(Duration::ZERO))
//! }
//! ```
//!
//! The timeout must be asked for each time, after everything else: what was told from outside may have left
//! something to do that no descriptor tells of.
//!
//! # Signals
//!
//! A signal handler may do next to nothing, signal-safety(7). So it writes a byte into a pipe, and the
//! other end of the pipe is a source of the loop. With the feature `signals` the library does it:
//! `reactor.on_signal(SIGUSR1, |cx| ...)` is called on the loop, and `reactor.stop_on_signals()` stops it on
//! Ctrl-C. A service hears of it as of anything else:
//! `reactor.on_signal(SIGCHLD, move |cx| { cx.tell(commands, reap); })`.
