//! What `echoloop connect` shares with the shell: terminals, pipes, files, and their flags.

#![cfg(feature = "cli")]

mod clients;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use clients::{Server, echoloop, end, piped, run};
use echoloop::Echo;
use socket2::SockRef;

/// On a terminal: a greeting, lines at once, `quit` leaves, and the terminal is as it was.
#[test]
fn a_person_at_a_terminal() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let inner = format!(
        "'{}' connect {}; echo status $?; cat /proc/self/fdinfo/0 /proc/self/fdinfo/1 >flags",
        env!("CARGO_BIN_EXE_echoloop"),
        server.endpoint
    );
    let directory = tempfile::tempdir().unwrap();
    // script(1) has a pseudo-terminal for it.
    let mut command = piped("script", &["-q", "-e", "-f", "-c", &inner, "/dev/null"]);
    command.current_dir(directory.path()).stderr(Stdio::inherit());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: there is no script(1)");
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut until = |text: &str| {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "no {text:?}");
        }
        line
    };
    until("Ctrl-D or Ctrl-C leaves");
    for _ in 0..2 {
        stdin.write_all(b"hello\n").unwrap();
        until("hello"); // What the terminal shows of what was typed,
        until("hello"); // and what came back.
    }
    stdin.write_all(b"\nquit\n").unwrap();
    assert_eq!(until("status"), "status 0\r\n");
    drop(stdin);
    assert_eq!(end(child).code, Some(0));
    let flags = fs::read_to_string(directory.path().join("flags")).unwrap();
    assert!(flags.contains("flags:") && !is_nonblocking(&flags), "{flags}");
}

/// While it runs, the pipes that it shares with others are as blocking as they made them.
#[test]
fn shared_pipes_stay_blocking() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["connect", &server.endpoint]).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap(); // Both are in use.
    for descriptor in 0..3 {
        let info = format!("/proc/{}/fdinfo/{descriptor}", child.id());
        assert!(!is_nonblocking(&fs::read_to_string(info).unwrap()));
    }
    drop(child.stdin.take());
    assert_eq!(end(child).code, Some(0));
}

/// A socket as standard input can't be opened anew. Afterwards it is as it was.
#[test]
fn a_shared_socket_is_blocking_again_at_the_end() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let shared = theirs.try_clone().unwrap();
    let mut command = echoloop(&["connect", &server.endpoint]);
    command.stdin(OwnedFd::from(theirs));
    ours.write_all(b"hello\n").unwrap();
    drop(ours);
    let said = run(command, b"");
    assert_eq!((said.code, said.text()), (Some(0), "hello\n"));
    assert!(!SockRef::from(&shared).nonblocking().unwrap());
}

/// The position of a file that is shared with others is where they left it, and where it ends.
#[test]
fn a_shared_file_is_read_and_written_where_it_stands() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("in"), "first\nsecond\n").unwrap();
    let script = format!(
        "exec >out; echo before; {{ read line; '{}' connect {}; }} <in; echo after",
        env!("CARGO_BIN_EXE_echoloop"),
        server.endpoint
    );
    let mut command = piped("sh", &["-c", &script]);
    command.current_dir(directory.path());
    assert_eq!(run(command, b"").code, Some(0));
    let output = fs::read_to_string(directory.path().join("out")).unwrap();
    assert_eq!(output, "before\nsecond\nafter\n");
}

/// The writer of a named pipe has gone before the client looks: what it wrote comes, then the end.
#[test]
fn a_named_pipe_ends_with_its_last_writer() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "mkfifo pipe; echo hello >pipe & exec <pipe; wait; exec '{}' connect {}",
        env!("CARGO_BIN_EXE_echoloop"),
        server.endpoint
    );
    let mut command = piped("sh", &["-c", &script]);
    command.current_dir(directory.path());
    let said = run(command, b"");
    assert_eq!((said.code, said.text()), (Some(0), "hello\n"));
}

/// Closed standard streams, a full disk, a directory: an end, with or without a reason, never a panic.
#[test]
fn strange_standard_streams() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let program = env!("CARGO_BIN_EXE_echoloop");
    let cases = [
        ("<&- >&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("</dev/null >/dev/null", 0, ""),
        ("</ >/dev/null", 1, "cannot read standard input: is a directory"),
        ("<Cargo.toml >&-", 1, "cannot write to standard output: bad file descriptor"),
        ("<Cargo.toml >&- 2>&-", 1, ""),
        ("<Cargo.toml >/dev/full", 1, "cannot write to standard output: no space left on device"),
    ];
    for (streams, code, why) in cases {
        let script = format!("exec '{program}' connect {} {streams}", server.endpoint);
        let said = run(piped("sh", &["-c", &script]), b"");
        assert_eq!(said.code, Some(code), "{streams}: {}", said.errors);
        assert!(said.errors.contains(why) && said.errors.lines().count() <= 1, "{}", said.errors);
    }
}

fn is_nonblocking(fdinfo: &str) -> bool {
    let flags = fdinfo.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    u32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_NONBLOCK as u32 != 0
}
