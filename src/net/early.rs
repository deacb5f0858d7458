//! Connected datagram sockets, and what is sent to a peer before its name is known.

use std::io;
use std::net::SocketAddr;

use mio::Interest;
use socket2::Type;

use super::core::Core;
use super::listen::join_datagrams;
use super::making::outgoing_socket;
use super::outbound::Dial;
use super::receiving::DatagramSocket;
use super::table::{DatagramSource, Source};
use crate::values::{Address, EARLY_DATAGRAMS, Id, ServiceKey};

/// A socket that sends to one peer and hears from nobody else.
pub(super) fn connect_datagram(
    core: &mut Core,
    service: ServiceKey,
    targets: &[Address],
    local: Option<SocketAddr>,
) -> io::Result<Id> {
    let source = connected_datagram(core, targets, local)?;
    Ok(core.insert(service, Source::Datagram(Box::new(source)))?.0)
}

/// Connected to the first of the targets that there is a way to.
fn connected_datagram(
    core: &Core,
    targets: &[Address],
    local: Option<SocketAddr>,
) -> io::Result<DatagramSource> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for target in targets {
        match open_datagram(core, target, local) {
            Ok(socket) => {
                let is_udp = matches!(target, Address::Ip(_));
                return Ok(DatagramSource {
                    connected: Some(*target),
                    is_from_peer: is_from_peer(&socket, target),
                    ..DatagramSource::new(socket, is_udp, core.config.offload)
                });
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Whether a socket that has just been connected can only have datagrams from this peer, and by this very
/// address: from here on the kernel lets nothing else in, but what came before stays. UDP only: the peer of a
/// Unix socket may give itself another name.
fn is_from_peer(socket: &DatagramSocket, peer: &Address) -> bool {
    peer.ip().is_some_and(|ip| !ip.is_unspecified()) && !socket.is_readable()
}

fn open_datagram(
    core: &Core,
    target: &Address,
    local: Option<SocketAddr>,
) -> io::Result<DatagramSocket> {
    if let Address::Mem(name) = target {
        return core.memory.connect_datagram(*name).map(DatagramSocket::Mem);
    }
    let (socket, address) = outgoing_socket(target, Type::DGRAM, local, &core.config)?;
    socket.connect(&address)?;
    if matches!(target, Address::Ip(_)) {
        join_datagrams(&socket, core);
    }
    Ok(DatagramSocket::System(socket))
}

impl Core {
    /// Keeps a datagram for a peer whose name is being looked up. `false`: it was dropped, and counted.
    #[cold]
    pub(super) fn keep_datagram(&mut self, id: Id, payload: &[u8]) -> bool {
        let Some(Dial { connection, datagrams: Some(lengths), .. }) = self.table.dial(id) else {
            return false;
        };
        if connection.is_closing() {
            return false;
        }
        let fits = lengths.len() < EARLY_DATAGRAMS
            && connection.send_all(payload, &self.config, &mut self.account);
        match fits {
            true => lengths.push(payload.len()),
            false => self.statistics.dropped.no_room += 1,
        }
        fits
    }

    /// The peer of a datagram socket is known: makes the socket under the same id and token, and sends what
    /// was kept. Returns whether it is still wanted then.
    pub(super) fn connect_early(&mut self, id: Id, found: &[SocketAddr]) -> io::Result<bool> {
        let local = self.table.dial(id).and_then(|dial| dial.local);
        let targets: Vec<_> = found.iter().copied().map(Address::Ip).collect();
        let mut source = connected_datagram(self, &targets, local)?;
        source.socket.watch(self.poll.registry(), id, Interest::READABLE)?;
        if self.stopping.is_draining() {
            (source.readable, source.stopping) = (true, true);
            source.active = self.clock.tick();
        }
        let Some(dial) = self.table.dial(id) else { return Ok(false) };
        let (is_wanted, lengths) = (!dial.connection.is_closing(), dial.datagrams.take());
        let kept = dial.connection.take_queued(&mut self.account);
        for timer in dial.take_timers() {
            self.timers.cancel(timer);
        }
        if let Some(entry) = self.table.get_mut(id) {
            entry.source = Source::Datagram(Box::new(source));
        }
        let mut rest = kept.as_slice();
        for length in lengths.unwrap_or_default() {
            let (payload, behind) = rest.split_at(length);
            self.send_now(id, None, payload);
            rest = behind;
        }
        self.schedule(id);
        Ok(is_wanted)
    }
}
