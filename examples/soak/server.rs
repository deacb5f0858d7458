//! The server as a process: started, looked at through its metrics, stopped for a moment, told to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use echoloop::Endpoint;
use rustix::process::{Pid, Signal, kill_process};

use super::crowd::Doors;
use super::support::Failure;
use super::tally::PATIENCE;

/// Killed when it is dropped, if it hasn't ended by then.
pub(crate) struct Server {
    child: Child,
    pub(crate) doors: Doors,
    pub(crate) udp_echo: Endpoint,
    pub(crate) udp_pong: Endpoint,
    pub(crate) unixgram_echo: Endpoint,
    pub(crate) unixgram_pong: Endpoint,
    metrics: SocketAddr,
}

/// What the server says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Resident memory in bytes, 0 where the system doesn't tell.
    pub(crate) memory: u64,
    /// 0 where the system doesn't tell.
    pub(crate) descriptors: u64,
    pub(crate) open: u64,
    /// Datagrams that have come to it.
    pub(crate) datagrams: u64,
    /// Datagrams that it mustn't answer.
    pub(crate) forbidden: u64,
}

impl Server {
    /// Starts it with an endpoint of each kind, and waits until it listens.
    pub(crate) fn start(command: &mut Command, directory: &Path) -> Result<Server, Failure> {
        let mut offers = Vec::new();
        for service in ["echo", "pong"] {
            for scheme in ["tcp", "udp"] {
                offers.push(format!("{service}={scheme}://127.0.0.1:0"));
            }
            for scheme in ["unix", "unixgram"] {
                let path = directory.join(format!("{service}.{scheme}"));
                offers.push(format!("{service}={scheme}://{}", path.display()));
            }
        }
        command.args(&offers).args(["--metrics", "tcp://127.0.0.1:0"]);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped());
        command.process_group(0); // Ctrl-C is for us.
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot start {program}: {}", echoloop::describe(&error)))
        };
        let mut child = command.spawn().map_err(failed)?;
        let said = BufReader::new(child.stdout.take().expect("it has a pipe"));
        let bound = bound(said, offers.len() + 1);
        let [tcp_echo, udp_echo, unix_echo, unixgram_echo, rest @ ..] = &bound[..] else {
            return Err(Failure::new(format!("{program} doesn't say where it listens")));
        };
        let [tcp_pong, udp_pong, unix_pong, unixgram_pong, metrics] = rest else {
            return Err(Failure::new(format!("{program} doesn't say where it listens")));
        };
        let metrics = metrics.trim_start_matches("tcp://").parse()?;
        let doors = Doors {
            tcp_echo: tcp_echo.parse()?,
            tcp_pong: tcp_pong.parse()?,
            unix_echo: unix_echo.parse()?,
            unix_pong: unix_pong.parse()?,
        };
        Ok(Server {
            child,
            doors,
            udp_echo: udp_echo.parse()?,
            udp_pong: udp_pong.parse()?,
            unixgram_echo: unixgram_echo.parse()?,
            unixgram_pong: unixgram_pong.parse()?,
            metrics,
        })
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let failed = |error| format!("the server can't be signalled: {error}");
        kill_process(Pid::from_child(&self.child), signal).map_err(failed)
    }

    /// The status that it has ended with, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGTERM, and what comes of it.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        loop {
            match self.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("SIGTERM: the server has ended with {status}")),
                None if began.elapsed() > PATIENCE => {
                    let seconds = PATIENCE.as_secs();
                    return Err(format!("SIGTERM: the server still runs after {seconds} s"));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Asks the server itself, which is one more client.
    pub(crate) fn look(&self) -> Result<Figures, String> {
        let text = self.scrape().map_err(|error| {
            format!("lost answer: its metrics can't be had: {}", echoloop::describe(&error))
        })?;
        let value = |name: &str, label: &str| -> u64 {
            let of_family = |line: &&str| line.starts_with(name) && line.contains(label);
            let values = text.lines().filter(of_family).filter_map(|it| it.rsplit_once(' '));
            values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum::<f64>() as u64
        };
        Ok(Figures {
            memory: value("process_resident_memory_bytes", ""),
            descriptors: value("process_open_fds", ""),
            open: value("echoloop_connections_open", ""),
            datagrams: value("echoloop_datagrams_received_total", ""),
            forbidden: value("echoloop_datagrams_dropped_total", "forbidden"),
        })
    }

    fn scrape(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.metrics, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it says it has bound, as far as it says so.
fn bound(mut said: impl BufRead, count: usize) -> Vec<String> {
    let mut bound = Vec::new();
    let mut line = String::new();
    while bound.len() < count && said.read_line(&mut line).is_ok_and(|length| length > 0) {
        let offer = line.trim_end().strip_prefix("listening on ");
        bound.extend(offer.and_then(|it| it.split_once('=')).map(|(_, it)| it.to_owned()));
        line.clear();
    }
    bound
}
