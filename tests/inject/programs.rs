//! The programs that connect, one of whose calls fails, and a server that does what it should.

use std::collections::HashMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::OnceLock;

use crate::traced::{Ended, Fault, Traced, calls_before};

/// What is typed. Longer than what a pipe or a small buffer holds, and no two lines are the same.
fn typed() -> String {
    (0..200).map(|i| format!("line {i} of those that were typed\n")).collect()
}

/// A program, by what it is told; the endpoint comes after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Program {
    Connect,
    Ping,
    Bench,
}

pub(crate) const PROGRAMS: [Program; 3] = [Program::Connect, Program::Ping, Program::Bench];
pub(crate) const SCHEMES: [&str; 4] = ["tcp", "udp", "unix", "unixgram"];

impl Program {
    fn arguments(self, endpoint: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Program::Connect => &["connect", "--wait", "200ms"],
            Program::Ping => &["ping", "-c", "5", "-i", "1ms", "-W", "200ms", "-w", "3"],
            Program::Bench => &["bench", "-c", "3", "-n", "100", "--timeout", "200ms"],
        };
        words.iter().chain(&[endpoint]).map(|word| word.to_string()).collect()
    }

    /// Whether what it says is true: all was well, or something is amiss; and nothing was wrong, for the
    /// server does what it should.
    fn check(self, scheme: &str, ended: &Ended) -> Result<(), String> {
        let Ended { out, err, .. } = ended;
        let is_well = ended.status.success();
        match self {
            Program::Connect => {
                let (typed, out) = (typed(), format!("{out}\n"));
                let is_right = match scheme {
                    "tcp" | "unix" if is_well => out == typed,
                    "tcp" | "unix" => typed.starts_with(out.trim_end()),
                    _ => out
                        .lines()
                        .all(|line| line.is_empty() || typed.contains(&format!("{line}\n"))),
                };
                if !is_right {
                    return Err(format!(
                        "it ended with {}, and printed {out:?}; {err}",
                        ended.status
                    ));
                }
            }
            Program::Ping | Program::Bench => {
                if out.contains("wrong") || err.contains("wrong") {
                    return Err(format!("it takes right replies for wrong: {out}{err}"));
                }
                if is_well && out.is_empty() {
                    return Err("it ended as if all were well, and said nothing".to_string());
                }
            }
        }
        Ok(())
    }
}

/// How many calls of each kind a program makes before its own first one.
fn before(program: Program, endpoint: &str, scheme: &'static str) -> HashMap<String, usize> {
    type Known = std::sync::Mutex<HashMap<(Program, &'static str), HashMap<String, usize>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Known::default).lock().unwrap();
    let calls = known.entry((program, scheme)).or_insert_with(|| {
        let ended = run(program, endpoint, None).expect("it ends");
        assert!(ended.status.success(), "{program:?} {endpoint}: {}{}", ended.out, ended.err);
        calls_before(&ended.log, "sigaltstack(")
    });
    calls.clone()
}

/// Returns how many of its calls failed.
pub(crate) fn fails(
    fault: &Fault,
    program: Program,
    scheme: &'static str,
    endpoint: &str,
) -> Result<usize, String> {
    let after = before(program, endpoint, scheme).get(fault.call).copied().unwrap_or(0);
    let ended = run(program, endpoint, Some(&Fault { after, ..fault.clone() }))?;
    ended.check_sane()?;
    program.check(scheme, &ended)?;
    Ok(ended.hits())
}

fn run(program: Program, endpoint: &str, fault: Option<&Fault>) -> Result<Ended, String> {
    let directory = tempfile::tempdir().unwrap();
    let input = if program == Program::Connect { Stdio::piped() } else { Stdio::null() };
    let mut traced = Traced::start(&program.arguments(endpoint), fault, directory.path(), input);
    if let Some(mut keyboard) = traced.input() {
        std::thread::spawn(move || keyboard.write_all(typed().as_bytes())); // It may end before.
    }
    traced.wait()
}
