//! Standard streams that nobody reads: a full pipe stops no loop, and no end.
#![cfg(feature = "cli")]

mod cli_support;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use cli_support::{DEADLINE, Mortal, Server, echoloop, scratch, wait};
use socket2::SockRef;

const SIGTERM: &str = "-15";

/// A pipe that takes nothing more until somebody reads. For whoever writes to it is non-blocking, if that is
/// asked for.
fn full_pipe(nonblocking: bool) -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    SockRef::from(&writer).set_nonblocking(true).unwrap();
    for length in [4096, 1] {
        let filling = loop {
            if let Err(error) = writer.write(&vec![b'\n'; length]) {
                break error;
            }
        };
        assert_eq!(filling.kind(), ErrorKind::WouldBlock);
    }
    SockRef::from(&writer).set_nonblocking(nonblocking).unwrap();
    (reader, writer)
}

fn signal(child: &Child, signal: &str) {
    assert!(
        Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap().success()
    );
}

#[track_caller]
fn exchange(stream: &mut (impl Read + Write), bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, bytes);
}

#[track_caller]
fn tcp(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address(0)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A server with one worker or more logs every step to a pipe that is full: clients are served, a signal
/// ends it, and its end doesn't wait.
#[test]
fn a_full_log_keeps_nobody_waiting() {
    for workers in ["1", "3"] {
        let (_unread, full) = full_pipe(false);
        let mut command = echoloop();
        let arguments = ["-vv", "serve", "--workers", workers, "echo=tcp://127.0.0.1:0"];
        command.args(arguments).stderr(full);
        let server = Server::start_with_log(&mut command, &arguments);
        for _ in 0..50 {
            exchange(&mut tcp(&server), b"hello");
        }
        server.signal(15);
        let (status, out) = server.wait_without_log();
        assert_eq!(status.code(), Some(0));
        assert!(out.contains("accepted"), "{out}");
    }
}

/// What was lost is counted, where it was lost, as soon as somebody reads; and what comes after it is whole.
#[test]
fn lost_lines_are_counted() {
    for nonblocking in [false, true] {
        let (unread, full) = full_pipe(nonblocking);
        let mut command = echoloop();
        let arguments = ["-vv", "serve", "echo=tcp://127.0.0.1:0"];
        command.args(arguments).stderr(full);
        let server = Server::start_with_log(&mut command, &arguments);
        drop(command); // Our copy of the writing end: the log ends with the server.
        let mut stream = tcp(&server);
        for _ in 0..10_000 {
            exchange(&mut stream, b"hello");
        }
        let mut log = BufReader::new(unread).lines().map(Result::unwrap);
        let lost = log.find(|line| line.ends_with(" log lines were lost")).expect("it tells");
        let number = lost.split(' ').next().unwrap().replace(',', "");
        assert!(number.parse::<u64>().unwrap() > 1000, "{lost}");
        assert!(lost.contains(','), "{lost}");

        let reader = thread::spawn(move || log.filter(|line| line.contains("sent 7 of 7")).count());
        exchange(&mut stream, b"goodbye");
        drop(stream);
        server.signal(15);
        assert_eq!(server.wait_without_log().0.code(), Some(0));
        assert_eq!(reader.join().unwrap(), 1);
    }
}

/// A server whose standard output is full starts, serves and ends; and what it has said is there for
/// whoever reads later.
#[test]
fn a_full_output_keeps_nobody_from_starting() {
    let (_directory, path) = scratch("full.sock");
    for workers in ["1", "2"] {
        let (mut unread, full) = full_pipe(false);
        let offer = format!("echo=unix://{}", path.display());
        let mut command = echoloop();
        command.args(["serve", "--workers", workers, &offer]).stdout(full).stderr(Stdio::null());
        let mut mortal = Mortal(command.spawn().unwrap());
        drop(command); // Our copy of the writing end: what it says ends with it.
        let child = &mut mortal.0;
        let mut stream = loop {
            match UnixStream::connect(&path) {
                Ok(stream) => break stream,
                Err(_) => assert!(child.try_wait().unwrap().is_none(), "it ended"),
            }
            thread::yield_now();
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        exchange(&mut stream, b"hello");
        drop(stream);
        if workers == "1" {
            signal(child, SIGTERM);
            assert_eq!(wait(child).code(), Some(0));
        } else {
            let said = thread::spawn(move || io::read_to_string(&mut unread).unwrap());
            signal(child, SIGTERM);
            assert_eq!(wait(child).code(), Some(0));
            let said = said.join().unwrap();
            let said = said.trim_start_matches('\n');
            assert!(said.starts_with(&format!("listening on {offer}\nworker 0\n")), "{said}");
        }
        assert!(!path.exists());
    }
}

/// The clients' logs don't stop their loops either; their results belong to standard output.
#[test]
fn a_full_log_stops_no_client() {
    let server = Server::start(&["echo=tcp://127.0.0.1:0"]);
    let endpoint = format!("tcp://{}", server.address(0));
    for arguments in [
        &["-vv", "ping", "-c", "200", "-i", "0", &endpoint][..],
        &["-vv", "connect", &endpoint],
        &["-vv", "bench", "-c", "2", "-z", "100ms", "--warmup", "0", &endpoint],
    ] {
        let (_unread, full) = full_pipe(false);
        let input = tempfile::tempfile().unwrap();
        write_lines(&input);
        let mut command = echoloop();
        command.args(arguments).stdin(OwnedFd::from(input)).stdout(Stdio::piped()).stderr(full);
        let mut mortal = Mortal(command.spawn().unwrap());
        let child = &mut mortal.0;
        let mut said = child.stdout.take().unwrap();
        let reader = thread::spawn(move || io::read_to_string(&mut said).unwrap());
        assert_eq!(wait(child).code(), Some(0), "{arguments:?}");
        assert!(!reader.join().unwrap().is_empty(), "{arguments:?}");
    }
}

/// Enough that its trace fills more than a pipe.
fn write_lines(mut file: &File) {
    use std::io::Seek;

    file.write_all("a line of its own\n".repeat(100_000).as_bytes()).unwrap();
    file.rewind().unwrap();
}

/// The line that says why it ends comes out behind a log that was read late.
#[test]
fn the_reason_for_the_end_comes_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let offer = format!("echo=tcp://{}", taken.local_addr().unwrap());
    let (unread, full) = full_pipe(false);
    let mut command = echoloop();
    command.args(["-vv", "serve", &offer]).stdout(Stdio::null()).stderr(full);
    let mut mortal = Mortal(command.spawn().unwrap());
    let child = &mut mortal.0;
    let reader = thread::spawn(move || io::read_to_string(unread).unwrap());
    drop(command);
    assert_eq!(wait(child).code(), Some(1));
    let log = reader.join().unwrap();
    let why = format!("echoloop: cannot listen on {}: address already in use\n", &offer[5..]);
    assert!(log.ends_with(&why), "{log}");
}
