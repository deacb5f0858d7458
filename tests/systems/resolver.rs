//! A resolver, and name servers that lose, delay, forge and cut.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Output};
use std::thread;

use crate::program::{DEADLINE, Program, example};

/// The header's flags of an answer: a response, recursion desired and available; and what may be added.
const RESPONSE: u16 = 0x8180;
const TRUNCATED: u16 = 0x0200;
const SERVER_FAILURE: u16 = 2;
const NO_SUCH_NAME: u16 = 3;

/// A name server that the test plays itself.
struct Server {
    socket: UdpSocket,
}

struct Question {
    from: SocketAddr,
    wire: Vec<u8>,
}

impl Server {
    fn new() -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Server { socket }
    }

    /// One that listens at the same port over TCP too; another port, if somebody else has that one.
    fn with_tcp() -> (Server, TcpListener) {
        loop {
            let server = Server::new();
            match TcpListener::bind(server.socket.local_addr().unwrap()) {
                Ok(listener) => return (server, listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn endpoint(&self) -> String {
        format!("udp://{}", self.socket.local_addr().unwrap())
    }

    #[track_caller]
    fn question(&self) -> Question {
        let mut buffer = [0; 512];
        let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
        Question { from, wire: buffer[..length].to_vec() }
    }

    fn answer(&self, question: &Question, message: &[u8]) {
        self.socket.send_to(message, question.from).unwrap();
    }
}

/// An answer by the book: the question's name is referred to, and an alias stands before the addresses.
fn message(question: &[u8], flags: u16, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut wire = question.to_vec();
    wire[2..4].copy_from_slice(&(RESPONSE | flags).to_be_bytes());
    wire[7] = if addresses.is_empty() { 0 } else { addresses.len() as u8 + 1 };
    if !addresses.is_empty() {
        wire.extend(*b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x08\x05alias\xc0\x0c");
    }
    for address in addresses {
        wire.extend(*b"\x05alias\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04");
        wire.extend(address.octets());
    }
    wire
}

const ONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// What nobody must believe.
const FORGED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);

/// The resolver, while this plays the servers.
#[track_caller]
fn resolve(
    arguments: &[&str],
    servers: &[&Server],
    play: impl FnOnce() + Send,
) -> (Output, String) {
    let mut command = Command::new(example("resolver"));
    for server in servers {
        command.args(["--server", &server.endpoint()]);
    }
    command.args(arguments);
    let output = thread::scope(|scope| {
        let player = scope.spawn(play);
        let output = command.output().unwrap();
        player.join().unwrap();
        output
    });
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

/// Several names at once, each answered for itself, in whatever order.
#[test]
fn a_resolver_asks_for_all_names_at_once() {
    let server = Server::new();
    let (output, text) =
        resolve(&["a.example", "b.example.", "none.example", "empty.example"], &[&server], || {
            let mut questions = [(); 4].map(|()| server.question());
            questions.reverse();
            for question in &questions {
                let answer = match question.wire[13] {
                    b'a' => message(&question.wire, 0, &[ONE, TWO]),
                    b'b' => message(&question.wire.to_ascii_uppercase(), 0, &[TWO]),
                    b'n' => message(&question.wire, NO_SUCH_NAME, &[]),
                    _ => message(&question.wire, 0, &[]),
                };
                let id = &question.wire[..2]; // Which the capitals have not spared.
                server.answer(question, &[id, &answer[2..]].concat());
            }
        });
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let expected = [
        "a.example: 192.0.2.1 192.0.2.2",
        "b.example.: 192.0.2.2",
        "empty.example: no address",
        "none.example: no such name",
    ];
    assert_eq!(lines, expected);
    assert_eq!(output.stderr, b"Error: 2 of 4 names have no address\n");
    assert!(!output.status.success());
}

/// The first question is lost; the second is asked from another port, with the same number.
#[test]
fn a_resolver_asks_again() {
    let server = Server::new();
    let (output, text) = resolve(&["--timeout", "0.05", "lost.example"], &[&server], || {
        let (lost, second) = (server.question(), server.question());
        assert_eq!(lost.wire, second.wire);
        assert_ne!(lost.from, second.from);
        server.answer(&second, &message(&second.wire, 0, &[ONE]));
    });
    assert_eq!(text, "lost.example: 192.0.2.1\n");
    assert!(output.status.success());
}

/// An answer that comes after the question was asked again is one all the same; what comes after that is not heard.
#[test]
fn a_late_answer_is_an_answer() {
    let server = Server::new();
    let (_, text) = resolve(&["--timeout", "0.05", "late.example"], &[&server], || {
        let (first, second) = (server.question(), server.question());
        server.answer(&first, &message(&first.wire, 0, &[ONE]));
        server.answer(&second, &message(&second.wire, 0, &[TWO]));
    });
    assert_eq!(text, "late.example: 192.0.2.1\n");
}

/// What isn't an answer to the question is dropped, whoever sends it, and so is what makes no sense.
#[test]
fn forged_answers_are_dropped() {
    let server = Server::new();
    let (_, text) = resolve(&["--timeout", "30", "forged.example"], &[&server], || {
        let question = server.question();
        let forged = message(&question.wire, 0, &[FORGED]);
        let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
        elsewhere.send_to(&forged, question.from).unwrap();
        let mut number = forged.clone();
        number[1] ^= 1;
        let mut name = forged.clone();
        name[13] ^= 1;
        let mut not_a_response = forged.clone();
        not_a_response[2] &= 0x7f;
        let cut = forged[..forged.len() - 1].to_vec();
        let mut endless = forged[..question.wire.len()].to_vec();
        endless.extend([1; 400]); // A name that doesn't end.
        for wrong in [number, name, not_a_response, cut, endless, Vec::new(), vec![0; 12]] {
            server.answer(&question, &wrong);
        }
        server.answer(&question, &message(&question.wire, 0, &[ONE]));
    });
    let dropped = "7 messages were no answers, and were dropped";
    assert_eq!(text, format!("forged.example: 192.0.2.1\n{dropped}\n"));
}

/// A server that can't is not waited for, nor one that isn't there: the next one is asked at once.
#[test]
fn the_next_server_is_asked_at_once() {
    let (broken, closed) = (Server::new(), Server::new());
    let nobody = closed.endpoint();
    drop(closed);
    let arguments = ["--timeout", "30", "--server", &nobody, "next.example"];
    let (_, text) = resolve(&arguments, &[&broken], || {
        let question = broken.question();
        broken.answer(&question, &message(&question.wire, SERVER_FAILURE, &[]));
        let again = broken.question(); // In the second round.
        broken.answer(&again, &message(&again.wire, 0, &[ONE]));
    });
    assert_eq!(text, "next.example: 192.0.2.1\n");
}

/// What doesn't fit into a datagram comes over TCP, in pieces.
#[test]
fn what_is_too_long_is_asked_for_over_tcp() {
    let (server, listener) = Server::with_tcp();
    let many: Vec<Ipv4Addr> = (1..=200).map(|last| Ipv4Addr::new(192, 0, 2, last)).collect();
    let (_, text) = resolve(&["--timeout", "30", "long.example"], &[&server], || {
        let question = server.question();
        server.answer(&question, &message(&question.wire, TRUNCATED, &[]));
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut asked = vec![0; 2 + question.wire.len()];
        stream.read_exact(&mut asked).unwrap();
        assert_eq!(asked[2..], question.wire);
        let answer = message(&question.wire, 0, &many);
        stream.set_nodelay(true).unwrap();
        stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
        let (first, second) = answer.split_at(1000);
        stream.write_all(first).unwrap();
        stream.write_all(second).unwrap();
    });
    let list: Vec<_> = many.iter().map(Ipv4Addr::to_string).collect();
    assert_eq!(text, format!("long.example: {}\n", list.join(" ")));
}

/// Nobody answers at all: it ends, and says how often it has asked.
#[test]
fn a_resolver_gives_up() {
    let (one, two) = (Server::new(), Server::new());
    let arguments = ["--timeout", "0.01", "--rounds", "3", "silent.example"];
    let (output, text) = resolve(&arguments, &[&one, &two], || {
        for server in [&one, &two] {
            (0..3).for_each(|_| drop(server.question()));
        }
    });
    assert_eq!(text, "silent.example: no answer to 6 questions\n");
    assert_eq!(output.stderr, b"Error: 1 of 1 names have no address\n");
}

#[test]
fn a_resolver_says_what_it_needs() {
    let fails = |arguments: &[&str]| Program::fails("resolver", arguments);
    assert!(fails(&["a.example"]).starts_with("Error: it takes a --server, a name, and"));
    let server = ["--server", "udp://127.0.0.1:1"];
    assert!(fails(&server).starts_with("Error: it takes a --server, a name, and"));
    assert_eq!(
        fails(&["--server", "tcp://127.0.0.1:1", "a.example"]),
        "Error: tcp://127.0.0.1:1 won't do, it must be something like udp://9.9.9.9:53\n"
    );
    for (name, why) in [
        ("a..example", "a part of it has not 1 to 63 bytes"),
        (&"x".repeat(64), "a part of it has not 1 to 63 bytes"),
        (&"x.".repeat(128), "longer than 255 bytes"),
        ("größe.example", "write it in ASCII, xn-- if need be"),
    ] {
        let error = fails(&[&server[..], &[name]].concat());
        assert_eq!(error, format!("Error: {name}: not a name of the DNS: {why}\n"));
    }
}
