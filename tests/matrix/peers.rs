//! The other ends, in the hand of the test. None of them ever waits.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::time::Duration;

use echoloop::Address;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

/// Small enough to be filled quickly.
const BUFFER: usize = 64 * 1024;

/// The other end of a source.
pub(crate) trait Peer: Send {
    /// Whoever it is to come to is there, and has this address.
    fn arrive(&mut self, _at: Option<Address>) {}

    /// Sends as much as there is room for; returns how much. Of datagrams, one or none.
    fn write(&mut self, bytes: &[u8]) -> usize;

    /// What has come. Of datagrams, one.
    fn read(&mut self) -> Got;

    /// Ends its own direction.
    fn finish(&mut self) {}

    /// Goes, as rudely as it can.
    fn reset(&mut self);
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Bytes(Vec<u8>),
    Nothing,
    End,
    /// A reset, or whatever else is no end in order.
    Broken(ErrorKind),
}

/// The other end of anything that has a descriptor and no borders between its bytes.
pub(crate) enum Stream {
    /// To be connected when somebody listens.
    Socket(Socket),
    /// Waits for somebody to dial.
    Tcp(TcpListener),
    Unix(UnixListener),
    There(File),
    Gone,
}

impl Stream {
    pub(crate) fn new(descriptor: impl Into<OwnedFd>) -> Stream {
        let descriptor = descriptor.into();
        let socket = SockRef::from(&descriptor);
        socket.set_nonblocking(true).unwrap(); // Of whatever it is.
        let _ = socket.set_send_buffer_size(BUFFER).and(socket.set_recv_buffer_size(BUFFER));
        Stream::There(File::from(descriptor))
    }

    /// A client of a listener.
    pub(crate) fn client(at: Option<Address>) -> Stream {
        let domain = if let Some(Address::Ip(_)) = at { Domain::IPV4 } else { Domain::UNIX };
        let mut client = Stream::Socket(Socket::new(domain, Type::STREAM, None).unwrap());
        client.arrive(at);
        client
    }

    /// Whether this has come, and nothing else.
    #[track_caller]
    pub(crate) fn has(&mut self, expected: &[u8]) -> bool {
        match self.read() {
            Got::Nothing => false,
            got => {
                assert_eq!(got, Got::Bytes(expected.to_vec()));
                true
            }
        }
    }

    fn file(&mut self) -> Option<&mut File> {
        let accepted: Option<OwnedFd> = match self {
            Stream::Tcp(listener) => listener.accept().ok().map(|(stream, _)| stream.into()),
            Stream::Unix(listener) => listener.accept().ok().map(|(stream, _)| stream.into()),
            _ => None,
        };
        if let Some(accepted) = accepted {
            *self = Stream::new(accepted);
        }
        match self {
            Stream::There(file) => Some(file),
            _ => None,
        }
    }
}

impl Peer for Stream {
    fn arrive(&mut self, at: Option<Address>) {
        let at = match at {
            Some(Address::Ip(address)) => SockAddr::from(address),
            Some(Address::Unix(name)) => SockAddr::unix(name.as_path().expect("a path")).unwrap(),
            _ => return,
        };
        if !matches!(self, Stream::Socket(_)) {
            return; // It is there already.
        }
        if let Stream::Socket(socket) = std::mem::replace(self, Stream::Gone) {
            socket.connect(&at).expect("somebody listens");
            *self = Stream::new(socket);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.file().and_then(|file| file.write(bytes).ok()).unwrap_or(0)
    }

    fn read(&mut self) -> Got {
        let Some(file) = self.file() else { return Got::Nothing };
        let mut bytes = vec![0; 16 * 1024];
        match file.read(&mut bytes) {
            Ok(0) => Got::End,
            Ok(read) => {
                bytes.truncate(read);
                Got::Bytes(bytes)
            }
            Err(error)
                if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) =>
            {
                Got::Nothing
            }
            // A terminal whose other end has been closed says so, tty_ioctl(4).
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Got::End,
            Err(error) => Got::Broken(error.kind()),
        }
    }

    fn finish(&mut self) {
        let Some(file) = self.file() else { return };
        if SockRef::from(&*file).shutdown(Shutdown::Write).is_err() {
            *self = Stream::Gone; // A pipe has nothing else to end.
        }
    }

    fn reset(&mut self) {
        if let Some(file) = self.file() {
            let _ = SockRef::from(&*file).set_linger(Some(Duration::ZERO)); // Of TCP alone.
        }
        *self = Stream::Gone;
    }
}

/// The content of a file, which is there before it is read, and is read when it is there.
pub(crate) struct Content(pub(crate) File);

impl Peer for Content {
    fn write(&mut self, bytes: &[u8]) -> usize {
        self.0.write(bytes).unwrap()
    }

    fn read(&mut self) -> Got {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes).unwrap() {
            0 => Got::Nothing,
            _ => Got::Bytes(bytes),
        }
    }

    fn reset(&mut self) {}
}

/// A datagram socket of the system.
pub(crate) struct Grams {
    socket: Option<Gram>,
    /// It gives back what comes, to whoever has sent it.
    pub(crate) replies: bool,
}

enum Gram {
    Udp(UdpSocket, Option<SocketAddr>),
    Unix(UnixDatagram, Option<PathBuf>),
}

impl Grams {
    pub(crate) fn udp(replies: bool) -> (Grams, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let at = socket.local_addr().unwrap();
        (Grams { socket: Some(Gram::Udp(socket, None)), replies }, at)
    }

    pub(crate) fn unix(path: &std::path::Path, replies: bool) -> Grams {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Grams { socket: Some(Gram::Unix(socket, None)), replies }
    }
}

impl Peer for Grams {
    fn arrive(&mut self, at: Option<Address>) {
        match (&mut self.socket, at) {
            (Some(Gram::Udp(_, to)), Some(Address::Ip(at))) => *to = Some(at),
            (Some(Gram::Unix(_, to)), Some(Address::Unix(at))) => {
                *to = at.as_path().map(PathBuf::from);
            }
            _ => {}
        }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let sent = match &self.socket {
            Some(Gram::Udp(socket, Some(to))) => socket.send_to(bytes, to),
            Some(Gram::Unix(socket, Some(to))) => socket.send_to(bytes, to),
            _ => return 0,
        };
        sent.unwrap_or(0)
    }

    fn read(&mut self) -> Got {
        let mut bytes = vec![0; 65_536];
        let read = match &self.socket {
            Some(Gram::Udp(socket, _)) => socket.recv_from(&mut bytes).map(|(length, from)| {
                if self.replies {
                    let _ = socket.send_to(&bytes[..length], from);
                }
                length
            }),
            Some(Gram::Unix(socket, _)) => socket.recv_from(&mut bytes).map(|(length, from)| {
                if self.replies {
                    let _ = socket.send_to_addr(&bytes[..length], &from);
                }
                length
            }),
            None => return Got::Nothing,
        };
        match read {
            Ok(length) => {
                bytes.truncate(length);
                Got::Bytes(bytes)
            }
            Err(_) => Got::Nothing, // What the kernel says of one that could not be delivered, too.
        }
    }

    fn reset(&mut self) {
        self.socket = None;
    }
}

/// What the peer in memory and its service have for each other.
#[derive(Default)]
pub(crate) struct Between {
    pub(crate) id: Option<echoloop::Id>,
    /// For the source under test.
    pub(crate) out: VecDeque<Vec<u8>>,
    /// Of it, and not yet read.
    pub(crate) got: VecDeque<Vec<u8>>,
    pub(crate) finishes: bool,
    pub(crate) resets: bool,
    pub(crate) has_ended: bool,
    pub(crate) broken: Option<String>,
    pub(crate) to: Option<Address>,
    /// Datagrams, and no stream.
    pub(crate) has_borders: bool,
}
