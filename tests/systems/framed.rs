//! A layer in front of a service that knows nothing of it.

use std::io::Write;
use std::thread;

use crate::program::Program;

fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes(), payload].concat()
}

/// Each frame is answered with one, whatever the cuts, and a half-close is the end of both directions.
#[test]
fn frames_are_lines_to_the_service_behind() {
    let mut server = Program::start("framed", &["tcp://127.0.0.1:0"]);
    let mut client = server.connect();
    client.socket().set_nodelay(true).unwrap();
    for byte in frame(b"ping") {
        client.send([byte]);
    }
    assert_eq!(client.bytes(8), frame(b"pong"));
    client.send([frame(b""), frame(b"two at once")].concat());
    client.finish();
    assert_eq!(client.rest(), [frame(b"pong"), frame(b"pong")].concat());
    assert!(server.interrupt().success());
}

/// What can't be passed on ends its own connection, and nothing else.
#[test]
fn bad_frames_end_their_own_connection() {
    let server = Program::start("framed", &["tcp://127.0.0.1:0"]);
    let mut good = server.connect();
    for bad in [frame(b"a line\nand another"), vec![0x7f, 0xff, 0xff, 0xff]] {
        let mut client = server.connect();
        client.send(bad);
        assert_eq!(client.rest(), b"");
    }
    good.send(frame(b"ping"));
    assert_eq!(good.bytes(8), frame(b"pong"));
}

/// A client that reads only when it has sent everything: what there is no room for waits at its sender.
#[test]
fn a_late_reader_gets_every_frame() {
    const COUNT: usize = 400_000;

    let server = Program::start("framed", &["tcp://127.0.0.1:0"]);
    let mut client = server.connect();
    let mut sender = client.socket().try_clone().unwrap();
    let sending = thread::spawn(move || {
        sender.write_all(&frame(b"?").repeat(COUNT)).unwrap();
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    assert!(client.rest() == frame(b"pong").repeat(COUNT));
    sending.join().unwrap();
}
