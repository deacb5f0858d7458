//! Datagrams in batches, over any UDP or Unix datagram socket: one system call takes in many
//! ([`Inbox`]), answers are gathered and leave with one more ([`Outbox`]). Where the kernel can do it, a
//! run of equal datagrams crosses as one *train* and is cut up by the kernel or by the network card:
//! udp(7), `UDP_GRO` on the way in, `UDP_SEGMENT` on the way out.
//!
//! ```text
//!            recvmmsg                  answer: by number, and by offset if inside      sendmmsg
//!   socket ───────────▶ Inbox's arena ──────────────────────────────────▶ Outbox ───────────▶ socket
//!                       └─ Message ─ datagrams() ─ service ─ else a copy ──▲
//! ```
//!
//! So of an echoed datagram neither the bytes nor the address are copied in user space: it leaves from
//! where it arrived.

mod outbox;
#[allow(unsafe_code, reason = "batches, trains and packet information are beyond std and mio")]
mod raw;
mod sent;
#[cfg(test)]
mod tests;

pub(crate) use outbox::{Lent, Outbox, send_one};
pub(crate) use raw::{
    Inbox, Message, enable_gro, enable_pktinfo, is_readable, offload_supported, unacknowledged,
    unread,
};
#[cfg(feature = "internals")]
pub use raw::{Told, told};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use raw::{bind_address_no_port, read_unix};
pub(crate) use sent::Sent;

/// Most messages that one system call receives. At 32 its cost is spread thin enough, and the arena
/// stays at 2 MiB of address space, of which only what has held datagrams is memory.
const SLOTS: usize = 32;

/// Bytes of a slot: what the largest datagram and the largest received train have room in (the
/// length fields of IP and UDP have 16 bits). Longer Unix datagrams are cut, and say so.
const SLOT: usize = 65_536;

/// From slot to slot. Two cache lines more than the slot, so that the beginnings of all 32, which is
/// all that small datagrams use, lie in different sets of a first-level cache (64 sets of 64 bytes).
const STRIDE: usize = SLOT + 128;

/// Most messages, and most pieces of memory, in one system call that sends. At least [`TRAIN`].
const CHUNK: usize = 64;

/// Most datagrams in a train: `UDP_MAX_SEGMENTS` of Linux before 6.9, 128 since.
const TRAIN: usize = 64;

/// Most bytes in a train: 65,535 less an IPv6 and a UDP header. IPv4 could take 20 more, which is not
/// worth a second number.
const TRAIN_BYTES: usize = 65_487;

/// Datagrams that are gathered before they are sent unasked: more gain nothing.
const FULL: usize = 1024;

/// Bytes that are copied before they are sent unasked: sixteen of the largest datagrams.
const FULL_BYTES: usize = 1024 * 1024;

/// How much memory for copied payloads an idle outbox keeps.
const KEPT: usize = 256 * 1024;
