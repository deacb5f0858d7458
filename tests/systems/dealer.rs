//! Connections that one reactor has accepted and others serve.

use crate::program::Program;

/// Each worker gets as many as the next, all are served side by side, and Ctrl-C ends them in order.
#[test]
fn a_dealer_deals_round() {
    let mut dealer = Program::start("dealer", &["tcp://127.0.0.1:0", "--workers", "3"]);
    let mut clients: Vec<_> = (0..7).map(|_| dealer.connect()).collect();
    let mut lines: Vec<_> = (0..7).map(|_| dealer.line()).collect();
    lines.sort();
    let mut expected: Vec<_> =
        (0..7).map(|i| format!("worker {} has its client {}", i % 3 + 1, i / 3 + 1)).collect();
    expected.sort();
    assert_eq!(lines, expected);
    for (i, client) in clients.iter_mut().enumerate().rev() {
        client.send(format!("client {i}\n"));
    }
    for (i, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.line(), format!("client {i}"));
    }
    clients[0].send(b"the last words");
    clients[0].finish();
    assert_eq!(clients[0].rest(), b"the last words");
    drop(clients);
    assert!(dealer.interrupt().success());
}

/// Unix sockets can be dealt like others; what a client says before anybody serves it is not lost.
#[test]
fn a_dealer_deals_unix_sockets() {
    use std::io::{Read, Write};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("door");
    let _dealer = Program::start("dealer", &[&format!("unix://{}", path.display())]);
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(crate::program::DEADLINE)).unwrap();
    client.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn a_dealer_needs_workers() {
    let error = Program::fails("dealer", &["--workers", "0"]);
    assert_eq!(error, "Error: --workers 0: must be 1 to 1024\n");
    let error = Program::fails("dealer", &["--workers", "many"]);
    assert_eq!(error, "Error: --workers many: makes no sense\n");
}
