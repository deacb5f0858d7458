//! A service of your own: from an empty directory to a program with tests.
//!
//! The program is a room to talk in. Members come over TCP, say their name in the first line, and hear what the
//! others say. A member that is silent for ten minutes has to go. And a datagram asks who is there. That takes
//! most of what the chapters before this one are about: messages that come in pieces, state for each connection,
//! one member that concerns another, timers, datagrams, an end in order.
//!
//! # A directory
//!
//! ```console
//! $ cargo new lounge
//! $ cd lounge
//! $ cargo add echoloop --no-default-features --features signals
//! ```
//!
//! Without its default features the library is all there is; those are for the `echoloop` program. `signals`
//! is for Ctrl-C. From a checkout rather than from a registry it is `cargo add --path ../echoloop` and the same options.
//!
//! # The program
//!
//! This is `src/main.rs`, whole, with its tests. It is also `examples/lounge.rs`, so `cargo run --example lounge` in
//! the crate's directory runs it.
//!
#![cfg_attr(feature = "signals", doc = "```no_run")]
#![cfg_attr(not(feature = "signals"), doc = "```ignore")]
#![doc = include_str!("../../examples/lounge.rs")]
//! ```
//!
//! # To try it
//!
//! ```console
//! $ cargo run
//! listening on tcp://127.0.0.1:8900
//! listening on udp://127.0.0.1:8900
//! ```
//!
//! In a second terminal, and in a third one for the second member (of what is shown, `ann` and `hello` were typed):
//!
//! ```console
//! $ nc 127.0.0.1 8900
//! your name?
//! ann
//! * bob has come
//! hello
//! bob: who are you?
//! * bob has left: ended by the peer
//! ```
//!
//! And in a fourth one:
//!
//! ```console
//! $ printf '%80s' | nc -u -W 1 127.0.0.1 8900
//! ann bob
//! ```
//!
//! # Part by part
//!
//! **What is remembered.** Of each connection a `Member`, of the whole room a `Room`. A [`Session`](crate::Session) is
//! made when its connection opens and dropped when that has gone, so there is no table in which somebody could be
//! forgotten ([`sessions`](super::sessions)).
//!
//! **Lines.** A stream has no messages. `received` may be shown half a line, or three and a half.
//! [`Lines`](crate::Lines) finds the whole ones, and what is returned is how many bytes these had. The rest is kept by the
//! reactor and shown again with more behind it: the program has no buffer. It has a bound instead, 200 bytes. Without
//! one, a client that never sends a line feed would fill [`Config::input_limit`](crate::Config::input_limit) and be closed
//! then, with a cause that says less. What stands behind the last line feed when a client ends is shown to
//! [`ended`](crate::Session::ended) as `rest`; here it is nobody's message, and what `ended` does by default is enough.
//!
//! **One concerns all others.** `self` is the member that speaks, [`hub.others`](crate::Hub::others) are the rest, and
//! [`cx.source(id)`](crate::Context::source) turns to the connection of each. What is sent to a member that doesn't read
//! is kept, up to [`Config::output_limit`](crate::Config::output_limit). Then [`send_all`](crate::Context::send_all)
//! takes nothing and says so. To wait for that one would silence all, so it has to go, at once: there is no use in
//! [closing](crate::Context::close) politely towards one that doesn't read. The gentler way, in which a member that talks too
//! fast is slowed down first, is `examples/chat.rs` ([`systems`](super::systems)).
//!
//! **Two kinds of deadline.** A connection on which no byte moves is ended by
//! [`Config::idle_timeout`](crate::Config::idle_timeout), and nobody has to count. Ten seconds to say a name is the
//! program's own rule, so it is a [timer](crate::Context::after), which comes back to the session that set it; if
//! that has gone by then, to none.
//!
//! **An end, and its cause.** `closed` is called once for each session that was opened, whichever way it went, so it
//! is the one place to say goodbye. A [`Cause`](crate::Cause) can be printed: *ended by the peer*, *reads too slowly*.
//! While `tell` closes one member in the middle of telling others, nothing is called back: `closed` follows when this
//! callback has returned. So no list changes while it is gone through.
//!
//! **Datagrams have a service of their own,** since there is no connection that a session could belong to; a datagram
//! socket that is given to [`Sessions`](crate::Sessions) answers nothing.
//! Both services lie in one reactor, but `Who` is not called while the room is, and can't look into it. Nor does it
//! need a lock or a `RefCell` for that: the room *tells* it who has come and gone
//! ([`Context::tell`](crate::Context::tell)), and it answers from what it knows. The order in which they are made says
//! who may know whom: `who` is there first, so the room can hold its [`ServiceId`](crate::ServiceId).
//!
//! **The answer is no longer than the question.** [`reply`](crate::Context::reply) would drop a longer one. A
//! datagram's sender can be forged, and what answers 4 bytes with 400 multiplies whatever is sent in somebody
//! else's name ([`datagrams`](super::datagrams)). So a question for many names has 80 spaces.
//!
//! **The end of the program.** [`stop_on_signals`](crate::Reactor::stop_on_signals) makes Ctrl-C a graceful stop: what has
//! arrived is still passed on, each member reads an end and no reset, and then [`run`](crate::Reactor::run) returns.
//!
//! # The tests
//!
//! `open` takes endpoints, so a test gives it others: `mem://room` and `memgram://who` are sockets that only this
//! reactor knows ([`testing`](super::testing)). The client is a service as well, and `settle` turns until nothing is left to
//! do. So a test needs no port, no thread and no sleep; if something is missing then, it won't come.
//!
//! ```console
//! $ cargo test
//! running 3 tests
//! test tests::a_line_without_an_end_is_not_kept ... ok
//! test tests::what_one_says_all_others_hear ... ok
//! test tests::who_is_there_is_told_in_no_more_bytes_than_were_asked_with ... ok
//! ```
//!
//! # What it has without a word about it
//!
//! | what happens | what the program does about it |
//! |---|---|
//! | no descriptor is left | clients wait in the backlog, and are let in when another one has gone |
//! | a member sends as fast as it can | it has its share; one that says little is served before it |
//! | ten thousand members say nothing | they cost about a megabyte and no processor time |
//! | all together keep too much | [`Config::buffer_limit`](crate::Config::buffer_limit) |
//! | a member's machine has lost power | [`Config::keep_alive`](crate::Config::keep_alive) finds out |
//! | too many come from one address | [`Config::connections_per_source`](crate::Config::connections_per_source), once it is set |
//! | Ctrl-C in the middle of a line that was sent | it is passed on before the end |
//!
//! To see what it does, log: the library writes to [`log`], at `debug` which connections come and go, and any logger
//! shows it. [`Reactor::record`](crate::Reactor::record) has each step of each turn, and
//! [`Reactor::statistics`](crate::Reactor::statistics) the counts of everything.
//!
//! Next: [`systems`](super::systems).
