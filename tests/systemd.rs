//! The built binary as a service manager starts it: with sockets, and a socket to tell its news.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod again;
mod cli_support;
mod frozen;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use again::again;
use cli_support::{DEADLINE, Mortal, Server, echoloop, scratch, wait};
use frozen::freeze;

const SIGTERM: i32 = 15;

/// `echoloop serve` with this socket as descriptors 3 and 4, by these names.
fn passing(socket: impl Into<OwnedFd>, names: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let run = "exec 3<&0 4<&0 0</dev/null; export LISTEN_PID=$$; exec \"$@\"";
    command.args(["-c", run, "sh", env!("CARGO_BIN_EXE_echoloop"), "serve"]).args(arguments);
    let count = names.split(':').count().to_string();
    command.env("LISTEN_FDS", count).env("LISTEN_FDNAMES", names).env_remove("RUST_LOG");
    command.stdin(socket.into());
    command
}

/// What it says when it can't serve so.
#[track_caller]
fn refused(mut command: Command) -> String {
    let mut mortal = Mortal(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(wait(&mut mortal.0).code(), Some(1));
    let mut error = String::new();
    mortal.0.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    error
}

#[track_caller]
fn exchange(stream: &mut (impl Read + Write), bytes: &[u8], expected: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, expected);
}

fn exchange_datagrams(socket: &UnixDatagram, to: &Path) {
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"hello\n", to).unwrap();
    assert!(again(|| socket.recv(&mut [0; 20])).unwrap() > 4);
}

fn tcp(address: impl std::net::ToSocketAddrs) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[track_caller]
fn stop(server: Server) {
    server.signal(SIGTERM);
    assert_eq!(server.wait().0.code(), Some(0));
}

/// Sockets of each kind, by one worker and by several, with the address that they are really bound to; and a
/// Unix socket's file is left to whoever made it.
#[test]
fn sockets_of_every_kind_are_served() {
    for workers in ["1", "3"] {
        let arguments = ["echo=systemd://web", "--workers", workers];
        let started = |command: &mut Command| Server::start_command(command, &arguments);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = started(&mut passing(listener, "web", &arguments));
        assert_eq!(server.bound, [format!("echo=tcp://{address}")]);
        exchange(&mut tcp(address), b"hello", b"hello");
        stop(server);

        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = started(&mut passing(listener, "web", &arguments));
        assert_eq!(server.bound, [format!("echo=udp://{address}")]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.send_to(b"datagram", address).unwrap();
        assert_eq!(again(|| socket.recv(&mut [0; 20])).unwrap(), 8);
        stop(server);

        let (directory, path) = scratch("web.sock");
        let server = started(&mut passing(UnixListener::bind(&path).unwrap(), "web", &arguments));
        assert_eq!(server.bound, [format!("echo=unix://{}", path.display())]);
        exchange(&mut UnixStream::connect(&path).unwrap(), b"hello", b"hello");
        stop(server);
        assert!(path.exists());

        let path = directory.path().join("datagrams.sock");
        let server = started(&mut passing(UnixDatagram::bind(&path).unwrap(), "web", &arguments));
        assert_eq!(server.bound, [format!("echo=unixgram://{}", path.display())]);
        let own = UnixDatagram::bind(directory.path().join("own.sock")).unwrap();
        exchange_datagrams(&own, &path);
        stop(server);
        assert!(path.exists());
    }
}

/// A name may stand for several sockets, and different ones for different services; metrics too.
#[test]
fn names_tell_sockets_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = passing(listener, "web:web", &["echo=systemd://web"]);
    let server = Server::start_command(&mut command, &["echo=systemd://web", "and another ://"]);
    assert_eq!(server.bound, [format!("echo=tcp://{address}"), format!("echo=tcp://{address}")]);
    exchange(&mut tcp(address), b"hello", b"hello");
    stop(server);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let arguments = ["pong=tcp://127.0.0.1:0", "--metrics", "systemd://b"];
    let mut command = passing(listener, "a:b", &arguments);
    let mut server = Server::start_command(&mut command, &arguments);
    assert_eq!(server.bound[1], format!("metrics=tcp://{address}"));
    let unused = server.log_line("nothing is served");
    assert!(unused.contains("\"a\""), "{unused}");
    exchange(&mut tcp(address), b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK");
    stop(server);
}

/// What is wrong is named, with what would be right.
#[test]
fn wrong_sockets_are_named() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let error = refused(passing(listener(), "b:a", &["echo=systemd://c"]));
    let why = "no socket of that name was passed; there are: a, b\n";
    assert_eq!(error, format!("echoloop: cannot listen on systemd://c: {why}"));

    let mut alone = echoloop();
    alone.args(["serve", "echo=systemd://a"]).env_remove("LISTEN_FDS");
    let error = refused(alone);
    assert!(error.contains("no sockets were passed: LISTEN_FDS is not set"), "{error}");

    let mut other = echoloop();
    other.args(["serve", "echo=systemd://a"]).env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let error = refused(other);
    assert!(error.contains("they are for process 1 (LISTEN_PID), and this is "), "{error}");

    let mut many = passing(listener(), "a", &["echo=systemd://a"]);
    let error = {
        many.env("LISTEN_FDS", "2000000000");
        refused(many)
    };
    assert!(error.contains("LISTEN_FDS is \"2000000000\""), "{error}");

    let file = tempfile::tempfile().unwrap();
    let error = refused(passing(file, "a", &["echo=systemd://a"]));
    assert!(error.contains("neither a TCP, a UDP nor a Unix"), "{error}");

    let pair = UnixStream::pair().unwrap().0;
    let error = refused(passing(pair, "a", &["echo=systemd://a"]));
    assert!(error.contains("cannot listen on systemd://a: "), "{error}");
    assert!(error.contains("it doesn't listen, so it is a connection"), "{error}");
    assert!(error.contains("Accept=no") && !error.contains("adopt"), "{error}");

    let (code, _, error) = cli_support::run(&["serve", "echo=systemd://a:b"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("a name has printable ASCII, and no colon"), "{error}");
}

/// Metrics are asked for over streams, so a passed socket for datagrams is none for them.
#[test]
fn metrics_refuse_datagram_sockets() {
    let (_directory, path) = scratch("metrics.sock");
    let arguments = ["echo=tcp://127.0.0.1:0", "--metrics", "systemd://web", "--workers"];
    for workers in ["1", "2"] {
        let arguments = [&arguments[..], &[workers]].concat();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = refused(passing(udp, "web", &arguments));
        let why = "metrics need a stream, and a UDP socket was passed: ListenStream= of the unit\n";
        assert_eq!(error, format!("echoloop: cannot listen on systemd://web: {why}"));
        let unix = UnixDatagram::bind(&path).unwrap();
        let error = refused(passing(unix, "web", &arguments));
        assert!(error.contains("a Unix datagram socket was passed"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }
}

/// What was passed under one name is served once: two services would each get some of the clients.
#[test]
fn a_passed_socket_has_one_service() {
    for (more, both) in [
        (&["pong=systemd://web"][..], "echo and pong"),
        (&["echo=systemd://web"], "echo and echo"),
        (&["--metrics", "systemd://web"], "echo and metrics"),
        (&["--metrics", "systemd://web", "--workers", "2", "--share-ports"], "echo and metrics"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let arguments = [&["echo=systemd://web"], more].concat();
        let error = refused(passing(listener, "web", &arguments));
        assert!(error.starts_with("echoloop: cannot listen on systemd://web: "), "{error}");
        assert!(error.contains(both), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// systemd's own tool opens the sockets, and starts it with the first client.
#[test]
fn socket_activation_as_systemd_does_it() {
    if Command::new("systemd-socket-activate").arg("--version").output().is_err() {
        return println!("skipped: there is no systemd-socket-activate");
    }
    for is_datagram in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        // The tool knows no port 0, so these have paths.
        let [first, second, own] = ["first", "second", "own"].map(|it| directory.path().join(it));
        let arguments = ["echo=systemd://a", "pong=systemd://b"];
        let mut command = Command::new("systemd-socket-activate");
        command.arg("-l").arg(&first).arg("-l").arg(&second).arg("--fdname=a:b");
        command.args(is_datagram.then_some("-d"));
        command.args([env!("CARGO_BIN_EXE_echoloop"), "serve"]).args(arguments);
        command.stdin(Stdio::null()).env_remove("RUST_LOG");
        let own = UnixDatagram::bind(own).unwrap();
        let mut start = || Server::start_command(&mut command, &arguments);
        let (server, mut client) = thread::scope(|scope| {
            let client = scope.spawn(|| come(&first, is_datagram.then_some(&own)));
            (start(), client.join().unwrap())
        });
        match &mut client {
            Some(client) => {
                exchange(client, b"ping\n", b"ping\n");
                exchange(&mut UnixStream::connect(&second).unwrap(), b"ping\n", b"pong\n");
            }
            None => {
                own.set_read_timeout(Some(DEADLINE)).unwrap();
                assert_eq!(again(|| own.recv(&mut [0; 20])).unwrap(), 5); // What it was started by.
                exchange_datagrams(&own, &second);
            }
        }
        stop(server);
    }
}

/// The first client, as soon as there is somebody to come to. With a datagram, or as a stream.
fn come(path: &Path, datagrams: Option<&UnixDatagram>) -> Option<UnixStream> {
    let started = Instant::now();
    loop {
        let came = match datagrams {
            Some(own) => own.send_to(b"ping\n", path).map(|_| None),
            None => UnixStream::connect(path).map(Some),
        };
        match came {
            Err(_) if started.elapsed() < DEADLINE => thread::yield_now(),
            came => return came.unwrap(),
        }
    }
}

/// A service manager that listens to what it is told.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message.
    #[track_caller]
    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = again(|| self.0.recv(&mut buffer)).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next one that has this line.
    #[track_caller]
    fn hear_of(&self, line: &str) -> String {
        loop {
            let message = self.hear();
            if message.lines().any(|it| it == line) {
                return message;
            }
        }
    }
}

/// Ready, served and stopping are told, at a path and at an abstract name.
#[test]
fn the_manager_is_told_how_it_goes() {
    let (_directory, path) = scratch("notify");
    let name = format!("echoloop-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, at) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let manager = Manager(socket);
        let arguments = ["echo=tcp://127.0.0.1:0", "--workers", "2"];
        let mut command = echoloop();
        command.arg("serve").args(arguments);
        // A watchdog that is somebody else's is not fed, and neither is one that isn't there.
        command.env("NOTIFY_SOCKET", at).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");
        let server = Server::start_command(&mut command, &arguments);
        assert_eq!(manager.hear(), "READY=1\nSTATUS=Serving");
        exchange(&mut tcp(server.address(0)), b"hello", b"hello");
        server.signal(SIGTERM);
        let status = "STATUS=Stopping: serving what has arrived";
        assert_eq!(manager.hear(), format!("STOPPING=1\n{status}"));
        assert_eq!(server.wait().0.code(), Some(0));
    }
}

/// As long as all loops turn the watchdog is fed; while one of them stands still it isn't, and the status says
/// which; and afterwards it is again.
#[test]
fn the_watchdog_is_fed_by_all_loops() {
    for workers in ["1", "3"] {
        let (_directory, path) = scratch("notify");
        let manager = Manager(UnixDatagram::bind(&path).unwrap());
        manager.0.set_read_timeout(Some(DEADLINE)).unwrap();
        let arguments = ["echo=tcp://127.0.0.1:0", "--workers", workers];
        let mut command = echoloop();
        command.arg("serve").args(arguments);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "40000");
        let server = Server::start_command(&mut command, &arguments);
        assert!(manager.hear().starts_with("READY=1\n"));
        let mut client = tcp(server.address(0));
        exchange(&mut client, b"hello", b"hello");
        let status = "STATUS=Serving 1 connection, 1 connection accepted so far";
        manager.hear_of(status);
        for _ in 0..3 {
            assert_eq!(manager.hear(), "WATCHDOG=1"); // A status that is the same isn't told again.
        }
        if workers == "1" {
            stop(server);
            continue;
        }
        let Some(frozen) = freeze(server.id(), "worker 2") else {
            return println!("skipped: threads can't be stopped here");
        };
        let hangs = format!("{status}; worker 2 has not turned for a second");
        assert_eq!(manager.hear_of(&hangs), hangs, "and nothing else");
        drop(frozen);
        assert!(manager.hear_of(status).starts_with("WATCHDOG=1\n"));
        assert_eq!(manager.hear(), "WATCHDOG=1");
        stop(server);
    }
}

/// A manager that has no room is told when it has, and one that isn't there keeps nobody from being served.
#[test]
fn a_manager_that_is_behind_is_told_later() {
    let (_directory, path) = scratch("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(DEADLINE)).unwrap();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    let mut waiting = 0;
    while other.send_to(b"OTHERS=1", &path).is_ok() {
        waiting += 1;
    }
    let arguments = ["echo=tcp://127.0.0.1:0"];
    let start = |at: &Path| {
        let mut command = echoloop();
        command.arg("serve").args(arguments).env("NOTIFY_SOCKET", at);
        Server::start_command(&mut command, &arguments)
    };
    let server = start(&path);
    exchange(&mut tcp(server.address(0)), b"hello", b"hello");
    (0..waiting).for_each(|_| assert_eq!(manager.hear(), "OTHERS=1"));
    assert!(manager.hear().starts_with("READY=1\n"));
    stop(server);

    let mut server = start(Path::new("/nowhere/at/all"));
    let warning = server.log_line("cannot notify");
    assert!(warning.contains("/nowhere/at/all (NOTIFY_SOCKET): no such file"), "{warning}");
    exchange(&mut tcp(server.address(0)), b"hello", b"hello");
    stop(server);
}
