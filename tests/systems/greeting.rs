//! Row 6.

use std::io::Write;

use crate::program::Program;

const GREETING: &[u8] = b"Hello, client!\n";

#[test]
fn row_6_whoever_says_something_is_greeted() {
    let mut server = Program::start("greeting", &["tcp://127.0.0.1:0"]);
    for message in ["hello\n", "half a line", "größer\n"] {
        let mut client = server.connect();
        client.send(message);
        assert_eq!(client.rest(), GREETING);
    }
    let mut silent = server.connect();
    silent.finish();
    assert_eq!(silent.rest(), b"");
    assert!(server.interrupt().success());
}

/// What a client sends behind its message must not turn the end into a reset, which would take the
/// greeting with it.
#[test]
fn row_6_the_greeting_survives_unread_input() {
    let server = Program::start("greeting", &["tcp://127.0.0.1:0"]);
    let mut client = server.connect();
    for _ in 0..100 {
        client.send([b'x'; 10_000]);
    }
    assert_eq!(client.rest(), GREETING);
    let _ = client.socket().write(b"and more");
}
