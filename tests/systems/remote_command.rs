//! Row 10.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use socket2::SockRef;
use tempfile::TempDir;

use crate::program::{Client, Program, example, has};

/// A server, and the scripts that it is allowed to run.
struct Remote {
    server: Program,
    directory: TempDir,
}

/// Names and the scripts behind them. Each first writes its process id to `<name>.pid`.
const SCRIPTS: [(&str, &str); 10] = [
    ("hello", "echo hello"),
    ("nothing", ":"),
    ("fails", "echo to stderr >&2; exit 3"),
    ("dies", "kill -TERM $$"),
    ("mebibytes", "head -c 104857600 /dev/zero"),
    ("endless", "while :; do echo and on; done"),
    ("sleeps", "echo good night; sleep 1000"),
    ("forks", "echo parent; sleep 1000 & echo $! > forks.child"),
    ("escapes", "echo escaped; setsid sleep 1000 & echo $! > escapes.child; sleep 0.2"),
    ("halves", "printf 'no newline'"),
];

impl Remote {
    #[track_caller]
    fn start(options: &[&str]) -> Remote {
        Remote::start_at("tcp://127.0.0.1:0", options)
    }

    #[track_caller]
    fn start_at(endpoint: &str, options: &[&str]) -> Remote {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(example("remote_command"));
        command.arg(endpoint).args(options).current_dir(&directory);
        for (name, script) in SCRIPTS {
            let path = directory.path().join(name);
            fs::write(&path, format!("echo $$ > {name}.pid\n{script}\n")).unwrap();
            command.args(["--allow", &format!("{name}=sh {}", path.display())]);
        }
        command.args(["--allow", "broken=/nonexistent/program"]);
        Remote { server: Program::spawn(&mut command, 1), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until the process whose id stands in this file is no more: not even a zombie.
    #[track_caller]
    fn gone(&self, file: &str) {
        let pid = wait_for(|| number(&self.path(file)));
        wait_for(|| (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    }
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim_end().parse().ok()
}

/// Looks again and again, up to the deadline: files and processes don't tell.
#[track_caller]
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..6000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never happened");
}

/// Status and output of the next reply.
#[track_caller]
fn reply(client: &mut Client) -> (String, Vec<u8>) {
    let head = client.line();
    let count: usize = head.strip_prefix("info|").expect("a count").parse().unwrap();
    let status = client.line();
    let output = client.bytes(count - status.len() - 1);
    (status, output)
}

#[track_caller]
fn ask(client: &mut Client, name: &str) -> (String, String) {
    client.send(format!("{name}\n"));
    let (status, output) = reply(client);
    (status, String::from_utf8(output).unwrap())
}

#[track_caller]
fn assert_reply(client: &mut Client, name: &str, status: &str, output: &str) {
    assert_eq!(ask(client, name), (status.to_owned(), output.to_owned()), "{name}");
}

#[test]
fn row_10_output_and_exit_status() {
    let mut remote = Remote::start(&[]);
    let mut client = remote.server.connect();
    assert_reply(&mut client, "hello", "exit 0", "hello\n");
    assert_reply(&mut client, "nothing", "exit 0", "");
    assert_reply(&mut client, "fails", "exit 3", "to stderr\n");
    assert_reply(&mut client, "dies", "signal 15", "");
    assert_reply(&mut client, "halves\r", "exit 0", "no newline");
    let (status, _) = ask(&mut client, "broken");
    assert!(status.starts_with("refused cannot start broken: "), "{status}");
    for evil in ["", "rm -rf /", "hello; date", "hello world", "../hello", "$(date)", "\u{0}"] {
        let (status, output) = ask(&mut client, evil);
        assert_eq!(status, format!("refused no such command: {}", evil.trim()));
        assert_eq!(output, "");
    }
    remote.gone("hello.pid");
    drop(client);
    assert!(remote.server.interrupt().success());
}

/// Lines that come together are answered one after the other, each with its own count.
#[test]
fn row_10_replies_do_not_stick_together() {
    let remote = Remote::start(&[]);
    let mut client = remote.server.connect();
    client.send("hello\nnothing\nno such thing\nhel");
    assert_eq!(reply(&mut client), ("exit 0".to_owned(), b"hello\n".to_vec()));
    client.send("lo\nfails\n");
    assert_eq!(reply(&mut client).0, "exit 0");
    assert_eq!(reply(&mut client).0, "refused no such command: no such thing");
    assert_eq!(reply(&mut client), ("exit 0".to_owned(), b"hello\n".to_vec()));
    assert_eq!(reply(&mut client).0, "exit 3");
    client.send([b'x'; 100_000]);
    assert_eq!(reply(&mut client).0, "refused line longer than 256 bytes");
    assert_eq!(client.rest(), b"");
}

/// However long, in the memory that a short one needs.
#[test]
fn row_10_a_hundred_mebibytes() {
    let remote = Remote::start(&["--output-limit", "200000000", "--time-limit", "60"]);
    let mut client = remote.server.connect();
    client.send("mebibytes\nhello\n");
    let (status, output) = reply(&mut client);
    assert_eq!(status, "exit 0");
    assert!(output.len() == 100 << 20 && output.iter().all(|&byte| byte == 0));
    assert_eq!(reply(&mut client).1, b"hello\n");
    if let Some(most) = remote.server.status("VmHWM") {
        assert!(most < 32 * 1024, "{most} KiB at most");
    }
}

#[test]
fn row_10_limits_of_time_and_output() {
    let remote = Remote::start(&["--time-limit", "0.5", "--output-limit", "100000"]);
    let (mut one, mut two) = (remote.server.connect(), remote.server.connect());
    one.send("sleeps\n");
    two.send("endless\n");
    let (status, output) = reply(&mut two);
    assert_eq!((&*status, output.len()), ("killed output limit", 100_000));
    assert_reply(&mut two, "hello", "exit 0", "hello\n"); // Nobody waits for the other one.
    assert_eq!(reply(&mut one), ("killed time limit".to_owned(), b"good night\n".to_vec()));
    assert_reply(&mut one, "hello", "exit 0", "hello\n");
    remote.gone("sleeps.pid");
    remote.gone("endless.pid");
}

/// What a command leaves behind holds the pipe, and not the reply. In the group it is killed.
#[test]
fn row_10_forks_that_hold_the_pipe() {
    let remote = Remote::start(&[]);
    let mut client = remote.server.connect();
    assert_reply(&mut client, "forks", "exit 0", "parent\n");
    remote.gone("forks.child");
    assert_reply(&mut client, "escapes", "exit 0", "escaped\n");
    // It has left the group and is nobody's business any more, except that of this test.
    let pid = number(&remote.path("escapes.child")).unwrap().to_string();
    let _ = Command::new("kill").arg(pid).stderr(Stdio::null()).status();
}

#[test]
fn row_10_who_leaves_has_his_command_killed() {
    let remote = Remote::start(&["--commands", "1", "--time-limit", "1000"]);
    let leaves = remote.server.connect();
    leaves.send("sleeps\n");
    wait_for(|| number(&remote.path("sleeps.pid")));
    let mut other = remote.server.connect();
    let (status, _) = ask(&mut other, "hello");
    assert_eq!(status, "refused too many commands at once, try again later");
    drop(leaves);
    remote.gone("sleeps.pid");
    assert_reply(&mut other, "hello", "exit 0", "hello\n");

    // So has who is there when the server stops.
    fs::remove_file(remote.path("sleeps.pid")).unwrap();
    other.send("sleeps\n");
    wait_for(|| number(&remote.path("sleeps.pid")));
    remote.server.signal();
    assert_eq!(other.rest(), b"");
    drop(other);
    remote.gone("sleeps.pid");
}

/// Its sending side has ended, and it is still there: the answers come, and then the end.
#[test]
fn row_10_all_answers_after_a_half_close() {
    let remote = Remote::start(&["--grace", "1000"]);
    let mut client = remote.server.connect();
    client.send("hello\nno such thing\nmebi");
    client.send("bytes\nfails\nhel");
    client.finish();
    assert_eq!(reply(&mut client), ("exit 0".to_owned(), b"hello\n".to_vec()));
    assert_eq!(reply(&mut client).0, "refused no such command: no such thing");
    assert_eq!(reply(&mut client).0, "killed output limit");
    assert_eq!(reply(&mut client), ("exit 3".to_owned(), b"to stderr\n".to_vec()));
    assert_eq!(reply(&mut client).0, "refused a line without an ending");
    assert_eq!(client.rest(), b"");

    // More answers than there is room for at once; and none at all.
    let mut client = remote.server.connect();
    client.send("x\n".repeat(20_000));
    client.finish();
    let replies = client.rest();
    assert_eq!(replies.iter().filter(|&&byte| byte == b'|').count(), 20_000);
    let mut client = remote.server.connect();
    client.finish();
    assert_eq!(client.rest(), b"");
}

#[test]
fn row_10_nc_gets_all_its_answers() {
    if !has("nc") {
        return;
    }
    let remote = Remote::start(&["--grace", "1000"]);
    let (host, port) = remote.server.address(0).rsplit_once(':').unwrap();
    let script = format!("printf 'hello\\nfails\\n' | nc -N {host} {port}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "info|13\nexit 0\nhello\ninfo|17\nexit 3\nto stderr\n");
}

/// The grace is for all answers together. What hasn't begun by then is not begun any more.
#[test]
fn row_10_a_half_close_is_not_waited_for_without_end() {
    let remote = Remote::start(&["--grace", "0.3", "--time-limit", "1000"]);
    let mut client = remote.server.connect();
    client.send("sleeps\nhello\n");
    wait_for(|| number(&remote.path("sleeps.pid")));
    client.finish();
    assert_eq!(reply(&mut client).0, "killed left");
    assert_eq!(client.rest(), b"");
    remote.gone("sleeps.pid");
    assert!(!remote.path("hello.pid").exists());
}

/// No grace for those of whom it is certain that they have left.
#[test]
fn row_10_a_reset_kills_at_once() {
    let remote = Remote::start(&["--grace", "1000", "--time-limit", "1000"]);
    for has_ended in [false, true] {
        let client = remote.server.connect();
        client.send("sleeps\n");
        if has_ended {
            client.finish();
        }
        wait_for(|| number(&remote.path("sleeps.pid")));
        SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        remote.gone("sleeps.pid");
        fs::remove_file(remote.path("sleeps.pid")).unwrap();
    }
}

/// A Unix socket tells whether its peer has ended or gone, also when both happen at once.
#[test]
fn row_10_a_hangup_kills_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let endpoint = format!("unix://{}", path.display());
    let remote = Remote::start_at(&endpoint, &["--grace", "1000", "--time-limit", "1000"]);
    for has_ended in [false, true] {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"sleeps\n").unwrap();
        if has_ended {
            client.shutdown(Shutdown::Write).unwrap();
        }
        wait_for(|| number(&remote.path("sleeps.pid")));
        drop(client);
        remote.gone("sleeps.pid");
        fs::remove_file(remote.path("sleeps.pid")).unwrap();
    }
}

/// A client that asks for a lot and reads nothing is of no concern to others.
#[test]
fn row_10_a_client_that_does_not_read() {
    let remote = Remote::start(&["--output-limit", "200000000", "--time-limit", "60"]);
    let lazy = remote.server.connect();
    lazy.send("mebibytes\n");
    lazy.send("x\n".repeat(10_000));
    let mut client = remote.server.connect();
    assert_reply(&mut client, "hello", "exit 0", "hello\n");
    remote.gone("mebibytes.pid");
    assert_reply(&mut client, "hello", "exit 0", "hello\n");
}

#[test]
fn row_10_the_client_ends_as_the_command_did() {
    let remote = Remote::start(&[]);
    let run = |names: &[&str]| {
        let mut command = Command::new(example("remote_command"));
        command.args(["client", &remote.server.endpoints[0]]).args(names).output().unwrap()
    };
    let output = run(&["hello", "nothing", "fails"]);
    assert_eq!(output.stdout, b"hello\nto stderr\n");
    assert_eq!(output.stderr, b"[exit 0]\n[exit 0]\n[exit 3]\n");
    assert_eq!(output.status.code(), Some(3));
    assert!(run(&["hello"]).status.success());
    assert_eq!(run(&["rm"]).status.code(), Some(1));
}

#[test]
fn row_10_only_this_machine_unless_told() {
    let refused = Command::new(example("remote_command")).arg("tcp://0.0.0.0:0").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(why.contains("not on loopback"), "{why}");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let server = Program::start("remote_command", &[&format!("unix://{}", path.display())]);
    assert!(UnixStream::connect(path).is_ok());
    drop(server);
}
