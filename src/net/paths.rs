//! Sockets that are files: who may have a path, and for how long.
//!
//! bind(2) makes the file of a Unix socket, and nothing removes it: it outlives a server that was killed.
//! Whoever starts on its path must tell it from that of a living server, and take it over; whoever ends must
//! remove its own, and not that of a successor. Both are several steps, so there is a lock: a second file
//! beside the first one.
//!
//! ```text
//!   /run/echo.sock.lock   lock ─┬────────────────────────────────────┬─ remove, unlock
//!   /run/echo.sock              └─ nobody answers? ─ bind ... remove ─┘
//! ```
//!
//! It is a file of our own, which nobody else may open, so that nobody else can keep us from starting by
//! locking it: that is why it isn't the directory, or the socket itself.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{self, Path, PathBuf};

use socket2::{SockAddr, Socket, Type};

use super::making::{unix_address, unix_socket};
use crate::values::{Config, LOCK_TRIES, UnixName, describe};

/// A bound socket, and the file that goes with it if it has one.
pub(super) struct Bound {
    /// Before the socket, see [`SocketFile`].
    pub(super) file: Option<SocketFile>,
    pub(super) socket: Socket,
}

/// A Unix socket's file that we have made, removed when the socket goes. Should somebody have replaced it by
/// then, without asking for the lock, theirs stays. It must be dropped before the socket, which keeps the
/// number of our file from being given to another one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Goes last.
    _lock: Lock,
}

impl SocketFile {
    /// Opens it to exactly those that the mode has. It is no wider than that from the beginning, see
    /// [`narrow`]: what is missing here is what the umask took away.
    fn open_to(&self, mode: u32) -> io::Result<()> {
        let now = fs::symlink_metadata(&self.path)?;
        if now.permissions().mode() & 0o777 == mode {
            return Ok(());
        }
        change_mode(&self.path, mode, self.identity).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot set its permissions: {}", describe(&error)),
            )
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {:?}: {}", self.path, describe(&error));
        }
    }
}

/// The right to make and to remove what is at a path, held as long as the server lives.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// The lock of a socket at this path, for the user that we are.
    fn take(socket: &Path, user: u32) -> io::Result<Lock> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        for _ in 0..LOCK_TRIES {
            let file = open_lock(&path, user)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err(in_use(format!("another server holds its lock, {path:?}")));
                }
                Err(TryLockError::Error(error)) => return Err(lock_failed(&path, &error)),
                Ok(()) => {}
            }
            // Its owner may have removed it before we had the lock, and somebody else made another one.
            if identity(&path).is_ok_and(|it| file.metadata().is_ok_and(|ours| it == number(&ours)))
            {
                return Ok(Lock { path, file });
            }
        }
        Err(in_use(format!("other servers make and remove its lock, {path:?}, all the time")))
    }
}

/// Removed while it is still held, so that whoever gets it next sees that it has gone.
impl Drop for Lock {
    fn drop(&mut self) {
        let ours = self.file.metadata().map(|ours| number(&ours));
        if ours.is_ok_and(|ours| identity(&self.path).is_ok_and(|it| it == ours))
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {:?}: {}", self.path, describe(&error));
        }
        // A process that is being forked just now has it too, and would hold the lock until its exec(2).
        let _ = self.file.unlock();
    }
}

/// Opens a lock file that only we can open, or makes it.
fn open_lock(path: &Path, user: u32) -> io::Result<File> {
    let not_ours = || in_use(format!("{path:?} is in the way, which is no lock of ours"));
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error), // The directory.
        Err(error) if is_refusal(&error) && fs::symlink_metadata(path).is_ok() => {
            return Err(not_ours());
        }
        Err(error) => return Err(lock_failed(path, &error)),
    };
    let found = file.metadata()?;
    let private = found.mode() & 0o077 == 0 && found.uid() == user;
    let ours = found.is_file() && private && found.len() == 0;
    if ours { Ok(file) } else { Err(not_ours()) }
}

/// Whether the error is about what is there, not about what has run out.
fn is_refusal(error: &io::Error) -> bool {
    let refusals =
        [libc::EACCES, libc::EPERM, libc::ELOOP, libc::EMLINK, libc::EISDIR, libc::ENXIO];
    error.raw_os_error().is_some_and(|code| refusals.contains(&code))
}

fn lock_failed(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot lock {path:?}: {}", describe(error)))
}

fn in_use(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, why.into())
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| number(&metadata))
}

/// What no two files have at the same time.
fn number(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

pub(super) fn bind_unix(name: &UnixName, kind: Type, config: &Config) -> io::Result<Bound> {
    let socket = unix_socket(kind, config)?;
    let address = unix_address(name)?;
    let Some(path) = name.as_path() else {
        socket.bind(&address)?;
        return Ok(Bound { file: None, socket });
    };
    let path = path::absolute(path)?; // The host may change its directory.
    let as_file = File::from(OwnedFd::from(socket.try_clone()?));
    let lock = Lock::take(&path, as_file.metadata()?.uid())?; // What we have made is ours.
    if let Some(mode) = config.unix_mode {
        narrow(&as_file, mode)?;
    }
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            take_over(&path, &address, &socket)?;
        }
        other => other?,
    }
    let identity = identity(&path)?;
    let file = SocketFile { path, identity, _lock: lock };
    if let Some(mode) = config.unix_mode {
        file.open_to(mode)?;
    }
    Ok(Bound { file: Some(file), socket })
}

/// Binds to a path that exists, if it is the socket of a server that isn't there any more.
fn take_over(path: &Path, address: &SockAddr, socket: &Socket) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(in_use("the path exists and is not a socket"));
    }
    match answer(address) {
        // Only a refusal says that no server is there. A full backlog is one, and so is a socket of the
        // other kind.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(in_use("a socket is there, and whether a server answers may not be asked"));
        }
        _ => return Err(in_use("another server answers there")),
    }
    log::info!("{path:?}: no server answers there, taking it over");
    fs::remove_file(path)?;
    socket.bind(address)
}

/// What is said to a process that connects there.
fn answer(address: &SockAddr) -> io::Result<()> {
    let ask = |kind| {
        let socket = Socket::new(socket2::Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    match ask(Type::STREAM) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => ask(Type::DGRAM),
        other => other,
    }
}

/// Of a socket that isn't bound yet: Linux gives its file these permissions, less those of the umask.
/// Elsewhere nobody can connect to a stream socket before it listens, and by then they are right.
fn narrow(socket: &File, mode: u32) -> io::Result<()> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        socket.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Whoever may write to the directory could put a link in the place of our socket, and have us open what it
/// leads to: so the change is made to what has been looked at.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn change_mode(path: &Path, mode: u32, identity: (u64, u64)) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let place =
        OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)?;
    if number(&place.metadata()?) != identity {
        return Err(in_use("somebody has replaced it"));
    }
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Elsewhere there is no way to name a socket but by its path.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn change_mode(path: &Path, mode: u32, expected: (u64, u64)) -> io::Result<()> {
    if identity(path)? != expected {
        return Err(in_use("somebody has replaced it"));
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}
