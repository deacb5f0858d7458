//! Row 8.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::program::{Client, Program, example, has};

fn chat() -> Program {
    Program::start("chat", &["tcp://127.0.0.1:0", "--patience", "1"])
}

/// A member, and his name.
#[track_caller]
fn join(server: &Program) -> (Client, String) {
    let mut client = server.connect();
    let greeting = client.line();
    let name = greeting.strip_prefix("you are ").expect("a name").split(',').next().unwrap();
    let name = name.to_owned();
    (client, name)
}

#[test]
fn row_8_a_line_from_one_goes_to_the_others() {
    let mut server = chat();
    let (mut one, mut two) = (join(&server).0, join(&server).0);
    assert_eq!(one.line(), "guest2 has joined");
    one.send("grüß Gott\r\n");
    assert_eq!(two.line(), "guest1: grüß Gott");
    two.send("half a line, "); // An empty line and a half one cost nobody anything.
    one.send("\nand\n");
    assert_eq!(two.line(), "guest1: and");
    two.send("the other half\nquit\n");
    assert_eq!(one.line(), "guest2: half a line, the other half");
    assert_eq!(one.line(), "guest2 has left");
    assert_eq!(two.rest(), b"");
    drop((one, two));
    server.until("guest1 has left");
    assert!(server.interrupt().success());
}

/// The operator's keyboard: to all, to one, to nobody; its end is not the end of the chat.
#[test]
fn row_8_the_operator_takes_part() {
    let mut server = chat();
    let (mut one, mut two) = (join(&server).0, join(&server).0);
    assert_eq!(one.line(), "guest2 has joined");
    server.types("good evening");
    server.types("@guest2 psst, you");
    server.types("@nobody hello");
    server.until("nobody is called nobody");
    drop(server.keyboard.take());
    one.send("good evening, operator\n");
    assert_eq!(one.line(), "operator: good evening");
    assert_eq!(two.line(), "operator: good evening");
    assert_eq!(two.line(), "operator, to you: psst, you");
    assert_eq!(two.line(), "guest1: good evening, operator");
    server.until("guest1: good evening, operator");
}

/// Who vanishes takes nobody along, and neither does who sends garbage or a line without end.
#[test]
fn row_8_trouble_ends_one_member() {
    let server = chat();
    let (mut one, _) = join(&server);
    let (vanishing, name) = join(&server);
    assert_eq!(one.line(), format!("{name} has joined"));
    vanishing.send("unfinished");
    drop(vanishing); // With unread input: a reset.
    assert!(one.line().starts_with(&name));

    let (mut rude, name) = join(&server);
    while one.line() != format!("{name} has joined") {}
    rude.send(b"\xff\xfe\n\x1b[2J\nplain\n");
    assert_eq!(rude.line(), "not passed on: it isn't plain UTF-8 text");
    assert_eq!(rude.line(), "not passed on: it isn't plain UTF-8 text");
    assert_eq!(one.line(), format!("{name}: plain"));
    rude.send([b'x'; 9000]);
    assert_eq!(one.line(), format!("{name} sent too long a line"));
    assert!(rude.rest().starts_with(b"line longer than 8192 bytes"));
}

/// A flood slows its sender down; those who read get all of it, in order.
#[test]
fn row_8_a_flood_reaches_everybody_who_reads() {
    const LINES: usize = 50_000;

    let server = chat();
    let (flooder, name) = join(&server);
    let mut readers: Vec<_> = (0..3).map(|_| join(&server).0).collect();
    let sender = flooder.socket().try_clone().unwrap();
    let sending = thread::spawn(move || {
        let text: String = (0..LINES).map(|n| format!("{n} and so on, and so forth\n")).collect();
        (&sender).write_all(text.as_bytes()).unwrap();
    });
    let reading = readers.drain(..).map(|mut reader| {
        let name = name.clone();
        thread::spawn(move || {
            let mut next = 0;
            while next < LINES {
                let line = reader.line();
                if line.starts_with(&name) {
                    assert_eq!(line, format!("{name}: {next} and so on, and so forth"));
                    next += 1;
                }
            }
        })
    });
    reading.collect::<Vec<_>>().into_iter().for_each(|reader| reader.join().unwrap());
    sending.join().unwrap();
}

/// A thousand members, one of whom reads nothing: he is dropped, the others are told, and get all.
#[test]
fn row_8_a_thousand_members_and_a_slow_one() {
    let count = if descriptors() > 2500 { 1000 } else { 200 };
    println!("{count} members");
    let server = chat();
    let (slow, slow_name) = join(&server);
    let (mut talker, _) = join(&server);
    // So that the text alone is more than kernels keep for a reader who doesn't read.
    let line = "x".repeat(8000);
    let mut others: Vec<_> = (0..count - 2).map(|_| join(&server)).collect();
    let listeners = others.split_off(others.len() - 3);
    others.into_iter().for_each(|(client, _)| drain(client));
    let hearing: Vec<_> = listeners
        .into_iter()
        .map(|(mut client, _)| {
            let dropped = format!("{slow_name} was dropped: reads too slowly");
            thread::spawn(move || while client.line() != dropped {})
        })
        .collect();
    let talking = talker.socket().try_clone().unwrap();
    let sending = thread::spawn(move || {
        for _ in 0..300 {
            (&talking).write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    });
    while talker.line() != format!("{slow_name} was dropped: reads too slowly") {}
    hearing.into_iter().for_each(|client| client.join().unwrap());
    sending.join().unwrap();
    if let Some(most) = server.status("VmHWM") {
        assert!(most < 400 * 1024, "{most} KiB at most");
    }
    drop(slow);
}

/// Has somebody read what comes, until the server has gone.
fn drain(mut client: Client) {
    let reading = thread::Builder::new().stack_size(64 * 1024);
    reading.spawn(move || io::copy(&mut client.stream, &mut io::sink())).unwrap();
}

fn descriptors() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(256)
}

/// The system's own client, in the place of the members' and of the operator's.
#[test]
fn row_8_with_netcat() {
    if !has("nc") {
        return;
    }
    let server = chat();
    let (mut one, _) = join(&server);
    let (host, port) = server.address(0).rsplit_once(':').unwrap();
    let mut nc = Command::new("nc")
        .args([host, port])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(one.line(), "guest2 has joined");
    nc.stdin.take().unwrap().write_all(b"from nc\nquit\n").unwrap();
    assert_eq!(one.line(), "guest2: from nc");
    assert_eq!(one.line(), "guest2 has left");
    let output = nc.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "you are guest2, of 2\n");
}

/// Nobody at the keyboard, nobody at the screen.
#[test]
fn row_8_without_keyboard() {
    let mut command = Command::new("sh");
    let program = example("chat");
    command.args(["-c", "exec \"$0\" tcp://127.0.0.1:0 <&-"]).arg(program);
    let mut server = Program::spawn(&mut command, 1);
    let (one, _) = join(&server);
    let (mut two, _) = join(&server);
    one.send("still here\n");
    assert_eq!(two.line(), "guest1: still here");
    drop((one, two));
    assert!(server.interrupt().success());
}
