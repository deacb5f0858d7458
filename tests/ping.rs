//! `echoloop ping`, against good servers and deliberately bad ones.

#![cfg(feature = "cli")]

mod again;
mod clients;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

use again::again;
use clients::{Said, Server, echoloop, end, run, signal};
use echoloop::{Echo, Pong};
use serde_json::Value;

/// Pings and returns what it says as JSON.
#[track_caller]
fn ping_json(arguments: &[&str]) -> (Option<i32>, Value) {
    let said = run(echoloop(&[&["ping", "--json"], arguments].concat()), b"");
    let json = serde_json::from_slice(&said.output);
    (said.code, json.unwrap_or_else(|error| panic!("{error}: {said:?}")))
}

#[track_caller]
fn ping(arguments: &[&str]) -> Said {
    let said = run(echoloop(&[&["ping"], arguments].concat()), b"");
    assert!(!said.output.iter().any(|&byte| byte < b' ' && byte != b'\n'), "{said:?}");
    said
}

fn assert_counts(json: &Value, counts: &[(&str, u64)]) {
    for (what, count) in counts {
        assert_eq!(json[what], *count, "{what} in {json:#}");
    }
}

/// An echo server of any kind: each message has its line, and the summary adds up.
#[test]
fn echoes_are_timed_over_every_kind_of_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name).display().to_string();
    let (unix, unixgram) = (format!("unix://{}", path("s")), format!("unixgram://{}", path("d")));
    for endpoint in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", &unix, &unixgram] {
        let server = Server::start(endpoint, Echo);
        let said = ping(&["-c", "3", "-i", "1ms", "-W", "60s", &server.endpoint]);
        assert_eq!((said.code, said.errors.as_str()), (Some(0), ""), "{said:?}");
        let lines: Vec<_> = said.text().lines().collect();
        let (_, address) = server.endpoint.split_once("://").unwrap();
        assert_eq!(lines[0], format!("PING {} ({address}) 64 bytes of data.", server.endpoint));
        let is_stream = !server.endpoint.contains("udp") && !server.endpoint.contains("gram");
        let connected = lines.iter().filter(|line| line.starts_with("connected in ")).count();
        assert_eq!(connected, 2 * usize::from(is_stream)); // At the beginning, and in the summary.
        for number in 1..=3 {
            let reply = format!("64 bytes from {address}: seq={number} time=");
            let found = lines.iter().filter(|line| line.starts_with(&reply)).count();
            assert_eq!(found, 1, "{said:?}");
        }
        let title = format!("\n\n--- {} ping statistics ---\n", server.endpoint);
        let (_, summary) = said.text().split_once(&title).unwrap();
        let mut summary = summary.lines();
        let counts = summary.next().unwrap();
        assert!(counts.starts_with("3 packets transmitted, 3 received, 0% packet loss, time "));
        assert!(counts.ends_with("ms"));
        let times = summary.next().unwrap().strip_prefix("rtt min/avg/max/mdev = ").unwrap();
        let (times, _unit) = times.split_once(" ms").unwrap();
        assert_eq!(times.split('/').filter(|time| time.parse::<f64>().is_ok()).count(), 4);
        assert!(summary.next().unwrap().starts_with("p50/p90/p99/p99.9 = "));
    }
}

/// Messages of every size come back whole: none at all, too short for a number, longer than any buffer.
#[test]
fn messages_of_any_size() {
    let tcp = Server::start("tcp://127.0.0.1:0", Echo);
    let udp = Server::start("udp://127.0.0.1:0", Echo);
    let sizes: [(&Server, &[&str]); 2] =
        [(&tcp, &["1", "7", "64KiB", "3MiB"]), (&udp, &["0", "1", "4", "9", "65507"])];
    for (server, sizes) in sizes {
        for size in sizes {
            let arguments = ["-c", "2", "-i", "1ms", "-W", "60s", "-s", size, &server.endpoint];
            let (code, json) = ping_json(&arguments);
            assert_eq!(code, Some(0), "{json:#}");
            assert_counts(&json, &[("received", 2), ("wrong", 0), ("unexpected", 0)]);
        }
    }
}

/// Servers that answer with a word of their own.
#[test]
fn pongs_are_expected_where_asked_for() {
    for endpoint in ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"] {
        let server = Server::start(endpoint, Pong::default());
        let common = ["-c", "3", "-i", "1ms", "-W", "60s", &server.endpoint];
        let (code, json) = ping_json(&[&["--pong"][..], &common].concat());
        assert_eq!(code, Some(0), "{json:#}");
        assert_counts(&json, &[("received", 3), ("wrong", 0)]);
        let (code, json) = ping_json(&[&["--expect", "gong"][..], &common].concat());
        assert_eq!(code, Some(1));
        assert_counts(&json, &[("received", 3), ("wrong", 3)]);
    }
}

/// One reply after the other, nothing but the summary, and what JSON says of it.
#[test]
fn a_flood() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let said = ping(&["--flood", "-c", "1k", "-W", "60s", &server.endpoint]);
    assert_eq!(said.code, Some(0));
    let mut lines = said.text().lines();
    assert!(lines.next().unwrap().starts_with("PING "));
    assert_eq!(lines.next(), Some(""));
    assert_eq!(lines.next(), Some(&*format!("--- {} ping statistics ---", server.endpoint)));
    let counts = lines.next().unwrap();
    assert!(counts.starts_with("1000 packets transmitted, 1000 received, 0% packet loss, "));
    assert!(lines.next().unwrap().contains(", ipg/ewma "));
    let server = Server::start("udp://127.0.0.1:0", Echo);
    let (code, json) = ping_json(&["--flood", "-c", "1k", "-W", "60s", &server.endpoint]);
    assert_eq!(code, Some(0));
    assert_counts(&json, &[("sent", 1000), ("received", 1000), ("lost", 0), ("size", 64)]);
    let times = &json["round_trip_ms"];
    let time = |name: &str| times[name].as_f64().unwrap();
    let ascending = ["min", "p50", "p90", "p99", "p99.9", "max"].map(time);
    assert!(ascending.is_sorted() && ascending[0] > 0.0, "{times:#}");
    assert!((time("min")..=time("max")).contains(&time("avg")));
    assert_eq!((&json["connect_ms"], &json["error"]), (&Value::Null, &Value::Null));
}

/// A UDP server, told what to do with each datagram: `reply(number, payload)` for the first, 1.
fn bad_server(mut treat: impl FnMut(u64, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("udp://{}", socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        for number in 1.. {
            let (length, from): (usize, SocketAddr) =
                again(|| socket.recv_from(&mut buffer)).unwrap();
            for reply in treat(number, buffer[..length].to_vec()) {
                socket.send_to(&reply, from).unwrap();
            }
        }
    });
    endpoint
}

/// A server that drops the fourth, sends the first twice, and the second after the third.
#[test]
fn loss_duplicates_and_reordering_are_told_apart() {
    let mut second = Vec::new();
    let endpoint = bad_server(move |number, payload| match number {
        1 => vec![payload.clone(), payload],
        2 => {
            second = payload;
            vec![]
        }
        3 => vec![payload, second.clone()],
        4 => vec![],
        _ => vec![payload],
    });
    let said = ping(&["-c", "6", "-i", "10ms", &endpoint]);
    assert_eq!(said.code, Some(0));
    let has = |text: &str| said.text().lines().filter(|line| line.contains(text)).count();
    assert_eq!(has("seq=1 "), 2, "{said:?}");
    assert_eq!((has("ms (DUP!)"), has("ms (out of order)")), (1, 1), "{said:?}");
    assert_eq!(has("no reply to seq=4 within 1000 ms"), 1);
    let summary = "6 packets transmitted, 5 received, +1 duplicates, 16.6667% packet loss, time ";
    assert_eq!((has(summary), has("1 out of order")), (1, 1), "{said:?}");
}

/// Bytes and lengths that are wrong are found, told, and an error at the end.
#[test]
fn wrong_datagrams_are_found() {
    let endpoint = bad_server(|number, mut payload| {
        match number {
            1 => payload[20] ^= 1,
            2 => payload.truncate(63),
            3 => payload[0] ^= 1, // The number itself: it answers nothing that we know.
            _ => {}
        }
        vec![payload]
    });
    let said = ping(&["-c", "4", "-i", "1ms", "-W", "500ms", &endpoint]);
    assert_eq!(said.code, Some(1));
    assert!(said.text().contains("\nwrong data byte #20 should be 0x"), "{said:?}");
    assert!(said.text().contains("63 bytes from"), "{said:?}");
    assert!(said.text().contains(" ms (truncated)\n"), "{said:?}");
    assert!(said.text().contains(" 3 received, +3 corrupted, 25% packet loss,"), "{said:?}");
    assert!(said.text().contains("\n1 unexpected\n"), "{said:?}");
}

/// One byte of a megabyte, on a stream that cuts it anyhow.
#[test]
fn a_wrong_byte_of_a_stream_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut buffer, mut offset) = ([0; 4099], 0);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if (offset..offset + length).contains(&1_000_000) {
                buffer[1_000_000 - offset] ^= 0x80;
            }
            offset += length;
            stream.write_all(&buffer[..length]).unwrap();
        }
    });
    let said = ping(&["-c", "2", "-i", "1ms", "-s", "1MiB", "-W", "60s", &endpoint]);
    assert_eq!(said.code, Some(1));
    assert!(said.text().contains(": seq=1 time="));
    assert!(said.text().contains("\nwrong data byte #1000000 should be 0x"), "{said:?}");
    let counts = "\n2 packets transmitted, 2 received, +1 corrupted, 0% packet loss, ";
    assert!(said.text().contains(counts), "{said:?}");
}

#[test]
fn nothing_comes_back() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("udp://{}", silent.local_addr().unwrap());
    let (code, json) = ping_json(&["-c", "2", "-i", "1ms", "-W", "5ms", &endpoint]);
    assert_eq!((code, &json["loss_percent"]), (Some(1), &Value::from(100.0)));
    assert_counts(&json, &[("sent", 2), ("received", 0), ("lost", 2)]);
    assert_eq!(json["round_trip_ms"], Value::Null);

    drop(silent);
    let said = ping(&["-c", "1", "-W", "1h", &endpoint]); // What is refused isn't waited for.
    assert_eq!(said.code, Some(1));
    assert!(said.text().contains(": connection refused\n"), "{said:?}");
    let counts = "1 packets transmitted, 0 received, +1 errors, 100% packet loss, ";
    assert!(said.text().contains(counts), "{said:?}");
}

/// Where nobody listens, each message is lost, and there is a summary; a deadline is waited for, and a count is
/// reached.
#[test]
fn a_refused_port_is_pinged_on() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let nowhere = format!("unix://{}", directory.path().join("none").display());
    let nobody = format!("unixgram://{}", directory.path().join("none").display());
    let (refused, none) = ("connection refused", "no such file or directory");
    for (endpoint, why) in [
        (&format!("tcp://{closed}"), refused),
        (&format!("tcp://localhost:{}", closed.port()), refused),
        (&nowhere, none),
        (&nobody, none),
    ] {
        let said = ping(&["-c", "3", "-i", "1ms", endpoint]);
        let text = said.text();
        assert!(text.starts_with(&format!("PING {endpoint} (")), "{said:?}");
        for number in 1..=3 {
            let line = format!("no connection for seq={number}: ");
            let line = text.lines().find_map(|it| it.strip_prefix(&line));
            assert!(line.is_some_and(|it| it.ends_with(why)), "{number}: {said:?}");
        }
        let counts = "\n3 packets transmitted, 0 received, +3 errors, 100% packet loss, time ";
        assert!(text.contains(counts), "{said:?}");
        assert_eq!(text.ends_with("\n3 refused\n"), why == refused, "{said:?}");
        assert!(said.code == Some(1) && said.errors.ends_with(&format!("{why}\n")), "{said:?}");
        // However many are refused, a deadline ends it, and not before.
        let (code, json) = ping_json(&["-w", "200ms", "-i", "1ms", endpoint]);
        assert!(json["sent"].as_u64() > Some(3) && code == Some(1), "{json:#}");
        assert!(json["elapsed_ms"].as_f64() >= Some(190.0), "{json:#}");
        let (sent, errors) = (&json["sent"], &json["errors"]);
        assert!(sent == errors && json["error"].as_str().unwrap().ends_with(why), "{json:#}");
    }
}

/// One that begins to listen is found, and what it answers is known by its numbers.
#[test]
fn a_server_that_comes_later_is_pinged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later");
    let endpoint = format!("unix://{}", path.display());
    for more in [&[][..], &["--pong"]] {
        let arguments = [&["ping", "-c", "3", "-w", "60", "-i", "5ms", &endpoint], more].concat();
        let mut child = echoloop(&arguments).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("no connection for seq=2: no such file or directory") {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0);
        }
        let server = match more.is_empty() {
            true => Server::start(&endpoint, Echo),
            false => Server::start(&endpoint, Pong::default()),
        };
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(" 3 received, +") && rest.contains("\nconnected in "), "{rest}");
        assert!(!rest.contains("corrupted") && !rest.contains("wrong"), "{rest}");
        let said = end(child);
        assert_eq!((said.code, &*said.errors), (Some(0), ""));
        drop(server);
    }
}

/// A server that closes in the middle: the error, and what there was until then.
#[test]
fn a_server_that_closes_early() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [0; 64];
        stream.read_exact(&mut message).unwrap();
        stream.write_all(&message).unwrap();
    });
    let said = ping(&["-c", "5", "-i", "1h", "-W", "60s", &endpoint]);
    assert_eq!(said.code, Some(1));
    assert!(said.text().contains("\n1 packets transmitted, 1 received, "), "{said:?}");
    let why = "the server has ended the connection";
    assert_eq!(said.errors, format!("echoloop: {endpoint}: {why}\n"));
}

/// A stream that brings more than it was asked for is wrong; of datagrams that is nobody's fault.
#[test]
fn a_surplus_byte_of_a_stream_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut message = [b'X'; 65];
        while stream.read_exact(&mut message[..64]).is_ok() {
            stream.write_all(&message).unwrap();
        }
    });
    let (code, json) = ping_json(&["-c", "2", "-i", "5ms", "-W", "60s", &endpoint]);
    assert_eq!(code, Some(1), "{json:#}");
    assert_counts(&json, &[("received", 2), ("wrong", 0)]);
    assert!(json["unexpected"].as_u64() > Some(0), "{json:#}");
}

#[test]
fn an_interruption_ends_with_the_summary() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["ping", "-i", "1ms", &server.endpoint]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("seq=3 ") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it goes on");
    }
    signal(child.id(), "INT");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" ping statistics ---\n"), "{rest}");
    assert!(rest.contains("\nrtt min/avg/max/mdev = "), "{rest}");
    assert_eq!(end(child).code, Some(0));
}

/// `| head -1`: the end, not an endless ping to nobody.
#[test]
fn a_closed_output_ends_it() {
    let server = Server::start("tcp://127.0.0.1:0", Echo);
    let mut child = echoloop(&["ping", "-i", "1ms", &server.endpoint]).spawn().unwrap();
    drop(child.stdout.take());
    let said = end(child);
    assert_eq!(said.errors, "");
}

#[test]
fn errors_name_the_deed_and_the_object() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("tcp://{closed}");
    let said = ping(&["-c", "1", &endpoint]);
    let expected = format!("echoloop: cannot connect to {endpoint}: connection refused\n");
    assert_eq!((said.code, &*said.errors), (Some(1), &*expected));
    let (code, json) = ping_json(&["-c", "1", &endpoint]);
    assert_eq!(code, Some(1));
    assert!(json["error"].as_str().unwrap().ends_with(": connection refused"), "{json:#}");

    let nonsense: [&[&str]; 6] = [
        &["-s", "0", "tcp://127.0.0.1:1"],
        &["-s", "65508", "udp://127.0.0.1:1"],
        &["-s", "4", "--pong", "udp://127.0.0.1:1"],
        &["-c", "0", "udp://127.0.0.1:1"],
        &["--flood", "-i", "1s", "udp://127.0.0.1:1"],
        &["127.0.0.1"],
    ];
    for arguments in nonsense {
        assert_eq!(ping(arguments).code, Some(2), "{arguments:?}");
    }
}
