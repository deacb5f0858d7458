//! The connections that proxies make, until it is known for whom: then each becomes a stream like any other.
//!
//! ```text
//!   accepted ──▶ Proxied ── its header has come ──▶ admitted ──▶ a stream, and `opened`
//!                   │                                  └── not wanted ──▶ (closed)
//!                   └── no header, a bad one, too late ──▶ (closed)
//! ```

use std::io::{self, Read};
use std::mem;
use std::net::SocketAddr;

use super::acceptor::Refusal;
use super::core::{Core, Due};
use super::proxied::Proxied;
use super::reactor::Reactor;
use super::service::Context;
use super::socket::StreamSocket;
use super::table::{Origin, Source};
use crate::machines::{Client, Connection, Latch, ProxyHeader};
use crate::values::{Config, Id, Outcome, PROXY_HEADER, ServiceKey, attempt, describe};

/// How far the header of a proxy has come.
enum Introduction {
    /// No further, before the next event.
    Waiting,
    /// Whom it tells; and how many bytes have arrived, the header and what is behind it.
    Done(ProxyHeader, usize),
    /// It won't come.
    Bad(Refusal, String),
    /// The proxy has gone without a word: perhaps it only wanted to know whether we are there.
    Gone,
}

impl Reactor {
    /// Reads on, and makes a stream of it when the header is there.
    pub(super) fn drive_proxied(&mut self, id: Id) {
        let buffer = &mut self.buffer[..PROXY_HEADER];
        let core = &mut self.halves.core;
        match core.read_header(id, buffer) {
            // Nothing has arrived that could be served.
            Introduction::Waiting if core.stopping.is_draining() => drop(core.forget(id)),
            Introduction::Waiting => {}
            Introduction::Bad(refusal, why) => core.turn_away(id, refusal, &why),
            Introduction::Gone => {
                log::debug!("{id} has gone without a PROXY header");
                core.statistics.refused.failed += 1;
                core.forget(id);
            }
            Introduction::Done(header, read) => {
                if core.introduce(id, header.client, &buffer[header.length..read]) {
                    self.halves.call_for(id, |service, cx| service.opened(cx));
                    self.halves.core.schedule(id);
                }
            }
        }
    }
}

impl Context<'_> {
    /// Whether this listener has the proxies that [`Config::proxies`](crate::Config::proxies) and
    /// [`Config::unix_proxies`](crate::Config::unix_proxies) tell of before it: `true`, as in the beginning.
    /// `false`: whoever connects is the peer, without any header, as at a door for operators, and it
    /// needs to be no proxy. For those that are accepted from here on.
    pub fn set_proxied(&mut self, proxied: bool) {
        if let Some(listener) = self.core.table.listener(self.id) {
            listener.is_direct = !proxied;
        }
    }
}

impl Core {
    /// Whether one more connection from there may be served, and if so, whether it is a proxy's, which tells
    /// first for whom. Counts it, if that is limited. Where any proxy is named, no other peer gets in, whatever
    /// the socket: a way past the proxies would be one past all that goes by what they tell.
    pub(super) fn let_in(&mut self, listener: Id, socket: &StreamSocket) -> Result<bool, Refusal> {
        let is_direct = self.table.listener(listener).is_some_and(|it| it.is_direct);
        let peer = socket.internet_peer();
        let Config { proxies, unix_proxies, .. } = &self.config;
        let has_proxies = *unix_proxies || !proxies.is_empty();
        if has_proxies && !is_direct && !socket.is_mem() {
            let is_proxy = match peer {
                Some(peer) => proxies.iter().any(|prefix| prefix.contains(peer.ip())),
                None => *unix_proxies && matches!(socket, StreamSocket::Unix(..)),
            };
            // Whom it speaks for is what counts.
            return if is_proxy { Ok(true) } else { Err(Refusal::NoProxy) };
        }
        match peer {
            Some(peer) => self.admit(peer.ip(), false).map(|()| false),
            None => Ok(false),
        }
    }

    /// Takes the socket of a proxy in, to read its header first.
    pub(super) fn insert_proxied(
        &mut self,
        service: ServiceKey,
        socket: StreamSocket,
    ) -> io::Result<Id> {
        // The header may be there already, and at a stop nobody waits for an event.
        let (proxy, readable) = (socket.internet_peer(), true);
        let (held, hung_up, door, timeout) = (Vec::new(), None, None, None);
        let proxied = Proxied { socket, proxy, held, readable, hung_up, door, timeout };
        let (id, _) = self.insert(service, Source::Proxied(Box::new(proxied)))?;
        let at = self.clock.later(self.config.proxy_timeout);
        let timeout = self.timers.once(at, Due::ProxyTimeout(id));
        if let Some(proxied) = self.table.proxied(id) {
            proxied.timeout = Some(timeout);
        }
        self.schedule(id);
        Ok(id)
    }

    /// Reads until the header is there, or nothing more is. What has arrived stands at the front of the
    /// buffer then.
    fn read_header(&mut self, id: Id, buffer: &mut [u8]) -> Introduction {
        let Some(proxied) = self.table.proxied(id) else { return Introduction::Waiting };
        let mut length = proxied.held.len();
        buffer[..length].copy_from_slice(&proxied.held);
        self.account.give_back(length);
        proxied.held = Vec::new();
        while proxied.readable {
            match attempt(|| proxied.socket.read(&mut buffer[length..])) {
                Outcome::Done(0) | Outcome::Failed(_) if length == 0 => return Introduction::Gone,
                Outcome::Done(0) => {
                    let half = Refusal::HalfHeader;
                    return Introduction::Bad(half, half.to_string());
                }
                Outcome::Failed(error) => {
                    return Introduction::Bad(Refusal::HalfHeader, describe(&error));
                }
                Outcome::Blocked => proxied.readable = false,
                Outcome::Done(read) => length += read,
            }
            match ProxyHeader::parse(&buffer[..length]) {
                Ok(Some(header)) => return Introduction::Done(header, length),
                Ok(None) => {}
                Err(error) => {
                    return Introduction::Bad(Refusal::BadHeader, error.to_string());
                }
            }
        }
        proxied.held = buffer[..length].to_vec();
        self.account.take(length);
        Introduction::Waiting
    }

    /// Makes a stream of it, with what has arrived behind its header, under the same id and the same
    /// token; unless its client is not wanted.
    fn introduce(&mut self, id: Id, client: Client, behind: &[u8]) -> bool {
        let Some(proxied) = self.table.proxied(id) else { return false };
        let proxy = proxied.proxy;
        let peer = match client {
            Client::Ip(address) => Some(address),
            Client::Unix(_) => None,
            Client::Proxy | Client::Unknown => proxy,
        };
        if let Some(peer) = peer
            && let Err(why) = self.admit(peer.ip(), client == Client::Proxy)
        {
            self.turn_away(id, why, &format!("{peer}: {why}"));
            return false;
        }
        match client {
            Client::Proxy => log::debug!("{id} is the word of {} itself", name(proxy)),
            Client::Unknown => {
                log::debug!("{id} is from an unknown client, by way of {}", name(proxy))
            }
            Client::Ip(client) => log::debug!("{id} is from {client}, by way of {}", name(proxy)),
            Client::Unix(client) => log::debug!("{id} is from {client}, by way of {}", name(proxy)),
        }
        self.promote_proxied(id, peer, behind);
        self.opened(id);
        true
    }

    fn promote_proxied(&mut self, id: Id, peer: Option<SocketAddr>, behind: &[u8]) {
        let Some(proxied) = self.table.proxied(id) else { return };
        let mut socket = mem::replace(&mut proxied.socket, StreamSocket::Unmade);
        socket.set_internet_peer(peer);
        let (door, hung_up) = (proxied.door.take(), proxied.hung_up);
        // Whether more has arrived, or the end, its own read will tell.
        let latch = Latch { readable: true, read_on: true, writable: true };
        proxied.timeout.take().map(|timeout| self.timers.cancel(timeout));
        let mut connection = Connection::new(socket);
        connection.latch(latch);
        connection.begin_with(behind, &mut self.account);
        if let Some(in_error) = hung_up {
            connection.hung_up(in_error, &mut self.account);
        }
        let mut stream = self.stream_source(connection, Origin::Accepted);
        stream.door = door;
        let Some(entry) = self.table.get_mut(id) else { return };
        entry.source = Source::Stream(stream);
        match (entry.is_background, peer) {
            (false, _) => self.statistics.accepted += 1,
            (true, Some(peer)) => self.acceptor.leave(peer.ip()), // Nobody is counted there.
            (true, None) => {}
        }
    }

    /// Closes it unserved, and counts that.
    fn turn_away(&mut self, id: Id, refusal: Refusal, why: &str) {
        let proxy = self.table.proxied(id).and_then(|proxied| proxied.proxy);
        if let Some(more) = self.refuse(refusal) {
            log::warn!("{id}, by way of {}, is refused: {why}{more}", name(proxy));
        }
        self.forget(id);
    }

    /// The header of a proxy has taken too long.
    pub(super) fn proxy_timed_out(&mut self, id: Id) {
        let limit = self.config.proxy_timeout;
        let why = format!("no whole PROXY header within {limit:?}");
        self.turn_away(id, Refusal::LateHeader, &why);
    }
}

/// A proxy, or whoever else has connected, as the log calls it.
pub(super) fn name(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "a Unix socket".to_string(), |peer| peer.to_string())
}
