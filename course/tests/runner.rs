//! The runner itself, as a reader would call it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use course::server::{DEADLINE, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn course(arguments: &[&str]) -> Output {
    // Not by way of cargo, which the tests hold.
    let mut command = Command::new(env!("CARGO_BIN_EXE_course"));
    command.args(arguments).env_remove("CARGO").output().unwrap()
}

#[test]
fn the_list_has_a_line_for_each_step() {
    let output = course(&["list"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 16);
    let index = std::fs::read_to_string(course::book::root().join("README.md")).unwrap();
    assert!(index.contains(&text), "the index shows another list");
    assert!(!text.contains('\x1b'), "plain text when not on a terminal");
}

#[test]
fn a_run_shows_both_sides_and_the_code() {
    let output = course(&["run", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["the client", "the server", "It hangs", "client.read(", "It holds", "thread::spawn"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains('\x1b'), "plain text when not on a terminal");
}

/// `cargo run --bin 15-budget` starts it; `run` takes the same name.
#[test]
fn a_step_can_be_called_by_its_program() {
    let output = course(&["run", "15-budget"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("Step 15, a budget of answers"));
}

/// As it was written, one command a line, whatever the width.
#[test]
fn help_says_how_it_is_called() {
    let (asked, wrong) = (course(&["--help"]), course(&["walk"]));
    assert!(asked.status.success());
    assert_eq!(asked.stdout, wrong.stderr);
    let text = String::from_utf8(asked.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("cargo run -- run STEP"), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    for (arguments, says) in [
        (&["run", "16"][..], "there is no step \"16\": 1 to 15"),
        (&["run", "one"], "there is no step \"one\": 1 to 15"),
        (&["run"], "usage:"),
        (&[], "usage:"),
    ] {
        let output = course(arguments);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(says), "{text}");
    }
}

/// Interrupted, it ends its child, and itself.
#[test]
fn an_interrupted_run_leaves_nothing_behind() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_course"));
    let command = command.args(["run", "3"]).env_remove("CARGO").stdout(Stdio::piped());
    let mut runner = command.spawn().unwrap();
    let mut heading = String::new();
    let mut shown = BufReader::new(runner.stdout.take().unwrap()); // Kept: it must be able to go on.
    shown.read_line(&mut heading).unwrap();
    let server: i32 = heading.rsplit_once("process ").unwrap().1.trim().parse().unwrap();
    let server = Pid::from_raw(server).unwrap();
    test_kill_process(server).unwrap(); // It is there.

    kill_process(Pid::from_child(&runner), Signal::INT).unwrap();
    assert_eq!(runner.wait().unwrap().code(), Some(130));
    let gone = || test_kill_process(server).is_err() || is_zombie(server);
    assert!(until(DEADLINE, gone));
}

/// Ended, but nobody has asked for how yet: where there is no init that would.
fn is_zombie(pid: Pid) -> bool {
    course::kernel::state(pid.as_raw_nonzero().get().unsigned_abs()).is_ok_and(|it| it == 'Z')
}
