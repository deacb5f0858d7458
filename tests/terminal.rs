//! `echoloop connect` and `echoloop ping` as somebody at a terminal uses them: what the keys do.

#![cfg(feature = "cli")]

mod clients;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread;

use clients::{Server, end, piped};
use echoloop::Echo;

const CTRL_C: &[u8] = b"\x03";
const CTRL_D: &[u8] = b"\x04";
const CTRL_BACKSLASH: &[u8] = b"\x1c";

/// A shell on a pseudo-terminal, which script(1) has. `None`: there is no such program.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: BufReader<ChildStdout>,
    _directory: tempfile::TempDir,
}

impl Terminal {
    /// Runs `echoloop` there; the shell tells its status in the end, whatever the keys do to the shell.
    fn run(arguments: &str) -> Option<Terminal> {
        let program = env!("CARGO_BIN_EXE_echoloop");
        let inner =
            format!("trap : INT QUIT; ulimit -c 0; '{program}' {arguments}; echo status $?");
        let mut command = piped("script", &["-q", "-e", "-f", "-c", &inner, "/dev/null"]);
        let directory = tempfile::tempdir().unwrap();
        command.current_dir(directory.path()).env("SHELL", "/bin/sh").stderr(Stdio::inherit());
        let Ok(mut child) = command.spawn() else {
            eprintln!("skipped: there is no script(1)");
            return None;
        };
        let keys = child.stdin.take().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap());
        Some(Terminal { child, keys, screen, _directory: directory })
    }

    fn types(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// What the screen shows, to the end of the line that has this in it.
    #[track_caller]
    fn until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.lines().last().is_some_and(|line| line.contains(text)) {
            assert_ne!(self.screen.read_line(&mut all).unwrap(), 0, "no {text:?} in {all:?}");
        }
        all
    }

    /// Its status, and what the screen has shown before it.
    #[track_caller]
    fn ends(mut self) -> (String, String) {
        let all = self.until("status ");
        drop(self.keys);
        end(self.child);
        let (before, status) = all.trim_end().rsplit_once("status ").unwrap();
        (status.to_string(), before.to_string())
    }
}

/// Ctrl-D is the end of input: the peer is told, and what it says then is shown.
#[test]
fn control_d_ends_the_input() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        stream.write_all(b"so long\n").unwrap();
        all
    });
    let Some(mut terminal) = Terminal::run(&format!("connect tcp://{address}")) else { return };
    terminal.until("Ctrl-D or Ctrl-C leaves");
    terminal.types(b"hello\n");
    terminal.types(CTRL_D);
    let (status, shown) = terminal.ends();
    assert_eq!((status.as_str(), server.join().unwrap().as_str()), ("0", "hello\n"));
    assert!(shown.contains("so long\r\n"), "{shown:?}");
}

/// Ctrl-C leaves, which is no failure; Ctrl-\ is the one that makes a shell wonder.
#[test]
fn control_c_leaves_and_control_backslash_kills() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    for (key, expected) in [(CTRL_C, "0"), (CTRL_BACKSLASH, "131")] {
        let arguments = format!("connect {}", server.endpoint);
        let Some(mut terminal) = Terminal::run(&arguments) else { return };
        terminal.until("Ctrl-D or Ctrl-C leaves");
        terminal.types(key);
        assert_eq!(terminal.ends().0, expected);
    }
}

/// A peer that has ended leaves nobody typing to nobody.
#[test]
fn the_end_of_the_peer_is_the_end_on_a_terminal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"bye\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap()
    });
    let Some(terminal) = Terminal::run(&format!("connect tcp://{address}")) else { return };
    let (status, shown) = terminal.ends();
    assert_eq!(status, "0");
    assert!(shown.contains("bye\r\n"), "{shown:?}");
    assert!(shown.contains("echoloop: the peer has ended the connection\r\n"), "{shown:?}");
    assert_eq!(server.join().unwrap(), 0);
}

/// Who listens says where, and who has come.
#[test]
fn a_listener_says_where_it_is() {
    let Some(mut terminal) = Terminal::run("connect --listen tcp://127.0.0.1:0") else { return };
    let shown = terminal.until("listening on tcp://");
    let (_, address) = shown.trim_end().rsplit_once("tcp://").unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    terminal.until(" has connected; `quit`, Ctrl-D or Ctrl-C leaves");
    terminal.types(b"hello\nquit\n");
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    drop(client);
    assert_eq!((all.as_str(), terminal.ends().0.as_str()), ("hello\n", "0"));
}

/// Ctrl-\ shows how it stands, and Ctrl-C the summary.
#[test]
fn ping_goes_on_at_control_backslash_and_ends_at_control_c() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let arguments = format!("ping -i 10ms {}", server.endpoint);
    let Some(mut terminal) = Terminal::run(&arguments) else { return };
    terminal.until(": seq=3 time=");
    terminal.types(CTRL_BACKSLASH);
    // As ping(8) counts: one that is on its way just then hasn't been answered.
    let shown = terminal.until("% loss, min/avg/ewma/max = ");
    assert!(shown.contains(" packets, "), "{shown:?}");
    terminal.until(" bytes from ");
    terminal.types(CTRL_C);
    let (status, shown) = terminal.ends();
    assert_eq!(status, "0");
    assert!(shown.contains("\r\nrtt min/avg/max/mdev = "), "{shown:?}");
}
