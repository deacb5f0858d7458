//! Row 11.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{Client, Program, example};

struct Upload {
    server: Program,
    directory: TempDir,
}

impl Upload {
    #[track_caller]
    fn start(limit: &str) -> Upload {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("stored");
        let arguments = ["tcp://127.0.0.1:0", "--limit", limit, "--directory"];
        let server =
            Program::start("upload", &[&arguments[..], &[into.to_str().unwrap()]].concat());
        Upload { server, directory }
    }

    fn stored(&self) -> std::path::PathBuf {
        self.directory.path().join("stored")
    }

    /// The names in the directory, sorted, the hidden ones too.
    fn names(&self) -> Vec<String> {
        names(&self.stored())
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn post(client: &Client, name: &str, contents: &[u8]) {
    client.send(format!("post|{}|{name}\n", contents.len()));
    client.send(contents);
}

#[test]
fn row_11_several_files_on_a_connection() {
    let upload = Upload::start("10000000");
    let mut client = upload.server.connect();
    let large: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
    let binary = b"post|3|not a header\nxyz\r\n\0\xff";
    // All at once: headers stick to the bytes of files.
    let mut together = Vec::new();
    for (name, contents) in [("a b|c.txt", &binary[..]), ("größe.bin", &large), ("empty", b"")] {
        writeln!(together, "post|{}|{name}", contents.len()).unwrap();
        together.extend_from_slice(contents);
    }
    client.send(together);
    assert_eq!(client.line(), format!("stored|{}|a b|c.txt", binary.len()));
    assert_eq!(client.line(), "stored|5000000|größe.bin");
    assert_eq!(client.line(), "stored|0|empty");
    assert_eq!(fs::read(upload.stored().join("a b|c.txt")).unwrap(), binary);
    assert!(fs::read(upload.stored().join("größe.bin")).unwrap() == large);

    post(&client, "empty", b"no longer");
    assert_eq!(client.line(), "stored|9|empty");
    assert_eq!(fs::read(upload.stored().join("empty")).unwrap(), b"no longer");
    assert_eq!(upload.names(), ["a b|c.txt", "empty", "größe.bin"]);
}

/// A header in single bytes, and the file too.
#[test]
fn row_11_every_cut() {
    let upload = Upload::start("100");
    let mut client = upload.server.connect();
    client.socket().set_nodelay(true).unwrap();
    for byte in b"post|5|x\nhellopost|2|y\nok" {
        client.send([*byte]);
    }
    assert_eq!(client.line(), "stored|5|x");
    assert_eq!(client.line(), "stored|2|y");
    assert_eq!(fs::read(upload.stored().join("x")).unwrap(), b"hello");
}

/// No name leads out of the directory, or hides in it. The file is skipped, the next one is welcome.
#[test]
fn row_11_names_that_are_refused() {
    let upload = Upload::start("1000");
    let mut client = upload.server.connect();
    let (long, giant) = ("x".repeat(300), "/".repeat(400));
    let refused = [
        ("../outside", "the name has a separator"),
        ("/etc/passwd", "the name has a separator"),
        ("a\\b", "the name has a separator"),
        ("..", "the name begins with a dot"),
        (".hidden", "the name begins with a dot"),
        ("a..b", "the name has two dots in a row"),
        ("a\0b", "the name has a control character"),
        ("", "the name is empty"),
        (&long, "file name too long"),
        (&giant, "the name has a separator"),
    ];
    for (name, why) in refused {
        post(&client, name, b"post|1|z\n");
        assert_eq!(client.line(), format!("error|{why}"), "{name:?}");
    }
    client.send(b"post|1|\xff\n.");
    assert_eq!(client.line(), "error|the name is not UTF-8");
    post(&client, "good", b"!");
    assert_eq!(client.line(), "stored|1|good");
    assert_eq!(upload.names(), ["good"]);
    assert_eq!(names(upload.directory.path()), ["stored"]);
}

/// What is too large is refused before it comes; nonsense ends the connection.
#[test]
fn row_11_sizes_and_headers_that_are_refused() {
    let upload = Upload::start("1000");
    let protocol = "fatal|expected post|<byte count>|<file name>\n";
    let long = "x".repeat(2000);
    for (header, answer) in [
        ("post|1001|x\n", "fatal|more than 1000 bytes\n"),
        ("post|18446744073709551615|x\n", "fatal|more than 1000 bytes\n"),
        ("post|18446744073709551616|x\n", protocol),
        ("post|-1|x\n", protocol),
        ("post|+1|x\n", protocol),
        ("post|1 |x\n", protocol),
        ("post|x\n", protocol),
        ("\n", protocol),
        (&long, "fatal|line longer than 512 bytes\n"),
    ] {
        let mut client = upload.server.connect();
        client.send(header);
        assert_eq!(String::from_utf8(client.rest()).unwrap(), answer, "{header:?}");
    }
    assert_eq!(upload.names(), [""; 0]);
}

/// Who drops leaves nothing behind, wherever he is; others are not disturbed.
#[test]
fn row_11_a_dropped_client_leaves_nothing() {
    let mut upload = Upload::start("1000000");
    let mut other = upload.server.connect();
    other.send("post|4|other\nab");
    for sent in ["post|100", "post|100|half\n", "post|100|half\nabc"] {
        let client = upload.server.connect();
        client.send(sent);
        if sent.contains("half") {
            wait_for(|| upload.names().len() == 2);
        }
        drop(client);
        wait_for(|| upload.names().len() == 1);
    }
    other.send("cd");
    assert_eq!(other.line(), "stored|4|other");
    assert_eq!(upload.names(), ["other"]);

    // Nor does the server's own end.
    other.send("post|4|more\nab");
    wait_for(|| upload.names().len() == 2);
    upload.server.signal();
    assert_eq!(other.rest(), b"");
    drop(other);
    assert!(upload.server.interrupt().success());
    assert_eq!(upload.names(), ["other"]);
}

/// A server that was killed leaves something behind, and the next one removes that: nothing else, and
/// nothing that somebody else is at work on.
#[test]
fn row_11_leftovers_are_removed() {
    let mut upload = Upload::start("1000");
    let begin = |server: &Program, name: &str| {
        let client = server.connect();
        client.send(format!("post|4|{name}\nab"));
        client
    };
    let _lost = begin(&upload.server, "lost");
    wait_for(|| upload.names().len() == 1);
    let leftover = upload.names();
    let into = upload.stored();
    upload.server =
        Program::start("upload", &["tcp://127.0.0.1:0", "--directory", into.to_str().unwrap()]);
    assert_eq!(upload.names(), leftover); // The first is dropped, and killed, after that.
    let mut growing = begin(&upload.server, "growing");
    wait_for(|| upload.names().len() == 2);

    let others = [".upload-", ".upload-1", ".upload-1-x", ".upload-1-2-3", "upload-1-2"];
    for name in others {
        fs::write(into.join(name), name).unwrap();
    }
    fs::create_dir(into.join(".upload-1-1")).unwrap();
    let _third =
        Program::start("upload", &["tcp://127.0.0.1:0", "--directory", into.to_str().unwrap()]);
    assert!(!upload.names().contains(&leftover[0]));
    growing.send("cd");
    assert_eq!(growing.line(), "stored|4|growing");
    let mut expected: Vec<_> = others.into_iter().chain([".upload-1-1", "growing"]).collect();
    expected.sort_unstable();
    assert_eq!(upload.names(), expected);
}

/// Looks again and again, up to a deadline: a directory doesn't tell.
#[track_caller]
fn wait_for(mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never happened");
}

/// The disk is full: here, the largest file that the system lets the server write.
#[test]
fn row_11_a_full_disk_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" tcp://127.0.0.1:0 --directory \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(example("upload")).arg(directory.path());
    let server = Program::spawn(&mut command, 1);
    let mut client = server.connect();
    post(&client, "large", &[7; 100_000]);
    assert_eq!(client.line(), "error|file too large");
    post(&client, "small", b"fits");
    assert_eq!(client.line(), "stored|4|small");
    assert_eq!(names(directory.path()), ["small"]);
}

#[test]
fn row_11_a_directory_that_can_not_be_written() {
    let upload = Upload::start("1000");
    let mut client = upload.server.connect();
    fs::create_dir(upload.stored().join("taken")).unwrap();
    post(&client, "taken", b"x");
    assert_eq!(client.line(), "error|is a directory");
    fs::set_permissions(upload.stored(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::File::create(upload.stored().join("x")).is_ok() {
        println!("skipped: nothing is forbidden to root");
        fs::remove_file(upload.stored().join("x")).unwrap();
    } else {
        post(&client, "forbidden", b"x");
        assert_eq!(client.line(), "error|permission denied");
    }
    fs::set_permissions(upload.stored(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(upload.names(), ["taken"]);
    fs::remove_dir_all(upload.stored()).unwrap();
    post(&client, "nowhere", b"x");
    assert_eq!(client.line(), "error|no such file or directory");
}

#[test]
fn row_11_the_client_sends_files() {
    let upload = Upload::start("3000000");
    let from = upload.directory.path().join("from");
    fs::create_dir(&from).unwrap();
    let path = |name: &str, size: usize| {
        fs::write(from.join(name), vec![b'x'; size]).unwrap();
        from.join(name)
    };
    let send = |paths: &[std::path::PathBuf]| {
        let mut command = Command::new(example("upload"));
        command.args(["client", &upload.server.endpoints[0]]).args(paths).output().unwrap()
    };
    let output = send(&[path("one", 2_500_000), path("empty", 0), path("two", 3)]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "one: stored|2500000|one\nempty: stored|0|empty\ntwo: stored|3|two\n");
    assert!(output.status.success());
    assert_eq!(fs::metadata(upload.stored().join("one")).unwrap().len(), 2_500_000);

    let output = send(&[path(".hidden", 2_500_000), path("after", 1)]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, ".hidden: error|the name begins with a dot\nafter: stored|1|after\n");
    assert_eq!(output.status.code(), Some(1));
    let output = send(&[path("large", 3_000_001)]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("fatal|more than 3000000 bytes"));
    assert_eq!(output.status.code(), Some(1));
}
