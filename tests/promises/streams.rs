//! Nothing lost, nothing reordered, nothing invented.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo};
use socket2::SockRef;

use crate::support::*;

/// After the client has ended its side, everything is still echoed, and then our end comes.
#[test]
fn a_half_closed_client_gets_everything_and_then_the_end() {
    let server = serve(Config::default(), Echo);
    let bytes = pattern(8 << 20);
    let mut client = tcp(server.made);
    let (mut writer, copy) = (client.try_clone().unwrap(), bytes.clone());
    let writing = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    expect_end(&mut client, &bytes);
    writing.join().unwrap();
    let statistics = server.until(|statistics| statistics.closed.ended == 1);
    assert_eq!((statistics.bytes_in, statistics.bytes_out), (8 << 20, 8 << 20));
    assert_eq!((statistics.buffered, statistics.open), (0, 0));
}

/// The same on a Unix socket.
#[test]
fn a_half_closed_unix_client_gets_everything_and_then_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("echo");
    let at = endpoint(&format!("unix://{}", path.display()));
    let _server =
        Server::start(Config::default(), move |reactor| reactor.listen(&at, Echo).unwrap());
    let bytes = pattern(4 << 20);
    let mut client = unix(&path);
    let (mut writer, copy) = (client.try_clone().unwrap(), bytes.clone());
    let writing = thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    expect_end(&mut client, &bytes);
    writing.join().unwrap();
}

/// A client that sends, ends its side and only then begins to read loses nothing either.
#[test]
fn who_reads_late_gets_everything() {
    let server = serve(Config::default(), Echo);
    let bytes = pattern(100_000);
    let mut client = tcp(server.made);
    client.write_all(&bytes).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    server.until(|statistics| statistics.bytes_in == 100_000);
    expect_end(&mut client, &bytes);
}

/// A client that ends without a word gets an end without a word.
#[test]
fn an_empty_conversation_ends_in_order() {
    let server = serve(Config::default(), Echo);
    let mut client = tcp(server.made);
    client.shutdown(Shutdown::Write).unwrap();
    expect_end(&mut client, b"");
}

/// Many clients in all rhythms at once, with the smallest buffers there can be: each gets its own bytes.
#[test]
fn clients_do_not_get_mixed_up() {
    let config = Config {
        read_buffer: 4096,
        output_limit: 1000,
        read_budget: 1,
        send_buffer: Some(4096),
        ..Config::default()
    };
    let server = serve(config, Echo);
    let address = server.made;
    let clients = (0..20_usize).map(|seed| {
        thread::spawn(move || {
            let bytes: Vec<u8> = (0..60_000).map(|i: usize| (i * (seed + 3) / 7) as u8).collect();
            let mut client = tcp(address);
            let (mut writer, copy) = (client.try_clone().unwrap(), bytes.clone());
            let writing = thread::spawn(move || {
                let mut rest = copy.as_slice();
                for step in 1.. {
                    let cut = (step * (seed + 1) * 37 % 3000 + 1).min(rest.len());
                    writer.write_all(&rest[..cut]).unwrap();
                    rest = &rest[cut..];
                    if rest.is_empty() {
                        break;
                    }
                }
                writer.shutdown(Shutdown::Write).unwrap();
            });
            expect_end(&mut client, &bytes);
            writing.join().unwrap();
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    let statistics = server.until(|statistics| statistics.open == 0);
    assert_eq!((statistics.bytes_in, statistics.closed.ended), (1_200_000, 20));
}

/// A read stops at urgent bytes; they and what is behind them are served like all others, though they
/// have arrived before the loop first looked.
#[test]
fn urgent_bytes_and_what_follows_are_served() {
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(address);
    client.write_all(b"before").unwrap();
    SockRef::from(&client).send_out_of_band(b"!").unwrap();
    client.write_all(b"after").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 12);
    expect(&mut client, b"before!after");

    // And again, with the urgent byte first and alone.
    SockRef::from(&client).send_out_of_band(b"?").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 13);
    expect(&mut client, b"?");
}

/// Urgent bytes all over a long stream, while the loop reads as fast as it can.
#[test]
fn a_stream_full_of_urgent_bytes_comes_back_whole() {
    let server = serve(Config::default(), Echo);
    let mut client = tcp(server.made);
    let writer = client.try_clone().unwrap();
    let writing = thread::spawn(move || {
        for i in 0..300_u32 {
            (&writer).write_all(&vec![i as u8; i as usize]).unwrap();
            SockRef::from(&writer).send_out_of_band(b"!").unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let expected: Vec<u8> =
        (0..300_u32).flat_map(|i| [vec![i as u8; i as usize], vec![b'!']].concat()).collect();
    expect_end(&mut client, &expected);
    writing.join().unwrap();
}

/// A message costs one read and one write: whatever is counted says so.
#[test]
fn what_is_counted_is_what_was_done() {
    let server = serve(Config::default(), Echo);
    let mut client = tcp(server.made);
    for i in 0..10 {
        exchange(&mut client, format!("message {i}").as_bytes());
    }
    let statistics = server.statistics();
    assert_eq!((statistics.messages_in, statistics.messages_out), (10, 10));
    assert_eq!((statistics.bytes_in, statistics.bytes_out), (90, 90));
    assert_eq!((statistics.accepted, statistics.open, statistics.buffered_peak), (1, 1, 0));
}

/// However many come at once, all are accepted, also those who come just after the listener has looked
/// whether there is one more.
#[test]
fn crowds_of_all_sizes_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    reactor.listen(&endpoint(&format!("unix://{}", path.display())), Echo).unwrap();
    for crowd in (1..=12).chain([70, 1]) {
        let before = reactor.statistics().accepted;
        let over_tcp: Vec<_> = (0..crowd).map(|_| tcp(address)).collect();
        let over_unix: Vec<_> = (0..crowd).map(|_| unix(&path)).collect();
        turn_until(&mut reactor, |reactor| reactor.statistics().accepted == before + 2 * crowd);
        drop((over_tcp, over_unix));
    }
}

/// What a peer reads makes room, on a Unix socket as anywhere. Nobody waits for it, so nobody is woken.
#[test]
fn a_unix_peer_that_reads_wakes_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut reactor = reactor(Config::default());
    reactor.listen(&endpoint(&format!("unix://{}", path.display())), Echo).unwrap();
    let mut client = unix(&path);
    for text in [b"one", b"two"] {
        client.write_all(text).unwrap();
        turn_until_quiet(&mut reactor);
        let events = reactor.statistics().events;
        expect(&mut client, text);
        reactor.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(reactor.statistics().events, events);
    }
}
