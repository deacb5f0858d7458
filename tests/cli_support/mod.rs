//! The built binary, started and talked to.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Only against hanging.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn echoloop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoloop"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// A server that is killed with the test, if it hasn't stopped by then.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    err: Option<BufReader<ChildStderr>>,
    /// What it says it has bound, in the order of its arguments.
    pub(crate) bound: Vec<String>,
}

impl Server {
    /// Starts `echoloop serve` and waits until it listens on as many endpoints as it was given.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Server {
        Server::start_command(echoloop().arg("serve").args(arguments), arguments)
    }

    #[track_caller]
    pub(crate) fn start_command(command: &mut Command, arguments: &[&str]) -> Server {
        Server::start_with_log(command.stderr(Stdio::piped()), arguments)
    }

    /// The same, with a standard error that the test has chosen.
    #[track_caller]
    pub(crate) fn start_with_log(command: &mut Command, arguments: &[&str]) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let offers = arguments.iter().filter(|argument| argument.contains("://")).count();
        let mut bound = Vec::new();
        while bound.len() < offers {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let offer = line.trim_end().strip_prefix("listening on ");
            bound
                .push(offer.unwrap_or_else(|| panic!("not a bound address: {line:?}")).to_string());
        }
        let err = child.stderr.take().map(BufReader::new);
        Server { child, out, err, bound }
    }

    /// The internet address of an endpoint.
    #[track_caller]
    pub(crate) fn address(&self, index: usize) -> SocketAddr {
        let (_, address) = self.bound[index].split_once("://").unwrap();
        address.parse().unwrap()
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end. What it has printed since it listens, and its log.
    #[track_caller]
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let mut log = self.err.take().unwrap();
        let (status, out) = self.wait_without_log();
        let mut err = String::new();
        log.read_to_string(&mut err).unwrap();
        (status, out, err)
    }

    /// The same for a server whose log the test has.
    #[track_caller]
    pub(crate) fn wait_without_log(mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        (status, out)
    }

    /// The next line of the log that has this text in it.
    #[track_caller]
    pub(crate) fn log_line(&mut self, text: &str) -> String {
        let err = self.err.as_mut().unwrap();
        let mut line = String::new();
        while err.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return line;
            }
            line.clear();
        }
        panic!("the log has ended without {text:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A child that is killed with the test, if it hasn't ended by then.
pub(crate) struct Mortal(pub(crate) Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for the end of a child, not for ever.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > DEADLINE {
            child.kill().ok();
            panic!("it goes on and on");
        }
        std::thread::sleep(Duration::from_millis(2)); // Between looks; nothing is derived from it.
    }
}

/// Runs a command to its end: status, standard output, standard error.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = echoloop().args(arguments).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A path in a directory that goes with the returned value.
pub(crate) fn scratch(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    (directory, path)
}
