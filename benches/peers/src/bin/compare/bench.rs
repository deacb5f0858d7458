//! One run of `echoloop bench`.

use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::disciplines::{Discipline, Load};
use crate::process::{Priority, prefer, waited};
use crate::servers::Server;
use crate::{Failure, Settings};

/// Addresses with a port range each: connections that have been closed keep their ports for a minute.
const ADDRESSES: &str = "127.0.0.2-127.0.0.33";

/// What came out of a run. Times are nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub per_cpu: f64,
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// The part of the datagrams that was lost.
    pub lost: f64,
    /// The part of a processor that the server used, and the generator.
    pub server: f64,
    pub generator: f64,
    /// The part of the time that the generator or the server had to wait for its processor.
    pub disturbed: f64,
}

/// From this part on, a run is made again.
const DISTURBED: f64 = 0.03;

/// Loads a server as the discipline says. A run that others disturbed is made again, as often as the
/// settings allow; the least disturbed one counts.
pub fn run(server: &Server, what: &Discipline, settings: &Settings) -> Result<Figures, Failure> {
    let mut best = run_once(server, what, settings, Priority::Usual)?;
    for _ in 1..settings.tries {
        if !is_disturbed(&best) {
            break;
        }
        let again = run_once(server, what, settings, Priority::Usual)?;
        if again.disturbed < best.disturbed {
            best = again;
        }
    }
    Ok(best)
}

/// Whether the run is worth another one.
pub fn is_disturbed(figures: &Figures) -> bool {
    figures.disturbed >= DISTURBED
}

/// The same once, by a generator of that priority.
pub fn run_once(
    server: &Server,
    what: &Discipline,
    settings: &Settings,
    priority: Priority,
) -> Result<Figures, Failure> {
    let mut options: Vec<String> = what.options.iter().map(ToString::to_string).collect();
    if let Load::Rate(rate) = what.load {
        options.extend(["--rate".to_owned(), rate.to_string()]);
    }
    if let Load::Datagrams(_) = what.load {
        // What is lost for want of room is soon replaced, whoever loses it.
        options.extend(["--timeout", "100ms"].map(str::to_owned));
    }
    if what.many_ports {
        options.extend(["--bind", ADDRESSES].map(str::to_owned));
    }
    if !options.iter().any(|option| option == "--warmup") {
        options.extend(["--warmup", "300ms"].map(str::to_owned));
    }
    // One connection in a thousand may be an accident: see `figures`.
    options.push("--allow-losses".to_owned());
    options.extend(["--duration".to_owned(), format!("{}ms", settings.length.as_millis())]);
    options.extend(["--server-pid".to_owned(), server.pid().to_string()]);

    let mut command = Command::new(&settings.echoloop);
    command.args(["bench", &server.endpoint, "--json", "-"]).args(&options);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let (start, before) = (Instant::now(), waited(server.pid()));
    let output = prefer(&mut command, priority).output()?; // On our own processor.
    let waited = waited(server.pid()).zip(before).map(|(after, before)| after - before);
    let waited = waited.unwrap_or_default().as_secs_f64() / start.elapsed().as_secs_f64();
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("cannot measure: {}", said.lines().last().unwrap_or("it said nothing"))
    })?;
    let figures = figures(&document["runs"][0])?;
    Ok(Figures { disturbed: figures.disturbed.max(waited), ..figures })
}

fn figures(run: &Value) -> Result<Figures, Failure> {
    if run["failed"] != false {
        let notes = run["notes"].as_array().into_iter().flatten();
        let notes: Vec<&str> = notes.filter_map(Value::as_str).collect();
        return Err(notes.first().copied().unwrap_or("failed").into());
    }
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    // What was lost has a column of its own.
    let percentiles = &run["latency_answered"]["percentiles"];
    let messages = number(&run["messages"]);
    let errors = &run["errors"];
    let broken: f64 = ["refused", "timed_out", "reset", "ended", "failed", "no_ports"]
        .iter()
        .map(|name| number(&errors[name]))
        .sum();
    // One in a thousand may be an accident of the machine; more is a server that can't do it.
    if broken > messages / 1000.0 {
        return Err(format!("{broken} connections failed").into());
    }
    let lost = number(&errors["lost"]);
    Ok(Figures {
        per_cpu: number(&run["server"]["messages_per_cpu_second"]),
        rate: number(&run["messages_per_second"]),
        p50: number(&percentiles["p50"]),
        p99: number(&percentiles["p99"]),
        p999: number(&percentiles["p99.9"]),
        lost: lost / (lost + messages),
        server: number(&run["server"]["cpu_share"]),
        generator: number(&run["generator"]["busiest_worker"]),
        disturbed: number(&run["generator"]["waited_for_processor"]),
    })
}
