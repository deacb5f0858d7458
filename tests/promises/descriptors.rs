//! Out of descriptors is not a stall. The limit is the whole process's, so each of these tests runs its
//! server in a process of its own: this program again, with nothing but the one test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use echoloop::{Config, Context, Stop};

use crate::support::*;

/// What makes this program a server instead of a test.
const ROLE: &str = "ECHOLOOP_TEST_SERVER";

/// With 64 descriptors and 200 clients, the loop neither spins nor stalls: as connections go, all of
/// the others are served. It says so in a line or two, not in one for each try.
#[test]
fn two_hundred_clients_find_sixty_four_descriptors() {
    const CLIENTS: usize = 200;
    if std::env::var_os(ROLE).is_some() {
        return starved_server(CLIENTS as u64, Vec::new());
    }
    let mut server =
        StarvedServer::start("descriptors::two_hundred_clients_find_sixty_four_descriptors");
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| tcp(server.address)).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.write_all(&(i as u64).to_be_bytes()).unwrap();
    }
    // Some 50 have been served. The first half goes, one by one, and others come in for each.
    let mut clients = clients.into_iter().enumerate();
    for (i, mut client) in clients.by_ref().take(CLIENTS / 2) {
        expect(&mut client, &(i as u64).to_be_bytes());
    }
    // For ten beats nothing happens but tries, which come at half the pace and take two turns each; it
    // makes no difference how many came and went before.
    server.tell("watch");
    let turns = server.number("turns");
    assert!(turns <= 35, "{turns} turns while nothing could happen");
    for (i, mut client) in clients {
        expect(&mut client, &(i as u64).to_be_bytes());
    }
    let warnings = server.number("warnings");
    assert!((1..=10).contains(&warnings), "{warnings} warnings");
    assert!(server.child.wait().unwrap().success());
}

/// Descriptors that somebody else in the process gives back are found too, though no source goes.
#[test]
fn descriptors_that_others_free_are_found() {
    const CLIENTS: usize = 20;
    if std::env::var_os(ROLE).is_some() {
        let hoard = (0..40).map(|_| File::open("/dev/null").unwrap()).collect();
        return starved_server(CLIENTS as u64, hoard);
    }
    let mut server = StarvedServer::start("descriptors::descriptors_that_others_free_are_found");
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| tcp(server.address)).collect();
    server.tell("watch");
    assert!(server.number("turns") <= 35);
    for client in &mut clients {
        exchange(client, b"hello"); // Nobody goes before all have been served.
    }
    drop(clients);
    assert!(server.number("warnings") >= 1);
    assert!(server.child.wait().unwrap().success());
}

/// Out of descriptors for good, with a client in the backlog and nobody connected whose going could help: a
/// stop ends all the same, when the listener has stood still for the linger time.
#[test]
fn a_stop_ends_without_descriptors() {
    if std::env::var_os(ROLE).is_some() {
        return server_without_descriptors();
    }
    let mut server = StarvedServer::start("descriptors::a_stop_ends_without_descriptors");
    let client = tcp(server.address);
    server.tell("stop");
    assert_eq!(server.number("accepted"), 0);
    assert!(server.child.wait().unwrap().success());
    drop(client);
}

/// Stops when it is told to, and has no descriptor left.
fn server_without_descriptors() {
    let linger = Duration::from_millis(50);
    let mut reactor = reactor(Config { linger, stop_timeout: Duration::MAX, ..Config::default() });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Does::echo());
    println!("port={}", address.port());
    std::io::stdin().lines().next(); // Somebody is in the backlog by then.
    let hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    reactor.handle().stop(Stop::Gracefully).unwrap();
    let accepted = run(&mut reactor).accepted;
    drop(hoard);
    println!("accepted={accepted}");
}

/// The other process, seen from the test.
struct StarvedServer {
    child: Child,
    lines: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl StarvedServer {
    #[track_caller]
    fn start(test: &str) -> StarvedServer {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
            .arg(program)
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = StarvedServer { child, lines, address };
        let port = server.number("port") as u16;
        server.address.set_port(port);
        server
    }

    #[track_caller]
    fn tell(&mut self, word: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{word}").unwrap();
    }

    /// The number that it says behind this word, sooner or later.
    #[track_caller]
    fn number(&mut self, word: &str) -> u64 {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended without {word:?}");
            if let Some((_, number)) = line.split_once(&format!("{word}=")) {
                return number.trim().parse().unwrap();
            }
        }
    }
}

impl Drop for StarvedServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other process, from within: serves so many clients, then ends. When it is told to watch, it counts
/// its turns over ten beats of 50 ms, and then lets go of the hoard.
fn starved_server(clients: u64, hoard: Vec<File>) {
    log::set_logger(&WARNINGS).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let mut reactor = reactor(Config::default());
    let service = Does::echo().closed(move |cx, _| {
        let closed = cx.statistics().closed;
        if closed.ended + closed.failed == clients {
            cx.stop(Stop::AtOnce);
        }
    });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    println!("port={}", address.port());

    let mut hoard = Some(hoard);
    let (mut beats, mut turns_before) = (0, 0);
    let watch = Does::new()
        .received(|cx: &mut Context<'_>, input| {
            cx.every(Duration::from_millis(50));
            input.len()
        })
        .ended(|_| {})
        .timer(move |cx, beat| {
            let statistics = cx.statistics();
            if statistics.refused.descriptors == 0 {
                return; // Not yet out of descriptors.
            }
            if beats == 0 {
                turns_before = statistics.turns;
            }
            beats += 1;
            if beats > 10 {
                println!("turns={}", statistics.turns - turns_before);
                cx.cancel(beat);
                hoard.take();
            }
        });
    let watch = reactor.add(watch);
    let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().unwrap();
    reactor.context(watch).adopt(stdin, echoloop::Half::Read).unwrap();
    reactor.run().unwrap();
    println!("warnings={}", WARNINGS.0.load(Ordering::Relaxed));
}

static WARNINGS: Warnings = Warnings(AtomicU64::new(0));

/// Counts them.
struct Warnings(AtomicU64);

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.fetch_add(u64::from(record.level() <= log::Level::Warn), Ordering::Relaxed);
    }

    fn flush(&self) {}
}
