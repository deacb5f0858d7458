//! Sockets that were opened before us, and passed by whoever started us: sd_listen_fds(3).

use std::env;
use std::os::fd::OwnedFd;

use echoloop::{Address, Endpoint};
use listenfd::ListenFd;
use rustix::process::{Resource, getrlimit};
use socket2::SockRef;

/// What stands before the name of such sockets.
pub(crate) const SCHEME: &str = "systemd://";

/// The sockets that were passed. Several may have the same name.
#[derive(Debug)]
pub(crate) struct Passed {
    sockets: Vec<Socket>,
    /// Why there are none.
    absence: String,
}

#[derive(Debug)]
struct Socket {
    name: String,
    descriptor: Result<(OwnedFd, Kind), &'static str>,
    is_used: bool,
}

/// A kind of socket that can be served.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Tcp,
    Udp,
    Unix,
    UnixDatagram,
}

impl Kind {
    pub(crate) fn is_datagram(self) -> bool {
        matches!(self, Kind::Udp | Kind::UnixDatagram)
    }

    /// As an error calls it.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Kind::Tcp => "a TCP socket",
            Kind::Udp => "a UDP socket",
            Kind::Unix => "a Unix stream socket",
            Kind::UnixDatagram => "a Unix datagram socket",
        }
    }

    /// The endpoint with this address.
    pub(crate) fn endpoint(self, address: Address) -> Option<Endpoint> {
        match (self, address) {
            (Kind::Tcp, Address::Ip(address)) => Some(Endpoint::tcp(address)),
            (Kind::Udp, Address::Ip(address)) => Some(Endpoint::udp(address)),
            (Kind::Unix, Address::Unix(name)) => Some(Endpoint::Unix(name)),
            (Kind::UnixDatagram, Address::Unix(name)) => Some(Endpoint::UnixDatagram(name)),
            _ => None,
        }
    }
}

impl Passed {
    /// Takes what was passed, and the variables that told of it out of the environment: a child of ours
    /// would take them for its own. `LISTEN_FDNAMES` stays, which means nothing without the others.
    ///
    /// To be called first of all: before anything is opened, so that no number of a descriptor can be
    /// somebody else's, and before there are threads, since they share the environment.
    pub(crate) fn take() -> Passed {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let (count, pid) = (variable("LISTEN_FDS"), variable("LISTEN_PID"));
        let names = variable("LISTEN_FDNAMES");
        let none = |absence: String| Passed { sockets: Vec::new(), absence };
        let Some(count) = count else {
            let why = "LISTEN_FDS is not set, which a socket unit of systemd does, or systemd-socket-activate";
            return none(why.to_owned());
        };
        // Each has a descriptor, so there can't be more of them.
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if !count.parse().is_ok_and(|count: u64| count <= most && count <= i32::MAX as u64) {
            return none(format!("LISTEN_FDS is {count:?}, and not a number of descriptors"));
        }
        let mut listenfd = ListenFd::from_env();
        if let Some(pid) = pid.filter(|pid| *pid != std::process::id().to_string()) {
            let own = std::process::id();
            return none(format!("they are for process {pid} (LISTEN_PID), and this is {own}"));
        }
        let names = names.unwrap_or_default();
        let mut names = names.split(':');
        let sockets = (0..listenfd.len())
            .map(|index| Socket {
                name: name_or_unknown(names.next()).to_owned(),
                descriptor: descriptor(&mut listenfd, index),
                is_used: false,
            })
            .collect();
        Passed { sockets, absence: "LISTEN_FDS is 0".to_owned() }
    }

    /// The sockets of this name: duplicates, so that each worker can have its own.
    pub(crate) fn named(&mut self, name: &str) -> Result<Vec<(OwnedFd, Kind)>, String> {
        if self.sockets.is_empty() {
            return Err(format!("no sockets were passed: {}", self.absence));
        }
        let mut found = Vec::new();
        for socket in self.sockets.iter_mut().filter(|socket| socket.name == name) {
            socket.is_used = true;
            let (descriptor, kind) = socket.descriptor.as_ref().map_err(|why| (*why).to_owned())?;
            let copy = descriptor.try_clone().map_err(|error| error.to_string())?;
            found.push((copy, *kind));
        }
        match found.is_empty() {
            true => Err(format!("no socket of that name was passed; there are: {}", self.names())),
            false => Ok(found),
        }
    }

    fn names(&self) -> String {
        let mut names: Vec<_> = self.sockets.iter().map(|socket| socket.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }

    /// The names of those that nothing is served on.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().filter(|socket| !socket.is_used).map(|socket| socket.name.as_str())
    }
}

/// One without a name is called so by sd_listen_fds(3).
fn name_or_unknown(name: Option<&str>) -> &str {
    name.filter(|name| !name.is_empty()).unwrap_or("unknown")
}

/// Takes a socket as what it is. One that isn't there, or is of another kind, stays where it is.
fn descriptor(all: &mut ListenFd, index: usize) -> Result<(OwnedFd, Kind), &'static str> {
    if let Ok(Some(socket)) = all.take_tcp_listener(index) {
        return listening(socket.into(), Kind::Tcp);
    }
    if let Ok(Some(socket)) = all.take_udp_socket(index) {
        return Ok((socket.into(), Kind::Udp));
    }
    if let Ok(Some(socket)) = all.take_unix_listener(index) {
        return listening(socket.into(), Kind::Unix);
    }
    if let Ok(Some(socket)) = all.take_unix_datagram(index) {
        return Ok((socket.into(), Kind::UnixDatagram));
    }
    Err("what was passed is neither a TCP, a UDP nor a Unix stream or datagram socket")
}

/// One with a peer is a connection.
fn listening(socket: OwnedFd, kind: Kind) -> Result<(OwnedFd, Kind), &'static str> {
    match SockRef::from(&socket).peer_addr() {
        Ok(_) => Err("it doesn't listen, so it is a connection: Accept=no in the unit, or \
                      systemd-socket-activate without -a"),
        Err(_) => Ok((socket, kind)),
    }
}

/// Whether systemd could call a socket so: `FileDescriptorName=` of systemd.socket(5).
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    const MOST: usize = 255;
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b':';
    match name {
        "" => Err("no name, expected one such as systemd://echo (FileDescriptorName= of the unit)"),
        _ if name.len() > MOST => Err("a name has at most 255 characters"),
        _ if !name.bytes().all(is_plain) => Err("a name has printable ASCII, and no colon"),
        _ => Ok(()),
    }
}
