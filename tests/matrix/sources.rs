//! Each kind of source by each of its ways in: how it is made, and its other end.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use echoloop::{Context, Endpoint};
use socket2::{Domain, Socket, Type};

use crate::fates::Case;
use crate::memory::{Memory, Wire};
use crate::peers::{Content, Grams, Peer, Stream};
use crate::rows::{Flow, Kind, Way};
use crate::stage::{Make, Shared};
use crate::support::endpoint;

/// A source that is to come, and all that is there before.
pub(crate) struct Coming {
    pub(crate) make: Make,
    pub(crate) peer: Other,
    /// Where the reactor listens already, in the name of the service under test.
    pub(crate) listens: Option<Endpoint>,
    /// What the peer in memory listens on.
    pub(crate) peer_listens: Option<Endpoint>,
    pub(crate) wire: Option<Arc<Wire>>,
    /// What is to stay open meanwhile.
    pub(crate) keeps: Vec<OwnedFd>,
}

/// The other end. The moment may be in a callback, and so it is shared.
#[derive(Clone)]
pub(crate) struct Other(Arc<Mutex<Box<dyn Peer>>>);

impl Other {
    fn new(peer: impl Peer + 'static) -> Other {
        Other(Arc::new(Mutex::new(Box::new(peer))))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<dyn Peer>> {
        self.0.lock().expect("nobody has panicked")
    }
}

impl Coming {
    fn new(make: Make, peer: Other) -> Coming {
        Coming { make, peer, listens: None, peer_listens: None, wire: None, keeps: Vec::new() }
    }

    fn behind(self, listens: &str) -> Coming {
        Coming { listens: Some(endpoint(listens)), ..self }
    }
}

/// What comes in this case.
pub(crate) fn coming(case: &Case, stage: &Shared, directory: &Path) -> Coming {
    use Kind::*;

    let base = case.base().expect("there is such a way");
    let base = if case.comes_by_a_listener() { Way::Accepted } else { base };
    match (case.kind, base) {
        (Mem | MemListener | MemGram | MemGramConnected, _) => in_memory(case.kind, base, stage),
        (Tcp, Way::Accepted) => arrives(stage, Domain::IPV4).behind("tcp://127.0.0.1:0"),
        (Unix, Way::Accepted) => {
            arrives(stage, Domain::UNIX).behind(&format!("unix://{}", at(directory).display()))
        }
        (TcpListener, _) => listener(case, base, directory),
        (UnixListener, _) => listener(case, base, directory),
        (Tcp | Unix, Way::Dialled) => dialled(case.kind, directory),
        (Udp | UdpConnected | UnixGram | UnixGramConnected, _) => grams(case, base, directory),
        _ => adopted(case.kind, stage),
    }
}

/// A path for the source under test.
pub(crate) fn at(directory: &Path) -> std::path::PathBuf {
    directory.join("source")
}

/// Somebody connects to where the reactor listens.
fn arrives(stage: &Shared, domain: Domain) -> Coming {
    // A descriptor that there must be, also in the moment in which there are no others.
    let peer = Other::new(Stream::Socket(Socket::new(domain, Type::STREAM, None).unwrap()));
    let (stage, comes) = (Arc::clone(stage), peer.clone());
    let make = move |_: &mut Context<'_>| {
        let at = stage.see().address;
        comes.lock().arrive(at);
        Ok(None)
    };
    Coming::new(Box::new(make), peer)
}

fn listener(case: &Case, base: Way, directory: &Path) -> Coming {
    let (domain, text) = match case.kind {
        Kind::TcpListener => (Domain::IPV4, "tcp://127.0.0.1:0".to_owned()),
        _ => (Domain::UNIX, format!("unix://{}", at(directory).display())),
    };
    let peer = Other::new(Stream::Socket(Socket::new(domain, Type::STREAM, None).unwrap()));
    match (base, case.kind) {
        (Way::ListenedOn, Kind::TcpListener) => {
            Coming::new(listen_on(TcpListener::bind("127.0.0.1:0").unwrap()), peer)
        }
        (Way::ListenedOn, _) => {
            Coming::new(listen_on(UnixListener::bind(at(directory)).unwrap()), peer)
        }
        _ => Coming::new(listen(&text), peer),
    }
}

fn dialled(kind: Kind, directory: &Path) -> Coming {
    let (peer, to) = match kind {
        Kind::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let to = format!("tcp://{}", listener.local_addr().unwrap());
            (Stream::Tcp(listener), to)
        }
        _ => {
            let listener = UnixListener::bind(at(directory)).unwrap();
            listener.set_nonblocking(true).unwrap();
            (Stream::Unix(listener), format!("unix://{}", at(directory).display()))
        }
    };
    Coming::new(connect(&to), Other::new(peer))
}

fn grams(case: &Case, base: Way, directory: &Path) -> Coming {
    let replies = case.kind.flow() == Flow::Asks;
    let theirs = directory.join("peer");
    match case.kind {
        Kind::Udp | Kind::UdpConnected => {
            let (peer, theirs) = Grams::udp(replies);
            let peer = Other::new(peer);
            let make = match (case.kind, base) {
                (Kind::Udp, Way::ListenedOn) => listen_on(udp(None)),
                (Kind::Udp, _) => listen("udp://127.0.0.1:0"),
                (_, Way::ListenedOn) => listen_on(udp(Some(theirs))),
                _ => connect(&format!("udp://{theirs}")),
            };
            Coming::new(make, peer)
        }
        _ => {
            let peer = Other::new(Grams::unix(&theirs, replies));
            let (path, to) = (at(directory), theirs.display());
            let make = match (case.kind, base) {
                (Kind::UnixGram, Way::ListenedOn) => listen_on(UnixDatagram::bind(path).unwrap()),
                (Kind::UnixGram, _) => listen(&format!("unixgram://{}", path.display())),
                (_, Way::ListenedOn) => {
                    let socket = UnixDatagram::bind(path).unwrap();
                    socket.connect(&theirs).unwrap();
                    listen_on(socket)
                }
                _ => connect(&format!("unixgram://{to}")),
            };
            Coming::new(make, peer)
        }
    }
}

fn udp(to: Option<SocketAddr>) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    if let Some(to) = to {
        socket.connect(to).unwrap();
    }
    socket
}

fn adopted(kind: Kind, stage: &Shared) -> Coming {
    let (ours, peer): (OwnedFd, Other) = match kind {
        Kind::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (listener.accept().unwrap().0.into(), Other::new(Stream::new(theirs)))
        }
        Kind::PipeIn => {
            let (ours, theirs) = std::io::pipe().unwrap();
            (ours.into(), Other::new(Stream::new(theirs)))
        }
        Kind::PipeOut => {
            let (theirs, ours) = std::io::pipe().unwrap();
            (ours.into(), Other::new(Stream::new(theirs)))
        }
        Kind::FileIn | Kind::FileOut => {
            let file = tempfile::NamedTempFile::new().unwrap();
            // Each with a place of its own in it.
            let open = || File::options().read(true).write(true).open(file.path()).unwrap();
            (open().into(), Other::new(Content(open())))
        }
        Kind::Terminal => terminal(),
        _ => {
            let (ours, theirs) = UnixStream::pair().unwrap();
            (ours.into(), Other::new(Stream::new(theirs)))
        }
    };
    let half = stage.half();
    Coming::new(Box::new(move |cx| cx.adopt(ours, half).map(Some)), peer)
}

/// A terminal that changes nothing of what goes through it.
fn terminal() -> (OwnedFd, Other) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let theirs = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&theirs).unwrap();
    unlockpt(&theirs).unwrap();
    let name = ptsname(&theirs, Vec::new()).unwrap();
    let ours = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut modes = rustix::termios::tcgetattr(&ours).unwrap();
    modes.make_raw();
    rustix::termios::tcsetattr(&ours, rustix::termios::OptionalActions::Now, &modes).unwrap();
    (ours.into(), Other::new(Stream::new(theirs)))
}

fn in_memory(kind: Kind, base: Way, stage: &Shared) -> Coming {
    let replies = kind == Kind::MemGramConnected;
    let wire = Arc::new(Wire::new(replies, kind.is_datagrams()));
    let peer = Other::new(Memory(Arc::clone(&wire)));
    let dials = Arc::clone(&wire);
    let (make, listens, peer_listens): (Make, _, _) = match (kind, base) {
        (Kind::Mem, Way::Accepted) => {
            let make = move |cx: &mut Context<'_>| {
                cx.as_service(dials.service()).connect(&endpoint("mem://source"))?;
                Ok(None)
            };
            (Box::new(make), Some("mem://source"), None)
        }
        (Kind::Mem, _) => (connect("mem://peer"), None, Some("mem://peer")),
        (Kind::MemListener, _) => {
            let stage = Arc::clone(stage);
            let make = move |cx: &mut Context<'_>| {
                let listener = cx.listen(&endpoint("mem://source"))?;
                stage.see().made = Some(listener);
                // Who comes at once is there too.
                cx.as_service(dials.service()).connect(&endpoint("mem://source"))?;
                Ok(Some(listener))
            };
            (Box::new(make), None, None)
        }
        (Kind::MemGram, _) => (listen("memgram://source"), None, Some("memgram://peer")),
        _ => (connect("memgram://peer"), None, Some("memgram://peer")),
    };
    Coming {
        make,
        peer,
        listens: listens.map(endpoint),
        peer_listens: peer_listens.map(endpoint),
        wire: Some(wire),
        keeps: Vec::new(),
    }
}

pub(crate) fn listen(at: &str) -> Make {
    let at = endpoint(at);
    Box::new(move |cx| cx.listen(&at).map(Some))
}

pub(crate) fn listen_on(socket: impl Into<OwnedFd>) -> Make {
    let socket = socket.into();
    Box::new(move |cx| cx.listen_on(socket).map(Some))
}

pub(crate) fn connect(to: &str) -> Make {
    let to = endpoint(to);
    Box::new(move |cx| cx.connect(&to).map(Some))
}
