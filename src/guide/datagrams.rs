//! Datagrams: everything that is different without connections.
//!
//! A datagram socket has no backlog, no accept, no end. One socket serves all; where a datagram is from
//! comes with it. [`Service::datagram`](crate::Service::datagram) is called for each, and
//! [`Context::reply`](crate::Context::reply) answers. A datagram of 0 bytes is one like any other, and
//! not an end. Membership, if there is any, is a matter of time: a member that has not been heard of for long
//! is gone, which is what [timers](crate::Context::every) are for.
//!
//! # A full buffer
//!
//! When the send buffer is full, the answer is dropped, and counted. To keep it would only move the
//! queue from the kernel, which knows when to drop, into our memory, which doesn't. UDP clients have to
//! cope with loss anyway.
//!
//! Unix datagram sockets have the same rule and one trap more. The kernel lets a client that has
//! *connected* its socket, and doesn't read, fill the whole send buffer of the server's, unix(7); then
//! no other client gets answers until it reads or goes. The permissions of the socket's file decide which
//! users may come that close.
//!
//! # The weapon
//!
//! A UDP sender writes its own return address. An echo server that answers whatever it gets is a tool
//! for hitting others. If the forged sender is another echo server, the two of them throw the
//! datagram to and fro for ever; if it is chargen, for ever and growing. If the answer is longer than
//! the question, the forger can hit harder than it could itself.
//!
//! So some sources get no answer: port 0, multicast and broadcast addresses, our own address, a port
//! equal to ours (the other echo server), any other bound socket of the same reactor (the pong server
//! beside the echo server), ports below 1024 (chargen and friends). Nor does what was sent to a group or
//! to a whole network: there one datagram would be answered by every server that it reaches. A server that
//! has joined a group on purpose has that switched on, [`Config::multicast`](crate::Config::multicast); one
//! whose own sockets ask each other, [`Config::own_sockets`](crate::Config::own_sockets). The rate for
//! each source beyond this machine is limited. And [`Context::reply`](crate::Context::reply) refuses
//! answers that are longer than what they answer. They are counted together, each with the headers and the
//! frame that it has on the wire: otherwise a thousand answers of one byte could go out for a question of a
//! thousand bytes, and each of them costs the victim as much as one of forty bytes does.
//!
//! ```
//! # use std::time::Instant;
//! # use echoloop::{Context, Peer, Service};
//! struct Uptime {
//!     since: Instant,
//! }
//!
//! impl Service for Uptime {
//!     fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, _payload: &[u8]) {
//!         let seconds = (cx.now() - self.since).as_secs().to_be_bytes();
//!         cx.reply(&seconds); // Nothing, if the question had less than 8 bytes.
//!     }
//! }
//! ```
//!
//! Two processes of one machine, or two reactors, don't know of each other. To forge loopback
//! addresses there takes the right to raw sockets (raw(7), `CAP_NET_RAW`), and with that
//! a process could flood all others as it is. So loopback has no rate unless you give it one,
//! [`Config::datagram_rate_local`](crate::Config::datagram_rate_local).
//!
//! Unix datagram sockets have no raw sockets, but their senders' names are no better: a socket that was
//! bound to a path keeps it as its name when the path has come to lead elsewhere. So a sender that has the
//! name of one of ours gets no answer, nor one with a relative name, which would mean another file in our
//! directory than in the sender's. But to any other name the answer goes, with our permissions. Offer
//! `unixgram` only to users whom you would let send datagrams in your name: put the socket into a
//! directory that only they can enter.
//!
//! # Many at once
//!
//! One call of `recvmmsg` brings up to 32 datagrams, and their answers leave with one `sendmmsg`. Where
//! the kernel can (UDP_GRO and UDP_SEGMENT, udp(7)) a run of equal datagrams from one sender arrives as
//! one piece, is shown to the service one by one, and its answers leave as one piece again, from where
//! they lie: nothing is copied. What the peers see is the same.
//!
//! Next: [`dialling`](super::dialling).
