//! The server, one of whose calls fails, and its clients.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::thread;

use tempfile::TempDir;

use crate::Verdict;
use crate::clients::{Client, Place, Sender, Trouble};
use crate::table::{Harm, Load};
use crate::traced::{Ended, Fault, Traced, When, calls_before};

/// Which of the bytes that a client sends is which.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 31) ^ (i >> 8) ^ (seed * 7)) as u8).collect()
}

const TRIES: usize = 20;

/// A server that listens, each kind of stream and of datagram once.
struct Server {
    traced: Traced,
    streams: [Place; 2],
    udp: std::net::SocketAddr,
    directory: TempDir,
}

/// Who was harmed in spite of being somebody else, or nobody being to be harmed, is found out at the end.
#[derive(Default)]
struct Harmed {
    streams: Vec<(String, String)>,
}

fn arguments(directory: &TempDir) -> Vec<String> {
    let path = |name: &str| directory.path().join(name).display().to_string();
    vec![
        "serve".to_string(),
        "echo=tcp://127.0.0.1:0".to_string(),
        "echo=udp://127.0.0.1:0".to_string(),
        format!("echo=unix://{}", path("s")),
        format!("echo=unixgram://{}", path("g")),
    ]
}

/// How many calls of each kind it makes before its main function, and before it serves.
struct Calls {
    before_main: HashMap<String, usize>,
    before_serving: HashMap<String, usize>,
}

fn calls() -> &'static Calls {
    static CALLS: OnceLock<Calls> = OnceLock::new();
    CALLS.get_or_init(|| {
        let log = healthy(&[]).expect("all is well").log;
        Calls {
            before_main: calls_before(&log, "sigaltstack("),
            before_serving: calls_before(&log, "\"listening on "),
        }
    })
}

/// A server to which nothing happens, under these loads.
pub(crate) fn healthy(loads: &[Load]) -> Result<Ended, String> {
    let (server, _) = Server::start(None);
    let mut server = server.expect("it listens");
    let mut harmed = Harmed::default();
    for &load in loads {
        server.serve(load, false, &mut harmed)?;
    }
    let ended = server.traced.stop()?;
    ended.check_stopped()?;
    Ok(ended)
}

/// Of the calls that it makes from the moment it serves. Returns how many failed.
pub(crate) fn fails_serving(fault: &Fault, load: Load) -> Result<usize, String> {
    // The line that says so is written by one of the calls that are counted.
    let before = calls().before_serving.get(fault.call).copied().unwrap_or(0);
    let after = before + usize::from(fault.call == "write");
    let (server, _) = Server::start(Some(&Fault { after, ..fault.clone() }));
    let mut server = server.ok_or("it doesn't start")?;
    let mut harmed = Harmed::default();
    server.serve(load, fault.harm == Harm::Datagrams, &mut harmed)?;
    let (ended, directory) = server.stop(load, &mut harmed)?;
    ended.check_stopped()?;
    let hit = ended.hit();
    for (name, how) in &harmed.streams {
        if fault.harm != Harm::Peer || !hit.contains(name) {
            return Err(format!("{name} was harmed ({how}); hit was {hit:?}"));
        }
    }
    let may_leave = ["unlink", "statx", "flock"].contains(&fault.call);
    check_empty(&directory, may_leave)?;
    Ok(ended.hits())
}

/// Of the calls that it makes before it serves. Returns how many failed.
pub(crate) fn fails_starting(fault: &Fault) -> Result<usize, String> {
    let after = calls().before_main.get(fault.call).copied().unwrap_or(0);
    let (server, traced) = Server::start(Some(&Fault { after, ..fault.clone() }));
    let (ended, directory) = match (server, traced) {
        (Some(mut server), _) => {
            let mut harmed = Harmed::default();
            server.serve(Load::Streams, true, &mut harmed)?;
            server.serve(Load::Datagrams, true, &mut harmed)?;
            let (ended, directory) = server.stop(Load::Streams, &mut harmed)?;
            ended.check_stopped()?;
            (ended, directory)
        }
        (None, Some((traced, directory))) => {
            let ended = traced.wait()?;
            let names_the_deed =
                ended.err.lines().any(|line| line.starts_with("echoloop: cannot "));
            if ended.status.code() != Some(1) || !names_the_deed {
                return Err(format!("it ended with {}, and said {:?}", ended.status, ended.err));
            }
            ended.check_sane()?;
            (ended, directory)
        }
        (None, None) => unreachable!("it is one or the other"),
    };
    check_empty(&directory, ["flock", "statx"].contains(&fault.call))?;
    Ok(ended.hits())
}

/// Each close takes its time, and meanwhile a client sends on until it is told not to. What it finds behind its answers
/// is the end, and no reset.
pub(crate) fn close_is_slow() -> Verdict {
    let fault = Fault {
        call: "close",
        error: "delay_enter=50000",
        harm: Harm::None,
        when: When::Always,
        after: calls().before_serving.get("close").copied().unwrap_or(0),
    };
    let server = Server::start(Some(&fault)).0.ok_or("it doesn't start")?;
    let mut clients = Vec::new();
    for place in server.streams.iter().cycle().take(4) {
        let mut client = Client::connect(place).map_err(|error| error.to_string())?;
        let done = client.exchange(b"before the stop");
        Harmed::default().note(&client, done)?;
        clients.push(client);
    }
    let clients = clients.into_iter().map(|client| thread::spawn(|| client.send_to_the_end()));
    let clients: Vec<_> = clients.collect();
    let ended = server.traced.stop()?;
    for client in clients {
        client.join().unwrap().map_err(|error| format!("behind its answers it finds: {error}"))?;
    }
    ended.check_stopped()
}

/// No path is left behind; unless it couldn't be removed.
fn check_empty(directory: &TempDir, may_leave: bool) -> Verdict {
    let ours = ["s", "g", "s.lock", "g.lock"];
    let is_left = |name: &&&str| directory.path().join(name).exists();
    match ours.iter().find(is_left) {
        Some(name) if !may_leave => Err(format!("{name} was left behind")),
        _ => Ok(()),
    }
}

impl Server {
    /// One that listens; or else what is left of it.
    fn start(fault: Option<&Fault>) -> (Option<Server>, Option<(Traced, TempDir)>) {
        let directory = tempfile::tempdir().unwrap();
        let arguments = arguments(&directory);
        let mut traced = Traced::start(&arguments, fault, directory.path(), Stdio::null());
        let Some(bound) = traced.bound(4) else { return (None, Some((traced, directory))) };
        let address = |i: usize| bound[i].split_once("://").unwrap().1.parse().unwrap();
        let unix = Place::Unix(directory.path().join("s"));
        let server =
            Server { traced, streams: [Place::Tcp(address(0)), unix], udp: address(1), directory };
        (Some(server), None)
    }

    fn serve(&mut self, load: Load, may_lose: bool, harmed: &mut Harmed) -> Verdict {
        match load {
            Load::Streams => self.serve_streams(harmed),
            Load::Datagrams => self.serve_datagrams(may_lose),
        }
    }

    /// Some who come together and talk in turns, some who send much and end, and at last newcomers.
    fn serve_streams(&self, harmed: &mut Harmed) -> Verdict {
        let mut clients = Vec::new();
        for place in self.streams.iter().cycle().take(6) {
            match Client::connect(place) {
                Ok(client) => clients.push(client),
                Err(error) => return Err(format!("{place:?} refuses: {error}")),
            }
        }
        for (round, length) in [1, 700, 40_000, 3].into_iter().enumerate() {
            let talk = |client: &mut Client| client.exchange(&bytes(round, length));
            clients = harmed.without_lost(clients, talk)?;
        }
        for (seed, mut client) in clients.into_iter().enumerate() {
            let all = bytes(seed, if seed < 2 { 1 << 20 } else { 10 });
            let done = client.exchange_to_the_end(&all);
            harmed.note(&client, done)?;
        }
        for place in &self.streams {
            let served = |_| -> Result<bool, String> {
                let Ok(mut client) = Client::connect(place) else { return Ok(false) };
                let done = client.exchange_to_the_end(b"newcomer");
                harmed.note(&client, done)
            };
            if !try_until(served)? {
                return Err(format!("{place:?} serves no newcomers"));
            }
        }
        Ok(())
    }

    /// One by one, of different sizes, and many of the same at once.
    fn serve_datagrams(&self, may_lose: bool) -> Verdict {
        let path = |name: &str| -> PathBuf { self.directory.path().join(name) };
        let wrong = |trouble: Trouble| match trouble {
            Trouble::Wrong(what) => what,
            Trouble::Lost(error) => format!("a socket for datagrams fails: {error}"),
        };
        let udp = Sender::udp(self.udp).unwrap();
        let own = tempfile::tempdir().unwrap();
        let unix = Sender::unix(&path("g"), &own.path().join("own")).unwrap();
        for sender in [&udp, &unix] {
            let mut all = Vec::new();
            for (burst, size, growth) in
                [(1, 1, 0), (1, 900, 0), (8, 60, 1), (8, 100, 0), (9, 200, 7)]
            {
                for i in 0..burst {
                    let mut datagram = bytes(all.len(), size + i * growth);
                    datagram[0] = all.len() as u8; // All are different.
                    all.push(datagram);
                }
                sender.exchange(&all, burst, may_lose).map_err(wrong)?;
            }
        }
        Ok(())
    }

    /// Stops while some are there, each of whom is owed something or nothing.
    fn stop(self, load: Load, harmed: &mut Harmed) -> Result<(Ended, TempDir), String> {
        let mut present = Vec::new();
        if load == Load::Streams {
            for place in self.streams.iter().cycle().take(4) {
                present.push(Client::connect(place).map_err(|error| error.to_string())?);
            }
            present = harmed.without_lost(present, |client| client.exchange(b"before the stop"))?;
            let half = present.len() / 2;
            present[..half].iter_mut().for_each(|client| drop(client.shut()));
        }
        let ends = thread::spawn(move || {
            let see_end = |mut client: Client| (client.expect_end(), client);
            present.into_iter().map(see_end).collect::<Vec<_>>()
        });
        let ended = self.traced.stop()?;
        for (end, client) in ends.join().unwrap() {
            harmed.note(&client, end)?;
        }
        Ok((ended, self.directory))
    }
}

/// Whether it comes true within a few times.
fn try_until(mut attempt: impl FnMut(usize) -> Result<bool, String>) -> Result<bool, String> {
    for i in 0..TRIES {
        if attempt(i)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Harmed {
    /// Whether the client has what it wanted.
    fn note(&mut self, client: &Client, done: Result<(), Trouble>) -> Result<bool, String> {
        match done {
            Ok(()) => Ok(true),
            Err(Trouble::Lost(error)) => {
                self.streams.push((client.name.clone(), error.to_string()));
                Ok(false)
            }
            Err(Trouble::Wrong(what)) => Err(format!("{}: {what}", client.name)),
        }
    }

    /// Those of them who have not lost their connections by doing this.
    fn without_lost(
        &mut self,
        clients: Vec<Client>,
        mut deed: impl FnMut(&mut Client) -> Result<(), Trouble>,
    ) -> Result<Vec<Client>, String> {
        let mut left = Vec::new();
        for mut client in clients {
            let done = deed(&mut client);
            if self.note(&client, done)? {
                left.push(client);
            }
        }
        Ok(left)
    }
}
