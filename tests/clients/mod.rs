//! The binary as somebody uses it, against servers in this process.

#![allow(dead_code, reason = "each of the tests uses a part of it")]

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echoloop::{Config, Endpoint, Handle, Reactor, Service, Stop};

/// Against hanging only.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// `echoloop` with these arguments, all its streams in our hands.
pub(crate) fn echoloop(arguments: &[&str]) -> Command {
    piped(env!("CARGO_BIN_EXE_echoloop"), arguments)
}

/// The same for another program.
pub(crate) fn piped(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("RUST_LOG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a program has said by its end.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Said {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.output).expect("it prints text")
    }
}

/// Runs it to its end with this input.
#[track_caller]
pub(crate) fn run(mut command: Command, input: &[u8]) -> Said {
    let mut child = command.spawn().unwrap();
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        thread::spawn(move || {
            let _ = stdin.write_all(&input); // It may end before it has read all.
        });
    }
    end(child)
}

/// Waits for its end, reading what it says.
#[track_caller]
pub(crate) fn end(mut child: Child) -> Said {
    let output = child.stdout.take().map(in_background);
    let errors = child.stderr.take().map(in_background);
    let (tell, told) = mpsc::channel();
    let pid = child.id();
    thread::spawn(move || tell.send(child.wait().unwrap()));
    let status: ExitStatus = told.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        signal(pid, "KILL");
        panic!("it did not end");
    });
    let collect = |stream: Option<mpsc::Receiver<Vec<u8>>>| {
        stream.map_or(Vec::new(), |it| it.recv_timeout(DEADLINE).expect("its streams end with it"))
    };
    let errors = String::from_utf8(collect(errors)).unwrap();
    Said { code: status.code(), output: collect(output), errors }
}

fn in_background(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        tell.send(bytes)
    });
    told
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// A server on a reactor of its own. It ends with its handle.
pub(crate) struct Server {
    handle: Handle,
    pub(crate) endpoint: String,
}

impl Server {
    /// Serves on an endpoint; port 0 becomes the one that it got.
    pub(crate) fn start(endpoint: &str, service: impl Service + Send) -> Server {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut reactor = Reactor::new(Config::default()).unwrap();
            let id = reactor.listen(&endpoint, service).unwrap();
            let local = reactor.local(id).unwrap();
            let endpoint = match &endpoint {
                Endpoint::Tcp { .. } => format!("tcp://{local}"),
                Endpoint::Udp { .. } => format!("udp://{local}"),
                other => other.to_string(),
            };
            tell.send((reactor.handle(), endpoint)).unwrap();
            reactor.run().unwrap();
        });
        let (handle, endpoint) = told.recv_timeout(DEADLINE).expect("the server starts");
        Server { handle, endpoint }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop(Stop::AtOnce).ok();
    }
}

/// Bytes that look random and are the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}
