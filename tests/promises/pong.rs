//! Pong gives the same answers for every cut.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use echoloop::{Config, Half, Pong, Reactor};

use crate::support::*;

/// A stream whose pong end is served by this reactor.
fn pair(reactor: &mut Reactor, pong: Pong) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let service = reactor.add(pong);
    reactor.context(service).adopt(ours, Half::Both).unwrap();
    theirs.set_read_timeout(Some(DEADLINE)).unwrap();
    theirs
}

/// The request may be cut anywhere: the answers are the same, and each has its line's own ending.
#[test]
fn every_cut_gets_the_same_answers() {
    let request = b"ping\r\n\nx\n\r\nlong line\nlast";
    for cut in 1..=request.len() {
        let mut reactor = reactor(Config::default());
        let mut client = pair(&mut reactor, Pong::default());
        for piece in request.chunks(cut) {
            client.write_all(piece).unwrap();
            reactor.turn(Some(Duration::ZERO)).unwrap();
        }
        client.shutdown(Shutdown::Write).unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 1);
        expect_end(&mut client, b"pong\r\npong\npong\npong\r\npong\npong");
    }
}

/// However little may be kept and however small the reads, all answers come, the last one too, which
/// may have to wait for room after the client has ended.
#[test]
fn every_limit_gets_the_same_answers() {
    for output_limit in [6, 11, 5000] {
        let config = Config {
            output_limit,
            read_buffer: 4096,
            send_buffer: Some(4096),
            ..Config::default()
        };
        let server = serve(config, Pong::new("pong"));
        let mut client = tcp(server.made);
        let mut writer = client.try_clone().unwrap();
        let writing = thread::spawn(move || {
            writer.write_all(&b"?\n".repeat(60_000)).unwrap();
            writer.write_all(b"last").unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        server.until(|statistics| statistics.buffered > 0);
        expect_end(&mut client, &[&b"pong\n".repeat(60_000)[..], b"pong"].concat());
        writing.join().unwrap();
    }
}

/// More lines in one read than their answers have room for: the others are answered without another
/// word from the client.
#[test]
fn many_short_lines_at_once_are_all_answered() {
    let mut reactor = reactor(Config::default());
    let mut client = pair(&mut reactor, Pong::new("a long answer"));
    client.write_all(&[b'\n'; 60_000]).unwrap();
    let reading = thread::spawn(move || {
        expect(&mut client, &b"a long answer\n".repeat(60_000));
        client
    });
    turn_until(&mut reactor, |_| reading.is_finished());
    reading.join().unwrap();
}

/// The last answer waits for room when the client has ended its side, and then it comes, and our end.
#[test]
fn the_last_answer_waits_for_room() {
    let config = Config { output_limit: 5, ..Config::default() };
    let mut reactor = reactor(config);
    let mut client = pair(&mut reactor, Pong::default());
    let mut asked = 0;
    while reactor.statistics().buffered == 0 {
        client.write_all(b"?\n").unwrap();
        asked += 1;
        reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    client.write_all(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    turn_until_quiet(&mut reactor);
    let reading = thread::spawn(move || rest(&mut client));
    turn_until(&mut reactor, |_| reading.is_finished());
    let answers = reading.join().unwrap();
    assert!(answers == [&b"pong\n".repeat(asked)[..], b"pong"].concat());
}

/// A line that is too long closes the connection with that reason; what was asked before it is answered,
/// and no more is kept than a line may be long.
#[test]
fn a_line_that_is_too_long_closes_the_connection() {
    let config = Config { line_length: 100, ..Config::default() };
    let server = serve(config, Pong::default());
    let mut client = tcp(server.made);
    client.write_all(b"ping\n").unwrap();
    expect(&mut client, b"pong\n");
    client.write_all(&[b'x'; 100]).unwrap();
    client.write_all(b"\r\n").unwrap(); // As long as it may be.
    expect(&mut client, b"pong\r\n");
    client.write_all(&[b'x'; 103]).unwrap();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"");
    drop(client);
    let statistics = server.until(|statistics| statistics.open == 0);
    assert_eq!(statistics.closed.because, 1);
    assert!(statistics.buffered_peak <= 102);
}

/// On datagrams, the answer ends as the message does, and is never longer than it.
#[test]
fn a_datagram_is_a_message() {
    let server = Server::start(Config::default(), |reactor| {
        listen(reactor, "udp://127.0.0.1:0", Pong::default())
    });
    let client = udp("127.0.0.1:0", Some(server.made));
    for (message, answer) in [
        (&b"hello"[..], &b"pong"[..]),
        (b"hello\n", b"pong\n"),
        (b"hello\r\n", b"pong\r\n"),
        (b"hi", b"po"),
        (b"\n", b"\n"),
        (b"\r\n", b"\r\n"),
        (b"", b""),
        (b"two\nlines", b"pong"),
    ] {
        client.send(message).unwrap();
        assert_eq!(datagram(&client), answer);
    }
}
