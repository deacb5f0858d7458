//! `serve --live`: what goes on, on a terminal and elsewhere.
#![cfg(feature = "cli")]

mod cli_support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

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
    let mut client = exchange(listening.rsplit_once('/').unwrap().1);
    let line = lines.find(|line| line.starts_with("1 open")).unwrap();
    for part in [
        "; in ",
        " messages/s",
        "; out ",
        " datagrams/s",
        "; longest turn ",
        "; turns p50 ",
        ", p99 ",
        ", max ",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains('\x1b') && !line.contains("dropped"), "{line}");
    // Between two lines somebody has waited, though not for long.
    client.write_all(b"more").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    lines.find(|line| line.contains("; sparse waits p50 ")).unwrap();
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
            let frame = self.until("waits, busy");
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
        let frame = terminal.until("waits, busy");
        // Eight lines up, and over them: nothing is erased before it is written.
        assert!(frame.contains("\r\x1b[8A\x1b[1mecholoop"), "{frame:?}");
    }
    drop(client);
    terminal.keyboard.write_all(b"\x03").unwrap();
    let end = terminal.until("turns, ");
    let (_, end) = end.rsplit_once("\r\x1b[8A\x1b[J").expect("the block is taken away");
    assert!(end.starts_with("connections: 1 accepted"), "{end:?}");
    assert_eq!(wait(&mut terminal.script.0).code(), Some(0));
    for line in terminal.shown.lines().filter(|line| line.contains("\x1b[K")) {
        let mut visible = line.to_owned();
        for code in ["\x1b[1m", "\x1b[0m", "\x1b[K", "\x1b[J", "\x1b[8A", "\r"] {
            visible = visible.replace(code, "");
        }
        assert!(visible.chars().count() < 60 && !visible.contains('\x1b'), "{visible:?}");
    }
}

/// A shell in a terminal of tmux(1), of 80 columns and 40 rows; it ends with the value.
struct Screen {
    socket: tempfile::TempDir,
}

impl Screen {
    /// `None`: there is no tmux(1).
    fn start() -> Option<Screen> {
        let screen = Screen { socket: tempfile::tempdir().unwrap() };
        let shell =
            "env -i PATH=/usr/bin:/bin TERM=screen PS1='prompt> ' bash --norc --noprofile -i";
        let done = screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x80", "-y40", shell]);
        match done {
            None => println!("skipped: there is no tmux(1)"),
            Some((true, _)) => return Some(screen),
            Some((false, said)) => panic!("{said}"),
        }
        None
    }

    fn tmux(&self, arguments: &[&str]) -> Option<(bool, String)> {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.socket.path().join("tmux")).args(arguments);
        let output = command.stdin(Stdio::null()).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    fn types(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).unwrap().0);
    }

    /// What is on the screen, as soon as this holds of it.
    #[track_caller]
    fn until(&self, holds: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let (_, shown) = self.tmux(&["capture-pane", "-p"]).unwrap();
            if holds(&shown) {
                return shown;
            }
            assert!(started.elapsed() < DEADLINE, "{shown}");
            std::thread::sleep(Duration::from_millis(20)); // Between looks.
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// Ctrl-Z leaves the terminal to the shell; in the background nothing is drawn over what others say there; and
/// after `fg` the block is below it all, in one place.
#[test]
fn a_stopped_server_draws_over_nobody() {
    let Some(screen) = Screen::start() else { return };
    screen.until(|shown| shown.contains("prompt>"));
    let program = env!("CARGO_BIN_EXE_echoloop");
    screen.types(&["clear; ", program, " serve --live echo=tcp://127.0.0.1:0", "Enter"]);
    screen.until(|shown| shown.contains("turns/s"));
    screen.types(&["C-z"]);
    screen.until(|shown| shown.contains("Stopped"));
    screen.types(&["echo one; echo two; echo three; bg", "Enter"]);
    screen.until(|shown| shown.contains("\nthree\n") && shown.contains("&\n"));
    // In the background: something is logged, and two seconds pass by the log of another one.
    let mut other = echoloop();
    other.args(["serve", "--live", "echo=tcp://127.0.0.1:0"]).stdout(Stdio::piped());
    let mut other = Mortal(other.spawn().unwrap());
    let lines = BufReader::new(other.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.filter(|line| line.contains(" open, ")).nth(1).unwrap();
    let shown = screen.until(|shown| shown.contains("&\n"));
    assert_eq!(shown.matches("turns/s").count(), 1, "only the block from before: {shown}");
    let (_, behind) = shown.split_once("turns/s").unwrap();
    for text in ["Stopped", "one\n", "two\n", "three\n"] {
        assert!(behind.contains(text), "{text:?} in {shown}");
    }

    screen.types(&["fg", "Enter"]);
    let blocks = |shown: &str| shown.matches("echoloop     serving").count();
    let shown = screen.until(|shown| blocks(shown) == 2);
    let (before, _) = shown.rsplit_once("echoloop     serving").unwrap();
    for text in ["listening on", "turns/s", "Stopped", "one\n", "two\n", "three\n", "prompt> fg\n"]
    {
        assert!(before.contains(text), "{text:?} in {shown}");
    }
    let up = |shown: &str| shown.rsplit_once("up ").unwrap().1[..4].to_owned();
    let (first, count) = (up(&shown), before.lines().count());
    let later = screen.until(|shown| up(shown) != first);
    assert_eq!(blocks(&later), 2, "it is renewed in its place: {later}");
    let (above, _) = later.rsplit_once("echoloop     serving").unwrap();
    assert_eq!(above.lines().count(), count);
    screen.types(&["C-c"]);
    let shown = screen.until(|shown| shown.contains("connections: 0 accepted"));
    assert_eq!(blocks(&shown), 1, "it is taken away: {shown}");
    screen.types(&["echo $?; stty -a", "Enter"]);
    let shown = screen.until(|shown| shown.contains("echoe"));
    assert!(
        shown.contains("\n0\n") && shown.contains(" icanon") && shown.contains(" echo "),
        "{shown}"
    );
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
    let (_, logged) = logged.split_once("\x1b[8A\x1b[J").expect("it was erased");
    let line = logged.lines().next().unwrap();
    assert!(line.contains("DEBUG"), "{line:?}");
    assert!(logged.contains("\r\n\x1b[1mecholoop"), "{logged:?}");
    terminal.keyboard.write_all(b"\x03").unwrap();
    terminal.until("turns, ");
    assert_eq!(wait(&mut terminal.script.0).code(), Some(0));
}
