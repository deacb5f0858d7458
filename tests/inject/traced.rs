//! A program under strace(1): which of its calls fail, and which of them have.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Verdict;
use crate::table::Harm;

/// Only against hanging.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// One call that fails, or several.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) call: &'static str,
    /// Or `delay_enter=` and a time in microseconds: then the call is made, but late.
    pub(crate) error: &'static str,
    pub(crate) harm: Harm,
    pub(crate) when: When,
    /// So many calls of this kind are made before, and left alone.
    pub(crate) after: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// This one, counted from 1.
    Nth(usize),
    /// The third, and every third after it.
    EveryThird,
    Always,
}

pub(crate) const MOMENTS: [When; 6] =
    [When::Nth(1), When::Nth(2), When::Nth(3), When::Nth(5), When::Nth(9), When::EveryThird];

impl Fault {
    /// As `strace -e` wants it.
    fn expression(&self) -> String {
        let Fault { call, error, when, after, .. } = self;
        let when = match when {
            When::Nth(n) => (after + n).to_string(),
            When::EveryThird => format!("{}+3", after + 3),
            When::Always => format!("{}+", after + 1),
        };
        let what = if error.starts_with("delay") { "" } else { "error=" };
        format!("inject={call}:{what}{error}:when={when}")
    }

    /// As a person wants it.
    pub(crate) fn name(&self) -> String {
        let Fault { call, error, when, .. } = self;
        match when {
            When::Nth(n) => format!("{call} fails with {error} at number {n}"),
            When::EveryThird => format!("every third {call} fails with {error}"),
            When::Always => format!("each {call} fails with {error}"),
        }
    }
}

/// Whether programs can be traced here.
pub(crate) fn can_trace() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-f", "-yy", "-o", "/dev/null", "-e", "inject=sync:error=EIO:when=1", "true"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// The binary, traced. It is killed with the test, if it hasn't ended by then.
pub(crate) struct Traced {
    strace: Child,
    program: Option<String>,
    /// What it prints, line by line.
    out: mpsc::Receiver<String>,
    err: Option<thread::JoinHandle<String>>,
    log: PathBuf,
}

/// All that it has left.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) log: String,
}

impl Traced {
    /// Starts `echoloop` with these arguments, its input, and its log in this directory. Without a fault all calls are
    /// noted.
    pub(crate) fn start(
        arguments: &[String],
        fault: Option<&Fault>,
        directory: &Path,
        input: Stdio,
    ) -> Traced {
        let log = directory.join("strace");
        let mut command = Command::new("strace");
        command.args(["-f", "-yy", "-o"]).arg(&log);
        if let Some(fault) = fault {
            command.args(["-e", &format!("trace={}", fault.call), "-e", &fault.expression()]);
        }
        command.arg(env!("CARGO_BIN_EXE_echoloop")).args(arguments).env_remove("RUST_LOG");
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut strace = command.spawn().expect("strace starts");
        let out = line_by_line(strace.stdout.take().unwrap());
        let err = strace.stderr.take().map(in_background);
        Traced { strace, program: None, out, err, log }
    }

    /// Its standard input, if that was to be a pipe.
    pub(crate) fn input(&mut self) -> Option<ChildStdin> {
        self.strace.stdin.take()
    }

    /// What it listens on, as soon as that is so many endpoints; `None`: it has ended.
    pub(crate) fn bound(&mut self, count: usize) -> Option<Vec<String>> {
        let mut bound = Vec::new();
        while bound.len() < count {
            let line = self.out.recv_timeout(DEADLINE).ok()?;
            bound.push(line.strip_prefix("listening on ")?.to_string());
        }
        let tracer = self.strace.id();
        let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"));
        self.program = Some(children.unwrap().trim().to_string());
        Some(bound)
    }

    /// Tells it to stop, and waits until it has. A signal goes through a pair of sockets, where no call fails but
    /// those that are made to; then it is lost, and so may be all that follow, and the other one is sent.
    pub(crate) fn stop(mut self) -> Result<Ended, String> {
        let start = Instant::now();
        let mut told = 0;
        while self.strace.try_wait().unwrap().is_none() {
            let patience = Duration::from_secs(1) * told;
            if told < 5 && start.elapsed() >= patience && (told == 0 || self.has_lost_a_signal()) {
                self.signal(["TERM", "INT"][told as usize % 2]);
                told += 1;
            }
            if start.elapsed() > DEADLINE {
                self.kill();
                return Err(format!("it doesn't stop: {}", self.end().err));
            }
            thread::sleep(Duration::from_millis(2)); // Between looks; nothing is derived from it.
        }
        Ok(self.end())
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> Result<Ended, String> {
        let start = Instant::now();
        while self.strace.try_wait().unwrap().is_none() {
            if start.elapsed() > DEADLINE {
                self.kill();
                let said = self.end();
                return Err(format!("it doesn't end: {}{}", said.out, said.err));
            }
            thread::sleep(Duration::from_millis(2)); // As above.
        }
        Ok(self.end())
    }

    fn end(&mut self) -> Ended {
        let status = self.strace.wait().unwrap();
        let out = self.out.iter().collect::<Vec<_>>().join("\n");
        let err = self.err.take().map_or(String::new(), |err| err.join().unwrap());
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Ended { status, out, err, log }
    }

    /// Whether what stands between the handler and the loop, a pair of Unix sockets without a name, was hit.
    fn has_lost_a_signal(&self) -> bool {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let has_no_name = |line: &str| {
            let (_, socket) = line.split_once("<UNIX-STREAM:[")?;
            Some(!socket.split_once('>')?.1.split_once('>')?.0.contains('"'))
        };
        injected(&log).any(|line| has_no_name(line) == Some(true))
    }

    fn signal(&mut self, name: &str) {
        if let Some(program) = &self.program {
            let _ = Command::new("kill").args(["-s", name, program]).status();
        }
    }

    /// First what is traced: it would go on without its tracer.
    fn kill(&mut self) {
        let tracer = self.strace.id();
        let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args(["-s", "KILL", child]).status();
        }
        let _ = self.strace.wait();
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn line_by_line(stream: ChildStdout) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            tell.send(String::from_utf8_lossy(&line).into_owned()).ok();
        }
    });
    told
}

fn in_background(mut stream: ChildStderr) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Ended {
    /// It stopped when it was told to, as if nothing had been.
    pub(crate) fn check_stopped(&self) -> Verdict {
        match self.status.code() {
            Some(0) => self.check_sane(),
            _ => Err(format!("it ended with {}: {}", self.status, self.err)),
        }
    }

    /// It ended in order: with a status of its own, and words if that isn't 0; those for errors name the deed
    /// and the object.
    pub(crate) fn check_sane(&self) -> Verdict {
        let Ended { status, out, err, .. } = self;
        let names = |line: &str| {
            let line = line.strip_prefix("echoloop: ");
            let names = |line: &str| {
                let deed = line.starts_with("cannot ") && !line.contains("a descriptor");
                deed || line.split(": ").next().is_some_and(|it| it.contains("://"))
            };
            line.is_some_and(names)
        };
        match status.code() {
            Some(0) if !err.contains("panicked") => Ok(()),
            Some(1..=3) if err.lines().all(names) && !(err.is_empty() && out.is_empty()) => Ok(()),
            _ => Err(format!("it ended with {status}, and said {err:?}")),
        }
    }

    /// How often it was made to fail.
    pub(crate) fn hits(&self) -> usize {
        injected(&self.log).count()
    }

    /// The other ends of the descriptors whose calls were made to fail: an address, or an inode.
    pub(crate) fn hit(&self) -> HashSet<String> {
        let other_end = |line: &str| {
            let (_, rest) = line.split_once("->")?;
            Some(rest[..rest.find([']', ','])?].to_string())
        };
        injected(&self.log).filter_map(other_end).collect()
    }
}

fn injected(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| line.ends_with("(INJECTED)"))
}

/// How many calls of each kind are made before a moment, which is the first line that has this text.
pub(crate) fn calls_before(log: &str, moment: &str) -> HashMap<String, usize> {
    let mut calls = HashMap::new();
    for line in log.lines() {
        if line.contains(moment) && !moment.is_empty() {
            break;
        }
        if let Some(call) = call_of(line) {
            *calls.entry(call.to_string()).or_default() += 1;
        }
    }
    calls
}

/// `1234 close(7) = 0`: `close`. What goes on after another thread's line isn't counted twice.
fn call_of(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some(name)
}
