//! Servers that come and go under load: killed, stopped, or with the next one taking over the listeners. Clients keep
//! a ledger of what was answered.
//!
//! Each kind is done thirty times; `ECHOLOOP_RESTARTS=1000 cargo test --test restarts -- --nocapture` does it more
//! often, and shows the figures.
#![cfg(all(feature = "cli", target_os = "linux"))]

#[path = "../again/mod.rs"]
mod again;
#[path = "../cli_support/mod.rs"]
mod cli_support;
mod ledger;

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use cli_support::{DEADLINE, Server};
use ledger::{Ledger, Manners, Place};

const SIGTERM: i32 = 15;

/// How often a server is followed by the next one.
fn restarts() -> usize {
    let asked = std::env::var("ECHOLOOP_RESTARTS").ok();
    asked.map_or(30, |asked| asked.parse().expect("ECHOLOOP_RESTARTS is a number"))
}

/// Has clients talk to these places, two at each, while servers follow each other: `next` ends the one that is there,
/// and starts another.
#[track_caller]
fn restart(
    kind: &str,
    places: &[Place],
    manners: Manners,
    first: Server,
    next: impl Fn(&Ledger, Server) -> Server,
) -> Server {
    let start = Instant::now();
    let ledger = Ledger::new(places.len(), manners);
    let last = thread::scope(|scope| {
        for (client, place) in places.iter().enumerate() {
            let ledger = &ledger;
            scope.spawn(move || ledger.run(client, place));
        }
        let mut server = first;
        for _ in 0..restarts() {
            wait_for_answers(&ledger);
            server = next(&ledger, server);
        }
        wait_for_answers(&ledger);
        ledger.close();
        server
    });
    ledger.check();
    println!("{kind}, {} times in {:.1?}: {}", restarts(), start.elapsed(), ledger.figures());
    last
}

/// Until each client has had another answer, so that each server has served them all.
#[track_caller]
fn wait_for_answers(ledger: &Ledger) {
    let (before, start) = (ledger.answers(), Instant::now());
    while ledger.answers().iter().zip(&before).any(|(now, before)| now == before) {
        if start.elapsed() > DEADLINE || ledger.is_wrong() {
            ledger.close();
            ledger.check();
            panic!("somebody has no answers: {before:?}, {:?}", ledger.answers());
        }
        thread::yield_now();
    }
}

#[track_caller]
fn stop(server: Server) {
    server.signal(SIGTERM);
    let (status, _, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A server that binds its own sockets: this port, or any, and this path.
fn binding(port: u16, path: &Path) -> Server {
    let unix = format!("echo=unix://{}", path.display());
    Server::start(&[&format!("echo=tcp://127.0.0.1:{port}"), &unix])
}

#[track_caller]
fn check_nothing_left(directory: &Path) {
    let left: Vec<_> = directory.read_dir().unwrap().flatten().map(|it| it.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn twice(places: &[Place]) -> Vec<Place> {
    places.iter().chain(places).cloned().collect()
}

/// The next one takes over the path, and binds the port at once; answers are lost, and none is wrong.
#[test]
fn killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let first = binding(0, &path);
    let address = first.address(0);
    let places = twice(&[Place::Tcp(address), Place::Unix(path.clone())]);
    let manners = Manners { may_refuse: true, may_break: true };
    let last = restart("killed", &places, manners, first, |ledger, server| {
        ledger.tell();
        drop(server); // Which kills it.
        binding(address.port(), &path)
    });
    stop(last);
    check_nothing_left(directory.path());
}

/// What had been sent is answered, and then comes the end; and no path is left behind.
#[test]
fn stopped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let first = binding(0, &path);
    let address = first.address(0);
    let places = twice(&[Place::Tcp(address), Place::Unix(path.clone())]);
    let manners = Manners { may_refuse: true, may_break: false };
    let last = restart("stopped", &places, manners, first, |ledger, server| {
        ledger.tell();
        stop(server);
        check_nothing_left(directory.path());
        binding(address.port(), &path)
    });
    stop(last);
    check_nothing_left(directory.path());
}

/// `echoloop serve` with these sockets as descriptors 3 and 4.
fn passing(first: OwnedFd, second: OwnedFd) -> Server {
    let arguments = ["echo=systemd://first", "echo=systemd://second"];
    let mut command = Command::new("sh");
    let run = "exec 3<&0 4<&2 0</dev/null 2>/dev/null; export LISTEN_PID=$$; exec \"$@\"";
    command.args(["-c", run, "sh", env!("CARGO_BIN_EXE_echoloop"), "serve"]).args(arguments);
    command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "first:second").env_remove("RUST_LOG");
    command.stdin(Stdio::from(first));
    Server::start_with_log(command.stderr(Stdio::from(second)), &arguments)
}

/// The listeners are there all the time. Nobody is refused, nothing is lost, and the paths stay.
#[track_caller]
fn hand_over(kind: &str, places: &[Place], first: impl AsFd, second: impl AsFd) {
    let copy = |socket: &dyn AsFd| socket.as_fd().try_clone_to_owned().unwrap();
    let start = || passing(copy(&first), copy(&second));
    let manners = Manners { may_refuse: false, may_break: false };
    let stop = |server: Server| {
        server.signal(SIGTERM);
        assert_eq!(server.wait_without_log().0.code(), Some(0));
    };
    let last = restart(kind, places, manners, start(), |ledger, server| {
        let next = start();
        ledger.tell();
        stop(server);
        next
    });
    stop(last);
}

#[test]
fn listeners_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let places = twice(&[Place::Tcp(tcp.local_addr().unwrap()), Place::Unix(path.clone())]);
    hand_over("listeners handed over", &places, tcp, unix);
    assert!(path.exists());
}

#[test]
fn datagram_sockets_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unix = UnixDatagram::bind(at("s")).unwrap();
    let to = udp.local_addr().unwrap();
    let places = [
        Place::Udp(to),
        Place::Udp(to),
        Place::Unixgram(at("s"), at("a")),
        Place::Unixgram(at("s"), at("b")),
    ];
    hand_over("datagram sockets handed over", &places, udp, unix);
    assert!(at("s").exists());
}
