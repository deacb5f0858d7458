//! Consume only what you could answer; idle is free.

use std::io::Write;
use std::net::Shutdown;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo, Reactor};

use crate::support::*;

/// A client that sends 256 MiB and never reads is slowed down until it stands still. It costs what the
/// limits allow, nothing spins while it waits, and nobody else is slower for it. When it reads at
/// last, every byte is there.
#[test]
fn who_never_reads_is_stopped_and_slows_nobody() {
    const TOTAL: usize = 256 << 20;
    let config = Config::default();
    let most = (config.output_limit + config.input_limit + config.read_buffer) as u64;
    let mut reactor = reactor(config);
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(address);
    let sent = stuff_until_it_stands(&mut reactor, &mut client, TOTAL);
    assert!(sent < TOTAL / 4, "{sent} bytes were taken from a client that does not read");
    let statistics = reactor.statistics();
    assert!(statistics.buffered_peak <= most, "kept {}", statistics.buffered_peak);
    assert_eq!(reactor.poll_timeout(), None); // Not one turn for it from here on.

    let mut whisper = tcp(address);
    turn_until_quiet(&mut reactor);
    let before = reactor.statistics();
    for _ in 0..100 {
        whisper.write_all(b"hello").unwrap();
        let answered = reactor.statistics().bytes_out + 5;
        turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == answered);
        expect(&mut whisper, b"hello");
    }
    let after = reactor.statistics();
    assert_eq!(after.bytes_in - before.bytes_in, 500); // Not one byte of the other.
    assert!(after.events - before.events <= 300, "{} events", after.events - before.events);

    client.shutdown(Shutdown::Write).unwrap();
    let reading = thread::spawn(move || expect_repeated_to_end(client, sent));
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 1);
    reading.join().unwrap();
    assert_eq!(reactor.statistics().buffered, 0);
}

/// One after the other, until the client can send no more and the reactor has nothing to do.
#[track_caller]
fn stuff_until_it_stands(
    reactor: &mut Reactor,
    client: &mut std::net::TcpStream,
    total: usize,
) -> usize {
    let block = pattern(251 * 1000);
    let mut sent = 0;
    let mut still = 0;
    while sent < total && still < 5 {
        let from = sent % block.len();
        let more = stuff(client, &block[from..]);
        sent += more;
        let before = reactor.statistics().events;
        reactor.turn(Some(Duration::from_millis(1))).unwrap();
        still = if more == 0 && reactor.statistics().events == before { still + 1 } else { 0 };
    }
    sent
}

#[track_caller]
fn expect_repeated_to_end(mut client: std::net::TcpStream, mut length: usize) {
    let block = pattern(251 * 1000);
    while length > 0 {
        let part = length.min(block.len());
        expect(&mut client, &block[..part]);
        length -= part;
    }
    expect_end(&mut client, b"");
}

/// All stalled connections together cost no more than the total, and a reserve for each.
#[test]
fn the_total_holds_for_all_together() {
    const CLIENTS: usize = 25;
    const TOTAL: usize = 1 << 20;
    let config = Config {
        buffer_limit: TOTAL,
        send_buffer: Some(16_384),
        receive_buffer: Some(16_384),
        ..Config::default()
    };
    let server = serve(config, Echo);
    let (address, go) = (server.made, Arc::new(Barrier::new(CLIENTS + 1)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let go = Arc::clone(&go);
            thread::spawn(move || {
                let bytes = pattern(1_500_000);
                let mut client = tcp(address);
                let (mut writer, copy) = (client.try_clone().unwrap(), bytes.clone());
                let writing = thread::spawn(move || {
                    writer.write_all(&copy).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                go.wait(); // Nobody reads before all memory is used up.
                expect_end(&mut client, &bytes);
                writing.join().unwrap();
            })
        })
        .collect();
    server.until(|statistics| statistics.buffered as usize > TOTAL - 65_536);
    go.wait();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let statistics = server.until(|statistics| statistics.open == 0);
    assert_eq!(statistics.closed.ended, CLIENTS as u64);
    assert!(statistics.buffered_peak as usize <= TOTAL + CLIENTS * 2 * 4096);
    assert_eq!(statistics.buffered, 0);
}

/// A healthy client is served while others have used up all memory.
#[test]
fn a_healthy_client_needs_no_free_memory() {
    let config = Config { buffer_limit: 0, ..Config::default() };
    let mut reactor = reactor(config);
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut stalled = tcp(address);
    stuff_until_it_stands(&mut reactor, &mut stalled, 64 << 20);
    assert!(reactor.statistics().buffered > 0);
    let mut healthy = tcp(address);
    let bytes = pattern(100_000);
    let (mut writer, copy) = (healthy.try_clone().unwrap(), bytes.clone());
    let client = thread::spawn(move || {
        let writing = thread::spawn(move || writer.write_all(&copy).unwrap());
        expect(&mut healthy, &bytes);
        writing.join().unwrap();
    });
    turn_until(&mut reactor, |_| client.is_finished());
    client.join().unwrap();
}

/// Connections that are open and silent cause no events, keep no bytes and need no turns.
#[test]
fn idle_is_free() {
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut clients: Vec<_> = (0..100).map(|_| tcp(address)).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 100);
    turn_until_quiet(&mut reactor);
    let before = reactor.statistics();
    assert_eq!((before.open, before.buffered, reactor.poll_timeout()), (100, 0, None));
    reactor.turn(Some(Duration::from_millis(20))).unwrap();
    assert_eq!(reactor.statistics().events, before.events);
}

/// At the connection limit nobody is looked for until a place is free: that costs no turns either.
#[test]
fn a_full_house_is_free() {
    let config = Config { connections: Some(1), ..Config::default() };
    let mut reactor = reactor(config);
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let first = tcp(address);
    let mut second = tcp(address);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
    drop(first);
    second.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    expect(&mut second, b"hello");
}
