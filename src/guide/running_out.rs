//! Running out: of descriptors, of memory, of time.
//!
//! # Descriptors
//!
//! `accept` with a full descriptor table says `EMFILE` and leaves the client in the backlog. With level
//! triggering the next poll reports the listener again at once, and the server spins at full speed,
//! printing an error each time. With edge triggering no new edge ever comes for the clients that wait already,
//! and the server is deaf from then on, though descriptors may be free a second later.
//!
//! Here the listener keeps its latch and is *parked*. It is tried again when any source goes, since that
//! frees a descriptor, and every tenth of a second besides, since the process may hold others that we
//! know nothing of. One line is logged, not a million. The same goes for
//! [`Config::connections`](crate::Config::connections) and for
//! [`Config::accept_rate`](crate::Config::accept_rate): clients that can't be served yet wait in the backlog.
//!
//! # Memory
//!
//! Every buffer has a limit, all limits stand in [`Config`](crate::Config), and each says what happens
//! when it is reached. An idle connection has no buffer. See [`back_pressure`](super::back_pressure).
//!
//! # Time
//!
//! A peer may vanish without a word: its machine has lost power, a router has forgotten it. The kernel
//! doesn't notice as long as nothing is sent. [`Config::idle_timeout`](crate::Config::idle_timeout) ends
//! such connections after a silence, [`Config::keep_alive`](crate::Config::keep_alive) has the kernel
//! ask whether the peer is there: unless told otherwise, a TCP peer that doesn't answer for two and a half
//! minutes gives its place back.
//!
//! A timer for each connection that is moved with every message would cost more than the message. So a
//! message only notes the time, which is known, since the clock is read once a turn. The timer fires at
//! the old deadline, sees that there was life since, and sets itself for the rest. Twenty thousand
//! connections and any number of messages cost each connection one timer a period.
//!
//! Next: [`datagrams`](super::datagrams).
