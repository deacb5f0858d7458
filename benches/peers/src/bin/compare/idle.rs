//! Connections that are only there: what they cost to accept, to keep and to close, and whether they
//! slow down one that works.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::bench;
use crate::disciplines::Discipline;
use crate::process::{cpu, descriptors, memory, sleeps};
use crate::servers::Server;
use crate::table::{Spread, Table, ratio};
use crate::{Column, Failure, Settings, progress};

/// Connections, if the descriptor limit allows.
const CONNECTIONS: usize = 15_000;

/// How long nothing is done, to see who does something all the same.
const REST: Duration = Duration::from_secs(2);

/// How long a server may take to accept or close them all.
const PATIENCE: Duration = Duration::from_secs(20);

/// More rounds show nothing new.
const ROUNDS: usize = 3;

/// What came out of a round, with a fresh server.
struct Figures {
    /// Processor seconds for each connection.
    accept: f64,
    close: f64,
    /// Bytes for each connection; bytes that were not given back, all together.
    bytes: f64,
    left: f64,
    /// While nothing happened: processor time for each second, and sleeps.
    idle: f64,
    sleeps: f64,
    /// Messages per processor second on one more connection.
    per_cpu: f64,
}

/// Runs all rounds and prints the table. Returns for the summary how well one connection works among
/// the others.
pub fn compare(what: &Discipline, settings: &Settings) -> Result<Column, Failure> {
    let peers = settings.peers_for(what);
    let limit = peers::raise_descriptor_limit().saturating_sub(200);
    let connections = CONNECTIONS.min(usize::try_from(limit).unwrap_or(usize::MAX));
    let mut rows: Vec<(Vec<Figures>, Option<String>)> = Vec::new();
    rows.resize_with(peers.len(), Default::default);
    for _ in 0..settings.rounds.min(ROUNDS) {
        for (peer, (rounds, failure)) in peers.iter().zip(&mut rows) {
            if failure.is_some() {
                continue;
            }
            if let Some((_, why)) = what.without.iter().find(|(name, _)| *name == peer.name) {
                *failure = Some((*why).to_owned());
                continue;
            }
            progress(&format!("{}: {}", what.name, peer.name));
            let server = peer.start("tcp", settings);
            let figures = server.and_then(|it| measure(&it, connections, what, settings));
            match figures {
                Ok(figures) => rounds.push(figures),
                Err(error) => *failure = Some(error.to_string()),
            }
        }
    }
    progress("");
    println!("\n### {} ({connections} here)\n", what.title);
    let mut table = Table::default();
    table.row(HEAD);
    let mut summary = Vec::new();
    for (peer, (rounds, failure)) in peers.iter().zip(&rows) {
        if let Some(failure) = failure {
            table.row([peer.name, failure]);
            summary.push((peer.name, None));
            continue;
        }
        let pairs = rounds.iter().zip(&rows[0].0);
        let ratios = Spread::of(pairs.map(|(ours, base)| ours.per_cpu / base.per_cpu));
        let ratios = ratios.map(|it| it.median);
        table.row(cells(peer.name, rounds, ratios));
        summary.push((peer.name, ratios));
    }
    table.print();
    Ok(summary)
}

const HEAD: [&str; 8] = [
    "server",
    "bytes each",
    "KiB left",
    "accept",
    "close",
    "CPU idle",
    "sleeps idle",
    "one active",
];

fn cells(name: &str, rounds: &[Figures], active: Option<f64>) -> Vec<String> {
    let median = |figure: fn(&Figures) -> f64| {
        Spread::of(rounds.iter().map(figure)).map_or(f64::NAN, |it| it.median)
    };
    vec![
        name.to_owned(),
        format!("{:.0}", median(|it| it.bytes)),
        format!("{:.0}", median(|it| it.left) / 1024.0),
        format!("{:.1} µs", median(|it| it.accept) * 1e6),
        format!("{:.1} µs", median(|it| it.close) * 1e6),
        format!("{:.3} %", median(|it| it.idle) * 100.0),
        format!("{:.0}", median(|it| it.sleeps)),
        active.map_or("-".to_owned(), ratio),
    ]
}

fn measure(
    server: &Server,
    connections: usize,
    what: &Discipline,
    settings: &Settings,
) -> Result<Figures, Failure> {
    let pid = server.pid();
    let used = || cpu(pid).ok_or("it has ended");
    let owned = || memory(pid).map(|bytes| bytes as f64).ok_or("it has ended");
    let each = |after: Duration, before: Duration| {
        after.saturating_sub(before).as_secs_f64() / connections as f64
    };
    settle(pid)?;
    let (cpu_before, memory_before, open_before) = (used()?, owned()?, descriptors(pid));
    let address = server.endpoint.trim_start_matches("tcp://").parse()?;
    let clients = connect(address, connections)?;
    wait(|| descriptors(pid) >= open_before + connections, "did not accept all")?;
    settle(pid)?;
    let (accepted, full) = (used()?, owned()?);

    let sleeps_before = sleeps(pid).unwrap_or_default();
    thread::sleep(REST);
    let idle = used()?.saturating_sub(accepted).as_secs_f64() / REST.as_secs_f64();
    let sleeps = sleeps(pid).unwrap_or_default().saturating_sub(sleeps_before) as f64;
    let active = bench::run(server, what, settings)?;

    settle(pid)?;
    let still = used()?;
    drop(clients);
    wait(|| descriptors(pid) <= open_before, "did not close all")?;
    settle(pid)?;
    Ok(Figures {
        accept: each(accepted, cpu_before),
        close: each(used()?, still),
        bytes: (full - memory_before) / connections as f64,
        left: owned()? - memory_before,
        idle,
        sleeps,
        per_cpu: active.per_cpu,
    })
}

/// One after the other, from more addresses than one has ports for.
fn connect(to: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let clients = (0..connections).map(|index| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let from = Ipv4Addr::new(127, 0, 0, 2 + (index % 8) as u8);
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&to.into())?;
        Ok(TcpStream::from(socket))
    });
    clients.collect()
}

fn wait(mut done: impl FnMut() -> bool, failure: &str) -> Result<(), Failure> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > PATIENCE {
            return Err(failure.into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits until the process has done nothing for a while. One that is never quiet is not waited for.
fn settle(pid: u32) -> Result<(), Failure> {
    for _ in 0..100 {
        let before = cpu(pid).ok_or("it has ended")?;
        thread::sleep(Duration::from_millis(30));
        if cpu(pid) == Some(before) {
            return Ok(());
        }
    }
    Ok(())
}
