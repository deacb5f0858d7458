//! A server that speaks the protocol of Redis, by hand and by its own tools.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use crate::program::{Client, Program, has};

/// One command, as clients send it.
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

#[track_caller]
fn expect(client: &mut Client, answer: &str) {
    let bytes = client.bytes(answer.len());
    assert_eq!(String::from_utf8_lossy(&bytes), answer);
}

fn start(options: &[&str]) -> Program {
    Program::start("resp", &[&["tcp://127.0.0.1:0"], options].concat())
}

/// Every command, and every answer to it.
const TALK: [(&[&str], &str); 32] = [
    (&["PING"], "+PONG\r\n"),
    (&["ping", "hello"], "$5\r\nhello\r\n"),
    (&["ECHO", "größe\r\n"], "$9\r\ngröße\r\n\r\n"),
    (&["GET", "a"], "$-1\r\n"),
    (&["SET", "a", "1"], "+OK\r\n"),
    (&["Get", "a"], "$1\r\n1\r\n"),
    (&["INCR", "a"], ":2\r\n"),
    (&["INCR", "new"], ":1\r\n"),
    (&["SET", "s", ""], "+OK\r\n"),
    (&["GET", "s"], "$0\r\n\r\n"),
    (&["INCR", "s"], "-ERR value is not an integer or out of range\r\n"),
    (&["SET", "max", "9223372036854775807"], "+OK\r\n"),
    (&["INCR", "max"], "-ERR increment or decrement would overflow\r\n"),
    (&["EXISTS", "a", "a", "nothing"], ":2\r\n"),
    (&["MSET", "x", "10", "y", "20"], "+OK\r\n"),
    (&["MGET", "x", "nothing", "y"], "*3\r\n$2\r\n10\r\n$-1\r\n$2\r\n20\r\n"),
    (&["DBSIZE"], ":6\r\n"),
    (&["DEL", "x", "y", "x"], ":2\r\n"),
    (&["DBSIZE"], ":4\r\n"),
    (&["CONFIG", "get", "save"], "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
    (&["CONFIG", "GET", "appendonly"], "*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n"),
    (&["CONFIG", "GET", "maxclients"], "*0\r\n"),
    (&["COMMAND", "DOCS"], "*0\r\n"),
    (&["SET", "a", "1", "EX", "10"], "-ERR syntax error\r\n"),
    (&["GET"], "-ERR wrong number of arguments for 'get' command\r\n"),
    (&["MSET", "a"], "-ERR wrong number of arguments for 'mset' command\r\n"),
    (&["Nonsense", "a"], "-ERR unknown command 'Nonsense'\r\n"),
    (&["\r\n-ERR"], "-ERR unknown command '\\r\\n-ERR'\r\n"),
    (&[], ""),
    (&["FLUSHALL"], "+OK\r\n"),
    (&["DBSIZE"], ":0\r\n"),
    (&["QUIT"], "+OK\r\n"),
];

/// One after the other, all at once, and in single bytes: the answers are the same.
#[test]
fn every_command_whatever_the_cuts() {
    let answers: String = TALK.iter().map(|(_, answer)| *answer).collect();
    let all: Vec<u8> = TALK.iter().flat_map(|(words, _)| command(words)).collect();
    let server = start(&[]);
    let mut client = server.connect();
    for (words, answer) in TALK {
        client.send(command(words));
        expect(&mut client, answer);
    }
    assert_eq!(client.rest(), b"");
    let mut client = server.connect();
    client.send(&all);
    assert_eq!(String::from_utf8(client.rest()).unwrap(), answers);
    let mut client = server.connect();
    client.socket().set_nodelay(true).unwrap();
    all.iter().for_each(|byte| client.send([*byte]));
    assert_eq!(String::from_utf8(client.rest()).unwrap(), answers);
}

/// Typed by hand, and what stands behind QUIT is not run.
#[test]
fn commands_on_a_line() {
    let server = start(&[]);
    let mut client = server.connect();
    client.send("\r\n  SET  key value \nget key\r\nQUIT\r\nFLUSHALL\r\n");
    assert_eq!(client.rest(), b"+OK\r\n$5\r\nvalue\r\n+OK\r\n");
    let mut client = server.connect();
    client.send("DBSIZE\n");
    expect(&mut client, ":1\r\n");
}

/// What breaks the protocol is answered in the words of Redis, behind the answers to what came before, and ends the
/// connection.
#[test]
fn protocol_errors() {
    let server = start(&["--value-limit", "1000"]);
    let long = "x".repeat(70_000);
    for (sent, error) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*1048577\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*1\r\nPING\r\n", "expected '$', got 'P'"),
        ("*1\r\n\x1b", "expected '$', got '\\x1b'"),
        ("*1\r\n$1001\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$+1\r\n", "invalid bulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        (&long, "too big inline request"),
        (&format!("*{long}"), "too big mbulk count string"),
        (&format!("*1\r\n${long}"), "too big bulk count string"),
    ] {
        let mut client = server.connect();
        client.send("PING\r\n");
        client.send(sent);
        let answer = String::from_utf8(client.rest()).unwrap();
        assert_eq!(answer, format!("+PONG\r\n-ERR Protocol error: {error}\r\n"), "{sent:.20}");
    }
}

/// Values up to the limit, memory up to the limit; what is refused has changed nothing.
#[test]
fn values_and_memory_are_bounded() {
    let server = start(&["--value-limit", "300000", "--memory", "1000000"]);
    let mut client = server.connect();
    let value = "v".repeat(300_000);
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    for (key, answer) in [("a", "+OK\r\n"), ("b", "+OK\r\n"), ("c", "+OK\r\n"), ("d", oom)] {
        client.send(command(&["SET", key, &value]));
        expect(&mut client, answer);
    }
    client.send(command(&["MSET", "d", "small", "e", &value]));
    expect(&mut client, oom);
    client.send(command(&["EXISTS", "d", "e"]));
    expect(&mut client, ":0\r\n");
    client.send(command(&["DEL", "a"]));
    client.send(command(&["SET", "d", &value]));
    expect(&mut client, ":1\r\n+OK\r\n");
    // More than an answer can have is refused as well, and the connection goes on.
    client.send(command(&["MGET", "b", "c", "d"]));
    expect(&mut client, "-ERR the answer is longer than there is room for\r\n");
    client.send(command(&["GET", "d"]));
    expect(&mut client, &format!("$300000\r\n{value}\r\n"));
    let many = vec!["d"; 20_000];
    client.send(command(&[&["MGET"], &many[..]].concat()));
    expect(&mut client, "-ERR the answer is longer than there is room for\r\n");
    if let Some(kib) = server.status("VmHWM:") {
        assert!(kib < 64 * 1024, "{kib} KiB");
    }
}

/// Many commands before the first answer is read: none is lost, run twice, or answered out of order, and what is kept
/// for the client is bounded.
#[test]
fn a_client_that_sends_and_does_not_read() {
    const TIMES: usize = 3_000;

    let server = start(&["--value-limit", "20000"]);
    let mut client = server.connect();
    let value = "v".repeat(20_000);
    client.send(command(&["SET", "value", &value]));
    expect(&mut client, "+OK\r\n");
    let mut sender = client.socket().try_clone().unwrap();
    let sending = thread::spawn(move || {
        let commands = [command(&["INCR", "n"]), command(&["GET", "value"])].concat();
        (0..TIMES).for_each(|_| sender.write_all(&commands).unwrap());
    });
    for i in 1..=TIMES {
        expect(&mut client, &format!(":{i}\r\n$20000\r\n{value}\r\n"));
    }
    sending.join().unwrap();
    if let Some(kib) = server.status("VmHWM:") {
        assert!(kib < 64 * 1024, "{kib} KiB");
    }
}

/// The tools that people have.
#[test]
fn redis_cli_talks_to_it() {
    if !has("redis-cli") {
        return;
    }
    let server = start(&[]);
    let port = server.address(0).rsplit_once(':').unwrap().1.to_owned();
    let cli = |words: &[&str]| {
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(cli(&["ping"]), "PONG\n");
    assert_eq!(cli(&["set", "key", "a value"]), "OK\n");
    assert_eq!(cli(&["get", "key"]), "a value\n");
    assert_eq!(cli(&["mget", "key", "nothing"]), "a value\n\n");
    assert_eq!(cli(&["-x", "set", "key"]), "OK\n"); // The value is the standard input, which is empty.
    assert!(cli(&["incr", "key"]).contains("ERR value is not an integer or out of range"));
}

#[test]
fn redis_benchmark_runs_through() {
    if !has("redis-benchmark") {
        return;
    }
    let server = start(&[]);
    let port = server.address(0).rsplit_once(':').unwrap().1;
    for pipeline in ["1", "16"] {
        let output = Command::new("redis-benchmark")
            .args(["-p", port, "-t", "ping,set,get,incr,mset", "-n", "2000", "-c", "20", "-q"])
            .args(["-P", pipeline])
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && errors.is_empty(), "{text}{errors}");
        let done = text.matches("requests per second").count();
        assert_eq!(done, 6, "{text}{errors}");
    }
}

#[test]
fn resp_says_what_is_wrong() {
    let error = Program::fails("resp", &["--value-limit", "67108865"]);
    assert_eq!(error, "Error: --value-limit 67108865: at most 67108864\n");
    assert_eq!(
        Program::fails("resp", &["--memory", "all"]),
        "Error: --memory all: makes no sense\n"
    );
}
