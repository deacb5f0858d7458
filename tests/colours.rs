//! Colours are for those who can see them, and want to.
#![cfg(feature = "cli")]

mod cli_support;

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;

use cli_support::{Mortal, echoloop, wait};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Names and values.
type Environment = &'static [(&'static str, &'static str)];

/// Whether there is anybody to see them, what the environment says, and whether there are colours then.
const CASES: [(bool, Environment, bool); 10] = [
    (false, &[], false),
    (false, &[("CLICOLOR", "1")], false),
    (false, &[("CLICOLOR_FORCE", "1")], true),
    (false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    (true, &[], true),
    (true, &[("NO_COLOR", "1")], false),
    (true, &[("NO_COLOR", "")], true), // Set to nothing it is not set: no-color.org.
    (true, &[("NO_COLOR", "1"), ("CLICOLOR", "1")], false),
    (true, &[("CLICOLOR", "0")], false),
    (true, &[("TERM", "dumb")], false),
];

/// All that the program prints, to a terminal or to a pipe.
fn output(arguments: &[&str], on_terminal: bool, environment: Environment) -> String {
    let mut command = echoloop();
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_LOG_STYLE", "CI"] {
        command.env_remove(name);
    }
    command.args(arguments).env("TERM", "xterm").envs(environment.iter().copied());
    if !on_terminal {
        let output = command.output().expect("it starts");
        return [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
    }
    on_a_terminal(&mut command)
}

fn on_a_terminal(command: &mut Command) -> String {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap();
    let theirs = open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    command.stdout(theirs.try_clone().unwrap()).stderr(Stdio::from(theirs));
    let mut child = Mortal(command.spawn().expect("it starts"));
    // Only the child has the other end from here on, and so reading ends when it does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        let _ = File::from(ours).read_to_end(&mut all); // Linux ends it with an error, pty(7).
        String::from_utf8(all).unwrap()
    });
    wait(&mut child.0);
    reader.join().unwrap()
}

/// Help, refusals and the log obey NO_COLOR, CLICOLOR and CLICOLOR_FORCE, and what the terminal can do.
#[test]
fn colours_are_where_they_are_wanted() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("echo=tcp://{}", busy.local_addr().unwrap());
    let commands: [(&[&str], &str); 3] = [
        (&["serve", "--help"], "Usage:"),
        (&["serve", "--nonsense"], "error:"),
        (&["serve", "-v", "echo=tcp://127.0.0.1:0", &taken], "DEBUG"), // It logs what it could bind.
    ];
    for (arguments, text) in commands {
        for (on_terminal, environment, expected) in CASES {
            let shown = output(arguments, on_terminal, environment);
            assert!(shown.contains(text), "{arguments:?}: {shown}");
            let where_to = if on_terminal { "a terminal" } else { "a pipe" };
            let coloured = shown.contains("\x1b[");
            assert_eq!(
                coloured, expected,
                "{arguments:?} {environment:?} on {where_to}: {shown:?}"
            );
        }
    }
}
