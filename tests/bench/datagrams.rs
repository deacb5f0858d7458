//! What comes instead of the reply that was waited for.

use std::net::UdpSocket;

use crate::output::assert_conforms;
use crate::support::{Server, bench, echo_changed, tcp_server, udp_server, udp_server_that_dies};

/// Eight bytes are enough to know a datagram by: late, twice, somebody else's, or spoilt.
#[test]
fn the_smallest_datagrams_are_told_apart() {
    let run = |server: &str, more: &str| {
        let run = bench(&format!("{server} -c 1 -s 8 --warmup 0 {more} --json -"));
        (run.code(), run.only())
    };
    let doubling = udp_server(|number, datagram| match number % 10 {
        5 => vec![datagram.to_vec(); 2],
        _ => vec![datagram.to_vec()],
    });
    let (code, result) = run(&doubling, "-n 100 --timeout 20s");
    assert_eq!((code, &result["errors"]["duplicates"]), (0, &10.into()), "{result:#}");

    // The tenth comes with the one that was sent when the tenth had been given up.
    let mut held = Vec::new();
    let late = udp_server(move |number, datagram| match number {
        10 => {
            held = datagram.to_vec();
            vec![]
        }
        11 => vec![std::mem::take(&mut held), datagram.to_vec()],
        _ => vec![datagram.to_vec()],
    });
    let (code, result) = run(&late, "-n 50 --timeout 500ms");
    let errors = &result["errors"];
    assert_eq!((code, &errors["late"], &errors["lost"]), (0, &1.into(), &1.into()), "{result:#}");

    for bit in 0..8 {
        let spoiling = udp_server(move |number, datagram| {
            let mut reply = datagram.to_vec();
            reply[bit] ^= u8::from(number == 50) << bit;
            vec![reply]
        });
        let (code, result) = run(&spoiling, "-n 100 --timeout 50ms");
        assert_eq!((code, &result["errors"]["wrong"]), (1, &1.into()), "{bit}: {result:#}");
    }
}

/// A server that mixes its clients up: each of two is sent what belongs to the other.
#[test]
fn replies_to_somebody_else_are_told() {
    for size in [8, 64] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 100];
            let (mut clients, mut first) = (Vec::new(), Vec::new());
            loop {
                let Ok((length, from)) = crate::again::again(|| socket.recv_from(&mut buffer))
                else {
                    return;
                };
                if clients.is_empty() {
                    first = buffer[..length].to_vec();
                }
                if !clients.contains(&from) {
                    clients.push(from);
                }
                if clients.len() == 2 && !first.is_empty() {
                    let _ = socket.send_to(&std::mem::take(&mut first), clients[1]);
                }
            }
        });
        let run =
            bench(&format!("udp://{address} -c 2 -s {size} -z 100ms --warmup 0 --timeout 50ms"));
        assert_eq!(run.code(), 1);
        assert!(run.out.contains("socket 1: a reply that belongs to socket 0"), "{}", run.out);
    }
}

/// What one run left behind, and came when the next one was under way, isn't a wrong answer to that.
#[test]
fn a_reply_to_an_earlier_run_is_no_fault() {
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mixing = udp_server(move |_, datagram| {
        held.push(datagram.to_vec());
        // What came first in the first round, again and again.
        vec![held[0].clone(), datagram.to_vec()]
    });
    let run = bench(&format!("{mixing} -c 1 -s 8 -n 20 --sweep depth=1,1 --timeout 5s --json -"));
    let document = run.json();
    assert_eq!(run.code(), 0, "{document:#}");
    assert_eq!(document["runs"][1]["errors"]["stale"], 20);
    assert_eq!(document["runs"][1]["messages"], 20);
}

/// A server for datagrams that dies in mid-run is told by the kernel, and isn't mere loss.
#[cfg(target_os = "linux")]
#[test]
fn a_dead_server_for_datagrams_fails_the_run() {
    let address = udp_server_that_dies(50);
    let command = format!("udp://{address} -c 1 -z 300ms --warmup 0 --timeout 500ms");
    let run = bench(&command);
    assert_eq!(run.code(), 1, "{}", run.out);
    let words = "could not be delivered (connection refused).";
    let line = run.out.lines().find(|line| line.starts_with("FAILED: ")).unwrap();
    assert!(line.ends_with(words), "{}", run.out);
    assert!(run.out.contains("50 messages in"), "{}", run.out);
}

/// Where nobody answers, a run for a number of replies doesn't wait out every one of them, and fails.
#[test]
fn a_count_of_replies_ends_where_none_come() {
    let silent = udp_server(|_, _| vec![]);
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // All of them would take some weeks.
    for endpoint in [silent, format!("udp://{closed}")] {
        let run = bench(&format!("{endpoint} -n 10M --timeout 100ms --json -"));
        let result = run.only();
        assert_eq!((run.code(), &result["messages"]), (1, &0.into()), "{result:#}");
        assert!(result["errors"]["lost"].as_u64() > Some(0), "{result:#}");
        let run = bench(&format!("{endpoint} -n 10M --timeout 100ms"));
        assert!(run.out.contains("FAILED: nothing was measured"), "{}", run.out);
    }
}

/// Nor if it falls silent in mid-run: that doesn't cost a timeout for each of the others, and is said.
#[test]
fn a_count_of_replies_ends_when_the_server_falls_silent() {
    let is_early = |number: usize| number < 50;
    for load in ["-c 1", "-c 20", "-c 2 --depth 10", "-c 5 --rate 500"] {
        let server = udp_server(move |number, payload| match is_early(number) {
            true => vec![payload.to_vec()],
            false => vec![],
        });
        silence(&format!("{server} {load} -n 10M --timeout 100ms"), true);
    }
    for load in ["-c 1", "-c 1 --depth 4", "-c 1 --rate 500"] {
        let server = tcp_server(move |stream| {
            let mut deaf = stream.try_clone().unwrap();
            echo_changed(stream, |number, _| is_early(number));
            let _ = std::io::copy(&mut deaf, &mut std::io::sink());
        });
        silence(&format!("{server} {load} -n 10M --timeout 100ms"), false);
    }
}

/// A burst of loss at the end, when nothing else is on its way, is no silence: nobody was asked after it.
#[test]
fn a_burst_of_loss_is_no_silence() {
    let server = udp_server(|number, payload| match number {
        30..40 => vec![],
        _ => vec![payload.to_vec()],
    });
    let run = bench(&format!("{server} -c 2 --depth 10 -n 40 --timeout 100ms --json -"));
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (0, &30.into()), "{result:#}");
    assert_eq!(result["errors"]["lost"], 10);
}

#[track_caller]
fn silence(command: &str, may_lose: bool) {
    let run = bench(&format!("{command} --json -"));
    let result = run.only();
    assert_conforms(&run.json());
    let messages = result["messages"].as_u64().unwrap();
    assert!((40..=50).contains(&messages), "{command}: {result:#}");
    let failings = result["failings"].to_string();
    assert!(run.code() == 1 && failings.contains("fell_silent"), "{command}: {failings}");
    let words = format!("FAILED: the server fell silent after {messages} of 10,000,000 messages");
    assert!(result["notes"].to_string().contains(&words), "{command}: {}", result["notes"]);
    assert!(may_lose || failings.contains("unanswered"), "{command}: {failings}");
}

/// A pause of our own is no silence of the server, however short the timeout is.
#[test]
fn who_has_nothing_to_wait_for_is_patient() {
    let (tcp, udp) = (Server::start("tcp://127.0.0.1:0"), Server::start("udp://127.0.0.1:0"));
    for load in [
        format!("{} -c 1 -n 4 --think 700ms", tcp.endpoint),
        format!("{} -c 1 -n 4 --rate 2", tcp.endpoint),
        format!("{} -c 1 -n 4 --rate 2", udp.endpoint),
    ] {
        let run = bench(&format!("{load} --timeout 200ms --json -"));
        let result = run.only();
        assert_eq!((run.code(), &result["messages"]), (0, &4.into()), "{load}: {result:#}");
    }
}

/// The same if the server goes in mid-run, and the kernel says so.
#[cfg(target_os = "linux")]
#[test]
fn a_count_of_replies_ends_when_the_server_does() {
    let address = udp_server_that_dies(50);
    let run = bench(&format!("udp://{address} -n 10M --timeout 100ms"));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.out.contains("could not be delivered (connection refused)."), "{}", run.out);
    assert!(run.out.contains("50 messages in"), "{}", run.out);
}
