//! Each of the programs, driven over real sockets: what a reactor does alone, it does inside another loop.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// Only against hanging.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program, killed when it is dropped.
struct Program {
    child: Child,
    keyboard: Option<ChildStdin>,
    address: String,
}

impl Program {
    fn start(path: &str) -> Program {
        let mut command = Command::new(path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on tcp://").unwrap().to_owned();
        Program { keyboard: child.stdin.take(), child, address }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Client(BufReader::new(stream))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn asks(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Every bit of it, for one loop.
fn drive(path: &str) {
    let mut program = Program::start(path);
    let mut clients = [(); 5].map(|()| program.connect());

    // Echo, side by side, and much of it at once.
    for round in 0..20 {
        for (i, client) in clients.iter_mut().enumerate() {
            assert_eq!(
                client.asks(&format!("{i} in round {round}")),
                format!("{i} in round {round}")
            );
        }
    }
    let much: String = (0..200_000).map(|i| format!("line {i}\n")).collect();
    let mut sender = clients[0].0.get_ref().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| sender.write_all(much.as_bytes()).unwrap());
        let mut back = vec![0; much.len()];
        clients[0].0.read_exact(&mut back).unwrap();
        assert!(back == much.as_bytes());
    });

    // Timers, in order, though no descriptor tells of them.
    let [one, two, ..] = &mut clients;
    one.0.get_mut().write_all(b"after 60\nafter 30\n").unwrap();
    assert_eq!(two.asks("after 1"), "1 ms later");
    assert_eq!((one.line(), one.line()), ("30 ms later".to_owned(), "60 ms later".to_owned()));

    // Idle, it sleeps: half a second takes a few turns, and not one after the other.
    let before: u64 = one.asks("turns").parse().unwrap();
    assert_eq!(one.asks("after 500"), "500 ms later");
    let after: u64 = one.asks("turns").parse().unwrap();
    assert!(after - before < 20, "{} turns in half a second with nothing to do", after - before);

    // The loop's own source reaches all of them.
    let mut keyboard = program.keyboard.take().unwrap();
    let typed = "from the keyboard ".repeat(200);
    keyboard.write_all(format!("{typed}\n").as_bytes()).unwrap();
    for client in &mut clients {
        assert_eq!(client.line(), typed.trim_end());
    }
    drop(keyboard);
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn inside_poll() {
    drive(env!("CARGO_BIN_EXE_poll"));
}

#[test]
fn inside_calloop() {
    drive(env!("CARGO_BIN_EXE_calloop"));
}

#[test]
fn inside_tokio() {
    drive(env!("CARGO_BIN_EXE_tokio"));
}

/// Bad usage is answered by a word, and not by a panic.
#[test]
fn what_is_no_endpoint_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_poll")).arg("nonsense").output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("nonsense") && !error.contains("panicked"), "{error}");
}
