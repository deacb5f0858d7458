//! Connecting out: in progress, refused, too late are states, not surprises.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;

use mio::net::{TcpStream, UnixStream};
use socket2::{SockAddr, Socket, Type};

use super::clock::later;
use super::core::{Core, Due};
use super::listen::join_datagrams;
use super::polling::stream_interest;
use super::receiving::DatagramSocket;
use super::socket::{
    Polled, StreamSocket, internet_socket, local_address, peer_address, unix_address, unix_socket,
};
use super::table::{DatagramSource, Dial, Origin, Source};
use crate::machines::Connection;
use crate::values::{Address, DIAL_RETRY, Endpoint, Id, Outcome, ServiceKey, attempt};

/// How a dial stands after it was looked at.
pub(super) enum Dialled {
    /// The kernel has not answered yet.
    Waiting,
    /// It is a stream now.
    Connected,
    /// Nothing is left to try.
    Failed(io::Error),
    /// The service doesn't want it any more.
    Abandoned,
}

/// Begins to connect. For streams, what goes wrong from here on is told later.
pub(super) fn connect(
    core: &mut Core,
    service: ServiceKey,
    endpoint: &Endpoint,
    local: Option<SocketAddr>,
) -> io::Result<Id> {
    core.check_going(service)?;
    let targets = match endpoint {
        Endpoint::Unix(name) | Endpoint::UnixDatagram(name) => vec![Address::Unix(*name)],
        Endpoint::Mem(name) | Endpoint::MemDatagram(name) => vec![Address::Mem(*name)],
        _ => endpoint.resolve()?.into_iter().map(Address::Ip).collect(),
    };
    if endpoint.is_datagram() {
        return connect_datagram(core, service, &targets, local);
    }
    let dial = Dial {
        local,
        targets: VecDeque::from(targets),
        socket: None,
        connection: Connection::new(StreamSocket::Unmade),
        answered: false,
        hung_up: None,
        abandoned: false,
        active: core.clock.tick(),
        failure: None,
        timeout: None,
    };
    let id = core.table.insert(service, Source::Dial(Box::new(dial)));
    core.roster.join(service);
    core.note_made(id);
    // Not from the beginning of the turn: looking up the name may have taken long.
    let timeout = later(Instant::now(), core.config.connect_timeout);
    let timeout = core.timers.once(timeout, Due::DialTimeout(id));
    if let Some(dial) = core.table.dial(id) {
        dial.timeout = Some(timeout);
    }
    log::debug!("{id} connects to {endpoint}");
    core.schedule(id);
    Ok(id)
}

/// A socket that sends to one peer and hears from nobody else.
fn connect_datagram(
    core: &mut Core,
    service: ServiceKey,
    targets: &[Address],
    local: Option<SocketAddr>,
) -> io::Result<Id> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for target in targets {
        match open_datagram(core, target, local) {
            Ok(socket) => {
                let is_udp = matches!(target, Address::Ip(_));
                let source = DatagramSource {
                    connected: Some(*target),
                    ..DatagramSource::new(socket, is_udp, core.config.offload)
                };
                let source = Source::Datagram(Box::new(source));
                return Ok(core.insert(service, source)?.0);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn open_datagram(
    core: &Core,
    target: &Address,
    local: Option<SocketAddr>,
) -> io::Result<DatagramSocket> {
    if let Address::Mem(name) = target {
        return core.memory.connect_datagram(*name).map(DatagramSocket::Mem);
    }
    let (socket, address) = open(core, target, Type::DGRAM, local)?;
    socket.connect(&address)?;
    if matches!(target, Address::Ip(_)) {
        join_datagrams(&socket, core);
    }
    Ok(DatagramSocket::System(socket))
}

/// A stream that is being connected, or is already.
fn open_stream(
    core: &Core,
    target: &Address,
    local: Option<SocketAddr>,
) -> io::Result<StreamSocket> {
    if let Address::Mem(name) = target {
        return core.memory.connect(*name).map(StreamSocket::Mem);
    }
    let (socket, address) = open(core, target, Type::STREAM, local)?;
    match socket.connect(&address) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        other => other?,
    }
    Ok(match target {
        Address::Ip(peer) => StreamSocket::Tcp(TcpStream::from_std(socket.into()), Some(*peer)),
        _ => StreamSocket::unix(UnixStream::from_std(socket.into())),
    })
}

/// A socket that could connect to this target, bound if it has to be.
fn open(
    core: &Core,
    target: &Address,
    kind: Type,
    local: Option<SocketAddr>,
) -> io::Result<(Socket, SockAddr)> {
    match target {
        Address::Ip(address) => {
            let socket = internet_socket(*address, kind, &core.config)?;
            if let Some(local) = local {
                // The port is chosen when the peer is known, ip(7): each peer has all of them.
                #[cfg(any(target_os = "linux", target_os = "android"))]
                if local.port() == 0 {
                    super::packets::bind_address_no_port(socket.as_fd())?;
                }
                socket.bind(&local.into())?;
            }
            Ok((socket, SockAddr::from(*address)))
        }
        Address::Unix(name) => {
            let socket = unix_socket(kind, &core.config)?;
            if kind == Type::DGRAM {
                // Without a name of its own it would get no answer; Linux chooses one, unix(7).
                socket.bind(&SockAddr::unix("")?)?;
            }
            Ok((socket, unix_address(name)?))
        }
        Address::Mem(_) => Err(io::ErrorKind::InvalidInput.into()), // No socket of the system.
    }
}

impl Core {
    /// Looks at what the kernel has said, and tries the next address if it was no.
    pub(super) fn dialled(&mut self, id: Id) -> Dialled {
        let Some(dial) = self.table.dial(id) else { return Dialled::Abandoned };
        if dial.abandoned {
            return Dialled::Abandoned;
        }
        if let Some(socket) = &dial.socket {
            if !std::mem::take(&mut dial.answered) {
                return Dialled::Waiting;
            }
            match answer(socket) {
                Outcome::Done(()) => {
                    self.promote(id);
                    return Dialled::Connected;
                }
                Outcome::Blocked => return Dialled::Waiting,
                Outcome::Failed(error) => dial.fail(error),
            }
        }
        self.dial_next(id)
    }

    /// Begins with the first address that lets us.
    fn dial_next(&mut self, id: Id) -> Dialled {
        loop {
            let Some(dial) = self.table.dial(id) else { return Dialled::Abandoned };
            let Some(&target) = dial.targets.front() else {
                let failure = dial.failure.take();
                return Dialled::Failed(failure.unwrap_or(io::ErrorKind::NotFound.into()));
            };
            let local = dial.local;
            let attempt = self.begin(id, &target, local);
            let retry_at = self.clock.now() + DIAL_RETRY;
            let Some(dial) = self.table.dial(id) else { return Dialled::Abandoned };
            match attempt {
                Outcome::Done(socket) => dial.socket = Some(socket),
                Outcome::Blocked => {
                    self.timers.once(retry_at, Due::DialRetry(id));
                }
                Outcome::Failed(error) => {
                    dial.fail(error);
                    continue;
                }
            }
            return Dialled::Waiting;
        }
    }

    /// Begins to connect. `Blocked`: the listener's backlog is full, which TCP doesn't say.
    fn begin(&self, id: Id, target: &Address, local: Option<SocketAddr>) -> Outcome<StreamSocket> {
        attempt(|| {
            let socket = open_stream(self, target, local)?;
            let interest = stream_interest(Polled::Both); // Room is how it tells that it is connected.
            socket.watch(self.poll.registry(), id, interest)?;
            Ok(socket)
        })
    }

    /// The dial has become a stream, under the same id and the same token.
    fn promote(&mut self, id: Id) {
        let Some(dial) = self.table.dial(id) else { return };
        let Some(socket) = dial.socket.take() else { return };
        dial.timeout.take().map(|timeout| self.timers.cancel(timeout));
        let unmade = Connection::new(StreamSocket::Unmade);
        let mut connection = std::mem::replace(&mut dial.connection, unmade);
        connection.connected(socket);
        if let Some(in_error) = dial.hung_up {
            connection.hung_up(in_error, &mut self.account);
        }
        let stream = self.stream_source(connection, Origin::Connected);
        if let Some(entry) = self.table.get_mut(id) {
            entry.source = Source::Stream(stream);
        }
        self.statistics.connected += 1;
        self.opened(id);
    }
}

impl Dial {
    /// This address can't be reached: on to the next.
    fn fail(&mut self, error: io::Error) {
        log::trace!("{:?} could not be reached: {error}", self.targets.front());
        self.targets.pop_front();
        self.socket = None;
        self.hung_up = None;
        self.connection.unlatch();
        self.failure = Some(error);
    }
}

/// What the kernel says of a connection in progress: connected, not yet, or an error.
fn answer(socket: &StreamSocket) -> Outcome<()> {
    // In memory there is none: it is connected, or it would not have been made.
    let Some(descriptor) = socket.descriptor() else { return Outcome::Done(()) };
    if let Ok(Some(error)) | Err(error) = socket2::SockRef::from(&descriptor).take_error() {
        return Outcome::Failed(error);
    }
    match peer_address(descriptor) {
        // A port of the range that clients get theirs from, and nobody listening there: with bad luck
        // TCP connects the socket to itself (RFC 9293 section 3.5, simultaneous open).
        Ok(peer @ Address::Ip(_)) if local_address(descriptor).is_ok_and(|it| it == peer) => {
            Outcome::Failed(io::ErrorKind::ConnectionRefused.into())
        }
        Ok(_) => Outcome::Done(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Outcome::Blocked,
        Err(error) => Outcome::Failed(error),
    }
}
