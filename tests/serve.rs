//! The built binary as a server: arguments, messages, signals, exit codes.
#![cfg(feature = "cli")]

mod again;
mod cli_support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};

use again::again;
use cli_support::{DEADLINE, Server, echoloop, run, scratch};

const SIGINT: i32 = 2;
const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

fn tcp(server: &Server, index: usize) -> TcpStream {
    let stream = TcpStream::connect(server.address(index)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn udp(server: &Server, index: usize) -> UdpSocket {
    let address = server.address(index);
    let any = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(address).unwrap();
    socket
}

/// Sends, says that this was all, and returns what comes back.
#[track_caller]
fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_vec();
    let sender = std::thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    sender.join().unwrap();
    answer
}

/// Each service on each transport, all in one process, on ports that the kernel chose and that were
/// printed.
#[test]
fn echo_and_pong_are_served_on_every_transport() {
    let (_directory, stream_path) = scratch("e.sock");
    let (_directory2, gram_path) = scratch("g.sock");
    let server = Server::start(&[
        "echo=tcp://127.0.0.1:0",
        "echo=udp://localhost:0",
        "pong=tcp://127.0.0.1:0",
        "pong=udp://127.0.0.1:0",
        &format!("echo=unix://{}", stream_path.display()),
        &format!("pong=unixgram://{}", gram_path.display()),
    ]);

    assert_eq!(exchange(tcp(&server, 0), b"hello"), b"hello");
    assert_eq!(exchange(tcp(&server, 2), b"ping\r\nping\n"), b"pong\r\npong\n");

    let mut buffer = [0; 100];
    let socket = udp(&server, 1);
    socket.send(b"datagram").unwrap();
    assert_eq!(again(|| socket.recv(&mut buffer)).unwrap(), 8);
    let socket = udp(&server, 3);
    socket.send(b"ping\n").unwrap();
    assert_eq!(again(|| socket.recv(&mut buffer)).unwrap(), 5);
    assert_eq!(&buffer[..5], b"pong\n");

    let mut stream = UnixStream::connect(&stream_path).unwrap();
    stream.write_all(b"unix").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "unix");

    let (_directory3, own) = scratch("own.sock");
    let gram = UnixDatagram::bind(own).unwrap();
    gram.set_read_timeout(Some(DEADLINE)).unwrap();
    gram.send_to(b"ping", &gram_path).unwrap();
    assert_eq!(again(|| gram.recv(&mut buffer)).unwrap(), 4);
    assert_eq!(&buffer[..4], b"pong");

    server.signal(SIGTERM);
    let (status, out, _) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert!(out.starts_with("connections: 3 accepted, 0 open"), "{out}");
    assert!(!stream_path.exists() && !gram_path.exists(), "our socket files are removed");
}

/// Whoever sends a megabyte and reads slowly gets it all, though the server is told to stop halfway.
#[test]
fn a_graceful_stop_loses_nothing_of_what_has_arrived() {
    let server = Server::start(&["echo=tcp://127.0.0.1:0"]);
    let mut stream = tcp(&server, 0);
    stream.write_all(&[b'x'; 10_000]).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    server.signal(SIGINT);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 9_999);
    drop(stream);
    assert_eq!(server.wait().0.code(), Some(0));
}

/// A client that neither reads nor leaves keeps a graceful stop waiting; the second signal doesn't.
#[test]
fn the_second_signal_stops_at_once() {
    let mut server = Server::start_command(
        echoloop().args(["-v", "serve", "--linger", "1h", "echo=tcp://127.0.0.1:0"]),
        &["echo=tcp://127.0.0.1:0"],
    );
    let mut stream = tcp(&server, 0);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    server.signal(SIGINT);
    server.log_line("stopping");
    server.signal(SIGTERM);
    let (status, out, _) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert!(out.contains("1 stopped"), "{out}");
}

/// SIGUSR1 shows the statistics and changes nothing.
#[test]
fn sigusr1_logs_the_statistics() {
    let mut server = Server::start(&["echo=tcp://127.0.0.1:0"]);
    let mut stream = tcp(&server, 0);
    stream.write_all(b"abc").unwrap();
    stream.read_exact(&mut [0; 3]).unwrap();
    server.signal(SIGUSR1);
    server.log_line("statistics");
    let line = server.log_line("accepted");
    assert!(line.contains("connections: 1 accepted, 1 open"), "{line}");
    stream.write_all(b"d").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

/// Being suspended and woken interrupts the poll, and nothing else.
#[test]
fn stop_and_continue_signals_interrupt_nothing() {
    let server = Server::start(&["echo=tcp://127.0.0.1:0"]);
    let mut stream = tcp(&server, 0);
    for byte in 0..20 {
        server.signal(SIGSTOP);
        stream.write_all(&[byte]).unwrap();
        server.signal(SIGCONT);
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [byte]);
    }
}

/// Several workers share a port that the first of them got from the kernel, and stop together.
#[test]
fn workers_share_a_port_and_stop_together() {
    let (_directory, path) = scratch("w.sock");
    let unix = format!("echo=unix://{}", path.display());
    let server = Server::start(&[
        "--workers",
        "3",
        "--pin",
        "echo=tcp://127.0.0.1:0",
        "pong=udp://127.0.0.1:0",
        &unix,
    ]);
    for round in 0..30u8 {
        assert_eq!(exchange(tcp(&server, 0), &[round]), [round]);
        let socket = udp(&server, 1);
        socket.send(b"ping").unwrap();
        assert_eq!(again(|| socket.recv(&mut [0; 10])).unwrap(), 4);
    }
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"u").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    server.signal(SIGTERM);
    let (status, out, _) = server.wait();
    assert_eq!(status.code(), Some(0));
    let accepted = out
        .lines()
        .filter_map(|line| {
            line.strip_prefix("connections: ")?.split(' ').next()?.parse::<u64>().ok()
        })
        .sum::<u64>();
    assert_eq!(accepted, 31, "{out}");
    assert!(["worker 0", "worker 1", "worker 2"].iter().all(|name| out.contains(name)), "{out}");
}

/// Each wrong argument is answered with what would be right, and exit status 2.
#[test]
fn wrong_arguments_are_explained() {
    for (arguments, explanation) in [
        (&["serve", "echo"][..], "expected SERVICE=ENDPOINT, such as echo=tcp://127.0.0.1:8888"),
        (
            &["serve", "chargen=tcp://127.0.0.1:1"],
            "unknown service \"chargen\", expected echo or pong",
        ),
        (&["serve", "echo=http://127.0.0.1:1"], "expected tcp, udp, unix"),
        (&["serve", "echo=mem://x"], "in memory is of one reactor alone"),
        (&["ping", "mem://x"], "in memory is of one reactor alone"),
        (&["connect", "memgram://x"], "in memory is of one reactor alone"),
        (&["bench", "mem://x"], "in memory is of one reactor alone"),
        (&["serve", "echo=tcp://127.0.0.1"], "missing port"),
        (&["serve", "echo=tcp://127.0.0.1:65536"], "expected 0 to 65535"),
        (&["serve", "--idle-timeout", "soon"], "expected a time such as 250ms, 30s or 5m"),
        (&["serve", "--output-limit", "big"], "expected a size such as 512, 64KiB or 1MiB"),
        (&["serve", "--read-buffer", "1"], "expected at least 4096 bytes"),
        (&["serve", "--connections", "0"], "expected at least 1"),
        (&["serve", "--allow", "10.0.0.0/33"], "0 to 32"),
        (&["serve", "--workers", "0"], "1..=1024"),
        (&["sevre"], "serve"),
        (&["serve", "echo=http://x:1"], "expected tcp, udp, unix, unixgram or systemd"),
        (&["serve", "--metrics", "http://x:1"], "expected tcp, udp, unix, unixgram or systemd"),
        (&["bench", "http://x:1"], "expected tcp, udp, unix or unixgram"),
        (
            &["serve", "--backlog", "5000000000"],
            "'5000000000' for '--backlog <N>': must be from 1 to",
        ),
        (&["serve", "--keep-alive-probes", "5g"], "must be from 1 to 127"),
        (&["serve", "--idle-timeout", "0"], "--idle-timeout is 0 and must be at least 1ms"),
        (&["serve", "--keep-alive-interval", "0"], "is 0 and must be from 1s"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
        assert!(err.contains(explanation), "{arguments:?}: {err}");
        assert_eq!(out, "", "{arguments:?}");
    }
}

/// What can't be done is said once, with the deed, the object and the reason, and exit status 1; and
/// nothing is left half started.
#[test]
fn what_cannot_be_served_is_said_and_nothing_stays() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("echo=tcp://{}", taken.local_addr().unwrap());
    let (_directory, path) = scratch("half.sock");
    let unix = format!("echo=unix://{}", path.display());

    let live = std::net::TcpListener::bind(taken.trim_start_matches("echo=tcp://"));
    let (code, out, err) = run(&["serve", &unix, &taken]);
    assert_eq!(code, Some(1), "{err}");
    let endpoint = taken.trim_start_matches("echo=");
    assert_eq!(err, format!("echoloop: cannot listen on {endpoint}: address already in use\n"));
    assert_eq!(out, "");
    assert!(!path.exists(), "the first endpoint is gone with the second");
    drop(live);

    let (code, _, err) = run(&["serve", "echo=unix:///no/such/directory/e.sock"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("cannot listen on unix:///no/such/directory/e.sock: no such file"),
        "{err}"
    );
}

/// A socket file that nobody answers on is taken over; one that somebody answers on, and a file that
/// isn't a socket, never are.
#[test]
fn socket_files_are_taken_over_only_when_stale() {
    let (directory, path) = scratch("s.sock");
    let unix = format!("echo=unix://{}", path.display());

    drop(UnixListener::bind(&path).unwrap()); // Stale: std leaves the file.
    let server = Server::start(&[&unix]);
    let (code, _, err) = run(&["serve", &unix]);
    assert_eq!(code, Some(1));
    assert!(err.contains("another server holds its lock"), "{err}");
    let mut stream = UnixStream::connect(&path).unwrap(); // The first one hasn't noticed.
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop((stream, server));

    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let (code, _, err) = run(&["serve", &format!("echo=unix://{}", file.display())]);
    assert_eq!(code, Some(1));
    assert!(err.contains("is not a socket"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

/// Standard streams may be closed, or broken, and the log with them: it serves all the same.
#[test]
fn closed_and_broken_standard_streams_do_not_matter() {
    let (_directory, path) = scratch("closed.sock");
    for redirection in ["<&- >&- 2>&-", "> /dev/full 2> /dev/full", "2>&1 | true"] {
        let serve = format!(
            "exec '{}' -vv serve 'echo=unix://{}' {redirection}",
            env!("CARGO_BIN_EXE_echoloop"),
            path.display(),
        );
        // In a group of its own, so that the end of the test can find all of it.
        let mut shell = Command::new("setsid")
            .args(["sh", "-c", &serve])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stream = loop {
            if let Ok(stream) = UnixStream::connect(&path) {
                break stream;
            }
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        for _ in 0..100 {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        drop(stream);
        Command::new("kill").args(["-15", "--", &format!("-{}", shell.id())]).status().unwrap();
        cli_support::wait(&mut shell);
        while path.exists() {
            std::thread::yield_now(); // Removed by the server, which in a pipe isn't our child.
        }
    }
}

/// Limits that are given as options are the ones that hold.
#[test]
fn options_set_the_limits() {
    let server =
        Server::start(&["--line-length", "10", "--reply", "PONG", "pong=tcp://127.0.0.1:0"]);
    assert_eq!(exchange(tcp(&server, 0), b"0123456789\n0123456789x\nping\n"), b"PONG\n");

    let server = Server::start(&["--deny", "127.0.0.0/8", "echo=tcp://127.0.0.1:0"]);
    let mut answer = Vec::new();
    let mut denied = tcp(&server, 0);
    let _ = denied.write_all(b"x");
    assert!(matches!(denied.read_to_end(&mut answer), Ok(0) | Err(_)));
    server.signal(SIGTERM);
    let (_, out, _) = server.wait();
    assert!(out.contains("refused: 1 denied"), "{out}");

    let server = Server::start(&["--idle-timeout", "50ms", "echo=tcp://127.0.0.1:0"]);
    assert_eq!(tcp(&server, 0).read(&mut [0]).unwrap(), 0);
}

/// A loop that looks for events before it sleeps serves, sleeps and stops like any other.
#[test]
fn a_spinning_loop_serves_and_stops() {
    let server = Server::start(&["--spin", "1ms", "echo=tcp://127.0.0.1:0"]);
    for round in 0..50u8 {
        assert_eq!(exchange(tcp(&server, 0), &[round]), [round]);
    }
    server.signal(SIGTERM);
    assert_eq!(server.wait().0.code(), Some(0));
}

/// `RUST_LOG=echoloop=trace` tells what the poll returned, how much was read, what was taken.
#[test]
fn the_trace_tells_the_story() {
    let mut server = Server::start_command(
        echoloop().env("RUST_LOG", "echoloop=trace").args(["serve", "echo=tcp://127.0.0.1:0"]),
        &["echo=tcp://127.0.0.1:0"],
    );
    let mut stream = tcp(&server, 0);
    stream.write_all(b"abc").unwrap();
    stream.read_exact(&mut [0; 3]).unwrap();
    server.log_line("is readable");
    server.log_line("the poll has returned");
    server.log_line("accepted");
    server.log_line("is readable, writable");
    server.log_line("sent 3 of 3 bytes");
    server.log_line("read 3, showed 3, the service took 3");
}

/// The commands that the README gives work with the tools that people have.
#[test]
fn netcat_socat_and_python_get_right_answers() {
    let server = Server::start(&["echo=tcp://127.0.0.1:0", "pong=udp://127.0.0.1:0"]);
    let (echo, pong) = (server.address(0).port(), server.address(1).port());
    let python = "import socket,sys; s=socket.create_connection(('127.0.0.1',int(sys.argv[1]))); \
                  s.sendall(b'hello'); s.shutdown(1); print(s.recv(9).decode(), end='')";
    for (tool, script, expected) in [
        ("nc", format!("printf hello | nc -N 127.0.0.1 {echo}"), "hello"),
        ("nc", format!("echo ping | nc -u -W 1 127.0.0.1 {pong}"), "pong\n"),
        ("socat", format!("printf hello | socat -t 30 - TCP:127.0.0.1:{echo}"), "hello"),
        ("python3", format!("python3 -c \"{python}\" {echo}"), "hello"),
    ] {
        let which = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
        if !which.unwrap().status.success() {
            println!("skipped: there is no {tool} here");
            continue;
        }
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{script}");
    }
}
