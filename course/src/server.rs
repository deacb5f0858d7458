//! A step's server, as a child process.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getrlimit, kill_process, setrlimit, waitpid,
};

use crate::kernel;
use crate::steps::Step;

/// Nothing that ought to happen is waited for longer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// The children that run, so that an interrupted runner can end them.
static CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A limit that a server is started under, as the shell's `ulimit` sets it.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// None but those that everybody has.
    None,
    /// KiB of address space, `ulimit -v`.
    AddressSpace(u32),
    /// Descriptors, `ulimit -n`.
    Descriptors(u32),
}

/// A step's server. It is ended when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    said: Arc<Mutex<String>>,
    limit: Limit,
}

impl Server {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// It has not been built, or has ended at once.
    pub fn start(step: &Step, limit: Limit, arguments: &[String]) -> io::Result<Server> {
        raise_descriptor_limit()?;
        let program = program(step);
        let mut command = match limit {
            Limit::None => Command::new(&program),
            Limit::AddressSpace(kib) => limited(&program, "-v", kib),
            Limit::Descriptors(count) => limited(&program, "-n", count),
        };
        command.args(arguments).env("RUST_BACKTRACE", "0").env("MALLOC_ARENA_MAX", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut children = CHILDREN.lock().unwrap();
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display()))
        })?;
        children.insert(child.id());
        drop(children);

        let said = Arc::new(Mutex::new(String::new()));
        if let Some(errors) = child.stderr.take() {
            let said = said.clone();
            thread::spawn(move || listen_to(errors, &said));
        }
        let lines = child.stdout.take();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child, address, said, limit };
        let mut line = String::new();
        BufReader::new(lines.into_iter().next().expect("piped")).read_line(&mut line)?;
        let Some(Ok(address)) = line.strip_prefix("listening on ").map(|it| it.trim().parse())
        else {
            let _ = server.child.wait();
            return Err(io::Error::other(format!("{} says: {}", step.file, server.said())));
        };
        server.address = address;
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its standard error: of a panic what it is about, on one line.
    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap();
        let lines = said.lines().filter(|line| !line.trim().is_empty());
        let lines = lines.filter(|it| !it.starts_with("thread ") && !it.starts_with("note: "));
        lines.collect::<Vec<_>>().join(" ")
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(status.to_string())
    }

    /// Waits until it sleeps. Whether it does.
    pub fn settles(&self) -> bool {
        until(DEADLINE, || kernel::state(self.pid()).ok() == Some('S'))
    }

    /// How many descriptors it has of those that its limit allows. Some that it was born with may be beyond.
    pub fn descriptors(&self) -> io::Result<usize> {
        let most = match self.limit {
            Limit::Descriptors(count) => count,
            _ => u32::MAX,
        };
        kernel::descriptors(self.pid(), most)
    }

    /// In what it sleeps, or that it runs.
    pub fn doing(&self) -> String {
        match (kernel::state(self.pid()), kernel::system_call(self.pid())) {
            (Ok('S'), Some((call, _))) => format!("asleep in {call}"),
            (Ok('S'), None) => "asleep".into(),
            (Ok('R'), _) => "running".into(),
            (Ok('T'), _) => "stopped".into(),
            _ => "gone".into(),
        }
    }

    /// Stops it in its tracks. It finds whatever happens until it [goes on](Server::go_on) all at once.
    pub fn stop(&self) -> io::Result<()> {
        self.settles();
        self.stop_at_once()
    }

    /// Stops it whatever it is doing.
    pub fn stop_at_once(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        match until(DEADLINE, || kernel::state(self.pid()).ok() == Some('T')) {
            true => Ok(()),
            false => Err(io::Error::other("the server did not stop")),
        }
    }

    /// Ends a [stop](Server::stop).
    pub fn go_on(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not to be found by `end_all` once it has been waited for: the number may be another's by then.
        let mut children = CHILDREN.lock().unwrap();
        let _ = self.child.kill();
        let _ = self.child.wait();
        children.remove(&self.child.id());
    }
}

/// Ends all children that run. For a runner that is being interrupted; no other can be started after it.
pub fn end_all() {
    let children = CHILDREN.lock().unwrap();
    for &child in children.iter() {
        if let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
    std::mem::forget(children);
}

/// A thousand clients need more descriptors than most shells allow, here as well as in the server.
fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// Asks again and again whether something holds. Whether it did before the time was over.
pub fn until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

fn limited(program: &Path, option: &str, limit: u32) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit {option} {limit} && exec \"$0\" \"$@\"")).arg(program);
    command
}

/// Next to the runner, or where cargo says. In a test the runner is in a directory below.
fn program(step: &Step) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let directory = own.parent().unwrap_or(Path::new("."));
    match directory.ends_with("deps") {
        true => directory.with_file_name(step.file),
        false => directory.join(step.file),
    }
}

fn listen_to(mut errors: impl Read, said: &Mutex<String>) {
    const ENOUGH: usize = 10_000; // Who says more is not listened to, but doesn't have to wait.
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = errors.read(&mut buffer) {
        let mut said = said.lock().unwrap();
        if said.len() < ENOUGH {
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}
