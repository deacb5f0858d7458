//! The built binary behind a proxy: what is asked of the command line, and what an operator sees.
#![cfg(feature = "cli")]

mod cli_support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use cli_support::{DEADLINE, Server, run, scratch};

const SIGTERM: i32 = 15;
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";

/// Sends, ends, and returns what comes back.
#[track_caller]
fn ask(server: &Server, index: usize, parts: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address(index)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&parts.concat()).unwrap();
    let _ = stream.shutdown(Shutdown::Write); // It may have been refused by now.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The client of a proxy is the one that is limited, refused and logged; bad headers are counted.
#[test]
fn the_client_of_a_proxy_is_who_counts() {
    let (_directory, path) = scratch("echo.sock");
    let mut server = Server::start(&[
        "-v",
        "--proxy-protocol",
        "127.0.0.0/8",
        "--proxy-protocol",
        "unix:",
        "--deny",
        "192.0.2.66",
        "echo=tcp://127.0.0.1:0",
        &format!("echo=unix://{}", path.display()),
    ]);
    assert_eq!(ask(&server, 0, &[HEADER, b"hello"]), b"hello");
    let line = server.log_line("sent 5 bytes");
    assert!(line.contains("(192.0.2.7:4711)"), "{line}");
    assert_eq!(ask(&server, 0, &[b"PROXY TCP4 192.0.2.66 ::1 1 2\r\n"]), b"");
    assert_eq!(ask(&server, 0, &[b"PROXY TCP4 192.0.2.66 198.51.100.1 1 2\r\nx"]), b"");
    assert_eq!(ask(&server, 0, &[b"no header"]), b"");
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(&[HEADER, b"unix"].concat()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"unix");
    server.signal(SIGTERM);
    let (status, out, _) = server.wait();
    assert_eq!(status.code(), Some(0));
    let refused = "refused: 1 denied, 2 without a good PROXY header";
    assert!(out.contains("2 accepted") && out.contains(refused), "{out}");
}

/// Whoever isn't one of the proxies is refused, and the log says why.
#[test]
fn who_is_no_proxy_is_told_apart() {
    let mut server = Server::start(&["--proxy-protocol", "10.0.0.0/8", "echo=tcp://127.0.0.1:0"]);
    assert_eq!(ask(&server, 0, &[HEADER, b"hello"]), b"");
    let line = server.log_line("refuses 127.0.0.1:");
    assert!(line.contains("it is none of the proxies"), "{line}");
}

/// A proxy on a Unix socket closes TCP, and one on TCP closes the Unix sockets: what has no proxy before it is
/// refused, and said.
#[test]
fn any_proxy_closes_all_other_ways_in() {
    let (_directory, path) = scratch("echo.sock");
    let unix = format!("echo=unix://{}", path.display());
    let mut server = Server::start(&["--proxy-protocol", "unix:", &unix, "echo=tcp://127.0.0.1:0"]);
    for parts in [&[&b"hello"[..]][..], &[HEADER, b"hello"]] {
        assert_eq!(ask(&server, 1, parts), b"");
    }
    let line = server.log_line("refuses 127.0.0.1:");
    assert!(line.contains("it is none of the proxies"), "{line}");
    drop(server);

    let proxy = ["--proxy-protocol", "127.0.0.1", "echo=tcp://127.0.0.1:0", &unix];
    let mut server = Server::start(&proxy);
    assert_eq!(UnixStream::connect(&path).unwrap().read(&mut [0]).unwrap_or(0), 0);
    let line = server.log_line("refuses a Unix socket: ");
    assert!(line.contains("it is none of the proxies"), "{line}");
    assert_eq!(ask(&server, 0, &[HEADER, b"hello"]), b"hello");
}

/// Each kind of refusal is in the log, however many of another kind there are at the time; and those are few lines.
#[test]
fn a_crowd_of_one_kind_hides_no_other() {
    let server = Server::start(&[
        "--proxy-protocol",
        "127.0.0.1",
        "--proxy-timeout",
        "1s",
        "--deny",
        "192.0.2.66",
        "--connections-per-source",
        "1",
        "--metrics",
        "tcp://127.0.0.1:0",
        "echo=tcp://0.0.0.0:0",
    ]);
    let address = server.bound.iter().find(|it| it.starts_with("echo=")).unwrap();
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let ask = |parts: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.write_all(parts);
        let _ = stream.read_to_end(&mut Vec::new());
    };
    let half = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"PROXY TC").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    };
    for _ in 0..20 {
        ask(b"GET / HTTP/1.1\r\n");
    }
    half();
    ask(b"PROXY TC"); // And nothing more.
    ask(b"PROXY TCP4 192.0.2.66 198.51.100.1 1 2\r\n");
    let mut first = TcpStream::connect(("127.0.0.1", port)).unwrap();
    first.write_all(&[HEADER, b"x"].concat()).unwrap();
    first.read_exact(&mut [0]).unwrap();
    ask(HEADER);
    // From another address of this machine, which is no proxy.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    other.bind(&"127.0.0.2:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    other.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    let _ = (&other).read_to_end(&mut Vec::new());
    drop(first);
    server.signal(SIGTERM);
    let (status, out, log) = server.wait();
    assert_eq!(status.code(), Some(0));
    let kinds = [
        "is refused: it doesn't begin with a PROXY header",
        "it has ended within its PROXY header",
        "no whole PROXY header within 1s",
        "192.0.2.66:1: its address is not admitted",
        "192.0.2.7:4711: too many connections from its address",
        "it is none of the proxies",
    ];
    for kind in kinds {
        let lines = log.lines().filter(|line| line.contains(kind)).count();
        assert!((1..10).contains(&lines), "{kind}: {log}");
    }
    let refused = "refused: 2 denied, 1 too many from one source, 22 without a good PROXY header";
    assert!(out.contains(refused), "{out}");
}

/// Wrong values get an answer that says what would be right.
#[test]
fn wrong_proxies_are_explained() {
    for (arguments, why) in [
        (["--proxy-protocol", "required"], "expected one like 10.0.0.0/8; or unix: for those"),
        (["--proxy-protocol", "10.0.0.0/40"], "is not a number from 0 to 32; or unix:"),
        (["--proxy-timeout", "0"], "--proxy-timeout is 0 and must be at least 1ms"),
    ] {
        let (status, _, err) =
            run(&["serve", arguments[0], arguments[1], "echo=tcp://127.0.0.1:0"]);
        assert_eq!(status, Some(2), "{err}");
        assert!(err.contains(why), "{err}");
    }
}

/// Scrapers come by themselves, whoever is before the clients.
#[test]
fn metrics_are_not_behind_the_proxy() {
    for workers in ["1", "2"] {
        let server = Server::start(&[
            "--workers",
            workers,
            "--proxy-protocol",
            "10.0.0.1",
            "echo=tcp://127.0.0.1:0",
            "--metrics",
            "tcp://127.0.0.1:0",
        ]);
        assert_eq!(ask(&server, 0, &[HEADER, b"hello"]), b"");
        let answer =
            ask(&server, 1, &[b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
    }
}
