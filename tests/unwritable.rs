//! Standard output that can't be written: what could not be printed is no success.
#![cfg(feature = "cli")]

mod cli_support;

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use cli_support::{Server, run, scratch};

/// Runs the binary in a shell, with what the shell does to its standard output.
#[track_caller]
fn shell(arguments: &str, redirection: &str) -> Output {
    let script = format!("'{}' {arguments} {redirection}", env!("CARGO_BIN_EXE_echoloop"));
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", &script]).stdin(Stdio::null()).env_remove("RUST_LOG");
    command.output().expect("there is a shell")
}

/// Whatever it is that would be printed: closed, for reading only, or full is said, and the status tells it.
#[test]
fn what_cannot_be_printed_is_an_error() {
    let server = Server::start(&["echo=tcp://127.0.0.1:0"]);
    let (directory, result) = scratch("result.json");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let bench = format!("bench {} -c 1 -n 10 --warmup 0s", server.bound[0].replace("echo=", ""));
    let saved = shell(&format!("{bench} --json {}", result.display()), "");
    assert!(saved.status.success(), "{saved:?}");
    fs::write(path("trace.json"), "[]").unwrap();
    let ways = [
        (">&-", "bad file descriptor"),
        ("1</dev/null", "bad file descriptor"),
        (">/dev/full", "no space left on device"),
    ];
    let merge = format!("bench merge {0}", result.display());
    let trace = format!("trace {} --html -", path("trace.json"));
    let commands = [
        "--help",
        "-h",
        "--version",
        "help",
        "serve --help",
        "bench merge --help",
        "completions bash",
        &bench,
        &format!("{bench} --json -"),
        &format!("{bench} --plot -"),
        &format!("{bench} --stream -"),
        &format!("{bench} --hdr -"),
        &merge,
        &format!("{merge} --json -"),
        &trace,
    ];
    for command in commands {
        for (way, why) in ways {
            let output = shell(command, way);
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{command} {way}: {err}");
            let expected = format!("echoloop: cannot write to standard output: {why}\n");
            assert!(err.ends_with(&expected), "{command} {way}: {err:?}");
        }
    }
}

/// Who closes the pipe has read enough: no word, and no failure.
#[test]
fn a_reader_that_goes_is_an_end_like_any_other() {
    let server = Server::start(&["echo=tcp://127.0.0.1:0"]);
    let bench = format!("bench {} -c 1 -n 10 --warmup 0s", server.bound[0].replace("echo=", ""));
    for command in ["--help", "completions bash", &bench, &format!("{bench} --hdr -")] {
        // Its reader has gone before it begins.
        let output = shell(command, "> >(true)");
        let late = shell(command, "| true");
        for output in [output, late] {
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{command}: {err}");
            assert!(!err.contains("cannot"), "{command}: {err}");
        }
    }
}

/// A measurement whose result could not be shown isn't begun.
#[test]
fn nothing_is_measured_for_a_closed_output() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let output = shell(&format!("bench tcp://{address} -n 1"), ">&-");
    assert_eq!(output.status.code(), Some(1));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has connected");
    assert_eq!(run(&["--version"]).0, Some(0));
}
