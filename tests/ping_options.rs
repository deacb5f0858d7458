//! `echoloop ping` as users of ping(8) know it: its options, its signals and its exit status.

#![cfg(feature = "cli")]

mod again;
mod clients;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use again::again;
use clients::{Said, Server, echoloop, end, piped, run, signal};
use echoloop::Echo;
use socket2::{Domain, SockAddr, Socket, Type};

#[track_caller]
fn ping(arguments: &[&str]) -> Said {
    run(echoloop(&[&["ping"], arguments].concat()), b"")
}

/// How many lines have this in them.
fn count(said: &Said, text: &str) -> usize {
    said.text().lines().filter(|line| line.contains(text)).count()
}

/// A UDP echo server that keeps the first so many to itself.
fn deaf_server(deaf: usize) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("udp://{}", socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        for number in 0.. {
            let (length, from): (usize, SocketAddr) =
                again(|| socket.recv_from(&mut buffer)).unwrap();
            if number >= deaf {
                socket.send_to(&buffer[..length], from).unwrap();
            }
        }
    });
    endpoint
}

/// A port that nobody listens on.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The first line and the summary, nothing between them; `--summary` is the older name.
#[test]
fn quiet_is_the_summary_alone() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    for option in ["-q", "--quiet", "--summary"] {
        let said = ping(&[option, "-c", "2", "-i", "1ms", "-W", "60s", &server.endpoint]);
        assert_eq!((said.code, &*said.errors), (Some(0), ""), "{option}");
        let lines: Vec<_> = said.text().lines().collect();
        assert!(lines[0].starts_with("PING ") && lines[1].is_empty(), "{said:?}");
        assert!(lines[2].ends_with(" ping statistics ---"), "{said:?}");
        assert!(lines[3].starts_with("2 packets transmitted, 2 received, "), "{said:?}");
    }
}

/// No interval at all: the replies set the pace, and each has its line.
#[test]
fn without_an_interval_replies_set_the_pace() {
    let server = Server::start("udp://127.0.0.1:0", Echo);
    let said = ping(&["-i", "0", "-c", "50", "-W", "60s", &server.endpoint]);
    assert_eq!((said.code, &*said.errors), (Some(0), ""));
    assert_eq!(count(&said, "64 bytes from "), 50, "{said:?}");
    assert_eq!(count(&said, ", ipg/ewma "), 1, "{said:?}");
}

/// `[1700000000.123456]` before each line about a message, and before no other.
#[test]
fn lines_can_begin_with_the_time() {
    let server = Server::start("udp://127.0.0.1:0", Echo);
    let said = ping(&["-D", "-n", "-c", "2", "-i", "1ms", "-W", "60s", &server.endpoint]);
    assert_eq!(said.code, Some(0));
    let lines: Vec<_> = said.text().lines().collect();
    assert!(lines[0].starts_with("PING ") && lines[4].starts_with("--- "), "{said:?}");
    for line in &lines[1..=2] {
        let (time, rest) = line.strip_prefix('[').unwrap().split_once("] ").unwrap();
        let (seconds, micros) = time.split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000, "{line}");
        assert!(micros.len() == 6 && micros.parse::<u32>().is_ok(), "{line}");
        assert!(rest.starts_with("64 bytes from "), "{line}");
    }
}

/// With a deadline it goes on until there are as many replies as were wanted, whatever was lost before.
#[test]
fn with_a_deadline_replies_are_counted() {
    let endpoint = deaf_server(3);
    let said = ping(&["-c", "2", "-w", "60", "-i", "5ms", "-W", "1ms", &endpoint]);
    assert_eq!((said.code, &*said.errors), (Some(0), ""), "{said:?}");
    assert_eq!(count(&said, "no reply to seq=1 within 1 ms"), 1, "{said:?}");
    let (sent, _) = said.text().split_once(" packets transmitted, ").unwrap();
    let (_, sent) = sent.rsplit_once('\n').unwrap();
    assert!(sent.parse::<u64>().unwrap() >= 5, "{said:?}"); // The three that were lost as well.
}

/// When it passes, it is the end: 0 if anything came, but 1 if it is less than was wanted, or nothing.
#[test]
fn a_deadline_ends_it() {
    let server = Server::start("udp://127.0.0.1:0", Echo);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = format!("udp://{}", silent.local_addr().unwrap());
    let closed = format!("tcp://{}", closed_port());
    let cases: [(&[&str], i32); 4] = [
        (&["-i", "1ms", &server.endpoint], 0),
        (&["-c", "2", "-i", "1h", &server.endpoint], 1),
        (&["-i", "1ms", "-W", "1h", &silent], 1),
        (&["--tcp-connect", "-i", "1ms", &closed], 1), // What is refused doesn't end it.
    ];
    for (arguments, code) in cases {
        let said = ping(&[&["-q", "-w", "0.2"], arguments].concat());
        assert_eq!((said.code, &*said.errors), (Some(code), ""), "{arguments:?}: {said:?}");
        assert_eq!(count(&said, " packets transmitted, "), 1, "{arguments:?}: {said:?}");
    }
    // A listener whose backlog is full: there is no connection by then.
    let (_directory, endpoint, _listener, _first) = full_backlog();
    let said = ping(&["-w", "0.05", &endpoint]);
    let expected = format!("echoloop: cannot connect to {endpoint}: the deadline has passed\n");
    assert_eq!((said.code, &said.errors), (Some(1), &expected));
    assert_eq!(
        count(&said, "1 packets transmitted, 0 received, 100% packet loss, "),
        1,
        "{said:?}"
    );
}

/// A Unix socket that takes no more connections, for as long as the values live.
fn full_backlog() -> (tempfile::TempDir, String, Socket, UnixStream) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("full");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap(); // A backlog of one, Linux; nobody accepts.
    let first = UnixStream::connect(&path).unwrap();
    (directory, format!("unix://{}", path.display()), listener, first)
}

/// `-O`: what has no answer when the next is sent; and one that comes later counts.
#[test]
fn what_is_outstanding_can_be_told() {
    let endpoint = deaf_server(2);
    let said = ping(&["-O", "-c", "3", "-i", "20ms", "-W", "500ms", &endpoint]);
    assert_eq!(said.code, Some(0));
    assert_eq!(count(&said, "no answer yet for seq=1"), 1, "{said:?}");
    assert_eq!(count(&said, "no answer yet for seq=2"), 1, "{said:?}");
    assert_eq!(count(&said, "no answer yet"), 2, "{said:?}");
}

/// A reply behind its timeout was lost, and then wasn't.
#[test]
fn a_late_reply_counts() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("udp://{}", socket.local_addr().unwrap());
    let arguments = ["ping", "-c", "2", "-i", "50ms", "-W", "5ms", "-w", "60", &endpoint];
    let mut child = echoloop(&arguments).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line != "no reply to seq=1 within 5 ms\n" {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0);
    }
    let mut buffer = [0; 64];
    for _ in 0..2 {
        let (length, from) = again(|| socket.recv_from(&mut buffer)).unwrap();
        socket.send_to(&buffer[..length], from).unwrap();
    }
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(end(child).code, Some(0));
    let late = rest.lines().find(|line| line.contains(": seq=1 time=")).unwrap();
    assert!(late.ends_with(" ms (late)"), "{rest}");
    assert!(rest.contains(" 2 received, "), "{rest}");
}

/// Ctrl-\: a line on standard error, and it goes on.
#[test]
fn the_state_is_shown_on_request() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["ping", "-i", "1ms", &server.endpoint]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut until = |text: &str| {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it goes on");
        }
    };
    until("seq=3 ");
    signal(child.id(), "QUIT");
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut state = String::new();
    stderr.read_line(&mut state).unwrap();
    let (counts, times) = state.split_once(" packets, ").unwrap();
    let (received, sent) = counts.strip_prefix('\r').unwrap().split_once('/').unwrap();
    assert!(received.parse::<u64>().unwrap() >= 3, "{state:?}");
    assert!(sent.parse::<u64>().unwrap() >= 3, "{state:?}");
    assert!(times.contains("% loss, min/avg/ewma/max = "), "{state:?}");
    until("64 bytes from ");
    signal(child.id(), "INT");
    until("rtt min/avg/max/mdev = ");
    assert_eq!(end(child).code, Some(0));
}

/// Whatever listens can be pinged by connecting, also what talks first, or doesn't talk at all.
#[test]
fn connecting_is_a_ping_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("listener");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let talkative = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoints = [
        format!("tcp://{}", tcp.local_addr().unwrap()),
        format!("tcp://{}", talkative.local_addr().unwrap()),
        format!("unix://{}", path.display()),
    ];
    thread::spawn(move || {
        loop {
            let (mut stream, _) = talkative.accept().unwrap();
            let _ = stream.write_all(b"220 welcome\r\n"); // It may have gone again.
        }
    });
    for endpoint in &endpoints {
        let common = ["--tcp-connect", "-c", "3", "-i", "1ms", "-W", "60s", endpoint];
        let said = ping(&common);
        assert_eq!((said.code, &*said.errors), (Some(0), ""), "{said:?}");
        let (_, address) = endpoint.split_once("://").unwrap();
        for number in 1..=3 {
            let reply = format!("connected to {address}: seq={number} time=");
            assert_eq!(count(&said, &reply), 1, "{said:?}");
        }
        let counts = "3 packets transmitted, 3 received, 0% packet loss, time ";
        assert_eq!(count(&said, counts), 1, "{said:?}");
    }
    drop((tcp, unix));
}

/// Refused, and never answered: both are lost, and it is said which it was.
#[test]
fn connections_that_are_not_made_are_lost() {
    let refused = format!("tcp://{}", closed_port());
    let said = ping(&["--tcp-connect", "-c", "2", "-i", "1ms", "-W", "1h", &refused]);
    assert_eq!((said.code, &*said.errors), (Some(1), ""));
    assert_eq!(count(&said, "no connection for seq=2: connection refused"), 1, "{said:?}");
    let counts = "2 packets transmitted, 0 received, +2 errors, 100% packet loss, ";
    assert_eq!(count(&said, counts), 1, "{said:?}");

    let (_directory, endpoint, _listener, _first) = full_backlog();
    let said = ping(&["--tcp-connect", "-c", "2", "-i", "1ms", "-W", "20ms", &endpoint]);
    assert_eq!((said.code, &*said.errors), (Some(1), ""));
    assert_eq!(count(&said, "no connection for seq=2 within 20 ms"), 1, "{said:?}");
    assert_eq!(count(&said, "2 packets transmitted, 0 received, 100% packet loss, "), 1);
}

/// `-c 1 -w 60` waits until something listens.
#[test]
fn a_server_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later");
    let endpoint = format!("unix://{}", path.display());
    let arguments = ["ping", "--tcp-connect", "-c", "1", "-w", "60", "-i", "5ms", &endpoint];
    let mut child = echoloop(&arguments).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("no connection for seq=2: no such file or directory") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0);
    }
    let _listener = UnixListener::bind(&path).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" 1 received, "), "{rest}");
    assert_eq!(end(child).code, Some(0));
}

/// With a deadline it is replies that are counted, and not more than were wanted, also if more come at once.
#[test]
fn the_last_reply_that_is_wanted_is_the_last() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut five = [0; 5 * 16];
        stream.read_exact(&mut five).unwrap();
        stream.write_all(&five).unwrap();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    let said = ping(&["-c", "2", "-w", "60s", "-W", "60s", "-i", "1ms", "-s", "16", &endpoint]);
    assert_eq!((said.code, count(&said, ": seq=")), (Some(0), 2), "{said:?}");
    assert_eq!(count(&said, " 2 received, "), 1, "{said:?}");
}

/// A host with addresses of both families is asked by the one that is wanted.
#[test]
fn a_family_can_be_chosen() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let (_, port) = server.endpoint.rsplit_once(':').unwrap();
    let endpoint = format!("tcp://localhost:{port}");
    let said = ping(&["-4", "-c", "1", "-W", "60s", &endpoint]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.text().starts_with(&format!("PING {endpoint} (127.0.0.1:{port}) ")), "{said:?}");
    let said = ping(&["-6", "-c", "1", &server.endpoint]);
    let why = "it has no IPv6 address";
    let expected = format!("echoloop: cannot connect to {}: {why}\n", server.endpoint);
    assert_eq!((said.code, said.errors), (Some(2), expected));
    assert_eq!(ping(&["-4", "-6", &server.endpoint]).code, Some(2));
}

/// What can't be printed is an error of its own; that nobody reads isn't.
#[test]
fn an_output_that_takes_nothing_is_an_error() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let arguments = ["ping", "-i", "1ms", "-W", "60s", &server.endpoint];
    let mut command = echoloop(&arguments);
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let said = run(command, b"");
    let why = "cannot write to standard output: no space left on device";
    assert_eq!((said.code, said.errors), (Some(2), format!("echoloop: {why}\n")));
    let script = format!("exec '{}' {} >&-", env!("CARGO_BIN_EXE_echoloop"), arguments.join(" "));
    let said = run(piped("sh", &["-c", &script]), b"");
    let why = "cannot write to standard output: bad file descriptor";
    assert_eq!((said.code, said.errors), (Some(2), format!("echoloop: {why}\n")));
}

/// Options of ping(8) that are not here are answered with what is, whether a value or the endpoint follows.
#[test]
fn options_of_other_pings_are_explained() {
    let cases: [(&[&str], &str); 6] = [
        (&["-W", "0", "tcp://127.0.0.1:1"], "expected more than 0"),
        (&["-t", "64", "tcp://127.0.0.1:1"], "-w or --deadline"),
        (&["-A", "tcp://127.0.0.1:1"], "-f or --flood"),
        (&["tcp://127.0.0.1:1", "-I", "lo"], "the system chooses the address"),
        (&["-l", "3", "tcp://127.0.0.1:1"], "bench with --depth"),
        (&["--tcp-connect", "udp://127.0.0.1:1"], "datagrams have no connections"),
    ];
    for (arguments, text) in cases {
        let said = ping(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.errors.contains(text), "{arguments:?}: {}", said.errors);
    }
}

/// With a deadline a lost connection is made again, and what was lost with it is an error of the summary.
#[test]
fn a_deadline_outlives_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut message = [0; 64];
            while stream.read_exact(&mut message).is_ok() {
                stream.write_all(&message).unwrap();
                if number < 2 {
                    break; // The first two are closed behind a reply.
                }
            }
        }
    });
    let said = ping(&["-c", "5", "-w", "60", "-i", "5ms", &endpoint]);
    assert_eq!((said.code, said.errors.as_str()), (Some(0), ""), "{said:?}");
    assert_eq!(count(&said, ": the server has ended the connection"), 2, "{said:?}");
    assert_eq!(count(&said, " 5 received, +2 errors, "), 1, "{said:?}");
}
