//! How an event loop works, and what goes wrong without each of its parts.
//!
//! This is for somebody who has written `read` and `write` on sockets, with a thread for each client
//! perhaps, and has never met [`WouldBlock`](std::io::ErrorKind::WouldBlock). Every example compiles
//! and runs with the tests. The chapters:
//!
//! 1. [`one_byte`]: the way of one byte from a client through the loop and back.
//! 2. [`readiness`]: what the kernel tells, what edges are, and why every latch is cleared by a refusal.
//! 3. [`back_pressure`]: what happens when the other end doesn't read.
//! 4. [`fairness`]: why a flood must not be served to its end.
//! 5. [`closing`]: how last bytes get lost, and how they don't.
//! 6. [`running_out`]: descriptors, memory, time.
//! 7. [`datagrams`]: everything that is different without connections.
//! 8. [`dialling`]: connecting without waiting, for names neither.
//! 9. [`sessions`]: state for each connection.
//! 10. [`threads`]: reaching the loop from other threads, and from other loops.
//! 11. [`layers`]: a protocol in front of a service that knows nothing of it.
//! 12. [`testing`]: the other end without ports, threads or sleeps, and everything that can go wrong.
//! 13. [`your_own`]: a service of your own, from an empty directory to a program with tests.
//! 14. [`systems`]: small programs, and the trap that each of them mends.
//!
//! From front to back: the README's first screen, these chapters, then the source. Beside the crate, in `course/`, the
//! same is learnt the other way round: fifteen echo servers, each brought down by a client before the next one
//! holds. Where a chapter here says what goes wrong, a step there shows it:
//!
//! | chapter | steps of the course |
//! |---|---|
//! | [`one_byte`] | 1 to 4: one at a time, a thread each, spinning, poll(2) |
//! | [`readiness`] | 5 to 7: level-triggered, edge-triggered, until refused |
//! | [`back_pressure`] | 8 |
//! | [`closing`] | 9 and 10: half-close, and the reset that eats last bytes |
//! | [`fairness`] | 13 |
//! | [`running_out`] | 11 and 12: stale events, out of descriptors |
//! | [`datagrams`] | 14 and 15 |
//!
//! And what a turn really did can be looked at, step by step: [`Reactor::record`](crate::Reactor::record).
//!
//! The source follows the same order from the bottom up. Floor 0, `values`, is plain data. Floor 1,
//! `machines`, decides everything about bytes and knows no socket: its tests are scripts of what the
//! kernel gives and takes. Floor 2, `net`, is the loop, and the only place that knows the poller. Floor
//! 3, `services`, and floor 4, the binary, use what you would use. A file refers to lower floors only.

pub mod back_pressure;
pub mod closing;
pub mod datagrams;
pub mod dialling;
pub mod fairness;
pub mod layers;
pub mod one_byte;
pub mod readiness;
pub mod running_out;
pub mod sessions;
pub mod systems;
pub mod testing;
pub mod threads;
pub mod your_own;
