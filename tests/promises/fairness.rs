//! A flood doesn't starve a whisper.

use std::io::Write;
use std::time::Duration;

use echoloop::{Config, Echo, Reactor};

use crate::support::*;

/// The smallest shares there can be.
fn small_shares() -> Config {
    Config {
        read_buffer: 4096,
        read_budget: 4096,
        accept_budget: 2,
        datagram_budget: 4,
        ..Config::default()
    }
}

/// Everything that is open has been accepted and has come to rest.
#[track_caller]
fn settle(reactor: &mut Reactor, open: u64) {
    turn_until(reactor, |reactor| reactor.statistics().open == open);
    turn_until_quiet(reactor);
}

/// While one client floods, another's message waits for one share of the flood, not for its end.
#[test]
fn a_whisper_waits_for_one_share_of_a_flood() {
    let mut reactor = reactor(small_shares());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Does::new());
    let whispers = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let (mut flood, mut whisper) = (tcp(address), tcp(whispers));
    settle(&mut reactor, 2);
    let pending = stuff(&mut flood, &pattern(1_000_000)) as u64;
    assert!(pending > 100_000);
    whisper.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    let read = reactor.statistics().bytes_in;
    assert!(read <= 5 + 3 * 4096, "{read} bytes before the whisper was heard");
    expect(&mut whisper, b"hello");

    // Nobody has to wake the loop for the rest of the flood.
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in == pending + 5);
}

/// Of two floods none gets ahead of the other by more than a share or two.
#[test]
fn two_floods_go_at_the_same_pace() {
    let mut reactor = reactor(small_shares());
    let taken = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashMap::new()));
    let count = std::sync::Arc::clone(&taken);
    let service = Does::new().received(move |cx, input| {
        *count.lock().unwrap().entry(cx.id()).or_insert(0_usize) += input.len();
        input.len()
    });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut floods = [tcp(address), tcp(address)];
    settle(&mut reactor, 2);
    for flood in &mut floods {
        assert!(stuff(flood, &pattern(300_000)) > 100_000);
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in >= 100_000);
    let taken: Vec<usize> = taken.lock().unwrap().values().copied().collect();
    assert_eq!(taken.len(), 2);
    assert!(taken[0].abs_diff(taken[1]) <= 2 * 4096, "{taken:?}");
}

/// A rush of new clients doesn't starve those that are there.
#[test]
fn a_whisper_waits_for_one_share_of_a_rush() {
    let mut reactor = reactor(small_shares());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut whisper = tcp(address);
    settle(&mut reactor, 1);
    let rush: Vec<_> = (0..30).map(|_| tcp(address)).collect();
    whisper.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    assert!(reactor.statistics().accepted <= 1 + 3 * 2);
    settle(&mut reactor, 31);
    drop(rush);
}

/// A flood of datagrams doesn't starve a stream.
#[test]
fn a_whisper_waits_for_one_share_of_datagrams() {
    let mut reactor = reactor(small_shares());
    let streams = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let datagrams = listen(&mut reactor, "udp://127.0.0.1:0", Does::new());
    let (flood, mut whisper) = (udp("127.0.0.1:0", Some(datagrams)), tcp(streams));
    settle(&mut reactor, 1);
    for _ in 0..100 {
        flood.send(b"flood").unwrap();
    }
    whisper.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    assert!(reactor.statistics().datagrams_in <= 3 * 4);
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 100);
}
