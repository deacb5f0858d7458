//! `echoloop connect` over datagrams: what got lost between the keyboard and the screen is said.

#![cfg(feature = "cli")]

mod again;
mod clients;

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use again::again;
use clients::{DEADLINE, Server, echoloop, end, run};
use echoloop::Echo;

/// One of three lines gets no answer: nobody knows whether it was lost, and the numbers say so. It's no error.
#[test]
fn numbers_that_differ_are_told() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let endpoint = format!("udp://{}", server.local_addr().unwrap());
    for quiet in [false, true] {
        let arguments: &[&str] = if quiet { &["-q"] } else { &[] };
        let arguments = [&["connect", "--wait", "300ms", &endpoint], arguments].concat();
        let mut child = echoloop(&arguments).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"one\ntwo\nthree\n").unwrap();
        let mut buffer = [0; 100];
        for number in 1..=3 {
            let (length, from) = again(|| server.recv_from(&mut buffer)).unwrap();
            if number != 2 {
                server.send_to(&buffer[..length], from).unwrap();
            }
        }
        let said = end(child);
        assert_eq!((said.code, said.text()), (Some(0), "one\nthree\n"));
        let told = if quiet { "" } else { "echoloop: sent 3 datagrams, received 2\n" };
        assert_eq!(said.errors, told);
    }
    let server = Server::start("udp://127.0.0.1:0", Echo);
    let said = run(echoloop(&["connect", "--wait", "300ms", &server.endpoint]), b"one\ntwo\n");
    assert_eq!((said.code, said.text(), &*said.errors), (Some(0), "one\ntwo\n", ""));
}

/// A screen that takes nothing holds up no datagrams: they are dropped, counted, and it is an error.
#[test]
fn what_the_screen_was_too_slow_for_is_told() {
    const SENT: usize = 6000;
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let endpoint = format!("unixgram://{}", path("listener").display());
    let arguments = ["connect", "--listen", "-v", "--wait", "200ms", &endpoint];
    let mut child = echoloop(&arguments).spawn().unwrap();
    let client = UnixDatagram::bind(path("client")).unwrap();
    while client.connect(path("listener")).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "it listens");
    }
    // A Unix socket loses nothing: its sender waits until there is room.
    let payload = [b'x'; 999];
    for _ in 0..SENT {
        again(|| client.send(&payload)).unwrap();
    }
    drop(child.stdin.take()); // Its input is over; now somebody looks at the screen.
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    let said = end(child);
    assert_eq!(said.code, Some(1));
    let printed = output.split(|&byte| byte == b'\n').filter(|line| **line == payload).count();
    assert_eq!(output.len(), printed * 1000, "only whole datagrams are dropped");
    let told = said.errors.lines().find(|line| line.contains(" came faster than ")).unwrap();
    let dropped = told.strip_prefix(&format!("echoloop: {endpoint}: ")).unwrap();
    let (dropped, _) =
        dropped.split_once(" datagrams came faster than they could be printed").unwrap();
    assert_eq!(printed + dropped.parse::<usize>().unwrap(), SENT);
}
