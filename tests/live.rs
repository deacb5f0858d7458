//! `serve --live`: what goes on, on a terminal and elsewhere.
#![cfg(feature = "cli")]

mod cli_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cli_support::{DEADLINE, Mortal, echoloop, wait};

fn exchange(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut [0; 5]).unwrap();
    stream
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// Into a pipe it is a line a second, and no more than lines.
#[test]
fn without_a_terminal_it_is_a_line_a_second() {
    let mut command = echoloop();
    command.args(["serve", "--live", "--workers", "2", "echo=tcp://127.0.0.1:0"]);
    let mut mortal = Mortal(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(mortal.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.next().unwrap();
    let client = exchange(listening.rsplit_once('/').unwrap().1);
    let line = lines.find(|line| line.starts_with("1 open")).unwrap();
    for part in ["; in ", " messages/s", "; out ", " datagrams/s", "; longest turn "] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains('\x1b') && !line.contains("dropped"), "{line}");
    drop(client);
    lines.find(|line| line.starts_with("0 open")).unwrap();
    signal(&mortal.0, "TERM");
    assert_eq!(wait(&mut mortal.0).code(), Some(0));
    let rest: Vec<_> = lines.collect();
    assert!(rest.iter().any(|line| line.starts_with("connections: 1 accepted")
        || line.starts_with("connections: 0 accepted")));
}

/// A terminal of 60 columns and 9 rows, and the server in it.
struct Terminal {
    script: Mortal,
    keyboard: ChildStdin,
    screen: BufReader<ChildStdout>,
    /// All that was ever shown.
    shown: String,
}

impl Terminal {
    /// `None`: there is no script(1), which has a pseudo-terminal for it.
    fn start(setting: &str) -> Option<Terminal> {
        let inner = format!(
            "stty cols 60 rows 9; {setting} exec '{}' serve --live echo=tcp://127.0.0.1:0",
            env!("CARGO_BIN_EXE_echoloop")
        );
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-f", "-c", &inner, "/dev/null"]);
        command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            println!("skipped: there is no script(1)");
            return None;
        };
        let keyboard = child.stdin.take().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap());
        Some(Terminal { script: Mortal(child), keyboard, screen, shown: String::new() })
    }

    /// Reads on until this was shown. What was shown since the last time.
    #[track_caller]
    fn until(&mut self, text: &str) -> String {
        let mut new = String::new();
        while !new.contains(text) {
            let mut line = String::new();
            assert_ne!(self.screen.read_line(&mut line).unwrap(), 0, "no {text:?} in {new:?}");
            new += &line;
        }
        self.shown += &new;
        new
    }

    /// The next second that this is shown in.
    #[track_caller]
    fn frame(&mut self, text: &str) -> String {
        loop {
            let frame = self.until("turns/s");
            if frame.contains(text) {
                return frame;
            }
        }
    }
}

/// On a terminal it is a block that is drawn over again, which fits, with the log above it; and Ctrl-C takes
/// it away.
#[test]
fn on_a_terminal_it_is_a_block_in_place() {
    let Some(mut terminal) = Terminal::start("") else { return };
    let listening = terminal.until("listening on");
    let client = exchange(listening.trim_end().rsplit_once('/').unwrap().1);
    let first = terminal.frame("        1 open");
    assert!(first.contains("\x1b[1mconnections  \x1b[0m"), "{first:?}");
    for _ in 0..2 {
        let frame = terminal.until("turns/s");
        // Five lines up, and over them: nothing is erased before it is written.
        assert!(frame.contains("\r\x1b[5A\x1b[1mecholoop"), "{frame:?}");
    }
    drop(client);
    terminal.keyboard.write_all(b"\x03").unwrap();
    let end = terminal.until("turns, ");
    let (_, end) = end.rsplit_once("\r\x1b[5A\x1b[J").expect("the block is taken away");
    assert!(end.starts_with("connections: 1 accepted"), "{end:?}");
    assert_eq!(wait(&mut terminal.script.0).code(), Some(0));
    for line in terminal.shown.lines().filter(|line| line.contains("\x1b[K")) {
        let mut visible = line.to_owned();
        for code in ["\x1b[1m", "\x1b[0m", "\x1b[K", "\x1b[J", "\x1b[5A", "\r"] {
            visible = visible.replace(code, "");
        }
        assert!(visible.chars().count() < 60 && !visible.contains('\x1b'), "{visible:?}");
    }
}

/// Who wants no colours gets none, and what is logged stands above the block.
#[test]
fn the_log_stands_above_the_block() {
    let Some(mut terminal) = Terminal::start("NO_COLOR=1") else { return };
    terminal.until("turns/s");
    terminal.keyboard.write_all(b"\x03").unwrap();
    let mut rest = String::new();
    terminal.screen.read_to_string(&mut rest).unwrap();
    assert_eq!(wait(&mut terminal.script.0).code(), Some(0));
    assert!(!(terminal.shown + &rest).contains("\x1b[1m"));

    let Some(mut terminal) = Terminal::start("RUST_LOG=debug") else { return };
    let listening = terminal.until("listening on");
    terminal.until("turns/s");
    drop(exchange(listening.trim_end().rsplit_once('/').unwrap().1));
    // The block is erased, the line written, and the block below it again.
    let logged = terminal.frame("sent 5 bytes");
    let (_, logged) = logged.split_once("\x1b[5A\x1b[J").expect("it was erased");
    let line = logged.lines().next().unwrap();
    assert!(line.contains("DEBUG"), "{line:?}");
    assert!(logged.contains("\r\n\x1b[1mecholoop"), "{logged:?}");
    terminal.keyboard.write_all(b"\x03").unwrap();
    terminal.until("turns, ");
    assert_eq!(wait(&mut terminal.script.0).code(), Some(0));
}
