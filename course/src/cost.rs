//! `course cost`: what each step costs, with 1, 100 and 1,000 clients.

use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{answer, connect, exchange, lines};
use crate::kernel;
use crate::server::{DEADLINE, Limit, Server};
use crate::stage::number;
use crate::steps::{STEPS, Step};

const CLIENTS: [usize; 3] = [1, 100, 1000];
/// The steps that serve streams.
const STREAMS: usize = 13;
/// So many lines are measured, in batches, and no batch for longer than this.
const LINES: usize = 4000;
const BATCHES: usize = 5;
const TIME: Duration = Duration::from_millis(300);

/// What was measured with so many clients.
struct Cost {
    /// Of a processor, while nobody says anything.
    idle: f64,
    /// Resident, for each client.
    bytes: u64,
    /// Of the server for a line, when one client speaks: in the best batch, since what else happens on the
    /// machine can only add to it.
    one: Duration,
    median: Duration,
    late: Duration,
    /// The same, when all speak at once.
    all: Option<Duration>,
}

/// Measures all steps, and prints a table in Markdown.
///
/// # Errors
///
/// A server gave a wrong answer, or there are fewer descriptors than that takes.
pub fn table() -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}\n\n{HEAD}", machine()?)?;
    for step in &STEPS[..STREAMS] {
        let mut costs = Vec::new();
        for clients in CLIENTS {
            costs.push(measure(step, clients)?);
        }
        writeln!(out, "{}", row(step, &costs))?;
        out.flush()?;
    }
    Ok(())
}

/// The first lines of the table.
pub const HEAD: &str = "\
| step | idle, % of a processor | memory, KiB a client | one speaks: processor time, µs \
| median latency, µs | 99 %, µs | all speak: processor time, µs |
|---|---|---|---|---|---|---|";

fn row(step: &Step, costs: &[Option<Cost>]) -> String {
    let cell = |show: &dyn Fn(&Cost) -> String| {
        let shown = costs.iter().map(|it| it.as_ref().map_or("-".into(), show));
        shown.collect::<Vec<_>>().join(" / ")
    };
    let micros = |time: Duration| match time.as_secs_f64() * 1e6 {
        time if time < 10.0 => format!("{time:.1}"),
        time => number(time.round() as usize),
    };
    [
        format!("| {}, {}", step.number, step.idea),
        cell(&|it| format!("{:.0}", it.idle * 100.0)),
        costs[2].as_ref().map_or("-".into(), |it| format!("{:.1}", it.bytes as f64 / 1024.0)),
        cell(&|it| micros(it.one)),
        cell(&|it| micros(it.median)),
        cell(&|it| micros(it.late)),
        cell(&|it| it.all.map_or("-".into(), micros)) + " |",
    ]
    .join(" | ")
}

/// `None`: it doesn't serve so many at a time.
fn measure(step: &Step, count: usize) -> io::Result<Option<Cost>> {
    let server = Server::start(step, Limit::None, &[])?;
    let memory = || Ok::<_, io::Error>(kernel::memory(server.pid())?.1);
    let processor_time = || kernel::processor_time(server.pid());
    // One comes and goes first, so that what is needed only once is not counted.
    exchange(&mut connect(&server)?, DEADLINE)?;
    let before = memory()?;
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = connect(&server)?;
        if !exchange(&mut client, TIME)? {
            return Ok(None);
        }
        clients.push(client);
    }
    let bytes = memory()?.saturating_sub(before) / count as u64;

    thread::sleep(TIME / 10); // It may still be putting its table in order.
    let (start, used) = (Instant::now(), processor_time()?);
    thread::sleep(TIME);
    let idle = (processor_time()? - used).as_secs_f64() / start.elapsed().as_secs_f64();

    let mut latencies = Vec::with_capacity(LINES);
    let one = best(&processor_time, || one_speaks(&mut clients[count / 2], &mut latencies))?;
    latencies.sort_unstable();
    let all = match count {
        1 => None, // The same as above.
        _ => Some(best(&processor_time, || all_speak(&mut clients))?),
    };
    let at = |part: usize| latencies[(latencies.len() * part / 100).min(latencies.len() - 1)];
    Ok(Some(Cost { idle, bytes, one, median: at(50), late: at(99), all }))
}

/// The processor time of a line in the best of some batches.
fn best(
    processor_time: &impl Fn() -> io::Result<Duration>,
    mut batch: impl FnMut() -> io::Result<usize>,
) -> io::Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..BATCHES {
        let used = processor_time()?;
        let lines = batch()?;
        best = best.min((processor_time()? - used) / lines as u32);
    }
    Ok(best)
}

/// Adds the latency of each line. How many there were.
fn one_speaks(client: &mut TcpStream, latencies: &mut Vec<Duration>) -> io::Result<usize> {
    let (start, mut spoken) = (Instant::now(), 0);
    while spoken < LINES / BATCHES && start.elapsed() < TIME {
        let before = Instant::now();
        if !exchange(client, DEADLINE)? {
            return Err(io::Error::other("a wrong answer, or none"));
        }
        latencies.push(before.elapsed());
        spoken += 1;
    }
    Ok(spoken)
}

/// All send a line, then all read their answers; and again. How many lines that were.
fn all_speak(clients: &mut [TcpStream]) -> io::Result<usize> {
    let (start, mut spoken) = (Instant::now(), 0);
    while spoken < LINES / BATCHES && start.elapsed() < TIME {
        for client in clients.iter_mut() {
            client.write_all(&lines(spoken, 1))?;
        }
        for client in clients.iter_mut() {
            if !answer(client, &lines(spoken, 1), DEADLINE)? {
                return Err(io::Error::other("a wrong answer, or none"));
            }
        }
        spoken += clients.len();
    }
    Ok(spoken)
}

/// What kind of machine this is.
fn machine() -> io::Result<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let release: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown kind", |(_, model)| model);
    let count = thread::available_parallelism()?;
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    Ok(format!("Linux {}, {count} processors ({model}), {build} build.", release.join(".")))
}
