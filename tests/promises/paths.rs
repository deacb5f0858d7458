//! Errors name the deed and the object, and nothing is half started; what is to be said of the paths of
//! Unix sockets.

use std::error::Error;
use std::fs::{self, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;

use echoloop::{Config, Echo, Endpoint, Reactor, Service, Stop, UnixName, describe};
use tempfile::TempDir;

use crate::again::again;
use crate::support::*;

fn place() -> (TempDir, PathBuf, Endpoint) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let at = endpoint(&format!("unix://{}", path.display()));
    (directory, path, at)
}

/// What cannot be had is named, with the reason behind it.
#[track_caller]
fn refused(at: &Endpoint, why: &str) {
    let error = reactor(Config::default()).listen(at, Echo).unwrap_err();
    assert_eq!(describe(&error), format!("cannot listen on {at}: {why}"));
    assert_eq!(error.to_string(), format!("cannot listen on {at}")); // The reason once.
}

/// Each error says what was tried, on what, and why not.
#[test]
fn errors_name_the_deed_and_the_object() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = endpoint(&format!("tcp://{}", taken.local_addr().unwrap()));
    refused(&at, "address already in use");
    refused(&endpoint("tcp://198.51.100.7:0"), "cannot assign requested address");
    refused(&endpoint("udp://198.51.100.7:0"), "cannot assign requested address");
    let missing = endpoint("unix:///no/such/directory/x");
    refused(&missing, "no such file or directory");
    let mut reactor = reactor(Config::default());
    let error = reactor.connect(&endpoint("unixgram:///no/such/x"), Echo).unwrap_err();
    let text = "cannot connect to unixgram:///no/such/x: no such file or directory";
    assert_eq!(describe(&error), text);
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Says when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl Service for Dropped {}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

/// What could not be started leaves nothing behind: no service, no socket, no file.
#[test]
fn nothing_is_half_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = endpoint(&format!("tcp://{}", taken.local_addr().unwrap()));
    let (sender, dropped) = mpsc::channel();
    let mut reactor = reactor(Config::default());
    reactor.listen(&at, Dropped(sender.clone())).unwrap_err();
    dropped.try_recv().expect("the service is dropped");
    reactor.connect(&endpoint("unixgram:///no/such/x"), Dropped(sender)).unwrap_err();
    dropped.try_recv().expect("the service is dropped");

    // And those that come after it are served by their own services.
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(address);
    std::io::Write::write_all(&mut client, b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    expect(&mut client, b"hello");
}

/// The file of a socket appears with its listener and goes with it: when it is closed, when the reactor
/// stops, and when the reactor is dropped.
#[test]
fn the_file_goes_with_the_socket() {
    for scheme in ["unix", "unixgram"] {
        let (_directory, path, _) = place();
        let at = endpoint(&format!("{scheme}://{}", path.display()));
        let mut first = reactor(Config::default());
        let id = first.listen(&at, Echo).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        let service = first.add(Echo);
        first.context(service).source(id).close();
        assert!(!path.exists());

        first.listen(&at, Echo).unwrap();
        drop(first);
        assert!(!path.exists());

        for how in [Stop::Gracefully, Stop::AtOnce] {
            let copy = at.clone();
            let server = Server::start(Config::default(), move |reactor| {
                reactor.listen(&copy, Echo).unwrap();
            });
            assert!(path.exists());
            server.stop(how);
            assert!(!path.exists());
        }
    }
}

/// A socket file that a dead server has left is taken over, of either kind.
#[test]
fn a_stale_file_is_taken_over() {
    for scheme in ["unix", "unixgram"] {
        let (_directory, path, _) = place();
        let at = endpoint(&format!("{scheme}://{}", path.display()));
        drop(UnixListener::bind(&path).unwrap());
        let mut reactor = reactor(Config::default());
        reactor.listen(&at, Echo).unwrap();
        drop(reactor);
        drop(UnixDatagram::bind(&path).unwrap());
        let mut reactor = Reactor::new(Config::default()).unwrap();
        reactor.listen(&at, Echo).unwrap();
    }
}

/// A living server's path is left alone, of either kind and even if its backlog is full; and so is a
/// file that is no socket.
#[test]
fn what_is_in_use_is_left_alone() {
    for scheme in ["unix", "unixgram"] {
        let (_directory, path, _) = place();
        let at = endpoint(&format!("{scheme}://{}", path.display()));
        let living = UnixListener::bind(&path).unwrap();
        refused(&at, "another server answers there");
        drop(unix(&path));
        living.accept().unwrap();
        fs::remove_file(&path).unwrap();

        let living = UnixDatagram::bind(&path).unwrap();
        refused(&at, "another server answers there");
        UnixDatagram::unbound().unwrap().send_to(b"still there?", &path).unwrap();
        again(|| living.recv(&mut [0; 20])).unwrap();
        fs::remove_file(&path).unwrap();

        fs::write(&path, "precious").unwrap();
        refused(&at, "the path exists and is not a socket");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();

        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        refused(&at, "the path exists and is not a socket");
    }
}

/// Of two of our own servers the first one keeps the path.
#[test]
fn the_first_server_keeps_its_path() {
    let (_directory, path, at) = place();
    let copy = at.clone();
    let server = Server::start(Config::default(), move |reactor| {
        reactor.listen(&copy, Echo).unwrap();
    });
    refused(&at, &format!("another server holds its lock, \"{}.lock\"", path.display()));
    exchange(&mut unix(&path), b"still there?");
    drop(server);
    assert!(!path.exists());
}

/// When somebody else has taken the path over meanwhile, their file stays.
#[test]
fn somebody_elses_file_stays() {
    let (_directory, path, at) = place();
    let mut reactor = reactor(Config::default());
    reactor.listen(&at, Echo).unwrap();
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    drop(reactor);
    assert!(path.exists());
}

/// Of servers that start at the same moment on the same path exactly one does, and it can be reached,
/// whether there is a stale file or none.
#[test]
fn of_many_servers_exactly_one_starts() {
    const SERVERS: usize = 8;
    for round in 0..40 {
        let (_directory, path, at) = place();
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).unwrap());
        }
        let go = Barrier::new(SERVERS);
        let started = thread::scope(|scope| {
            let start = || {
                let mut reactor = reactor(Config::default());
                go.wait();
                let started = reactor.listen(&at, Echo).is_ok();
                go.wait(); // Nobody goes before all have tried.
                if started {
                    assert!(UnixStream::connect(&path).is_ok());
                }
                started
            };
            let servers = [(); SERVERS].map(|()| scope.spawn(start));
            servers.into_iter().filter_map(|server| server.join().unwrap().then_some(())).count()
        });
        assert_eq!(started, 1, "round {round}");
    }
}

fn lock_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.lock", path.display()))
}

/// The lock is a file that only we can open, and so nobody else can keep it. A server that was killed leaves
/// it, which is no obstacle; it goes with its server.
#[test]
fn the_lock_is_ours_alone_and_goes_with_its_server() {
    for scheme in ["unix", "unixgram"] {
        let (directory, path, _) = place();
        let at = endpoint(&format!("{scheme}://{}", path.display()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(lock_of(&path)).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        let mut reactor = reactor(Config::default());
        reactor.listen(&at, Echo).unwrap();
        assert_eq!(fs::metadata(lock_of(&path)).unwrap().permissions().mode() & 0o777, 0o600);
        drop(reactor);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

/// Whoever may read the directory may lock it, and keeps nobody from starting.
#[test]
fn a_locked_directory_keeps_nobody_from_starting() {
    let (directory, path, at) = place();
    drop(UnixListener::bind(&path).unwrap());
    let locked = fs::File::open(directory.path()).unwrap();
    locked.lock().unwrap();
    reactor(Config::default()).listen(&at, Echo).unwrap();
}

/// What has the name of the lock and is not one of ours is named, and stays as it is.
#[test]
fn a_file_in_the_place_of_the_lock_is_left_alone() {
    let (directory, path, at) = place();
    let lock = lock_of(&path);
    let why = format!("\"{}\" is in the way, which is no lock of ours", lock.display());

    fs::write(&lock, "precious").unwrap();
    fs::set_permissions(&lock, Permissions::from_mode(0o600)).unwrap();
    refused(&at, &why);
    assert_eq!(fs::read_to_string(&lock).unwrap(), "precious");
    // One that others can open, and so could keep.
    fs::write(&lock, "").unwrap();
    fs::set_permissions(&lock, Permissions::from_mode(0o604)).unwrap();
    refused(&at, &why);
    assert_eq!(fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o604);
    fs::remove_file(&lock).unwrap();

    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &lock).unwrap();
    refused(&at, &why);
    assert!(!directory.path().join("elsewhere").exists());
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    refused(&at, &why);
    fs::remove_dir(&lock).unwrap();
    drop(UnixListener::bind(&lock).unwrap());
    refused(&at, &why);
    assert!(lock.exists() && !path.exists());
}

/// The file of a socket has the permissions that were asked for, whatever the umask, and never any others.
#[test]
fn a_socket_is_never_open_wider_than_it_should_be() {
    for (scheme, mode) in [("unix", 0o600), ("unixgram", 0o600), ("unix", 0o777), ("unix", 0o640)] {
        let (_directory, path, _) = place();
        let at = endpoint(&format!("{scheme}://{}", path.display()));
        let config = Config { unix_mode: Some(mode), ..Config::default() };
        let over = AtomicBool::new(false);
        let permissions = || Some(fs::symlink_metadata(&path).ok()?.permissions().mode() & 0o777);
        let (made, seen) = thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut seen = 0;
                while !over.load(Ordering::Relaxed) {
                    seen |= permissions().unwrap_or(0);
                }
                seen
            });
            let start = |_| {
                let mut reactor = reactor(config.clone());
                reactor.listen(&at, Echo).ok().and_then(|_| permissions())
            };
            let made: Vec<_> = (0..200).map(start).collect();
            over.store(true, Ordering::Relaxed);
            (made, watcher.join().unwrap())
        });
        assert!(made.iter().all(|&made| made == Some(mode)), "{made:?} instead of {mode:?}");
        assert_eq!(seen & !mode, 0, "{seen:o} instead of {mode:o}");
    }
}

/// A path is shown so that it can't do anything to a terminal, or look like another line.
#[test]
fn paths_in_messages_are_escaped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a\nb\x1b[2J");
    let at = Endpoint::Unix(UnixName::new(path.as_os_str().as_encoded_bytes()).unwrap());
    fs::create_dir(lock_of(&path)).unwrap();
    let error = reactor(Config::default()).listen(&at, Echo).unwrap_err();
    let why = error.source().unwrap().to_string();
    assert!(why.contains(r"a\nb\u{1b}[2J.lock"), "{why}");
}

/// Abstract names have no file, and are free when their socket is.
#[cfg(target_os = "linux")]
#[test]
fn abstract_names_need_no_file() {
    let name = format!("echoloop-test-{}", std::process::id());
    for scheme in ["unix", "unixgram"] {
        let at = endpoint(&format!("{scheme}://@{name}"));
        for _ in 0..2 {
            let mut reactor = reactor(Config::default());
            let id = reactor.listen(&at, Echo).unwrap();
            assert_eq!(reactor.local(id).unwrap().to_string(), format!("@{name}"));
            refused(&at, "address already in use");
        }
    }
    assert!(!Path::new(&format!("@{name}")).exists());
}

/// A port is free again as soon as its listener has gone, also while old connections time out.
#[test]
fn a_port_can_be_had_again_at_once() {
    let server = serve(Config::default(), Echo);
    let address = server.made;
    let mut client = tcp(address);
    exchange(&mut client, b"x");
    server.handle.stop(Stop::Gracefully).ok();
    expect_end(&mut client, b""); // The server ends first, so the waiting is at its side.
    drop(client);
    server.join();
    let again = Server::start(Config::default(), move |reactor| {
        listen(reactor, &format!("tcp://{address}"), Echo)
    });
    exchange(&mut TcpStream::connect(again.made).unwrap(), b"x");
}
