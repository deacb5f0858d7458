//! `echoloop connect --listen`: one client, as `nc -l` takes it.

#![cfg(feature = "cli")]

mod again;
mod clients;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, ChildStderr};
use std::thread;

use again::again;
use clients::{DEADLINE, echoloop, end, noise, run, signal};

/// Starts it, and returns where it listens.
#[track_caller]
fn listen(arguments: &[&str]) -> (Child, String, BufReader<ChildStderr>) {
    let mut child = echoloop(&[&["connect", "--listen"], arguments].concat()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("echoloop: listening on ") {
        line.clear(); // With -v there is a log too.
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it says where");
    }
    let (_, address) = line.trim_end().split_once("://").unwrap();
    (child, address.to_string(), stderr)
}

/// Both ways, to the end of both; then it is gone.
#[test]
fn one_client_is_served_over_tcp() {
    let (mut child, address, mut stderr) = listen(&["tcp://127.0.0.1:0"]);
    let mut client = TcpStream::connect(&address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"from the client\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "from the client\n");
    // It listens no more.
    assert!(TcpStream::connect(&address).is_err());
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"to the client\n").unwrap();
    drop(stdin);
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert_eq!(all, "to the client\n");
    client.write_all(b"the rest").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), end(child).code), ("the rest", Some(0)));
    let mut errors = String::new();
    stderr.read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
}

/// A file, sent by one and received by another of our own.
#[test]
fn a_file_is_handed_over() {
    let bytes = noise(5_000_000);
    let (mut child, address, _stderr) = listen(&["tcp://127.0.0.1:0"]);
    drop(child.stdin.take());
    let sender = thread::spawn({
        let bytes = bytes.clone();
        move || run(echoloop(&["connect", &format!("tcp://{address}")]), &bytes)
    });
    let receiver = end(child);
    assert_eq!(receiver.code, Some(0));
    let sender = sender.join().unwrap();
    assert_eq!((sender.code, &*sender.errors), (Some(0), ""));
    assert!(receiver.output == bytes);
}

/// On a Unix socket, whose file goes when nobody else may come; without a port nothing is said unasked.
#[test]
fn one_client_is_served_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("listener");
    let endpoint = format!("unix://{}", path.display());
    let (mut child, address, _stderr) = listen(&["-v", &endpoint]);
    assert_eq!(address, path.display().to_string());
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    assert!(!path.exists());
    drop(child.stdin.take());
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(end(child).code, Some(0));

    let mut child = echoloop(&["connect", "--listen", &endpoint]).spawn().unwrap();
    let mut client = loop {
        match UnixStream::connect(&path) {
            Ok(client) => break client,
            Err(_) => assert!(child.try_wait().unwrap().is_none(), "it listens"),
        }
    };
    drop(child.stdin.take());
    client.read_to_end(&mut Vec::new()).unwrap();
    drop(client);
    let said = end(child);
    assert_eq!((said.code, said.text(), &*said.errors), (Some(0), "", ""));
}

/// The first sender becomes the peer; what others send is not for us.
#[test]
fn the_first_sender_is_the_peer() {
    let (mut child, address, _stderr) = listen(&["--quit", "quit", "udp://127.0.0.1:0"]);
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let [first, other] = &sockets;
    first.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut printed = || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        line
    };
    first.send_to(b"one", &address).unwrap();
    assert_eq!(printed(), "one\n");
    other.send_to(b"not for us", &address).unwrap();
    first.send_to(b"two", &address).unwrap();
    assert_eq!(printed(), "two\n");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"three\n\n").unwrap();
    let mut buffer = [0; 100];
    for expected in ["three", ""] {
        let length = again(|| first.recv(&mut buffer)).unwrap();
        assert_eq!(&buffer[..length], expected.as_bytes());
    }
    stdin.write_all(b"quit\n").unwrap();
    assert_eq!(end(child).code, Some(0));
}

/// The same on a Unix datagram socket, whose senders have names.
#[test]
fn the_first_sender_on_a_unix_datagram_socket_is_the_peer() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let endpoint = format!("unixgram://{}", path("listener").display());
    let (mut child, _, _stderr) = listen(&["-v", "--quit", "quit", &endpoint]);
    let client = UnixDatagram::bind(path("client")).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.send_to(b"hello", path("listener")).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello to you\nquit\n").unwrap();
    let mut buffer = [0; 100];
    let length = again(|| client.recv(&mut buffer)).unwrap();
    assert_eq!(&buffer[..length], b"hello to you");
    let said = end(child);
    assert_eq!((said.code, said.text()), (Some(0), "hello\n"));
}

/// An interruption while nobody has come; an address that somebody else has.
#[test]
fn waiting_can_be_ended_and_refused() {
    let (child, address, _stderr) = listen(&["tcp://127.0.0.1:0"]);
    let said = run(echoloop(&["connect", "--listen", &format!("tcp://{address}")]), b"");
    let expected = format!("echoloop: cannot listen on tcp://{address}: address already in use\n");
    assert_eq!((said.code, said.errors), (Some(1), expected));
    signal(child.id(), "INT");
    assert_eq!(end(child).code, Some(130));
}
