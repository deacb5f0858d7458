//! What the built binary tells those who watch it over HTTP.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod cli_support;
mod frozen;
mod scraper;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use cli_support::{DEADLINE, Mortal, Server, run, scratch};
use frozen::freeze;
use scraper::{HEALTH, METRICS, connect, exchange, scrape, start};

const SIGTERM: i32 = 15;

/// What clients did is what the metrics say, by worker and by endpoint; and scrapes are no connections.
#[test]
fn the_metrics_say_what_was_done() {
    for workers in ["1", "3"] {
        let server = start(&["pong=tcp://127.0.0.1:0", "--workers", workers]);
        let mut clients: Vec<_> = (0..10).map(|_| connect(&server, 0)).collect();
        clients.iter_mut().for_each(|client| exchange(client, b"hello"));
        for client in clients.drain(..4) {
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!((&client).read(&mut [0]).unwrap(), 0);
        }
        let mut client = scrape(&server);
        // Closing is counted when the end has been seen on both sides, which may be now.
        let answer = loop {
            let answer = client.ask(METRICS);
            if answer.value("echoloop_connections_closed_total", "cause=\"ended\"") == 4.0 {
                break answer;
            }
        };
        assert_eq!(answer.fields["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(answer.value("echoloop_connections_accepted_total", ""), 10.0);
        assert_eq!(answer.value("echoloop_connections_open", ""), 6.0);
        assert!(answer.value("echoloop_stream_received_bytes_total", "") >= 50.0);
        let echo = format!("endpoint=\"tcp://{}\"", server.address(0));
        assert_eq!(answer.value("echoloop_endpoint_connections_accepted_total", &echo), 10.0);
        assert_eq!(answer.value("echoloop_endpoint_connections_open", &echo), 6.0);
        assert_eq!(answer.value("echoloop_endpoint_connections_open", "pong"), 0.0);
        assert_eq!(answer.value("echoloop_worker_up", ""), workers.parse::<f64>().unwrap());
        assert_eq!(answer.value("echoloop_stopping", ""), 0.0);
        let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
        assert_eq!(answer.value("echoloop_build_info", &version), 1.0);
        assert!(answer.value("process_resident_memory_bytes", "") > 100_000.0);
        assert!(answer.value("process_open_fds", "") > 6.0);
        assert!(answer.value("process_max_fds", "") > answer.value("process_open_fds", ""));
        assert!(answer.value("process_cpu_seconds_total", "") > 0.0);
        check(&answer.body);
        server.signal(SIGTERM);
        assert_eq!(server.wait().0.code(), Some(0));
    }
}

/// What the tool that comes with Prometheus says of them.
#[track_caller]
fn check(metrics: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut promtool) = command.stderr(Stdio::piped()).spawn() else {
        return println!("skipped: there is no promtool");
    };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// Prometheus itself scrapes it, and has the values.
#[test]
fn prometheus_scrapes_it() {
    let server = start(&[]);
    exchange(&mut connect(&server, 0), b"hello");
    let (directory, path) = scratch("prometheus.yml");
    let target = server.address(1);
    let config = format!(
        "scrape_configs:\n- job_name: echoloop\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['{target}']\n"
    );
    fs::write(&path, config).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .stderr(Stdio::piped());
    let Ok(child) = command.spawn() else {
        return println!("skipped: there is no prometheus");
    };
    let mut prometheus = Mortal(child);
    let mut log = BufReader::new(prometheus.0.stderr.take().unwrap());
    let port = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it did not start");
        if let Some((_, address)) = line.split_once("address=127.0.0.1:") {
            let digits: String = address.chars().take_while(char::is_ascii_digit).collect();
            if digits != "0" {
                break digits.parse::<u16>().unwrap();
            }
        }
    };
    let _log = std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let query = "GET /api/v1/query?query=echoloop_connections_accepted_total HTTP/1.0\r\n\r\n";
    let started = Instant::now();
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(query.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if answer.contains("\"job\":\"echoloop\"") {
            assert!(answer.contains("\"worker\":\"0\"") && answer.contains(",\"1\"]"), "{answer}");
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(50)); // Between looks.
    }
}

/// Requests of one connection are answered in order, however they were cut or joined.
#[test]
fn requests_are_answered_in_order() {
    let server = start(&["--workers", "2"]);
    let mut client = scrape(&server);
    for byte in HEALTH.bytes() {
        client.stream().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.answer(false).body, "ok\n");
    let head = HEALTH.replace("GET", "HEAD");
    let page = HEALTH.replace("/healthz", "/");
    client.send(&[HEALTH, METRICS, &head, &page, HEALTH].concat());
    assert_eq!(client.answer(false).body, "ok\n");
    assert!(client.answer(false).body.starts_with("# HELP"));
    let headed = client.answer(true);
    assert_eq!((headed.status, &*headed.fields["content-length"]), (200, "3"));
    assert!(client.answer(false).body.starts_with("<!doctype html>"));
    assert_eq!(client.answer(false).body, "ok\n");
    client.send(HEALTH);
    client.stream().shutdown(Shutdown::Write).unwrap();
    let last = client.answer(false);
    assert_eq!((last.status, &*last.body), (200, "ok\n"));
    client.expect_end();
}

/// Who wants no other answer is closed after the one, and old clients always are.
#[test]
fn who_wants_no_more_is_closed() {
    let server = start(&[]);
    let close = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for request in [close, "GET /healthz HTTP/1.0\r\n\r\n"] {
        let mut client = scrape(&server);
        client.send(&[request, HEALTH].concat()); // What stands behind it is for nobody.
        let answer = client.answer(false);
        assert_eq!((answer.status, &*answer.fields["connection"]), (200, "close"));
        client.expect_end();
    }
}

/// What is wrong is answered and closed; what is only nowhere is answered.
#[test]
fn bad_requests_are_answered_and_closed() {
    let server = start(&[]);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000));
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    for (request, status) in [
        ("hello there\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxx", 400),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxx", 405),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("\x16\x03\x01\x02\x00\x01\x00", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (&long, 414),
        (&large, 431),
    ] {
        let mut client = scrape(&server);
        let answer = client.ask(request);
        assert_eq!(answer.status, status, "{request:.40}");
        assert_eq!(answer.fields["connection"], "close");
        if status == 405 {
            assert_eq!(answer.fields["allow"], "GET, HEAD");
        }
        client.expect_end();
    }
    let mut client = scrape(&server);
    assert_eq!(client.ask("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
    assert_eq!(client.ask(HEALTH).status, 200);
}

/// During a graceful stop it can be watched how that goes on, and nobody waits for those who watch.
#[test]
fn a_graceful_stop_can_be_watched() {
    for workers in ["1", "2"] {
        let server = start(&["--workers", workers, "--linger", "1h", "--stop-timeout", "never"]);
        let mut watching = scrape(&server);
        assert_eq!(watching.ask(HEALTH).status, 200);
        let mut reader = connect(&server, 0);
        let flood = vec![b'x'; 1 << 20];
        reader.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = reader.write(&flood) {
            written += bytes; // Until neither of them takes any more.
        }
        server.signal(SIGTERM);
        let stopping = loop {
            let answer = watching.ask(HEALTH);
            if answer.status != 200 {
                break answer;
            }
        };
        assert_eq!((stopping.status, &*stopping.body), (503, "stopping\n"));
        let answer = scrape(&server).ask(METRICS);
        assert_eq!(answer.value("echoloop_stopping", ""), 1.0);
        assert_eq!(answer.value("echoloop_connections_open", ""), 1.0);
        reader.set_nonblocking(false).unwrap();
        let mut echoed = Vec::new();
        reader.shutdown(Shutdown::Write).unwrap();
        reader.read_to_end(&mut echoed).unwrap();
        assert!(echoed.len() <= written && !echoed.is_empty());
        assert_eq!(server.wait().0.code(), Some(0));
    }
}

/// A worker whose loop stands still is named, and the others are still told of.
#[test]
fn a_worker_that_hangs_is_named() {
    let server = start(&["--workers", "3"]);
    let mut client = scrape(&server);
    assert_eq!(client.ask(HEALTH).status, 200);
    let Some(frozen) = freeze(server.id(), "worker 1") else {
        return println!("skipped: threads can't be stopped here");
    };
    for _ in 0..2 {
        let answer = client.ask(HEALTH);
        assert_eq!((answer.status, &*answer.body), (503, "not turned for a second: worker 1\n"));
    }
    let answer = client.ask(METRICS);
    assert_eq!(answer.value("echoloop_worker_up", "worker=\"1\""), 0.0);
    assert_eq!(answer.value("echoloop_worker_up", ""), 2.0);
    drop(frozen);
    while client.ask(HEALTH).status != 200 {}
    server.signal(SIGTERM);
    assert_eq!(server.wait().0.code(), Some(0));
}

/// The page needs nothing from elsewhere, and is told so.
#[test]
fn the_page_is_self_contained() {
    let server = start(&[]);
    let page = scrape(&server).ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((page.status, &*page.fields["content-type"]), (200, "text/html; charset=utf-8"));
    assert!(page.fields["content-security-policy"].starts_with("default-src 'none'; "));
    for elsewhere in ["https:", "src=", "@import", "url("] {
        assert!(!page.body.contains(elsewhere), "{elsewhere}");
    }
    let outside = page.body.matches("http:").count();
    assert_eq!(outside, page.body.matches("http://www.w3.org/2000/svg").count());
}

/// A browser runs it: it shows the server's state, and draws.
#[test]
fn the_page_draws_in_a_browser() {
    let server = start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", directory.path().display());
    let url = format!("http://{}/", server.address(1));
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", &profile]);
    command.args(["--virtual-time-budget=5000", "--dump-dom", &url]).stderr(Stdio::null());
    let Ok(output) = command.output() else {
        return println!("skipped: there is no chromium");
    };
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("class=\"good\">serving<"), "{page}");
    assert!(page.contains("<path class=\"in\" d=\"M"), "{page}");
    assert!(page.contains(&format!("echo=tcp://{}", server.address(0))), "{page}");
}

/// On a Unix socket too, and only on streams.
#[test]
fn metrics_are_served_on_streams() {
    let (_directory, path) = scratch("metrics.sock");
    let at = format!("unix://{}", path.display());
    let server = Server::start(&["echo=tcp://127.0.0.1:0", "--metrics", &at]);
    assert_eq!(server.bound[1], format!("metrics={at}"));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(HEALTH.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");
    let (code, _, err) = run(&["serve", "--metrics", "udp://127.0.0.1:0"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("expected a stream, such as tcp://127.0.0.1:9464"), "{err}");
}
