//! Row 7.

use std::io::Write;
use std::thread;

use crate::program::Program;

/// Set-up, handling and finish, the client's address, and state that all handlers share.
#[test]
fn row_7_a_handler_with_set_up_and_finish() {
    let mut server = Program::start("uppercase", &["tcp://127.0.0.1:0"]);
    let mut one = server.connect();
    let address = one.socket().local_addr().unwrap();
    assert_eq!(server.line(), format!("{address} is here, 1 now"));
    let mut two = server.connect();
    assert!(server.line().ends_with("is here, 2 now"));
    one.send("größe, ĳs, σίσυφος\n");
    assert_eq!(one.line(), "GRÖSSE, ĲS, ΣΊΣΥΦΟΣ");
    two.send(b"\xffnot \xc3 utf-8\n");
    assert_eq!(two.bytes(13), b"\xffNOT \xc3 UTF-8\n");
    drop(two);
    server.until("1 left");
    drop(one);
    assert!(server.interrupt().success());
}

/// Wherever it is cut, no character is broken; the unfinished one at the end is given back as it is.
#[test]
fn row_7_characters_come_in_pieces() {
    let server = Program::start("uppercase", &["tcp://127.0.0.1:0"]);
    let mut client = server.connect();
    client.socket().set_nodelay(true).unwrap();
    let text = "ä€𐐨ŉ".as_bytes();
    for byte in text {
        client.send([*byte]);
    }
    let expected = "Ä€𐐀ʼN".as_bytes();
    assert_eq!(client.bytes(expected.len()), expected);
    client.send(b"z\xe2\x82");
    client.finish();
    assert_eq!(client.rest(), b"Z\xe2\x82");
}

/// A client that sends long before it reads: the answer is three times as long as the question.
#[test]
fn row_7_a_flood_of_letters_that_grow() {
    const SMALL: &str = "\u{390}"; // Iota with two accents, two bytes;
    const CAPITAL: &str = "\u{399}\u{308}\u{301}"; // its capital has six.
    const COUNT: usize = 300_000;

    let server = Program::start("uppercase", &["tcp://127.0.0.1:0"]);
    let mut client = server.connect();
    let mut sender = client.socket().try_clone().unwrap();
    let sending = thread::spawn(move || {
        sender.write_all(SMALL.repeat(COUNT).as_bytes()).unwrap();
        sender.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let answer = client.rest();
    sending.join().unwrap();
    assert_eq!(answer.len(), COUNT * CAPITAL.len());
    assert!(answer == CAPITAL.repeat(COUNT).as_bytes());
}
