//! Behind a real HAProxy, with the configuration that is in `packaging`. Left out where there is none.
#![cfg(feature = "cli")]

mod cli_support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use cli_support::{DEADLINE, Mortal, Server, scratch};
use rustix::io::{FdFlags, fcntl_setfd};
use socket2::{Domain, Socket, Type};

const SIGTERM: i32 = 15;

/// HAProxy in front of two servers, on a port that the kernel chose.
struct Proxy {
    front: SocketAddr,
    admin: PathBuf,
    _process: Mortal,
    _directory: tempfile::TempDir,
}

impl Proxy {
    /// `None`: it isn't installed here.
    #[track_caller]
    fn start(a: SocketAddr, b: SocketAddr) -> Option<Proxy> {
        if Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_err() {
            eprintln!("left out: there is no haproxy here");
            return None;
        }
        let (directory, admin) = scratch("admin.sock");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        fcntl_setfd(&listener, FdFlags::empty()).unwrap(); // It inherits the socket.
        let configuration =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/haproxy/haproxy.cfg");
        let process = Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(configuration)
            .env("ECHOLOOP_BIND", format!("fd@{}", listener.as_raw_fd()))
            .env("ECHOLOOP_ADMIN", &admin)
            .env("ECHOLOOP_A", a.to_string())
            .env("ECHOLOOP_B", b.to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let front = listener.local_addr().unwrap();
        let proxy = Proxy { front, admin, _process: Mortal(process), _directory: directory };
        proxy.until("it answers", || proxy.asks("show info").is_some());
        Some(proxy)
    }

    /// What it answers to a command.
    fn asks(&self, command: &str) -> Option<String> {
        let mut socket = UnixStream::connect(&self.admin).ok()?;
        writeln!(socket, "{command}").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Sessions that a server has now.
    fn sessions(&self, server: &str) -> u32 {
        let table = self.asks("show stat").unwrap();
        let row = table.lines().find(|row| row.starts_with(&format!("echo,{server},"))).unwrap();
        row.split(',').nth(4).unwrap().parse().unwrap()
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < DEADLINE, "never: {what}");
            thread::yield_now();
        }
    }

    /// Sends a message from this address, ends, and returns all that comes back.
    fn exchange(&self, ip: [u8; 4], message: &[u8]) -> Vec<u8> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
        socket.connect(&self.front.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = Vec::new();
        let _ = stream.write_all(message).and_then(|()| stream.shutdown(Shutdown::Write));
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

fn server(more: &[&str]) -> Server {
    let arguments = [&["--proxy-protocol", "127.0.0.1", "echo=tcp://127.0.0.1:0"], more].concat();
    Server::start(&arguments)
}

/// Clients that come one after the other, several at a time, until told otherwise. Returns how many were answered
/// and how many met with an end instead; an answer is whole, or there is none.
struct Load {
    done: AtomicUsize,
    unanswered: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn run(&self, proxy: &Proxy) {
        for number in 0_u64.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let message = format!("message {number}");
            let answer = proxy.exchange([127, 0, 0, 1], message.as_bytes());
            let counter = if answer.is_empty() { &self.unanswered } else { &self.done };
            assert!(answer.is_empty() || answer == message.as_bytes(), "{answer:?}");
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Runs it beside this, which is given a way to wait for so many more answers.
    fn beside(proxy: &Proxy, act: impl FnOnce(&dyn Fn(usize))) -> (usize, usize) {
        let load = Load {
            done: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| load.run(proxy));
            }
            act(&|more| {
                let enough = load.done() + more;
                proxy.until("enough answers", || load.done() >= enough);
            });
            load.is_over.store(true, Ordering::Relaxed);
        });
        (load.done(), load.unanswered.load(Ordering::Relaxed))
    }
}

/// Both versions of the header tell the server who its clients are: in the log, and for its limits. The
/// proxy's own checks count as nobody's fault.
#[test]
fn servers_see_the_clients_of_haproxy() {
    let mut server = server(&["-v", "--deny", "127.0.0.9"]);
    let Some(proxy) = Proxy::start(server.address(0), server.address(0)) else { return };
    for x in 2..8 {
        assert_eq!(proxy.exchange([127, 0, 0, x], b"hello"), b"hello");
        let line = server.log_line("sent 5 bytes");
        assert!(line.contains(&format!("(127.0.0.{x}:")), "{line}");
        assert_eq!(proxy.exchange([127, 0, 0, 9], b"hello"), b"");
    }
    server.signal(SIGTERM);
    let (status, out, _) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert!(out.contains("6 denied") && !out.contains("PROXY header"), "{out}");
}

/// The way to restart a server: under load it loses no message, and the other one takes over.
#[test]
fn a_server_that_is_drained_and_stopped_loses_nothing() {
    let (a, b) = (server(&[]), server(&[]));
    let Some(proxy) = Proxy::start(a.address(0), b.address(0)) else { return };
    let (_, unanswered) = Load::beside(&proxy, |wait_for| {
        wait_for(50);
        assert_eq!(proxy.asks("set server echo/a state drain").unwrap().trim(), "");
        proxy.until("nobody is left", || proxy.sessions("a") == 0);
        a.signal(SIGTERM);
        let (status, out, _) = a.wait();
        assert!(status.success() && !out.contains(" 0 accepted"), "{out}");
        wait_for(50);
    });
    assert_eq!(unanswered, 0);
}

/// Stopped without a word to the proxy: who is being connected gets the other one. A message that was on its
/// way is answered whole or not at all.
#[test]
fn the_other_server_takes_over_from_one_that_stops() {
    let (a, b) = (server(&[]), server(&[]));
    let Some(proxy) = Proxy::start(a.address(0), b.address(0)) else { return };
    let (done, unanswered) = Load::beside(&proxy, |wait_for| {
        wait_for(50);
        a.signal(SIGTERM);
        assert!(a.wait().0.success());
        wait_for(50);
    });
    assert!(unanswered <= 4 * 2, "{unanswered} of {done}"); // One on its way of each client, or two.
    assert_eq!(proxy.exchange([127, 0, 0, 1], b"and on"), b"and on");
}
