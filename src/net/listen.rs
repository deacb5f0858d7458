//! Listening, and accepting within limits.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use super::acceptor::Refusal;
use super::bind::bind;
use super::core::Core;
use super::introduce::name;
use super::making::{local_address, set_buffers};
use super::packets::{enable_gro, enable_pktinfo, offload_supported};
use super::paths::Bound;
use super::receiving::{DatagramSocket, ListenerSocket};
use super::socket::StreamSocket;
use super::table::{DatagramSource, Listener, Origin, Source};
use super::throttle::More;
use crate::machines::Connection;
use crate::values::{ACCEPT_RETRY, Address, Endpoint, Id, Outcome, ServiceKey, attempt};

/// Binds and registers. Whatever fails, nothing is left behind.
pub(super) fn listen(core: &mut Core, service: ServiceKey, endpoint: &Endpoint) -> io::Result<Id> {
    core.check_going(service)?;
    let source = match endpoint {
        Endpoint::Mem(name) => {
            let socket = ListenerSocket::Mem(core.memory.listen(*name)?);
            Source::Listener(Box::new(Listener::new(socket)))
        }
        Endpoint::MemDatagram(name) => {
            let socket = DatagramSocket::Mem(core.memory.bind(*name)?);
            let bound = Some(Address::Mem(*name));
            let source = DatagramSource::new(socket, false, false);
            Source::Datagram(Box::new(DatagramSource { bound, ..source }))
        }
        _ => bound_source(core, endpoint)?,
    };
    let (id, _) = core.insert(service, source)?;
    log::debug!("{id} listens on {endpoint}");
    Ok(id)
}

/// A socket of the system that is bound there.
fn bound_source(core: &Core, endpoint: &Endpoint) -> io::Result<Source> {
    let Bound { socket, file } = bind(endpoint, &core.config)?;
    if endpoint.is_datagram() {
        let bound = prepare_datagrams(&socket, core)?;
        let is_udp = matches!(bound, Address::Ip(_));
        let socket = DatagramSocket::System(socket);
        return Ok(Source::Datagram(Box::new(DatagramSource {
            bound: Some(bound),
            _file: file,
            ..DatagramSource::new(socket, is_udp, core.config.offload)
        })));
    }
    socket.listen(core.config.backlog.try_into().unwrap_or(i32::MAX))?;
    let socket = match endpoint {
        Endpoint::Tcp { .. } => ListenerSocket::Tcp(mio::net::TcpListener::from_std(socket.into())),
        _ => ListenerSocket::Unix(mio::net::UnixListener::from_std(socket.into())),
    };
    Ok(Source::Listener(Box::new(Listener { _file: file, ..Listener::new(socket) })))
}

/// Options of a bound datagram socket. Returns what it is bound to; or if that is a group's address, from
/// which nothing can be sent, all of ours.
pub(super) fn prepare_datagrams(socket: &Socket, core: &Core) -> io::Result<Address> {
    let mut address = local_address(socket.as_fd())?;
    if let Address::Ip(unbound) = address
        && unbound.port() == 0
    {
        socket.bind(&unbound.into())?; // Else it would get a port when it sends, and we not know it.
        address = local_address(socket.as_fd())?;
    }
    let Address::Ip(mut bound) = address else { return Ok(address) };
    if socket.broadcast()? && !core.config.multicast {
        let why = "it may send to broadcast addresses, and multicast is not switched on";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    if bound.ip().to_canonical().is_unspecified() {
        enable_pktinfo(socket.as_fd(), bound.is_ipv6())?;
    } else if is_group(bound)? {
        if !core.config.multicast {
            let why = "all that it receives is sent to a group, and multicast is not switched on";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        bound.set_ip(match bound.ip() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
    }
    join_datagrams(socket, core);
    Ok(Address::Ip(bound))
}

/// Whether what is sent there is for many. Which addresses are broadcast depends on the networks of this
/// machine: a socket that may not send to those can't connect to one either, connect(2) says `EACCES`.
fn is_group(address: SocketAddr) -> io::Result<bool> {
    if address.ip().to_canonical().is_multicast() {
        return Ok(true);
    }
    let probe = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let connected = probe.connect(&address.into());
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
}

/// Lets the kernel hand over equal datagrams from one sender in one piece, if it can.
pub(super) fn join_datagrams(socket: &Socket, core: &Core) {
    if core.config.offload
        && offload_supported()
        && let Err(error) = enable_gro(socket.as_fd())
    {
        log::debug!("no generic receive offload: {error}");
    }
}

impl Core {
    /// Takes one connection out of the backlog, if the limits allow it now. `Blocked`: there is none, or
    /// the listener has been parked.
    pub(super) fn accept(&mut self, id: Id) -> Outcome<StreamSocket> {
        let unref = self.table.get(id).is_some_and(|entry| entry.is_background);
        let is_full = self.config.connections.is_some_and(|it| self.acceptor.accepted() >= it);
        if is_full && !unref {
            if self.somebody_waits(id) {
                let full = Refusal::Connections;
                // Only a connection that goes makes a place, and then nobody needs a timer.
                self.accept_later(id, full, &full, None);
            }
            return Outcome::Blocked;
        }
        // A token is only taken for a connection that is there, and wanted. At a stop, the backlog is all
        // there is, and the sooner it is served the better.
        let now = self.clock.now();
        if let Some(ready) = self.acceptor.ready_at(now)
            && !self.stopping.is_draining()
        {
            if self.somebody_waits(id) {
                self.statistics.refused.accept_rate += 1;
                self.park(id, Some(ready));
            }
            return Outcome::Blocked;
        }
        let Some(listener) = self.table.listener(id) else { return Outcome::Blocked };
        match attempt(|| listener.socket.accept()) {
            Outcome::Blocked => listener.readable = false,
            // accept(2) wants a descriptor before it looks whether anybody is there.
            Outcome::Failed(error) if is_exhaustion(&error) => {
                if self.somebody_waits(id) {
                    let retry = Some(now + ACCEPT_RETRY);
                    self.accept_later(id, Refusal::Descriptors, &error, retry);
                }
                return Outcome::Blocked;
            }
            Outcome::Failed(error) => return Outcome::Failed(error),
            done => {
                listener.active = self.clock.tick();
                return done;
            }
        }
        Outcome::Blocked
    }

    /// Whether a client is in the backlog that can't be let in now. If not, an edge will tell of the
    /// next one; and a listener that is stopping has seen its last client.
    fn somebody_waits(&mut self, id: Id) -> bool {
        let Some(listener) = self.table.listener(id) else { return false };
        listener.readable = listener.socket.is_readable();
        listener.readable
    }

    /// Parks a listener that got no new edge for the clients that wait in its backlog: its latch stays.
    fn accept_later(
        &mut self,
        id: Id,
        refusal: Refusal,
        why: &dyn std::fmt::Display,
        retry: Option<Instant>,
    ) {
        if let Some(more) = self.refuse(refusal) {
            log::warn!("{id} accepts nobody for now: {why}{more}");
        }
        self.park(id, retry);
    }

    /// Makes a connection of an accepted socket, or closes it, if its peer is not wanted.
    pub(super) fn welcome(&mut self, listener: Id, socket: StreamSocket) -> Option<Id> {
        let peer = socket.internet_peer();
        let entry = self.table.get(listener)?;
        let (service, unref) = (entry.service, entry.is_background);
        let is_proxy = match self.let_in(listener, &socket) {
            Ok(is_proxy) => is_proxy,
            Err(why) => {
                if let Some(more) = self.refuse(why) {
                    log::warn!("{listener} refuses {}: {why}{more}", name(peer));
                }
                return None;
            }
        };
        self.acceptor.take_token(self.clock.now());
        let buffers = match &socket {
            StreamSocket::Unix(socket, ..) => set_buffers(socket, &self.config),
            _ => Ok(()),
        };
        let made = buffers.and_then(|()| match is_proxy {
            true => self.insert_proxied(service, socket),
            false => self.insert_stream(service, Connection::new(socket), Origin::Accepted),
        });
        match made {
            Ok(id) => {
                self.came_through(id, listener);
                self.acceptor.count();
                match unref {
                    true => self.put_in_background(id), // As its listener is.
                    false => self.statistics.accepted += u64::from(!is_proxy),
                }
                match peer {
                    Some(peer) => log::debug!("{listener} accepted {id} from {peer}"),
                    None => log::debug!("{listener} accepted {id}"),
                }
                (!is_proxy).then_some(id) // It opens when it is known for whom.
            }
            Err(error) => {
                self.statistics.refused.failed += 1;
                log::warn!("{listener} cannot serve a connection: {error}");
                if let Some(peer) = peer.filter(|_| !is_proxy) {
                    self.acceptor.leave(peer.ip());
                }
                None
            }
        }
    }

    /// Notes which listener has accepted a connection.
    fn came_through(&mut self, id: Id, by: Id) {
        let Some(listener) = self.table.listener(by) else { return };
        let door = Some(self.acceptor.come_through(by, &mut listener.door));
        match self.table.get_mut(id).map(|entry| &mut entry.source) {
            Some(Source::Stream(stream)) => stream.door = door,
            Some(Source::Proxied(proxied)) => proxied.door = door,
            _ => {}
        }
    }

    /// Whether one more connection from this address may be served; counts it, if that is limited.
    /// The lists don't concern those whom we have been told to trust.
    pub(super) fn admit(&mut self, ip: IpAddr, is_trusted: bool) -> Result<(), Refusal> {
        if !is_trusted && !self.config.admits(ip) {
            return Err(Refusal::Denied);
        }
        if !self.acceptor.enter(ip, self.config.connections_per_source) {
            return Err(Refusal::PerSource);
        }
        Ok(())
    }

    /// Counts it. `Some`: a line may be logged, which stands for so many of its kind.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> Option<More> {
        *refusal.counter(&mut self.statistics.refused) += 1;
        self.acceptor.may_log(refusal, self.clock.now())
    }
}

/// Whether the error means that something has run out here, not that this one client has failed.
pub(super) fn is_exhaustion(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].iter().any(|&it| code == Some(it))
}
