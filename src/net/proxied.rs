//! A connection that a proxy has made, before the proxy has told for whom.

use std::net::SocketAddr;

use super::doors::Door;
use super::socket::StreamSocket;
use crate::values::TimerId;

/// Accepted, and not opened yet: its service knows nothing of it.
#[derive(Debug)]
pub(super) struct Proxied {
    pub(super) socket: StreamSocket,
    /// The proxy's own address.
    pub(super) proxy: Option<SocketAddr>,
    /// The beginning of the header, if it comes in pieces.
    pub(super) held: Vec<u8>,
    /// Its latch: more may have arrived.
    pub(super) readable: bool,
    /// The poller said that it is broken already.
    pub(super) hung_up: Option<bool>,
    /// Which listener it came through.
    pub(super) door: Option<Door>,
    /// When its time is over.
    pub(super) timeout: Option<TimerId>,
}
