//! Those who watch the built binary over HTTP, when they are bad, or too many.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod cli_support;
mod frozen;
mod scraper;

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use cli_support::DEADLINE;
use frozen::freeze;
use scraper::{HEALTH, METRICS, connect, exchange, scrape, start};

const SIGTERM: i32 = 15;

/// Scrapers that never finish a request are told so; those that never read, and those that are too many,
/// cost others nothing.
#[test]
fn bad_scrapers_harm_nobody() {
    let server = start(&["--output-limit", "4KiB"]);
    let mut slow = scrape(&server);
    slow.send("GET /metrics HTTP/1.1\r\nHo");
    let mut deaf = connect(&server, 1);
    deaf.set_nonblocking(true).unwrap();
    let mut written = 0_usize;
    // As much as it takes: then the request that is not read stops the next.
    let started = Instant::now();
    while written < 64 << 20 {
        match deaf.write(METRICS.repeat(100).as_bytes()) {
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(started.elapsed() < DEADLINE);
    }
    exchange(&mut connect(&server, 0), b"not your trouble");
    let answer = slow.answer(false);
    assert_eq!((answer.status, &*answer.fields["connection"]), (408, "close"));
    slow.expect_end();
    let answer = scrape(&server).ask(METRICS);
    assert!(answer.value("echoloop_buffered_bytes", "") < 256.0 * 1024.0);
}

/// However many say nothing or read nothing, whoever asks is answered: the quietest go. And that is told.
#[test]
fn silent_scrapers_keep_nobody_out() {
    let mut server = start(&["--output-limit", "4KiB"]);
    let mut deaf = connect(&server, 1);
    deaf.set_nonblocking(true).unwrap();
    while deaf.write(METRICS.repeat(100).as_bytes()).is_ok() {} // Nor does it read.
    let mut asks_again = scrape(&server);
    let mut silent: Vec<_> = (0..100).map(|_| scrape(&server)).collect();
    let mut health = scrape(&server);
    assert_eq!(health.ask(HEALTH).status, 200);
    for _ in 0..40 {
        silent.push(scrape(&server));
        assert_eq!(health.ask(HEALTH).status, 200, "who is heard of stays");
    }
    let answer = scrape(&server).ask(METRICS);
    let name = "echoloop_metrics_connections_refused_total";
    let displaced = answer.value(name, "displaced");
    assert_eq!(
        (displaced, answer.value(name, "full")),
        (1.0 + 1.0 + 100.0 + 1.0 + 40.0 + 1.0 - 32.0, 0.0)
    );
    for client in &mut silent[..100] {
        assert!(matches!(client.stream().read(&mut [0]), Ok(0) | Err(_)), "it had to go");
    }
    assert!(matches!(asks_again.stream().read(&mut [0]), Ok(0) | Err(_)));
    let line = server.log_line("metrics: all 32 connections were taken");
    assert!(line.contains("WARN"), "{line}");
    exchange(&mut connect(&server, 0), b"not your trouble");
    server.signal(SIGTERM);
    let (_, _, log) = server.wait();
    assert!(log.matches("connections were taken").count() < 10, "a line in a while: {log}");
}

/// One that displaces nobody, since all are being answered, is told to come later.
#[test]
fn who_finds_all_others_waiting_is_told_so() {
    let server = start(&["--workers", "2"]);
    assert_eq!(scrape(&server).ask(HEALTH).status, 200);
    let Some(frozen) = freeze(server.id(), "worker 1") else {
        return println!("skipped: threads can't be stopped here");
    };
    // Each waits as long as the worker is waited for, and asks again at once.
    let asks = HEALTH.repeat(200);
    let mut crowd: Vec<_> = (0..32).map(|_| scrape(&server)).collect();
    crowd.iter_mut().for_each(|client| client.send(&asks));
    // One that comes before all of these have been read displaces one of them, and waits with the others.
    let started = Instant::now();
    let (late, answer) = loop {
        let mut late = scrape(&server);
        late.send(&asks);
        let answer = late.answer(false);
        if answer.fields.contains_key("connection") {
            break (late, answer);
        }
        crowd.push(late);
        assert!(started.elapsed() < DEADLINE);
    };
    assert_eq!((answer.status, &*answer.body), (503, "503 Service Unavailable\n"));
    late.expect_end();
    drop(frozen);
}
