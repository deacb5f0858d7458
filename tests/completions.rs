//! What shells are given to complete our command lines.
#![cfg(feature = "cli")]

mod cli_support;

use std::process::Command;

use cli_support::{echoloop, run, scratch};

/// Each shell gets a script that knows the commands and their options.
#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (status, script, err) = run(&["completions", shell]);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{shell}");
        for word in ["serve", "completions", "proxy-protocol", "fail-if"] {
            assert!(script.contains(word), "{shell} doesn't know {word}");
        }
    }
    let (status, _, err) = run(&["completions", "cmd"]);
    assert_eq!(status, Some(2));
    assert!(err.contains("bash, elvish, fish, powershell, zsh"), "{err}");
}

/// A shell can read what it gets. Left out for those that aren't here.
#[test]
fn shells_understand_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let (_, script, _) = run(&["completions", shell]);
        let (_directory, path) = scratch("completions");
        std::fs::write(&path, script).unwrap();
        match Command::new(shell).arg("-n").arg(&path).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {output:?}"),
            Err(_) => eprintln!("left out: there is no {shell} here"),
        }
    }
}

/// A reader that has gone is an error, and no panic.
#[test]
fn completions_may_be_cut_off() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = echoloop().args(["completions", "bash"]).stdout(writer).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.starts_with("echoloop: ") && !err.contains("panicked"), "{err}");
}
