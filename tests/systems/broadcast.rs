//! A broadcaster with a rate for each subscriber.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::program::{Client, Program, example};

struct Broadcast {
    program: Program,
}

impl Broadcast {
    #[track_caller]
    fn start(options: &[&str]) -> Broadcast {
        let mut command = Command::new(example("broadcast"));
        command.args(["tcp://127.0.0.1:0", "--publishers", "tcp://127.0.0.1:0"]).args(options);
        Broadcast { program: Program::spawn(&mut command, 2) }
    }

    #[track_caller]
    fn publisher(&self) -> Client {
        Client::connect(self.program.address(1))
    }

    /// One who is there for certain: it has got a line.
    #[track_caller]
    fn subscriber(&self, publisher: &Client) -> Client {
        let mut subscriber = self.program.connect();
        subscriber.socket().set_nonblocking(true).unwrap();
        let mut byte = [0];
        // Whoever comes may be accepted after what is published now.
        while subscriber.socket().peek(&mut byte).is_err() {
            publisher.send(b"?\n");
            thread::sleep(Duration::from_millis(1));
        }
        subscriber.socket().set_nonblocking(false).unwrap();
        assert_eq!(subscriber.line(), "?");
        subscriber
    }
}

/// Reads up to this line, without those that only asked whether it is there.
#[track_caller]
fn until(subscriber: &mut Client, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match subscriber.line() {
            line if line == last => return lines,
            line if line == "?" => {}
            line => lines.push(line),
        }
    }
}

/// Everything goes to all, in order, whatever the cuts; and nothing to publishers.
#[test]
fn a_broadcast_reaches_all() {
    let broadcast = Broadcast::start(&["--rate", "1000000", "--burst", "1000000"]);
    let (mut one, mut two) = (broadcast.publisher(), broadcast.publisher());
    let mut subscribers = [(); 3].map(|()| broadcast.subscriber(&one));
    one.send(b"hel");
    one.send(b"lo\r\nworld\n");
    for subscriber in &mut subscribers {
        assert_eq!(until(subscriber, "world"), ["hello"]);
        subscriber.send(b"means nothing\n");
    }
    two.send(b"the last one has no ending");
    two.finish();
    assert_eq!(two.rest(), b"");
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.line(), "the last one has no ending");
    }
    one.finish();
    assert_eq!(one.rest(), b"");
}

/// What is beyond the rate is left out, and the next line says how much that was: the numbers add up, always.
#[test]
fn what_is_beyond_the_rate_is_left_out_and_said() {
    let broadcast = Broadcast::start(&["--rate", "50", "--burst", "5"]);
    let publisher = broadcast.publisher();
    let mut subscriber = broadcast.program.connect();
    let has_seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if has_seen.load(Ordering::Relaxed) {
                    return;
                }
                publisher.send(format!("{number}\n"));
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut next: Option<u64> = None;
        let mut notes = 0;
        while notes < 5 {
            let mut line = subscriber.line();
            if let Some(left_out) = line.strip_prefix('(') {
                let left_out = left_out.strip_suffix(" lines left out)").unwrap();
                next = next.map(|next| next + left_out.parse::<u64>().unwrap());
                notes += 1;
                line = subscriber.line();
            }
            let number = line.parse().unwrap();
            assert_eq!(next.unwrap_or(number), number);
            next = Some(number + 1);
        }
        has_seen.store(true, Ordering::Relaxed);
    });
}

/// One who doesn't read is dropped after a while; who does misses nothing of it, and is not slowed down.
#[test]
fn who_does_not_read_is_dropped() {
    let fast = ["--rate", "100000000", "--burst", "100000000", "--patience", "0.2"];
    let broadcast = Broadcast::start(&fast);
    let publisher = broadcast.publisher();
    let mut deaf = broadcast.subscriber(&publisher);
    let mut reads = broadcast.subscriber(&publisher);
    let mut sender = publisher.socket().try_clone().unwrap();
    let has_seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let line = "x".repeat(4000) + "\n";
            (0..4000).for_each(|_| sender.write_all(line.as_bytes()).unwrap());
            // A reader that was slow for a moment has no room for some of them, and this must be heard.
            while !has_seen.load(Ordering::Relaxed) {
                sender.write_all(b"end\n").unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        assert!(!until(&mut reads, "end").is_empty());
        has_seen.store(true, Ordering::Relaxed);
    });
    let mut rest = Vec::new();
    let end = std::io::Read::read_to_end(&mut deaf.stream, &mut rest);
    assert!(end.is_err(), "a reset, for something is missing");
    assert!(rest.len() < 12_000_000, "{} bytes of 16,000,000", rest.len());
    publisher.send(b"on it goes\n");
    until(&mut reads, "on it goes");
}

/// A line that never ends is no reason to keep it all.
#[test]
fn a_line_that_is_too_long_ends_its_publisher() {
    let broadcast = Broadcast::start(&[]);
    let mut publisher = broadcast.publisher();
    publisher.send("x".repeat(20_000));
    assert_eq!(publisher.line(), "line longer than 8192 bytes, goodbye");
    assert_eq!(publisher.rest(), b"");
    assert_eq!(
        Program::fails("broadcast", &["--rate", "fast"]),
        "Error: --rate fast: makes no sense\n"
    );
}
