//! Small network programs, and the trap of blocking code that each of them mends.
//!
//! They stand in `examples/`, use the public API only, and each runs with one command. The first six are
//! servers that were once written with `accept`, `recv(1024)` and a thread for each client.
//!
//! # A greeting that arrives: `greeting.rs`
//!
//! The server accepts, reads one message, sends `Hello, client!`, closes. It works, until a client sends
//! more than the server reads: closing a socket with unread input resets the connection (RFC 1122,
//! 4.2.2.13), and what had not been sent, or on some systems not been read, is lost, the greeting among it.
//! [`Context::close`](crate::Context::close) flushes, says that this was all, reads on until the
//! client's own end, and only then closes. The whole service is
//!
//! ```
//! # use echoloop::{Context, Service};
//! # struct Greeting;
//! impl Service for Greeting {
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         cx.send_all(b"Hello, client!\n");
//!         cx.close();
//!         input.len()
//!     }
//! }
//! ```
//!
//! # A request handler: `uppercase.rs`
//!
//! Frameworks give each client an object with `setup`, `handle` and `finish`, and a thread to wait in.
//! Here they are [`opened`](crate::Service::opened), [`received`](crate::Service::received) and
//! [`closed`](crate::Service::closed), called when there is something to do. What the handlers share is
//! `self`, without a lock, since there is one thread.
//!
//! The trap is the buffer's end: `recv(1024)` may cut a character in two, and `decode` then fails on
//! both halves. A service doesn't take the first half, and is shown it again with the second behind it.
//! And an answer may be longer than the question, up to three times here. So the handler takes no more
//! than there is [room](crate::Context::send_capacity) to answer, and [asks](crate::Context::await_writable) to
//! be called again when there is more.
//!
//! # A chat with an operator: `chat.rs`
//!
//! The original called `input()` for the operator, and while the operator thought about words, no guest
//! could speak. A keyboard is a descriptor: [`adopt`](crate::Context::adopt)ed, it is one more source.
//! So is the screen, because printing waits as well, when the operator has pressed Ctrl-S. One thing
//! must be minded: "non-blocking" belongs to the open file, which the shell shares, so the terminal is
//! opened anew (`src/cli/connect/stdio.rs`).
//!
//! A message that goes to many can't be "taken only if it could be answered": one member that doesn't
//! read would silence all. What can't be sent is kept, up to a limit. A member for which something is kept is
//! behind, and has some seconds. While any member is half full no new line is taken, so a flood is slowed
//! down to the pace of those that read, and none loses a line. A member that is still behind when its time
//! is over has to go.
//!
//! # Members without connections: `group_chat.rs`
//!
//! UDP doesn't tell that a client has gone. The original found out by sending, when another one spoke.
//! Here each member has one timer; when it fires, either the member was heard of since, and the timer is
//! set for what is left of the interval, or it is dropped:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # fn look(now: Instant, heard: Instant, interval: Duration) -> Option<Duration> {
//! let quiet = now.duration_since(heard);
//! interval.checked_sub(quiet).filter(|left| !left.is_zero()) // `None`: not heard of for so long.
//! # }
//! ```
//!
//! A heartbeat then costs a line in a table and no system call but its own. Acknowledgement is the same
//! thought from the other side: the client sets a timer for each message, sends it again when that
//! fires, and gives up after five. The server remembers the last 64 ids of each member, which is what a
//! client may have unanswered, so it passes a message on once in bounded memory.
//!
//! # Children in the loop: `remote_command.rs`
//!
//! `popen(cmd).read()` waits for the command, and so do all clients; and `cmd` went through a shell,
//! for anyone. Here a name stands for a program and its arguments. The child's pipe is a source; its
//! end is a signal, SIGCHLD, and that is a source too. A pipe outlives the child that leaves a grandchild
//! holding it, so the end of the output is not the end of the command, nor the other way round: the
//! server waits for both, kills the whole process group when the child has ended, and does not wait
//! longer than a second for a pipe that is still held.
//!
//! A client that has sent its last byte may wait for its answers, or have left: over TCP the same bytes
//! tell both. So [`ended`](crate::Service::ended) doesn't close there. What was sent is still
//! answered, but a command gets two seconds of grace, and not its whole time. Only
//! [`closed`](crate::Service::closed), which follows a reset, says that the client is there no more.
//!
//! Replies stuck together because nothing said where one ended. `info|<count>\n` does, but the count
//! goes first, and is known last: the output goes into a file without a name, and from there to the client.
//! That is the pattern for all piping from one source to another:
//!
//! ```
//! # use echoloop::{Context, Id, Service};
//! # struct Pipe { from: Id, to: Id }
//! impl Service for Pipe {
//!     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
//!         let taken = cx.source(self.to).send(input);
//!         if taken < input.len() {
//!             cx.pause();
//!         }
//!         taken
//!     }
//!
//!     fn writable(&mut self, cx: &mut Context<'_>) {
//!         cx.source(self.from).resume();
//!     }
//! }
//! ```
//!
//! # Files whole or not at all: `upload.rs`
//!
//! `recv(1024)` returned the header and the first bytes of the file in one piece, sometimes, and the
//! header went into the file. A stream has no pieces: [`Lines`](crate::Lines) finds the header, what
//! stands behind it is the file, as many bytes as were promised, and then the next header.
//!
//! A client that dropped left half a file under the real name. Now a growing file has a name that no
//! client can ask for, is renamed when it is whole, and is removed by its destructor otherwise: whichever
//! way the connection goes, its [session](super::sessions) is dropped. A size over the limit is refused when the header is
//! there; a bad name, a full disk, a forbidden directory are answered, and the next file is welcome.
//!
//! # Seven more
//!
//! `proxy.rs` has two connections where the others have one, and each must show what the other end does: an end, a
//! reset, slowness. Its trap is the last byte that is missing. When a server resets its connection in the middle of
//! an answer, closing the client's in order would say that this was all of it; so it is
//! [reset](crate::Context::reset), too.
//!
//! `broadcast.rs` is a chat turned round. There nothing may be lost, so all wait for the slowest; here none may wait,
//! so lines are left out, by a [token bucket](crate::TokenBucket) for each subscriber, and the subscriber is told how
//! many.
//!
//! `resolver.rs` asks over UDP, where questions and answers are lost, late, doubled and forged. Each try has a socket
//! and a port of its own, so an answer to an earlier try is still one; the word of a timer is the question that it
//! is about; the answer that doesn't fit comes over TCP, found by [`Frames`](crate::Frames).
//!
//! `resp.rs` speaks the protocol of Redis. A client sends a thousand commands and reads nothing: a command is run only
//! if there is room for its answer, since one that has changed something can't be run again. What was not taken is
//! shown again.
//!
//! `dealer.rs` accepts on one thread and serves on others; [the chapter on threads](super::threads) has it. `framed.rs`
//! is a [layer](super::layers), and `lounge.rs` is [the service of your own](super::your_own).
//!
//! That was the last chapter. Beyond it is the source, from the bottom up: [the guide's first page](super) has the order.
