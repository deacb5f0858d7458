//! Rows 1 to 5: what the library's own services do, through `hello` and the `echoloop` command.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};

use crate::again::again;
use crate::program::{Client, DEADLINE, Program, example, has, receive};

fn hello(arguments: &[&str]) -> Program {
    Program::spawn(Command::new(example("hello")).args(arguments), arguments.len())
}

/// TCP and UDP from one program, several clients, several messages each.
#[test]
fn row_1_ping_pong_over_tcp_and_udp() {
    let server = hello(&["pong=tcp://127.0.0.1:0", "pong=udp://127.0.0.1:0"]);
    let (mut one, mut two) = (server.connect(), server.connect());
    let udp = server.datagrams(1);
    for _ in 0..3 {
        one.send("ping\n");
        two.send("ping\r\n");
        udp.send(b"ping").unwrap();
        assert_eq!(one.line(), "pong");
        assert_eq!(two.bytes(6), b"pong\r\n");
        assert_eq!(receive(&udp), b"pong");
    }
}

#[test]
fn row_2_many_clients_are_echoed_at_once() {
    let server = hello(&["echo=tcp://127.0.0.1:0"]);
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for round in 0..3 {
        for (n, client) in clients.iter().enumerate() {
            client.send(format!("{round} of {n}\n"));
        }
        for (n, client) in clients.iter_mut().enumerate().rev() {
            assert_eq!(client.line(), format!("{round} of {n}"));
        }
    }
    clients.iter().for_each(|client| client.finish());
    assert!(clients.iter_mut().all(|client| client.rest().is_empty()));
}

/// Also empty ones, and the largest there are.
#[test]
fn row_3_datagrams_go_back_to_their_senders() {
    let server = hello(&["echo=udp://127.0.0.1:0"]);
    let (one, two) = (server.datagrams(0), server.datagrams(0));
    for size in [0, 1, 1025, 9000, 65_507] {
        one.send(&vec![1; size]).unwrap();
        two.send(&vec![2; size]).unwrap();
        assert_eq!(receive(&one), vec![1; size]);
        assert_eq!(receive(&two), vec![2; size]);
    }
}

/// A socket file that a killed server has left behind is no obstacle; ours goes with us.
#[test]
fn row_4_unix_streams_and_datagrams() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let endpoint = format!("echo=unix://{}", path("s").display());
    let datagrams = format!("echo=unixgram://{}", path("d").display());
    drop(hello(&[&endpoint, &datagrams])); // Killed.
    assert!(path("s").exists() && path("d").exists());

    let mut server = hello(&[&endpoint, &datagrams]);
    let mut stream = UnixStream::connect(path("s")).unwrap();
    stream.write_all(b"over a path").unwrap();
    let mut back = [0; 11];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"over a path");

    let socket = UnixDatagram::bind(path("c")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(&[7; 3000], path("d")).unwrap();
    let mut buffer = [0; 4096];
    assert_eq!(again(|| socket.recv(&mut buffer)).unwrap(), 3000);

    drop(stream);
    assert!(server.interrupt().success());
    assert!(!path("s").exists() && !path("d").exists());
}

/// An empty line is a message like any other.
#[test]
fn row_5_an_interactive_client() {
    let echoloop = env!("CARGO_BIN_EXE_echoloop");
    let server = hello(&["echo=tcp://127.0.0.1:0", "echo=udp://127.0.0.1:0"]);
    for endpoint in &server.endpoints {
        let mut client = Command::new(echoloop)
            .args(["connect", "--lf", "--quit", "quit", endpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = client.stdin.take().unwrap();
        let mut screen = client.stdout.take().unwrap();
        let text = "grüß\n\nGott\n";
        keyboard.write_all(text.as_bytes()).unwrap();
        let mut printed = vec![0; text.len()];
        screen.read_exact(&mut printed).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), text, "{endpoint}");
        keyboard.write_all(b"quit\n").unwrap();
        assert!(client.wait().unwrap().success(), "{endpoint}");
    }
}

/// Programs that others have written.
#[test]
fn rows_1_to_3_with_the_tools_of_the_system() {
    let server = hello(&["echo=tcp://127.0.0.1:0", "pong=udp://127.0.0.1:0"]);
    if has("nc") {
        let (host, port) = server.address(0).rsplit_once(':').unwrap();
        let echoed = piped(Command::new("nc").args(["-N", "-w", "10", host, port]), "to and fro\n");
        assert_eq!(echoed, "to and fro\n");
    }
    if has("python3") {
        let script = "import socket, sys\n\
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(60)\n\
            host, port = sys.argv[1].split(':'); s.sendto(b'ping', (host, int(port)))\n\
            print(s.recv(100).decode())";
        let mut python = Command::new("python3");
        assert_eq!(piped(python.args(["-c", script, server.address(1)]), ""), "pong\n");
    }
    let mut still_there = Client::connect(server.address(0));
    still_there.send("x\n");
    assert_eq!(still_there.line(), "x");
}

fn piped(command: &mut Command, input: &str) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
