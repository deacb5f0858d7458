//! What shells are given to complete our command lines.
#![cfg(feature = "cli")]

mod cli_support;

use std::io::Read;
use std::process::{Command, Stdio};

use cli_support::{Mortal, echoloop, run, scratch, wait};
use tempfile::TempDir;

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

/// A reader that has gone is an end, and no panic.
#[test]
fn completions_may_be_cut_off() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = echoloop().args(["completions", "bash"]).stdout(writer).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*err), (Some(0), ""));
}

/// What is typed, and what a shell makes of it when there is but one way to go on.
const TYPED: [(&str, &str); 6] = [
    ("echoloop ser", "serve"),
    ("echoloop serve --proxy-pr", "--proxy-protocol"),
    ("echoloop ping --fl", "--flood"),
    ("echoloop bench me", "merge"),
    ("echoloop bench --fail", "--fail-if"),
    ("echoloop bench merge --allow", "--allow-losses"),
];

/// A directory with the script for a shell in it, under this name. `None`: the shell isn't here.
fn script_for(shell: &str, name: &str) -> Option<TempDir> {
    let (status, script, _) = run(&["completions", shell]);
    assert_eq!(status, Some(0));
    let (directory, path) = scratch(name);
    std::fs::write(&path, script).unwrap();
    if Command::new(shell).args(["-c", "exit"]).status().is_err() {
        println!("left out: there is no {shell} here");
        return None;
    }
    Some(directory)
}

/// The shell, there, with nothing else of ours.
fn shell(shell: &str, directory: &TempDir) -> Command {
    let mut command = Command::new(shell);
    command.current_dir(directory.path()).env("HOME", directory.path());
    command.env("TERM", "dumb").stdin(Stdio::null());
    command
}

#[track_caller]
fn said(mut command: Command) -> String {
    let (mut out, writer) = std::io::pipe().unwrap();
    let mut child =
        Mortal(command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap());
    drop(command); // With our copies of the writing end.
    let status = wait(&mut child.0);
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    assert!(status.success(), "{said}");
    said
}

/// fish(1) says what it would offer.
#[test]
fn fish_completes() {
    let Some(directory) = script_for("fish", "echoloop.fish") else { return };
    for (typed, expected) in TYPED {
        let mut fish = shell("fish", &directory);
        fish.args(["--no-config", "-c"]);
        fish.arg(format!("source echoloop.fish; complete -C'{typed}'"));
        let said = said(fish);
        let offers: Vec<_> = said.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(offers, [expected], "{typed}: {said}");
    }
}

/// bash(1) calls a function, which leaves in COMPREPLY what it would offer.
#[test]
fn bash_completes() {
    let Some(directory) = script_for("bash", "echoloop.bash") else { return };
    for (typed, expected) in TYPED {
        let mut bash = shell("bash", &directory);
        let (before, last) = typed.rsplit_once(' ').unwrap();
        let (_, previous) = before.rsplit_once(' ').unwrap_or(("", before));
        let last_index = typed.split(' ').count() - 1;
        bash.args(["--norc", "-c"]).arg(format!(
            "source echoloop.bash; complete -p echoloop >/dev/null || exit 1; \
             COMP_WORDS=({typed}); COMP_CWORD={last_index}; \
             _echoloop echoloop '{last}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        ));
        let said = said(bash);
        assert_eq!(said.lines().collect::<Vec<_>>(), [expected], "{typed}");
    }
}

/// zsh(1) completes only where somebody types: a shell in a pseudo-terminal, in which Tab is pressed.
#[test]
fn zsh_completes() {
    const RC: &str = "\
        fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d $PWD/dump\n\
        show() { print -r -- \"GOT<$BUFFER>\" }; zle -N show; bindkey '^X' show\n\
        print -r -- \"<ready $_comps[echoloop]>\"\n";
    const TYPIST: &str = "\
        zmodload zsh/zpty || exit 1\n\
        zpty shell \"env PS1= zsh -f -i\"\n\
        zpty -w shell 'source ./rc'\n\
        zpty -r -m shell line '*<ready*>*' || exit 1\n\
        [[ $line = *'<ready _echoloop>'* ]] || exit 1\n\
        zpty -w -n shell \"$1\"$'\\t\\C-x'\n\
        zpty -r -m shell line '*GOT<*>*' || exit 1\n\
        print -r -- \"${${line##*GOT<}%%>*}\"\n\
        zpty -d shell\n";
    let Some(directory) = script_for("zsh", "_echoloop") else { return };
    std::fs::write(directory.path().join("rc"), RC).unwrap();
    std::fs::write(directory.path().join("typist"), TYPIST).unwrap();
    for (typed, expected) in TYPED {
        let mut zsh = shell("zsh", &directory);
        zsh.args(["-f", "typist", typed]);
        let said = said(zsh);
        let (_, last) = said.trim().rsplit_once(' ').unwrap();
        assert_eq!(last.trim_end_matches('='), expected, "{typed}: {said}");
    }
}
