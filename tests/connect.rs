//! `echoloop connect`, as people and scripts use it.

#![cfg(feature = "cli")]

mod again;
mod clients;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::mpsc;
use std::thread;

use again::again;
use clients::{DEADLINE, Server, echoloop, end, noise, run, signal};
use echoloop::Echo;
use socket2::{Domain, SockAddr, Socket, Type};

/// A file through an echo server comes back as it is, whatever is in it, over every kind of stream.
#[test]
fn a_file_comes_back_identical() {
    let directory = tempfile::tempdir().unwrap();
    let (big, copy) = (directory.path().join("big"), directory.path().join("copy"));
    let mut bytes = noise(20_000_000);
    bytes[1000..1012].copy_from_slice(b"\nquit\n\nquit\n");
    fs::write(&big, &bytes).unwrap();
    let unix = format!("unix://{}", directory.path().join("echo").display());
    for endpoint in ["tcp://127.0.0.1:0", &unix] {
        let server = Server::start(endpoint, Echo);
        let mut command = echoloop(&["connect", &server.endpoint]);
        command.stdin(File::open(&big).unwrap()).stdout(File::create(&copy).unwrap());
        let said = run(command, b"");
        assert_eq!((said.code, said.errors.as_str()), (Some(0), ""));
        assert!(fs::read(&copy).unwrap() == bytes, "{endpoint}: the copy differs");
    }
}

/// The same through pipes.
#[test]
fn a_pipe_comes_back_identical() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let bytes = noise(5_000_000);
    let said = run(echoloop(&["connect", &server.endpoint]), &bytes);
    assert_eq!((said.code, said.errors.as_str()), (Some(0), ""));
    assert!(said.output == bytes);
}

/// Whatever the size, what is on its way is bounded, and nothing waits for itself.
#[test]
fn memory_is_bounded() {
    const TOTAL: usize = 100_000_000;
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["connect", &server.endpoint]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (all_read, wait) = mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        stdin.write_all(&vec![b'x'; TOTAL]).unwrap();
        let _ = wait.recv(); // Its input stays open, so that it is still there to be looked at.
    });
    let mut left = vec![0; TOTAL];
    stdout.read_exact(&mut left).unwrap();
    assert!(left.iter().all(|&byte| byte == b'x'));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: usize = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(kilobytes < 40_000, "it used {kilobytes} kB for {TOTAL} bytes");
    drop(all_read);
    writer.join().unwrap();
    assert_eq!(end(child).code, Some(0));
}

/// An answer is printed at once, while the input is still open, and an empty line is a line.
#[test]
fn what_comes_is_printed_at_once() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["connect", &server.endpoint]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for line in ["hello\n", "\n", "quit\n", "again\n"] {
        stdin.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, line);
    }
    drop(stdin);
    assert_eq!(end(child).code, Some(0));
}

/// End of input is told to the peer, and what it says then is still printed.
#[test]
fn end_of_input_waits_for_the_rest() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(format!("{} bytes\n", all.len()).as_bytes()).unwrap();
    });
    let said = run(echoloop(&["connect", &endpoint]), b"12345");
    assert_eq!((said.code, said.text()), (Some(0), "5 bytes\n"));
    server.join().unwrap();
}

/// The line that leaves, where somebody asked for one. It isn't sent.
#[test]
fn a_line_can_leave() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut all = String::new();
        listener.accept().unwrap().0.read_to_string(&mut all).unwrap();
        all
    });
    let said = run(echoloop(&["connect", "--quit", "bye", &endpoint]), b"one\nbye\ntwo\n");
    assert_eq!((said.code, said.errors.as_str()), (Some(0), ""));
    assert_eq!(server.join().unwrap(), "one\n");
}

#[test]
fn line_endings_and_hex() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let said = run(echoloop(&["connect", "--crlf", &server.endpoint]), b"a\nb\r\n");
    assert_eq!(said.text(), "a\r\nb\r\n");
    let said = run(echoloop(&["connect", "--hex", &server.endpoint]), b"\x1b[2J");
    let row = format!("00000000  {:<48}  |.[2J|\n", "1b 5b 32 4a");
    assert_eq!(said.text(), format!("> {row}< {row}"));
}

/// `| head`: nobody reads any more, which is an end like any other.
#[test]
fn a_closed_output_ends_it() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["connect", &server.endpoint]).spawn().unwrap();
    let _stdin = child.stdin.take();
    drop(child.stdout.take());
    let said = end(child);
    assert_eq!((said.code, said.errors.as_str()), (Some(0), ""));
}

#[test]
fn errors_name_the_deed_and_the_object() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").display().to_string();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = directory.path().join("full");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&full).unwrap()).unwrap();
    listener.listen(0).unwrap(); // A backlog of one, Linux; nobody accepts.
    let _first = UnixStream::connect(&full).unwrap();
    let cases = [
        (format!("tcp://{closed}"), "connection refused"),
        (format!("unix://{missing}"), "no such file or directory"),
        (format!("unixgram://{missing}"), "no such file or directory"),
        (format!("unix://{}", full.display()), "timed out"),
    ];
    for (endpoint, why) in cases {
        let said = run(echoloop(&["connect", "--connect-timeout", "50ms", &endpoint]), b"x\n");
        let expected = format!("echoloop: cannot connect to {endpoint}: {why}\n");
        assert_eq!((said.code, said.errors), (Some(1), expected));
    }
    let nonsense: [&[&str]; 4] = [
        &["127.0.0.1:80"],
        &["--heartbeat", "3s", "tcp://127.0.0.1:80"],
        &["--crlf", "--lf", "udp://127.0.0.1:80"],
        &["--wait", "long", "udp://127.0.0.1:80"],
    ];
    for arguments in nonsense {
        let said = run(echoloop(&[&["connect"], arguments].concat()), b"");
        assert_eq!(said.code, Some(2), "{}", said.errors);
    }
}

/// Ctrl-C in the middle of a copy: the shell is told, since the copy isn't whole.
#[test]
fn an_interruption_is_told_to_the_shell() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = echoloop(&["connect", &server.endpoint]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap(); // It is running.
        signal(child.id(), name);
        assert_eq!(end(child).code, Some(code));
    }
}

/// A line is a datagram, an empty one too; a datagram is a line.
#[test]
fn lines_are_datagrams() {
    let cases = [(None, ""), (Some("--lf"), "\n"), (Some("--crlf"), "\r\n")];
    for (option, ending) in cases {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        let endpoint = format!("udp://{}", server.local_addr().unwrap());
        let arguments = ["connect", "--wait", "60s", "--quit", "quit", &endpoint];
        let mut command = echoloop(&arguments);
        command.args(option);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdin.write_all(b"one\n\ntwo\r\n").unwrap();
        for expected in ["one", "", "two"] {
            let mut buffer = [0; 100];
            let (length, from) = again(|| server.recv_from(&mut buffer)).unwrap();
            assert_eq!(buffer[..length], *[expected, ending].concat().as_bytes());
            server.send_to(format!("you said {expected}").as_bytes(), from).unwrap();
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            assert_eq!(line, format!("you said {expected}\n"));
        }
        stdin.write_all(b"quit\n").unwrap();
        assert_eq!(end(child).code, Some(0));
    }
}

/// A peer that is slow to read gets every line, in order, where datagrams don't get lost.
#[test]
fn no_line_is_lost_over_a_unix_datagram_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    let server = UnixDatagram::bind(&path).unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let text: String = (0..2000).map(|number| format!("line {number}\n")).collect();
    let endpoint = format!("unixgram://{}", path.display());
    let client = thread::spawn({
        let text = text.clone();
        move || {
            run(
                echoloop(&["connect", "--wait", "60s", "--quit", "bye", &endpoint]),
                &[text.as_bytes(), b"bye\n"].concat(),
            )
        }
    });
    for line in text.lines() {
        let mut buffer = [0; 100];
        let length = again(|| server.recv(&mut buffer)).unwrap();
        assert_eq!(buffer[..length], *line.as_bytes());
    }
    let said = client.join().unwrap();
    assert_eq!((said.code, said.errors.as_str()), (Some(0), ""));
}

/// A member of a group is heard of before it says anything, and says when it leaves.
#[test]
fn heartbeats_go_out_without_being_asked() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let endpoint = format!("udp://{}", server.local_addr().unwrap());
    let arguments = ["connect", "--heartbeat", "5ms", "--quit", "quit", &endpoint];
    let mut child = echoloop(&arguments).spawn().unwrap();
    let receive = || {
        let mut buffer = [0; 100];
        let length = again(|| server.recv(&mut buffer)).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    for _ in 0..3 {
        assert_eq!(receive(), "^hb^");
    }
    child.stdin.take().unwrap().write_all(b"hello\nquit\n").unwrap();
    let said: Vec<_> = std::iter::repeat_with(receive).filter(|it| it != "^hb^").take(2).collect();
    assert_eq!(said, ["hello", "quit"]);
    assert_eq!(end(child).code, Some(0));
}

#[test]
fn datagrams_to_nobody_are_reported() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("udp://{nobody}");
    let said = run(echoloop(&["connect", "--wait", "60s", &endpoint]), b"hello\n");
    assert_eq!(said.code, Some(1));
    assert_eq!(said.errors, format!("echoloop: {endpoint}: connection refused\n"));

    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("udp://{}", server.local_addr().unwrap());
    let said = run(echoloop(&["connect", "--wait", "60s", &endpoint]), &[b'x'; 70_000]);
    assert_eq!(said.code, Some(1));
    assert!(said.errors.contains("65507 bytes"), "{}", said.errors);
}
