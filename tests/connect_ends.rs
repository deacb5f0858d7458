//! `echoloop connect`, when one of the two ends before the other: a half-close, a reset, a deadline.

#![cfg(feature = "cli")]

mod clients;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use clients::{DEADLINE, Server, echoloop, end, run};
use echoloop::Echo;
use socket2::SockRef;

/// A server that says its last byte at once and then reads to the end: all of the input arrives, from a pipe
/// and from a file.
#[test]
fn a_half_close_by_the_peer_stops_nothing() {
    const TOTAL: usize = 30_000_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    let unix = UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoints =
        [format!("tcp://{}", tcp.local_addr().unwrap()), format!("unix://{}", path.display())];
    let big = directory.path().join("big");
    std::fs::write(&big, vec![b'x'; TOTAL]).unwrap();
    for _ in 0..2 {
        let server = thread::spawn({
            let (tcp, unix) = (tcp.try_clone().unwrap(), unix.try_clone().unwrap());
            move || {
                let (mut tcp, _) = tcp.accept().unwrap();
                tcp.write_all(b"hello\n").unwrap();
                tcp.shutdown(Shutdown::Write).unwrap();
                let over_tcp = std::io::copy(&mut tcp, &mut std::io::sink()).unwrap();
                let (mut unix, _) = unix.accept().unwrap();
                unix.write_all(b"hello\n").unwrap();
                unix.shutdown(Shutdown::Write).unwrap();
                (over_tcp, std::io::copy(&mut unix, &mut std::io::sink()).unwrap())
            }
        });
        // A pipe whose writer waits until the client has seen the end.
        let mut child = echoloop(&["connect", &endpoints[0]]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
        stdin.write_all(&vec![b'x'; TOTAL]).unwrap();
        drop(stdin);
        let said = end(child);
        assert_eq!((said.code, &*said.errors), (Some(0), ""));

        let mut command = echoloop(&["connect", &endpoints[1]]);
        command.stdin(File::open(&big).unwrap());
        let said = run(command, b"");
        assert_eq!((said.code, said.text(), &*said.errors), (Some(0), "hello\n", ""));
        assert_eq!(server.join().unwrap(), (TOTAL as u64, TOTAL as u64));
    }
}

/// A server that has gone doesn't take what is typed, and says so with a reset.
#[test]
fn a_peer_that_has_gone_is_told_by_the_next_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let mut child = echoloop(&["connect", &endpoint]).spawn().unwrap();
    listener.accept().unwrap().0.write_all(b"bye\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "bye\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"more\n").unwrap();
    let said = end(child); // Its input is still open.
    drop(stdin);
    assert_eq!(said.code, Some(1));
    let why = said.errors.strip_prefix(&format!("echoloop: {endpoint}: ")).unwrap();
    assert!(why.starts_with("connection reset") || why == "broken pipe\n", "{why}");
}

/// Whose socket on this machine has gone for good can't take anything, which needs no byte to find out.
#[test]
fn a_peer_on_a_unix_socket_that_has_gone_is_noticed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    let listener = UnixListener::bind(&path).unwrap();
    let endpoint = format!("unix://{}", path.display());
    let mut child = echoloop(&["connect", &endpoint]).spawn().unwrap();
    listener.accept().unwrap().0.write_all(b"bye\n").unwrap();
    let stdin = child.stdin.take(); // Open until the end.
    let said = end(child);
    drop(stdin);
    assert_eq!((said.code, said.text()), (Some(1), "bye\n"));
    assert_eq!(said.errors, format!("echoloop: {endpoint}: connection reset\n"));
}

/// A peer that ends everything in the middle: an error, whichever way the bytes go.
#[test]
fn a_reset_in_the_middle_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    for input in [&b""[..], &b"x"[..], &[b'x'; 5_000_000][..]] {
        let (tell, told) = mpsc::channel();
        let server = thread::spawn({
            let listener = listener.try_clone().unwrap();
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(b"half a line").unwrap();
                let () = told.recv_timeout(DEADLINE).unwrap();
                SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            }
        });
        let mut child = echoloop(&["connect", &endpoint]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = thread::spawn(move || {
            let _ = stdin.write_all(input); // Its reader goes in the middle.
            if input.is_empty() { None } else { Some(stdin) }
        });
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 11]).unwrap();
        tell.send(()).unwrap();
        let said = end(child);
        drop(writer.join());
        server.join().unwrap();
        assert_eq!(said.code, Some(1), "{}", said.errors);
        let why = said.errors.strip_prefix(&format!("echoloop: {endpoint}: ")).unwrap();
        assert!(why.starts_with("connection reset") || why == "broken pipe\n", "{why}");
    }
}

/// After the end of input, a peer that says nothing for --wait is left, like one that has ended.
#[test]
fn a_silent_peer_can_be_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        stream.write_all(b"so long\n").unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        (stream, all)
    });
    let said = run(echoloop(&["connect", "--wait", "300ms", &endpoint]), b"hello\n");
    assert_eq!((said.code, said.text(), &*said.errors), (Some(0), "so long\n", ""));
    assert_eq!(server.join().unwrap().1, "hello\n");
}

/// A peer that keeps its end open has been silent for --wait, and gets no further time to say goodbye; what
/// it was sent still arrives.
#[test]
fn a_silent_peer_need_not_say_goodbye() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let said = run(echoloop(&["connect", "-vv", "--wait", "1ms", &endpoint]), b"hello\n");
    let (mut stream, _) = listener.accept().unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!((said.code, &*all), (Some(0), "hello\n"), "{}", said.errors);
    // The wait has a timer of the input's, and a goodbye would have one of the connection's.
    let connected =
        said.errors.lines().find_map(|line| line.strip_suffix(" is connected")).unwrap();
    let (_, connection) = connected.rsplit_once(' ').unwrap();
    assert!(!said.errors.contains(&format!(" {connection} timer")), "{}", said.errors);
    assert!(said.errors.contains(" timer"), "{}", said.errors);
}

/// A server that answers for as long as somebody asks isn't left before --wait has passed in silence.
#[test]
fn waiting_begins_anew_with_each_answer() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut command = echoloop(&["connect", "--wait", "60s", &server.endpoint]);
    command.stdin(Stdio::piped());
    let said = run(command, &[b'x'; 1_000_000]);
    assert_eq!((said.code, said.output.len(), &*said.errors), (Some(0), 1_000_000, ""));
}
