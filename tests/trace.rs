//! `echoloop trace`: a recording becomes a page, which a browser shows, and which can be stepped through.

#![cfg(feature = "cli")]

mod cli_support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cli_support::{Mortal, Server, wait};
use echoloop::{Address, Config, Echo, Reactor, Recording};
use signal_hook::consts::SIGTERM;

fn trace(arguments: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoloop"));
    command.arg("trace").args(arguments).output().expect("it runs")
}

/// A recording of one echoed message, from the connection to its end.
fn record(path: &Path) {
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let id = reactor.listen(&"tcp://127.0.0.1:0".parse().unwrap(), Echo).unwrap();
    let Some(Address::Ip(address)) = reactor.local(id) else { panic!("no address") };
    reactor.record(1000);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"hello").unwrap();
    let mut turn_until = |holds: &dyn Fn(&Reactor) -> bool| {
        while !holds(&reactor) {
            reactor.turn(Some(Duration::from_millis(10))).unwrap();
        }
    };
    turn_until(&|reactor| reactor.statistics().bytes_out == 5);
    client.read_exact(&mut [0; 5]).unwrap();
    drop(client);
    turn_until(&|reactor| reactor.statistics().closed.ended == 1);
    let mut file = fs::File::create(path).unwrap();
    Recording::write_trace(&[reactor.recording().unwrap()], &mut file).unwrap();
}

/// What the page looks like to a script after these keys. `None`: there is no browser here.
fn browse(page: &Path, keys: &[&str], hash: &str) -> Option<String> {
    let pressed: String = keys
        .iter()
        .map(|key| format!("dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}' }}));"))
        .collect();
    let typed = page.with_file_name("typed.html");
    let text = fs::read_to_string(page).unwrap();
    fs::write(&typed, format!("{text}<script>{pressed}</script>")).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("file://{}{hash}", typed.display()));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: no chromium: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The step that the page stands at.
#[track_caller]
fn current(page: &str) -> &str {
    let item = page.split("class=\"now\"").nth(1).expect("a step is chosen");
    let words = item.split("</time>").nth(1).expect("it has a time");
    words.split("</li>").next().unwrap()
}

/// The page is one file that asks for nothing else, and holds every step in words.
#[test]
fn a_page_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("trace.json"), folder.path().join("trace.html"));
    record(&file);
    let output = trace(&[&file, "--html".as_ref(), &page]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&page).unwrap();
    for words in ["read 5, showed 5, the service took 5", "the poll has returned", "is a listener"]
    {
        assert!(text.contains(words), "{words}");
    }
    for word in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!text.contains(word), "it asks for something: {word}");
    }
    let output = trace(&[&file, "--html".as_ref(), "-".as_ref()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
}

/// In a browser it can be stepped through, by steps and by turns, from the first to the last.
#[test]
fn a_browser_steps_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("trace.json"), folder.path().join("trace.html"));
    record(&file);
    assert!(trace(&[&file, "--html".as_ref(), &page]).status.success());
    let Some(first) = browse(&page, &[], "") else { return };
    assert!(current(&first).starts_with("a turn ("), "{}", current(&first));
    assert!(first.contains("Turn 1 of "));
    let next = browse(&page, &["ArrowRight"], "").unwrap();
    assert!(current(&next).ends_with("is readable"), "{}", current(&next));
    let back = browse(&page, &["ArrowRight", "ArrowDown", "ArrowUp"], "").unwrap();
    assert!(back.contains("Turn 1 of "), "{}", current(&back));
    let later = browse(&page, &["ArrowDown"], "").unwrap();
    assert!(later.contains("Turn 2 of "), "{}", current(&later));
    let last = browse(&page, &["End", "l", "t", "a", "+", "-", "End"], "").unwrap();
    let asked = browse(&page, &[], "#step=2").unwrap();
    assert_ne!(current(&last), current(&asked));
}

/// A served binary records: each worker has tracks of its own, and what was in the file before stays until the end.
#[test]
fn a_server_records_what_it_did() {
    for workers in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        let (file, page) = (folder.path().join("trace.json"), folder.path().join("trace.html"));
        fs::write(&file, "what was there before").unwrap();
        let path = file.to_str().unwrap();
        let arguments = ["--record", path, "--workers", workers, "echo=tcp://127.0.0.1:0"];
        let server = Server::start(&arguments);
        let mut client = TcpStream::connect(server.address(0)).unwrap();
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        drop(client);
        assert_eq!(fs::read_to_string(&file).unwrap(), "what was there before");
        server.signal(SIGTERM);
        assert_eq!(server.wait().0.code(), Some(0));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("read 5, showed 5, the service took 5"));
        assert_eq!(text.matches("process_name").count().to_string(), workers);
        assert!(trace(&[&file, "--html".as_ref(), &page]).status.success());
    }
    let output = Command::new(env!("CARGO_BIN_EXE_echoloop"))
        .args(["serve", "--record", "/nowhere/at/all", "echo=tcp://127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("cannot record to /nowhere/at/all: no such file"), "{errors}");
}

/// Whatever isn't a recording is refused by name, and nothing is written.
#[test]
fn what_is_no_recording_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("trace.json"), folder.path().join("trace.html"));
    for (text, why) in [("what?", "no recording, nor any other JSON"), ("{}", "traceEvents")] {
        fs::write(&file, text).unwrap();
        let output = trace(&[&file, "--html".as_ref(), &page]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(errors.contains(why) && errors.contains("trace.json"), "{errors}");
        assert!(!page.exists());
    }
    let output = trace(&[&folder.path().join("none"), "--html".as_ref(), &page]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("cannot read") && errors.contains("no such file"), "{errors}");
}

/// A page must not take the place of what it is made of, by whatever name that goes.
#[test]
fn a_recording_is_not_overwritten_by_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let [file, symbolic, hard] =
        ["trace.json", "symbolic", "hard"].map(|it| folder.path().join(it));
    record(&file);
    symlink(&file, &symbolic).unwrap();
    fs::hard_link(&file, &hard).unwrap();
    let before = fs::read(&file).unwrap();
    let roundabout = folder.path().join("./trace.json");
    for page in [&file, &symbolic, &hard, &roundabout] {
        let output = trace(&[&file, "--html".as_ref(), page]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("it is the recording itself"), "{errors}");
        assert!(fs::read(&file).unwrap() == before, "it was written to");
    }
}

/// A pipe that nobody reads from is said, and not waited for.
#[test]
fn a_pipe_without_a_reader_is_no_place_for_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoloop"));
    command.args(["serve", "echo=tcp://127.0.0.1:0", "--record"]).arg(&pipe);
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut child = Mortal(child);
    assert_eq!(wait(&mut child.0).code(), Some(1));
    let mut errors = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(errors.contains("nobody reads from this pipe"), "{errors}");
}
