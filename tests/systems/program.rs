//! Starting the examples, and talking to them in bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::again::again;

/// Nothing here takes long; this is for what would never end.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A program that runs; killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) keyboard: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it listens on, in the order in which it says so.
    pub(crate) endpoints: Vec<String>,
}

/// Where cargo has put an example: beside the directory of this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    path
}

impl Program {
    /// Starts an example, and waits until it says where it listens.
    #[track_caller]
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Program {
        Program::spawn(Command::new(example(name)).args(arguments), 1)
    }

    /// What it says when it can't start: to its standard error.
    #[track_caller]
    pub(crate) fn fails(name: &str, arguments: &[&str]) -> String {
        let output = Command::new(example(name)).args(arguments).output().unwrap();
        assert!(!output.status.success(), "it must fail");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The same for a command that says so several times.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command, listeners: usize) -> Program {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let keyboard = child.stdin.take();
        let mut program = Program { child, keyboard, lines, endpoints: Vec::new() };
        while program.endpoints.len() < listeners {
            let line = program.line();
            let endpoint = line.strip_prefix("listening on ").expect("it says where it listens");
            program.endpoints.push(endpoint.to_owned());
        }
        program
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("another line")
    }

    /// Reads lines until this one.
    #[track_caller]
    pub(crate) fn until(&self, wanted: &str) {
        while !self.line().contains(wanted) {}
    }

    #[track_caller]
    pub(crate) fn types(&mut self, line: &str) {
        let keyboard = self.keyboard.as_mut().expect("the keyboard is there");
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// `127.0.0.1:4711` of `tcp://127.0.0.1:4711`.
    pub(crate) fn address(&self, listener: usize) -> &str {
        self.endpoints[listener].split_once("://").unwrap().1
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address(0))
    }

    /// A UDP socket that is connected to it.
    #[track_caller]
    pub(crate) fn datagrams(&self, listener: usize) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address(listener)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C, and its exit status. It waits for clients that stay for some seconds.
    #[track_caller]
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        self.signal();
        self.child.wait().unwrap()
    }

    /// Ctrl-C alone.
    #[track_caller]
    pub(crate) fn signal(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// A line of `/proc/<pid>/status`, in KiB for memory; `None` where there is no such thing.
    pub(crate) fn status(&self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with(field))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A blocking TCP client. Every read has a deadline.
pub(crate) struct Client {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket().write_all(bytes.as_ref()).unwrap();
    }

    /// The next line, without its ending.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let text = line.strip_suffix('\n');
        text.unwrap_or_else(|| panic!("the end came after {line:?}")).to_owned()
    }

    /// Exactly so many bytes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Everything up to the end, which must be a proper one.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }

    pub(crate) fn finish(&self) {
        self.socket().shutdown(std::net::Shutdown::Write).unwrap();
    }
}

/// The next datagram.
#[track_caller]
pub(crate) fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = again(|| socket.recv(&mut buffer)).unwrap();
    buffer.truncate(length);
    buffer
}

/// Whether the system has this tool; says so if not.
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        println!("skipped: there is no {tool} here");
    }
    found.is_ok()
}
