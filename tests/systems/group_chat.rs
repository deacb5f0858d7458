//! Row 9.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};

use crate::again::again;
use crate::program::{DEADLINE, Program, example, has, receive};

fn group_chat(options: &[&str]) -> Program {
    Program::start("group_chat", &[&["udp://127.0.0.1:0"], options].concat())
}

/// A member, who is known to be one.
#[track_caller]
fn join(server: &Program) -> UdpSocket {
    let socket = server.datagrams(0);
    socket.send(b"^hb^").unwrap();
    server.until(&format!("{} has joined", socket.local_addr().unwrap()));
    socket
}

/// On the wire as ever: text comes to all, the sender too, with a mask; heartbeats to nobody.
#[test]
fn row_9_text_is_passed_on_to_all_members() {
    let server = group_chat(&[]);
    let (one, two) = (join(&server), join(&server));
    one.send("grüß Gott".as_bytes()).unwrap();
    two.send(b"^hb^").unwrap();
    let newcomer = server.datagrams(0);
    newcomer.send(b"\xff raw\n").unwrap();
    for member in [&one, &two] {
        assert_eq!(receive(member), "grüß Gott--******".as_bytes());
        assert_eq!(receive(member), b"\xff raw--******\n");
    }
    assert_eq!(receive(&newcomer), b"\xff raw--******\n");

    two.send(b"quit").unwrap();
    server.until("has left, 2 members");
    one.send(b"").unwrap();
    assert_eq!(receive(&one), b"--******");
    one.send(b"bye").unwrap();
    assert_eq!(receive(&newcomer), b"--******");
    assert_eq!(receive(&newcomer), b"bye--******");
    two.set_nonblocking(true).unwrap();
    assert!(again(|| two.recv(&mut [0; 10])).is_err(), "who has left hears nothing");
}

/// `quit` from somebody unknown crashed the original.
#[test]
fn row_9_strangers_and_giants() {
    let mut server = group_chat(&["--show-sender", "--members", "2"]);
    let stranger = server.datagrams(0);
    stranger.send(b"quit").unwrap();
    let one = join(&server);
    one.send(&[b'x'; 65_507]).unwrap();
    assert_eq!(receive(&one), b"not passed on: more than 65000 bytes");
    one.send(b"me").unwrap();
    let from = one.local_addr().unwrap();
    assert_eq!(receive(&one), format!("me--{from}").as_bytes());
    let _two = join(&server);
    stranger.send(b"a place for me, please?").unwrap();
    assert_eq!(receive(&stranger), b"the chat is full");
    assert!(server.interrupt().success());
}

/// By a timer: nobody speaks. And while others do.
#[test]
fn row_9_who_is_not_heard_of_is_dropped() {
    let server = group_chat(&["--interval", "0.3"]);
    let silent = join(&server);
    let address = silent.local_addr().unwrap();
    server.until(&format!("{address} is dropped: not heard of, 0 members"));

    let talker = join(&server);
    talker.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    let talking = std::thread::spawn(move || {
        for _ in 0..40 {
            talker.send(b"la la la").unwrap();
            let _ = again(|| talker.recv(&mut [0; 100]));
            let _ = again(|| talker.recv(&mut [0; 100])); // Nothing comes, which takes 50 ms.
        }
    });
    let again = join(&server);
    server.until(&format!("{} is dropped", again.local_addr().unwrap()));
    talking.join().unwrap();
}

/// Each copy of a message is acknowledged, and passed on once.
#[test]
fn row_9_acknowledged_messages_count_once() {
    let server = group_chat(&[]);
    let (one, two) = (join(&server), join(&server));
    for _ in 0..3 {
        one.send(b"^msg^7^once").unwrap();
    }
    one.send(b"^msg^8^").unwrap();
    one.send(b"^msg^x^not a number").unwrap();
    for expected in ["once--******", "--******", "^msg^x^not a number--******"] {
        assert_eq!(receive(&two), expected.as_bytes());
    }
    let mut answers: Vec<_> = (0..7).map(|_| String::from_utf8(receive(&one)).unwrap()).collect();
    answers.sort();
    assert_eq!(answers[1..5], ["^ack^7", "^ack^7", "^ack^7", "^ack^8"]);
    // Two members may use the same number.
    two.send(b"^msg^7^mine").unwrap();
    assert_eq!(receive(&one), b"mine--******");
}

/// The client of the same program, whose standard streams are pipes.
fn client(endpoint: &str) -> Child {
    Command::new(example("group_chat"))
        .args(["client", endpoint])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn row_9_the_client_delivers_and_leaves() {
    let server = group_chat(&[]);
    let mut client = client(&server.endpoints[0]);
    server.until("has joined, 1 members");
    client.stdin.take().unwrap().write_all("eins\nzwei ü\n".as_bytes()).unwrap();
    server.until("has left, 0 members"); // Only when both were acknowledged.
    assert!(client.wait_with_output().unwrap().status.success());
}

/// A server that loses every first copy, and all copies of some: bounded resends.
#[test]
fn row_9_the_client_resends_and_gives_up() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut client = client(&format!("udp://{}", server.local_addr().unwrap()));
    client.stdin.take().unwrap().write_all(b"lost\narrives\n").unwrap();
    let mut copies = [0, 0];
    let mut buffer = [0; 1000];
    loop {
        let (length, from) = again(|| server.recv_from(&mut buffer)).unwrap();
        let text = str::from_utf8(&buffer[..length]).unwrap();
        match text.split('^').collect::<Vec<_>>()[..] {
            ["", "msg", _, "lost"] => copies[0] += 1,
            ["", "msg", id, "arrives"] => {
                copies[1] += 1;
                if copies[1] == 2 {
                    server.send_to(format!("^ack^{id}").as_bytes(), from).unwrap();
                }
            }
            ["quit"] => break,
            _ => assert_eq!(text, "^hb^"),
        }
    }
    assert_eq!(copies[0], 5);
    assert!((2..=5).contains(&copies[1])); // More, if this test was slow to acknowledge.
    let output = client.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "not delivered: lost\n");
}

/// The project's own client of plain text, with its heartbeat, outlives a member without one.
#[test]
fn row_9_with_connect() {
    let server = group_chat(&["--interval", "1"]);
    let mut connect = Command::new(env!("CARGO_BIN_EXE_echoloop"))
        .args(["connect", "--heartbeat", "100ms", "--quit", "quit", &server.endpoints[0]])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    server.until("has joined, 1 members");
    let silent = join(&server);
    server.until(&format!("{} is dropped", silent.local_addr().unwrap()));
    silent.send("are you there?".as_bytes()).unwrap();
    let mut printed = BufReader::new(connect.stdout.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    assert!(line.starts_with("are you there?--******"), "{line}");
    connect.stdin.take().unwrap().write_all(b"quit\n").unwrap();
    server.until("has left");
    assert!(connect.wait().unwrap().success());
}

#[test]
fn row_9_with_netcat() {
    if !has("nc") {
        return;
    }
    let server = group_chat(&[]);
    let one = join(&server);
    let (host, port) = server.address(0).rsplit_once(':').unwrap();
    let mut nc = Command::new("nc")
        .args(["-u", host, port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = nc.stdin.take().unwrap();
    keyboard.write_all(b"from nc\n").unwrap();
    assert_eq!(receive(&one), b"from nc--******\n");
    let mut line = String::new();
    BufReader::new(nc.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "from nc--******\n");
    keyboard.write_all(b"quit\n").unwrap();
    server.until("has left, 1 members");
    nc.kill().unwrap();
    nc.wait().unwrap();
}
