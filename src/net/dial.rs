//! Connecting out: in progress, refused, too late are states, not surprises.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Instant;
use std::{io, mem};

use mio::Token;
use mio::net::{TcpStream, UnixStream};
use mio::unix::SourceFd;
use socket2::Type;

use super::clock::later;
use super::core::{Core, Due};
use super::early::connect_datagram;
use super::listen::is_exhaustion;
use super::making::{local_address, outgoing_socket, peer_address};
use super::names::Answer;
use super::outbound::{Dial, Stage};
use super::polling::stream_interest;
use super::socket::{Polled, StreamSocket};
use super::table::{Origin, Source};
use crate::machines::{Connection, Race, Settled, interleaved};
use crate::values::{
    Address, CONNECTION_ATTEMPT_DELAY, DIAL_RETRY, Endpoint, Id, Outcome, ServiceKey, attempt,
};

/// How a dial stands after it was looked at.
pub(super) enum Dialled {
    /// The resolver or the kernel has not answered yet; or it is a datagram socket now, of which nobody
    /// is told.
    Waiting,
    /// It is a stream now.
    Connected,
    /// Nothing is left to try.
    Failed(io::Error),
    /// The service doesn't want it any more.
    Abandoned,
}

/// Begins to connect. What goes wrong from here on is told later, unless it is known at once of a
/// datagram socket.
pub(super) fn connect(
    core: &mut Core,
    service: ServiceKey,
    endpoint: &Endpoint,
    local: Option<SocketAddr>,
) -> io::Result<Id> {
    core.check_going(service)?;
    let id = match (endpoint, endpoint.name()) {
        (_, Some((host, port))) => {
            connect_to_name(core, service, host, port, local, endpoint.is_datagram())?
        }
        (Endpoint::Unix(name), _) => connect_stream(core, service, [Address::Unix(*name)], local),
        (Endpoint::UnixDatagram(name), _) => {
            connect_datagram(core, service, &[Address::Unix(*name)], local)?
        }
        (Endpoint::Mem(name), _) => connect_stream(core, service, [Address::Mem(*name)], local),
        (Endpoint::MemDatagram(name), _) => {
            connect_datagram(core, service, &[Address::Mem(*name)], local)?
        }
        _ => {
            let addresses = endpoint.resolve()?.into_iter().map(Address::Ip);
            match endpoint.is_datagram() {
                true => connect_datagram(core, service, &addresses.collect::<Vec<_>>(), local)?,
                false => connect_stream(core, service, addresses, local),
            }
        }
    };
    log::debug!("{id} connects to {endpoint}");
    Ok(id)
}

/// Begins to connect to whichever of these is there first.
pub(super) fn connect_any(
    core: &mut Core,
    service: ServiceKey,
    addresses: &[SocketAddr],
    local: Option<SocketAddr>,
) -> io::Result<Id> {
    core.check_going(service)?;
    let usable = usable(addresses, local)?.into_iter().map(Address::Ip);
    let id = connect_stream(core, service, usable, local);
    log::debug!("{id} connects to one of {addresses:?}");
    Ok(id)
}

fn connect_stream(
    core: &mut Core,
    service: ServiceKey,
    targets: impl IntoIterator<Item = Address>,
    local: Option<SocketAddr>,
) -> Id {
    let stage = Stage::Racing(Race::new(targets));
    let id = begin_dial(core, service, Dial::new(stage, local, core.clock.tick()));
    core.schedule(id);
    id
}

/// The name is looked up meanwhile, also for a datagram socket.
fn connect_to_name(
    core: &mut Core,
    service: ServiceKey,
    host: &str,
    port: u16,
    local: Option<SocketAddr>,
    is_datagram: bool,
) -> io::Result<Id> {
    let mut dial = Dial::new(Stage::default(), local, core.clock.tick());
    dial.datagrams = is_datagram.then(Vec::new);
    let id = begin_dial(core, service, dial);
    match core.names.ask(id, host, port) {
        Ok(lookup) => {
            if let Some(dial) = core.table.dial(id) {
                dial.stage = Stage::LookingUp(lookup);
            }
            Ok(id)
        }
        Err(error) => {
            core.forget(id);
            Err(error)
        }
    }
}

fn begin_dial(core: &mut Core, service: ServiceKey, dial: Dial) -> Id {
    let id = core.table.insert(service, Source::Dial(Box::new(dial)));
    core.roster.join(service);
    core.note_made(id);
    // Not from the beginning of the turn, which may have taken long.
    let timeout = later(core.clock.this_moment(), core.config.connect_timeout);
    let timeout = core.timers.once(timeout, Due::DialTimeout(id));
    if let Some(dial) = core.table.dial(id) {
        dial.timeout = Some(timeout);
    }
    id
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
    let (socket, address) = outgoing_socket(target, Type::STREAM, local, &core.config)?;
    match socket.connect(&address) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        other => other?,
    }
    Ok(match target {
        Address::Ip(peer) => StreamSocket::Tcp(TcpStream::from_std(socket.into()), Some(*peer)),
        _ => StreamSocket::unix(UnixStream::from_std(socket.into())),
    })
}

/// The addresses that can be reached from the local one, in the order to try them.
fn usable(addresses: &[SocketAddr], local: Option<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    let is_usable = |it: &&SocketAddr| local.is_none_or(|local| local.is_ipv4() == it.is_ipv4());
    let usable: Vec<_> = addresses.iter().filter(is_usable).copied().collect();
    if usable.is_empty() {
        let why = match local {
            Some(local) if !addresses.is_empty() => {
                format!("there is no address of the family of {}", local.ip())
            }
            _ => "there is no address".to_owned(),
        };
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    Ok(interleaved(&usable))
}

impl Core {
    /// Takes a dial out of everything that knows it.
    pub(super) fn forget_dial(&mut self, dial: &mut Dial) {
        dial.connection.drop_kept(&mut self.account);
        for timer in dial.take_timers() {
            self.timers.cancel(timer);
        }
    }

    /// Notes what has become of the names that were looked up. A dial that has gone meanwhile is not found.
    pub(super) fn take_answers(&mut self) {
        for Answer { id, addresses } in self.names.take_answers() {
            let Some(dial) = self.table.dial(id) else { continue };
            let stage = mem::take(&mut dial.stage);
            dial.stage = match stage {
                Stage::LookingUp(lookup) => Stage::LookedUp(lookup, addresses),
                other => other,
            };
            self.schedule(id);
        }
    }

    /// Looks at what the resolver or the kernel has said, and tries the next address when its time has come.
    pub(super) fn dialled(&mut self, id: Id) -> Dialled {
        let Some(dial) = self.table.dial(id) else { return Dialled::Abandoned };
        if dial.abandoned {
            return Dialled::Abandoned;
        }
        let local = dial.local;
        let race = match mem::take(&mut dial.stage) {
            looking_up @ Stage::LookingUp(_) => {
                dial.stage = looking_up;
                return Dialled::Waiting;
            }
            Stage::LookedUp(lookup, answer) => {
                match answer.and_then(|addresses| usable(&addresses, local)) {
                    Err(error) => return Dialled::Failed(lookup.failed(error)),
                    Ok(found) if dial.datagrams.is_some() => {
                        return match self.connect_early(id, &found) {
                            Ok(true) => Dialled::Waiting,
                            Ok(false) => Dialled::Abandoned,
                            Err(error) => Dialled::Failed(error),
                        };
                    }
                    Ok(found) => Race::new(found.into_iter().map(Address::Ip)),
                }
            }
            Stage::Racing(race) => race,
        };
        self.race(id, race)
    }

    /// Asks the attempts under way, if there was an event, and begins the next one if its time has come.
    fn race(&mut self, id: Id, mut race: Race<StreamSocket>) -> Dialled {
        let Some(dial) = self.table.dial(id) else { return Dialled::Abandoned };
        let local = dial.local;
        if mem::take(&mut dial.answered) {
            let was_alone = race.under_way() == 1;
            let Settled { winner, given_up } = race.settle(answer);
            if !was_alone || winner.is_none() && !given_up.is_empty() {
                // What the poller said was of another one, or of one of them and who knows which.
                dial.hung_up = None;
                dial.connection.unlatch();
            }
            // They have the token of what it will be, and nothing must come by it any more.
            given_up.iter().for_each(|socket| self.deregister(socket.descriptor()));
            if let Some(socket) = winner {
                return self.promote(id, socket, was_alone);
            }
        }
        let now = self.clock.now();
        while let Some(target) = race.next(now) {
            match self.begin(id, &target, local) {
                Outcome::Done(socket) => race.begun(socket, now),
                Outcome::Blocked => race.put_off(now + DIAL_RETRY),
                Outcome::Failed(error) if is_exhaustion(&error) && race.under_way() > 0 => {
                    race.put_off(now + CONNECTION_ATTEMPT_DELAY);
                }
                Outcome::Failed(error) => race.failed(error),
            }
        }
        let next = race.next_at();
        if race.under_way() == 0 && next.is_none() {
            return Dialled::Failed(race.failure());
        }
        self.go_on_racing(id, race, next);
        Dialled::Waiting
    }

    /// Until the next event, or until the next address is to be tried.
    fn go_on_racing(&mut self, id: Id, race: Race<StreamSocket>, next: Option<Instant>) {
        let Some(dial) = self.table.dial(id) else { return };
        dial.stage = Stage::Racing(race);
        dial.next.take().map(|timer| self.timers.cancel(timer));
        dial.next = next.map(|at| self.timers.once(at, Due::DialRetry(id)));
    }

    /// The dial has taken too long. Returns what it was about when its time was over.
    pub(super) fn dial_expired(&mut self, id: Id) -> io::Error {
        let timed_out = io::Error::from(io::ErrorKind::TimedOut);
        let Some(dial) = self.table.dial(id) else { return timed_out };
        match mem::take(&mut dial.stage) {
            Stage::LookingUp(lookup) | Stage::LookedUp(lookup, _) => lookup.failed(timed_out),
            Stage::Racing(mut race) => {
                race.expire();
                race.failure()
            }
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
    fn promote(&mut self, id: Id, socket: StreamSocket, alone: bool) -> Dialled {
        if !alone && let Err(error) = self.ask_again(id, &socket) {
            return Dialled::Failed(error);
        }
        let Some(dial) = self.table.dial(id) else { return Dialled::Abandoned };
        for timer in dial.take_timers() {
            self.timers.cancel(timer);
        }
        let unmade = Connection::new(StreamSocket::Unmade);
        let mut connection = mem::replace(&mut dial.connection, unmade);
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
        Dialled::Connected
    }

    /// Has the poller say anew what it may have said already, of this one or of another.
    fn ask_again(&self, id: Id, socket: &StreamSocket) -> io::Result<()> {
        let Some(descriptor) = socket.descriptor() else { return Ok(()) };
        let (token, interest) = (Token(id.to_bits()), stream_interest(Polled::Both));
        self.poll.registry().reregister(&mut SourceFd(&descriptor.as_raw_fd()), token, interest)
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
