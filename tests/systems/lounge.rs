//! The program of the guide's chapter `your_own`, which has tests of its own in memory.

use std::process::Command;

use crate::program::{Client, Program, example, receive};

/// Runs its own tests.
#[allow(dead_code, reason = "its main is for the program")]
#[path = "../../examples/lounge.rs"]
mod source;

fn lounge() -> Program {
    Program::spawn(Command::new(example("lounge")).arg("127.0.0.1:0"), 2)
}

/// In the room, under this name.
#[track_caller]
fn enters(server: &Program, name: &str) -> Client {
    let mut client = server.connect();
    assert_eq!(client.line(), "your name?");
    client.send(format!("{name}\n"));
    client
}

/// What the chapter shows: over TCP the talk, and over UDP who is there.
#[test]
fn the_guide_s_room_is_as_the_guide_says() {
    let mut server = lounge();
    let mut ann = enters(&server, "ann");
    let mut bob = enters(&server, "bob");
    assert_eq!(ann.line(), "* bob has come");
    let asks = server.datagrams(1);
    asks.send(&[b' '; 80]).unwrap();
    assert_eq!(receive(&asks), b"ann bob\n");

    bob.send("who are \x1b[2Jyou?\r\n"); // Would clear the screen.
    assert_eq!(ann.line(), "bob: who are [2Jyou?");
    bob.finish();
    assert!(bob.rest().is_empty());
    assert_eq!(ann.line(), "* bob has left: ended by the peer");
    drop(ann);
    assert!(server.interrupt().success());
}

/// What was said before Ctrl-C is passed on after it, and then there is an end in order.
#[test]
fn last_words_reach_the_guide_s_room() {
    let mut server = lounge();
    let mut ann = enters(&server, "ann");
    let mut bob = enters(&server, "bob");
    assert_eq!(ann.line(), "* bob has come");
    ann.send("good night\n");
    server.signal();
    let heard = String::from_utf8(bob.rest()).unwrap();
    assert!(heard.starts_with("ann: good night\n"), "{heard}");
    drop((ann, bob));
    assert!(server.interrupt().success());
}
