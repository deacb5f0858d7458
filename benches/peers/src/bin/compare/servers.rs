//! The servers, and starting them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::process::pin;
use crate::{Failure, Settings};

/// How long a server may take to say where it listens.
const START: Duration = Duration::from_secs(10);

/// A program that echoes.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub name: &'static str,
    program: Program,
    /// `tcp` or `udp`, and the word that the program itself has for it.
    modes: &'static [(&'static str, &'static str)],
    /// What is written behind the address.
    more: &'static [&'static str],
    /// Whether it can be expected to keep up with the others.
    pub good: bool,
}

#[derive(Clone, Copy, Debug)]
enum Program {
    Ours,
    /// Beside this one.
    Built(&'static str),
    Python(&'static str),
}

const BOTH: &[(&str, &str)] = &[("tcp", "tcp"), ("udp", "udp")];

/// In the order of the tables. Bare epoll is there once for each of its ways with datagrams.
pub const PEERS: [Peer; 17] = [
    Peer { name: "epoll", ..built("epoll") },
    Peer { name: "epoll-plain", modes: &[("udp", "udp-plain")], ..built("epoll") },
    Peer { name: "epoll-train", modes: &[("udp", "udp-train")], ..built("epoll") },
    Peer { name: "epoll-gro", modes: &[("udp", "udp-gro")], ..built("epoll") },
    Peer { name: "echoloop", program: Program::Ours, ..built("") },
    built("io-uring"),
    built("monoio"),
    Peer {
        name: "monoio-epoll",
        modes: &[("tcp", "tcp"), ("udp", "udp")],
        more: &["legacy"],
        ..built("monoio")
    },
    built("libevent"),
    built("libuv"),
    built("asio"),
    built("tokio"),
    built("smol"),
    built("mio-example"),
    Peer { good: false, ..built("message-io") },
    Peer { name: "asyncio", program: Program::Python("asyncio_echo.py"), good: false, ..built("") },
    Peer {
        name: "socketserver",
        program: Program::Python("socketserver_echo.py"),
        good: false,
        ..built("")
    },
];

const fn built(name: &'static str) -> Peer {
    Peer { name, program: Program::Built(name), modes: BOTH, more: &[], good: true }
}

impl Peer {
    /// Whether this is bare epoll in that mode.
    pub fn is(&self, mode: &str) -> bool {
        self.program_name() == "epoll" && self.modes.iter().any(|(_, word)| *word == mode)
    }

    pub fn serves(&self, mode: &str) -> bool {
        self.modes.iter().any(|(name, _)| *name == mode)
    }

    fn program_name(&self) -> &'static str {
        match self.program {
            Program::Ours => "echoloop",
            Program::Built(name) | Program::Python(name) => name,
        }
    }

    fn command(&self, mode: &str, settings: &Settings) -> Result<Command, Failure> {
        let file = match self.program {
            Program::Ours => settings.echoloop.clone(),
            Program::Built(name) => settings.peers.join(name),
            Program::Python(name) => {
                Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name)
            }
        };
        if !file.exists() {
            return Err("was not built".into());
        }
        let mut command = match self.program {
            Program::Python(_) => Command::new("python3"),
            _ => Command::new(&file),
        };
        if let Program::Python(_) = self.program {
            command.arg(&file);
        }
        if let Program::Ours = self.program {
            command.args(["--quiet", "serve", &format!("echo={mode}://127.0.0.1:0")]);
        } else {
            let (_, word) = self.modes.iter().find(|(name, _)| *name == mode).ok_or("no mode")?;
            command.args([word, "127.0.0.1:0"]).args(self.more);
        }
        Ok(command)
    }

    /// Starts it on the servers' processor, and waits until it listens.
    pub fn start(&'static self, mode: &str, settings: &Settings) -> Result<Server, Failure> {
        let mut command = self.command(mode, settings)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pin(&mut command, settings.server_cpu).spawn()?;
        let out = child.stdout.take().expect("it was asked for");
        let mut server = Server { peer: self, child, endpoint: String::new() };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Read to the end, so that no server ever waits for us to read.
            BufReader::new(out).lines().map_while(Result::ok).for_each(|line| {
                let _ = sender.send(line); // Only the first is waited for.
            });
        });
        let line = lines.recv_timeout(START).map_err(|_| "did not start")?;
        let at = line.find(&format!("{mode}://")).ok_or_else(|| format!("said {line:?}"))?;
        server.endpoint = line[at..].trim().to_owned();
        Ok(server)
    }
}

/// A server that runs; it ends when this is dropped.
pub struct Server {
    pub peer: &'static Peer,
    pub endpoint: String,
    child: Child,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
    }
}

/// Where the peers are: beside this very program.
pub fn directory() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("a program is in a directory")?.to_owned())
}
