//! Sockets with an address of their own: listeners, datagram sockets, Unix socket files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use socket2::{SockAddr, Socket, Type};

use super::socket::{internet_socket, unix_address, unix_socket};
use crate::values::{Config, Endpoint, START_WAIT, UnixName};

/// A bound socket, and the file that goes with it if it has one.
pub(super) struct Bound {
    /// Before the socket, see [`SocketFile`].
    pub(super) file: Option<SocketFile>,
    pub(super) socket: Socket,
    /// To be held until the socket listens: before that, another server that starts would find that
    /// nobody answers, and take it over.
    pub(super) lock: Option<File>,
}

/// Binds to the endpoint: to the first of its addresses that can be bound.
pub(super) fn bind(endpoint: &Endpoint, config: &Config) -> io::Result<Bound> {
    let kind = if endpoint.is_datagram() { Type::DGRAM } else { Type::STREAM };
    if let Endpoint::Unix(name) | Endpoint::UnixDatagram(name) = endpoint {
        return bind_unix(name, kind, config);
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in endpoint.resolve()? {
        match bind_internet(address, kind, config) {
            Ok(socket) => return Ok(Bound { file: None, socket, lock: None }),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn bind_internet(address: std::net::SocketAddr, kind: Type, config: &Config) -> io::Result<Socket> {
    let socket = internet_socket(address, kind, config)?;
    if kind == Type::STREAM {
        // A server that is started again must not wait for its old connections to time out.
        socket.set_reuse_address(true)?;
    }
    if config.reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A Unix socket's file that we have made, removed when the socket goes. By then it may be somebody
/// else's, who has taken the path over: theirs stays. It must be dropped before the socket, which keeps
/// the number of our file from being given to another one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_path_buf(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {:?}: {error}", self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn bind_unix(name: &UnixName, kind: Type, config: &Config) -> io::Result<Bound> {
    let socket = unix_socket(kind, config)?;
    let address = unix_address(name)?;
    let Some(path) = name.as_path() else {
        socket.bind(&address)?;
        return Ok(Bound { file: None, socket, lock: None });
    };
    let lock = lock_directory(path);
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            lock.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
            take_over(path, &address, &socket)?;
        }
        other => other?,
    }
    Ok(Bound { file: Some(SocketFile::of(path)?), socket, lock: lock.ok() })
}

/// Locks the directory, so that of several servers that start together on one path only one does.
fn lock_directory(path: &Path) -> io::Result<File> {
    const PAUSE: Duration = Duration::from_millis(1);

    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let directory = File::open(directory)?;
    for _ in 0..START_WAIT.as_millis() / PAUSE.as_millis() {
        match directory.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(directory),
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody keeps its directory locked"))
}

/// Binds to a path that exists, if it is the socket of a server that isn't there any more.
fn take_over(path: &Path, address: &SockAddr, socket: &Socket) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let why = "the path exists and is not a socket";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    }
    if somebody_answers(address) {
        let why = "another server answers there";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    }
    log::info!("{path:?}: nobody answers there, taking it over");
    fs::remove_file(path)?;
    socket.bind(address)
}

/// Only a refusal says that nobody is there. A full backlog is somebody, and so is a socket of the other
/// kind.
fn somebody_answers(address: &SockAddr) -> bool {
    let refused = |kind| {
        let socket = Socket::new(socket2::Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    let stream: io::Result<()> = refused(Type::STREAM);
    let answer = match stream {
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => refused(Type::DGRAM),
        other => other,
    };
    !answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
