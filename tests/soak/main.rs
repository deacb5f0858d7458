//! The soak for some seconds: that it passes with our server, and finds what is wrong with others.

#[path = "../../examples/soak/verdict.rs"]
mod verdict;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use verdict::Memory;

const MIB: u64 = 1024 * 1024;

/// Where cargo has put it: beside the directory of this test.
fn soak(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    let soak = target.join("examples/soak");
    assert!(soak.exists(), "{} is missing: cargo build --examples", soak.display());
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_echoloop"));
    assert_eq!(binary, target.join("echoloop"), "it would start another one");
    Command::new(soak).args(arguments).stdin(Stdio::null()).output().expect("it starts")
}

/// A short one, with everything that a long one has.
#[test]
fn our_server_passes() {
    let output = soak(&["--duration", "4s", "--every", "1s", "--connections", "200"]);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}\n{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("seed "), "{out}");
    assert!(lines.iter().filter(|line| line.contains(" ms ")).count() >= 3, "{out}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("passed: ") && last.contains("status 0"), "{out}");
}

/// Each fault is found, and named.
#[test]
fn each_fault_is_found() {
    for (fault, named) in [
        ("wrong-byte", "wrong byte: byte "),
        ("lost-byte", "wrong byte: byte "),
        ("wrong-datagram", "wrong byte: a datagram of "),
        ("reset", "lost answer: the "), // A Unix socket whose peer has read all is not reset, but ends.
        ("end", "the server has ended by itself"),
        ("stop", "SIGTERM: the server has ended with exit status: 1"),
        #[cfg(target_os = "linux")]
        ("memory", "memory has grown: "),
        #[cfg(target_os = "linux")]
        ("descriptors", "descriptors: the server had "),
    ] {
        assert!(is_found(fault, named), "{fault} was not found");
    }
}

/// Whether a server with this fault fails, and for that. On a busy machine little is done in a few seconds, so
/// what is not found in them has more.
#[track_caller]
fn is_found(fault: &str, named: &str) -> bool {
    ["3s", "10s", "40s"].iter().any(|duration| {
        let shape = ["--duration", duration, "--settle", "1s", "--connections", "64"];
        let output = soak(&[&shape[..], &["--fault", fault]].concat());
        let (out, err) = texts(&output);
        let failed = err.contains(&format!("failed: {named}"));
        assert!(failed || output.status.success(), "{fault}: {out}\n{err}");
        failed && output.status.code() == Some(1)
    })
}

/// What it can't do it says at once.
#[test]
fn what_makes_no_sense_is_refused() {
    for (arguments, named) in [
        (&["--duration", "soon"][..], "--duration soon"),
        (&["--duration", "0s"], "--duration 0"),
        (&["--connections", "9999"], "--connections 9999: expected 64 to 4000"),
        (&["--fault", "boredom"], "doesn't say where it listens"),
        (&["--binary", "/nonexistent/echoloop"], "/nonexistent/echoloop is missing"),
        (&["--fault", "end", "--binary", "x"], "--binary and --fault"),
        (&["loudly"], "loudly"),
    ] {
        let output = soak(arguments);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {out}\n{err}");
        assert!(err.contains(named), "{arguments:?}: {err}");
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// So many samples, each by its number.
fn memory(sample: impl Fn(u64) -> u64) -> Memory {
    let mut memory = Memory::default();
    (0..400).for_each(|number| memory.note(sample(number)));
    memory
}

/// A leak is found however slow it is, and however much what is used goes up and down beside it.
#[test]
fn a_leak_is_growth() {
    let steady = memory(|number| 8 * MIB + number * 12 * 1024);
    assert!(steady.verdict().unwrap_err().starts_with("memory has grown: "));
    let wild = |number: u64| number * 2_654_435_761 % (4 * MIB);
    assert!(memory(|number| 8 * MIB + wild(number) + number * 24 * 1024).verdict().is_err());
}

/// What a load that is always the same uses is none, nor is what is kept of a crowd that came once.
#[test]
fn ups_and_downs_are_no_growth() {
    let wild = |number: u64| number * 2_654_435_761 % (4 * MIB);
    assert!(memory(|number| 8 * MIB + wild(number)).verdict().is_ok());
    let once = memory(|number| if number < 150 { 8 * MIB } else { 16 * MIB });
    assert_eq!(once.verdict(), Ok(Some([8 * MIB, 16 * MIB, 16 * MIB, 16 * MIB])));
    let slow = memory(|number| 8 * MIB + number * 1024);
    assert!(slow.verdict().is_ok(), "a third of a MiB may be anything");
}

/// Few samples say nothing.
#[test]
fn a_short_time_is_not_judged() {
    let mut memory = Memory::default();
    (1..32).for_each(|number| memory.note(number * MIB));
    assert_eq!(memory.verdict(), Ok(None));
    memory.note(32 * MIB);
    assert!(memory.verdict().is_err());
}
