//! The built binary as somebody runs it for long: few descriptors, ports that are taken, restarts, wrong
//! numbers.
#![cfg(feature = "cli")]

mod again;
mod cli_support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use again::again;
use cli_support::{DEADLINE, Mortal, Server, run, scratch, wait};

const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;

/// The binary behind a line of shell, which sets what is inherited.
fn behind(setting: &str) -> Command {
    let mut command = Command::new("sh");
    let run = format!("{setting} && exec '{}' \"$@\"", env!("CARGO_BIN_EXE_echoloop"));
    command.args(["-c", &run, "sh"]).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

#[track_caller]
fn exchange(stream: &mut (impl Read + Write), bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, bytes);
}

/// What it takes before anybody has come: of its own less than 3 MiB; in all, with the pages of the program that were
/// touched, less than 6 MiB, unless it is a debug build, which is three times as large.
#[cfg(target_os = "linux")]
#[test]
fn it_is_small() {
    let all =
        ["echo=tcp", "echo=udp", "pong=tcp", "pong=udp"].map(|it| format!("{it}://127.0.0.1:0"));
    let server = Server::start(&all.each_ref().map(String::as_str));
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let mebibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let (own, resident) = (mebibytes("RssAnon:"), mebibytes("VmRSS:"));
    assert!(own > 0.1 && own < 3.0, "{own} MiB");
    if cfg!(debug_assertions) {
        return println!("left out: all that is resident, {resident:.1} MiB in this debug build");
    }
    assert!(resident < 6.0, "{resident} MiB");
}

/// Of few descriptors most are for clients, and of very few some.
#[test]
fn few_descriptors_are_for_clients() {
    for (limit, workers, at_once) in [(64, "1", 45), (64, "3", 20), (20, "1", 2)] {
        let arguments = ["serve", "--workers", workers, "echo=tcp://127.0.0.1:0"];
        let mut command = behind(&format!("ulimit -n {limit}"));
        let server = Server::start_command(command.args(arguments), &arguments);
        let client = || {
            let stream = TcpStream::connect(server.address(0)).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream
        };
        let mut clients: Vec<_> = (0..at_once).map(|_| client()).collect();
        clients.iter_mut().for_each(|client| exchange(client, b"all at once"));
        drop(clients);
        for _ in 0..100 {
            exchange(&mut client(), b"one after the other");
        }
        server.signal(SIGTERM);
        assert_eq!(server.wait().0.code(), Some(0));
    }
}

/// More connections than there are descriptors for are not promised: it says so, and keeps some back, so that a
/// health check is answered however many clients there are.
#[test]
fn a_crowd_leaves_descriptors_for_health_checks() {
    for (limit, asked, most) in [(256, Some("1000"), "192"), (256, None, ""), (64, None, "")] {
        let asked = asked.map_or(vec![], |asked| vec!["--connections", asked]);
        let metrics = ["echo=tcp://127.0.0.1:0", "--metrics", "tcp://127.0.0.1:0"];
        let arguments = [&["serve"], &asked[..], &metrics].concat();
        let mut command = behind(&format!("ulimit -n {limit}"));
        let mut server = Server::start_command(command.args(&arguments), &arguments);
        if !asked.is_empty() {
            let line = server.log_line("--connections 1000");
            assert!(line.contains(&limit.to_string()) && line.contains(most), "{line}");
        }
        let come = |index| TcpStream::connect(server.address(index)).unwrap();
        let _crowd: Vec<_> = (0..limit).map(|_| come(0)).collect();
        let mut health = come(1);
        server.log_line("accepts nobody for now");
        health.set_read_timeout(Some(DEADLINE)).unwrap();
        health.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        health.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

/// With ever fewer descriptors it says what it can't do any more, or it serves, one client at least, and ends
/// in order.
#[test]
fn too_few_descriptors_are_no_reason_to_hang() {
    let (_directory, path) = scratch("few.sock");
    let unix = format!("echo=unix://{}", path.display());
    let mut started = 0;
    for (limit, offer) in (6..=20).flat_map(|it| [(it, "echo=tcp://127.0.0.1:0"), (it, &unix)]) {
        let mut command = behind(&format!("ulimit -n {limit}"));
        command.args(["serve", offer]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut mortal = Mortal(command.spawn().unwrap());
        let child = &mut mortal.0;
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
        if said.starts_with("listening") {
            started += 1;
            if let Some((_, at)) = said.trim_end().split_once("tcp://") {
                let mut client = TcpStream::connect(at).unwrap();
                client.set_read_timeout(Some(DEADLINE)).unwrap();
                exchange(&mut client, b"one at least");
            }
            end(child, false);
        } else {
            let mut why = String::new();
            child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
            assert!(why.starts_with("echoloop: cannot "), "{limit}: {why}");
            assert_eq!(wait(child).code(), Some(1));
        }
    }
    assert!((2..30).contains(&started), "{started} started");
}

/// A port that another server has is taken, also if both have workers that share theirs, unless they are
/// asked to share it with each other.
#[cfg(target_os = "linux")]
#[test]
fn another_server_is_not_joined_unasked() {
    for scheme in ["tcp", "udp"] {
        let any = format!("echo={scheme}://127.0.0.1:0");
        let first = Server::start(&["--workers", "2", &any]);
        let same = format!("echo={scheme}://{}", first.address(0));
        for workers in ["1", "2"] {
            let (code, out, err) = run(&["serve", "--workers", workers, &same]);
            assert_eq!((code, &*out), (Some(1), ""), "{err}");
            assert!(err.ends_with("address already in use\n"), "{err}");
        }
        let second = Server::start(&["--workers", "2", "--share-ports", &same]);
        let third = Server::start(&["--share-ports", &same]);
        for server in [first, second, third] {
            server.signal(SIGTERM);
            assert_eq!(server.wait().0.code(), Some(0));
        }
    }
}

/// Workers that were ended before they served anybody tell of nothing: the error is all that is said.
#[test]
fn a_start_that_fails_says_only_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("tcp://{}", taken.local_addr().unwrap());
    for last in [format!("echo={at}"), format!("--metrics={at}")] {
        let (code, out, err) = run(&["serve", "--workers", "2", "pong=tcp://127.0.0.1:0", &last]);
        assert_eq!((code, &*out), (Some(1), ""), "{err}");
        assert_eq!(err, format!("echoloop: cannot listen on {at}: address already in use\n"));
    }
}

/// A number out of its range is the command line's fault, and the option is named.
#[test]
fn a_number_out_of_range_names_its_option() {
    for (option, number, why) in [
        ("--input-limit", "900000g", "must be from 1 to 1073741824"),
        ("--read-buffer", "2g", "must be from 4096 to 1073741824"),
        ("--receive-buffer", "4GiB", "must be from 1 to 1073741823"),
        ("--send-buffer", "0", "must be from 1 to 1073741823"),
        ("--backlog", "3g", "must be from 1 to 2147483647"),
        ("--line-length", "0", "must be at least 1"),
        ("--idle-timeout", "0", "must be at least 1ms"),
        ("--keep-alive", "100ms", "must be from 1s to 32767s"),
        ("--keep-alive-interval", "10h", "must be from 1s to 32767s"),
        ("--keep-alive-probes", "200", "must be from 1 to 127"),
        ("--unix-mode", "999", "expected octal permissions from 0 to 777, such as 660"),
        ("--stop-timeout", "soon", "expected a time such as 250ms, 30s or 5m"),
    ] {
        let (code, out, err) = run(&["serve", option, number, "echo=tcp://127.0.0.1:0"]);
        assert_eq!((code, &*out), (Some(2), ""), "{option} {number}: {err}");
        assert!(err.contains(option) && err.contains(why), "{option} {number}: {err}");
    }
}

/// Options that take a time, or none.
#[test]
fn times_can_be_never() {
    for arguments in [
        ["--keep-alive", "0", "--stop-timeout", "never", "echo=tcp://127.0.0.1:0"],
        ["--keep-alive", "never", "--stop-timeout", "0", "echo=tcp://127.0.0.1:0"],
        ["--keep-alive", "1h", "--stop-timeout", "1m", "echo=tcp://127.0.0.1:0"],
    ] {
        let server = Server::start(&arguments);
        exchange(&mut TcpStream::connect(server.address(0)).unwrap(), b"hello");
        server.signal(SIGTERM);
        assert_eq!(server.wait().0.code(), Some(0));
    }
}

/// The permissions of a socket's file are those of the option, whatever the umask is.
#[test]
fn the_mode_of_a_socket_can_be_chosen() {
    for umask in ["000", "022", "077"] {
        let (_directory, path) = scratch("mode.sock");
        let arguments = ["serve", "--unix-mode", "660", &format!("echo=unix://{}", path.display())];
        let mut command = behind(&format!("umask {umask}"));
        let server = Server::start_command(command.args(arguments), &arguments);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(&PathBuf::from(format!("{}.lock", path.display()))), 0o600);
        exchange(&mut UnixStream::connect(&path).unwrap(), b"hello");
        drop(server);
    }
}

/// Servers start, stop and are killed on one path, several at once: whoever says that it listens can be
/// reached for as long as it lives, whoever can't have the path says so, and in the end nothing is left.
#[test]
fn restarts_on_one_path_never_take_it_from_each_other() {
    const SERVERS: usize = 3;
    for scheme in ["unix", "unixgram"] {
        let (directory, path) = scratch("busy.sock");
        let offer = format!("echo={scheme}://{}", path.display());
        let restarts = restarts_to_do();
        let (begun, listened) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..SERVERS {
                scope.spawn(|| {
                    loop {
                        let number = begun.fetch_add(1, Ordering::Relaxed);
                        if number >= restarts {
                            return;
                        }
                        let kill = number % 7 == 0;
                        let listens = restart(&offer, &path, scheme == "unixgram", kill);
                        listened.fetch_add(usize::from(listens), Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(listened.into_inner() > restarts / (2 * SERVERS));
        // Of one that was killed something may be left: the next one takes it over, and goes in order.
        while !restart(&offer, &path, scheme == "unixgram", false) {}
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Some 300 for both kinds; more when somebody asks for them.
fn restarts_to_do() -> usize {
    std::env::var("ECHOLOOP_RESTARTS").map_or(150, |number| number.parse().unwrap())
}

/// One server's life, if it gets the path: whether it did.
#[track_caller]
fn restart(offer: &str, path: &Path, is_datagram: bool, kill: bool) -> bool {
    let mut command = cli_support::echoloop();
    command.args(["serve", offer]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut mortal = Mortal(command.spawn().unwrap());
    let child = &mut mortal.0;
    let mut said = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    if said.is_empty() {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        assert_eq!(wait(child).code(), Some(1));
        // Of a process that is killed the kernel closes the descriptors one by one: its lock may be free while its
        // socket still listens.
        let reasons = ["another server holds its lock", "another server answers there"];
        assert!(reasons.iter().any(|reason| why.contains(reason)), "{why}");
        return false;
    }
    match is_datagram {
        true => talk_by_datagram(path),
        false => exchange(&mut UnixStream::connect(path).expect("it listens"), b"still there?"),
    }
    end(child, kill);
    true
}

fn talk_by_datagram(path: &Path) {
    let (_directory, own) = scratch("own.sock");
    let socket = UnixDatagram::bind(own).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"still there?", path).expect("it listens");
    assert_eq!(again(|| socket.recv(&mut [0; 20])).unwrap(), 12);
}

fn end(child: &mut Child, kill: bool) {
    if kill {
        child.kill().unwrap();
        wait(child);
        return;
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-15", &pid]).status().unwrap().success());
    assert_eq!(wait(child).code(), Some(0));
}

/// Whoever starts the server may have blocked signals, and such a mask is inherited: it hears them all the same.
#[test]
fn blocked_signals_are_heard() {
    const BLOCK: &str = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [2, 10, 15])
os.execv(sys.argv[1], sys.argv[1:])";
    if Command::new("python3").arg("-c").arg("").status().is_err() {
        return println!("skipped: there is no python3");
    }
    for workers in ["1", "2"] {
        let arguments = ["serve", "--workers", workers, "echo=tcp://127.0.0.1:0"];
        let mut command = Command::new("python3");
        command.args(["-c", BLOCK, env!("CARGO_BIN_EXE_echoloop")]).args(arguments);
        let mut server = Server::start_command(&mut command, &arguments);
        server.signal(SIGUSR1);
        server.log_line("statistics");
        server.signal(SIGTERM);
        assert_eq!(server.wait().0.code(), Some(0));
    }
}
