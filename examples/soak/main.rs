//! Everything at once against a served binary, for as long as one likes, and every byte checked.
//!
//! ```text
//! cargo build --release && cargo run --release --example soak -- --duration 1h
//! ```
//!
//! | option | means | default |
//! |---|---|---|
//! | `--duration TIME` | how long the load lasts | `1m` |
//! | `--every TIME` | how often a line is printed | `1m`, and six times at least |
//! | `--settle TIME` | how long the server may take to notice that all have gone | `30s` |
//! | `--connections N` | connections at once, 64 to 4,000 | 1,000 |
//! | `--pace N` | messages and connections that are begun a second at most, the whispers apart | as many as can be |
//! | `--seed N` | what all chance comes from; that of the kernel's and of other processes is another one | by the clock |
//! | `--binary PATH` | the server, started as `PATH serve ...` | `echoloop` of the same profile |
//! | `--fault NAME` | a server with this fault instead, to see that it is found | |
//!
//! The load is what the library itself is for: services on two reactors, a thread each.
//!
//! - **Churn**: comes, talks, and ends: in order, by a half-close, with a reset, or in mid-message, politely or not.
//! - **Floods** with 64 KiB under way; **deaf readers**, who don't read what they asked for and check it later;
//!   **dribblers** of a byte or two; **idle** masses; lines for pong that **never end**.
//! - **Datagrams** from empty to the largest, whose sockets sometimes go before the answer comes; **forged** ones,
//!   by which the server would have to answer itself, if we may send them.
//! - **SIGSTOP and SIGCONT** at moments that nobody has chosen.
//! - **Whispers** on a thread of their own, whose wait is measured: the time that the server was stopped isn't
//!   counted.
//!
//! Then, or after Ctrl-C, the load is taken away. It has passed if every byte was the right one and every answer came, no connection was
//! refused, memory has not grown ([how that is judged](verdict::Memory::verdict)), the server has as many
//! descriptors as before, no datagram flies any more, and SIGTERM ends it with status 0. Otherwise it ends with
//! status 1 and a sentence that says what was wrong.

mod crowd;
mod faulty;
mod forged;
mod grams;
mod load;
mod plan;
mod run;
mod server;
mod speech;
mod talk;
mod tally;
mod verdict;

#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Arguments, Failure};

const USAGE: &str = "soak [--duration TIME] [--every TIME] [--settle TIME] [--connections N] [--pace N] \
                     [--seed N] [--binary PATH | --fault NAME]";

/// What is to be done.
pub(crate) struct Wish {
    pub(crate) duration: Duration,
    pub(crate) every: Duration,
    pub(crate) settle: Duration,
    pub(crate) connections: usize,
    pub(crate) pace: Option<u32>,
    pub(crate) seed: u64,
    pub(crate) server: Command,
}

/// A time as people write it: `90s`, `10m`, `1h`, `500ms`.
struct Span(Duration);

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Span, ()> {
        let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or(())?;
        let number: u64 = text[..unit].parse().map_err(drop)?;
        let millis = match &text[unit..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            _ => return Err(()),
        };
        number.checked_mul(millis).map(Duration::from_millis).map(Span).ok_or(())
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new(USAGE)?;
    if arguments.is("faulty") {
        return faulty::run(arguments);
    }
    let Span(duration) = arguments.option("--duration", Span(Duration::from_secs(60)))?;
    if duration.is_zero() {
        return Err(Failure::new("--duration 0: a second at least, say 10m"));
    }
    let every = Duration::from_secs(60).min(duration / 6);
    let Span(every) = arguments.option("--every", Span(every))?;
    let Span(settle) = arguments.option("--settle", Span(Duration::from_secs(30)))?;
    let connections = arguments.option("--connections", 1000)?;
    if !(64..=4000).contains(&connections) {
        return Err(Failure::new(format!("--connections {connections}: expected 64 to 4000")));
    }
    let pace = arguments.option("--pace", 0)?;
    let by_clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seed = arguments.option("--seed", by_clock)?;
    let (binary, fault) = (arguments.text("--binary")?, arguments.text("--fault")?);
    let server = match (binary, fault) {
        (Some(_), Some(_)) => return Err(Failure::new("--binary and --fault: which of them?")),
        (Some(binary), None) => serve(binary.into())?,
        (None, Some(fault)) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["faulty", &fault, "serve"]);
            command
        }
        (None, None) => serve(beside()?)?,
    };
    arguments.end()?;
    let pace = (pace > 0).then_some(pace);
    run::run(Wish { duration, every, settle, connections, pace, seed, server })
}

/// `target/<profile>/echoloop` beside `target/<profile>/examples/soak`.
fn beside() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let profile = own.parent().and_then(|examples| examples.parent());
    Ok(profile.unwrap_or(&own).join("echoloop"))
}

fn serve(binary: PathBuf) -> Result<Command, Failure> {
    if !binary.is_file() {
        let binary = binary.display();
        return Err(Failure::new(format!(
            "{binary} is missing: build it in the same profile, as by cargo build --release, or name \
             another one with --binary PATH"
        )));
    }
    let mut command = Command::new(binary);
    // Who is deaf for two seconds on a busy machine must not be taken for one that is gone.
    command.args(["serve", "--linger", "60s", "--stop-timeout", "60s"]);
    Ok(command)
}
