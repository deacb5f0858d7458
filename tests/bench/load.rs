//! What is measured, and what is found to be wrong.

use std::collections::HashSet;
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{
    Server, bench, bench_while, echo_changed, interrupt, tcp_server, tcp_server_that_tells,
    udp_server,
};

/// Every kind of endpoint, and as many replies as were asked for, all of them right.
#[test]
fn a_number_of_messages_is_exactly_that_number() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let kinds = [
        "tcp://127.0.0.1:0".to_owned(),
        "tcp://[::1]:0".to_owned(),
        "udp://127.0.0.1:0".to_owned(),
        format!("unix://{path}/stream"),
        format!("unixgram://{path}/datagram"),
    ];
    for kind in kinds {
        let server = Server::start(&kind);
        let run = bench(&format!("{} -n 1000 -c 3 --timeout 20s --json -", server.endpoint));
        let result = run.only();
        assert_eq!(run.code(), 0, "{kind}: {result:#}");
        assert_eq!(result["messages"], 1000, "{kind}: {result:#}");
        assert_eq!(result["latency"]["count"], 1000, "{kind}");
        assert_eq!(result["connects"], 3, "{kind}");
        for (name, count) in result["errors"].as_object().unwrap() {
            assert_eq!(*count, 0, "{kind}: {name}");
        }
    }
}

/// Sizes that come in pieces, pipelines, several workers, a ramp: still every byte is compared.
#[test]
fn all_shapes_of_load_come_back_right() {
    let server = Server::start("tcp://127.0.0.1:0");
    let shapes = [
        "-s 1 -n 2000",
        "-s 1MiB -n 20 -c 2",
        "-s 65521 --depth 3 -n 100",
        "-s 100 --depth 64 -n 5000 -c 5",
        "-n 999 -c 5 --workers 2",
        "-n 500 -c 20 --ramp 2k",
        "-n 300 -c 4 --churn",
        "-n 301 -c 4 --churn --workers 3",
        "-n 500 -c 4 --rate 10k",
        "-n 200 -c 4 --rate 2k --churn",
        "-n 500 --bind 127.0.0.2-127.0.0.4",
    ];
    for shape in shapes {
        let run = bench(&format!("{} {shape} --json -", server.endpoint));
        let result = run.only();
        assert_eq!(run.code(), 0, "{shape}: {result:#}");
        let wanted: u64 =
            shape.split("-n ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let messages = result["messages"].as_u64().unwrap();
        // What was due and on its way when the last one came is answered too.
        assert!(messages >= wanted && (messages == wanted || shape.contains("rate")), "{shape}");
        assert!(result["errors"].as_object().unwrap().values().all(|it| *it == 0), "{result:#}");
    }
}

/// One wrong byte among many right ones makes the whole run a failure.
#[test]
fn a_wrong_byte_is_a_failed_run() {
    let endpoint = tcp_server(|stream| {
        echo_changed(stream, |number, message| {
            message[33] ^= u8::from(number == 100);
            true
        });
    });
    let run = bench(&format!("{endpoint} -c 1 -z 10s --warmup 0"));
    assert_eq!(run.code(), 1);
    assert!(run.out.contains("FAILED: the server's answers are wrong"), "{}", run.out);
    assert!(run.out.contains("First: connection 0: byte 34 of reply 101."), "{}", run.out);
}

/// Messages of one connection that change places are found, though every byte of them is there.
#[test]
fn answers_in_the_wrong_order_are_a_failed_run() {
    let endpoint = tcp_server(|stream| {
        let mut held = None;
        echo_changed(stream, move |number, message| {
            match number {
                10 => held = Some(*message), // Once more the one before, so to speak.
                11 => *message = held.unwrap(),
                _ => {}
            }
            true
        });
    });
    let run = bench(&format!("{endpoint} -c 1 --depth 4 -z 10s --warmup 0 --json -"));
    assert_eq!(run.code(), 1);
    assert_eq!(run.only()["errors"]["wrong"], 1);
}

/// A server that says more than it was asked to is wrong too.
#[test]
fn an_answer_to_nothing_is_a_failed_run() {
    let endpoint = tcp_server(|mut stream| {
        let _ = std::io::Write::write_all(&mut stream, b"welcome");
        echo_changed(stream, |_, _| true);
    });
    let run = bench(&format!("{endpoint} -c 1 -z 1s --warmup 0 --json -"));
    assert_eq!(run.code(), 1);
    let errors = &run.only()["errors"];
    assert_eq!(errors["wrong"].as_u64().unwrap() + errors["surplus"].as_u64().unwrap(), 1);
}

/// The classic example of coordinated omission: a stall that one request in a thousand meets, and that all
/// who would have come meanwhile have to wait for.
#[test]
fn a_stall_shows_in_the_corrected_latency_and_hides_from_the_other() {
    const STALL: Duration = Duration::from_millis(400);
    let endpoint = tcp_server(|stream| {
        echo_changed(stream, |number, _| {
            if number == 300 {
                thread::sleep(STALL); // What the test is about.
            }
            true
        });
    });
    let run = bench(&format!("{endpoint} -c 1 --rate 1k -z 1s --warmup 0 --json -"));
    assert_eq!(run.code(), 0, "{}", run.out);
    let result = run.only();
    let p99 = |name: &str| result[name]["percentiles"]["p99"].as_u64().unwrap();
    let stall = STALL.as_nanos() as u64;
    assert!(p99("latency") >= stall * 3 / 4, "{result:#}");
    assert!(p99("latency_uncorrected") < stall / 2, "{result:#}");
    assert!(result["latency_uncorrected"]["max"].as_u64().unwrap() >= stall, "{result:#}");
}

/// In a closed loop the last replies of a server that stalls at the end are waited for, and seen.
#[test]
fn a_stall_at_the_end_is_not_left_out() {
    let endpoint = tcp_server(|stream| {
        echo_changed(stream, |number, _| {
            // So early that also a slow machine gets there in time.
            if number == 5 {
                thread::sleep(Duration::from_millis(600)); // What the test is about.
            }
            true
        });
    });
    let run = bench(&format!("{endpoint} -c 1 -z 300ms --warmup 0 --json -"));
    let result = run.only();
    assert_eq!((run.code(), &result["messages_after_the_end"]), (0, &1.into()), "{result:#}");
    assert!(result["latency"]["max"].as_u64().unwrap() >= 500_000_000);
}

/// A server that closes early, one that resets, one that nobody listens at, and one that never answers:
/// always a result, with the errors counted by kind.
#[test]
fn trouble_is_counted_by_kind() {
    let early = tcp_server(|stream| echo_changed(stream, |number, _| number < 5));
    let run = bench(&format!("{early} -c 3 -z 20s --warmup 0 --json -"));
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (1, &15.into()));
    let errors = &result["errors"];
    // Whoever closes without having read everything resets the connection: both are fair.
    assert_eq!(errors["ended"].as_u64().unwrap() + errors["reset"].as_u64().unwrap(), 3);
    assert_eq!(errors["unanswered"], 3);

    let resets = tcp_server(|stream| {
        let socket = socket2::SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        echo_changed(stream.try_clone().unwrap(), |number, _| number < 5);
    });
    let run = bench(&format!("{resets} -c 3 -z 20s --warmup 0 --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["reset"]), (1, &3.into()));

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = bench(&format!("tcp://{nobody} -c 3 -z 20s"));
    assert_eq!(run.code(), 1);
    assert!(run.out.contains("connections refused  3"), "{}", run.out);
    assert!(run.out.contains("nothing was measured: connection refused"), "{}", run.out);
    let run = bench(&format!("tcp://{nobody} -c 3 -z 20s --churn --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["refused"]), (1, &3.into()));

    let silent = tcp_server(|stream| {
        let _ = std::io::copy(&mut &stream, &mut std::io::sink());
    });
    let run = bench(&format!("{silent} -c 3 -z 100ms --warmup 0 --timeout 100ms --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["unanswered"]), (1, &3.into()));
    let run = bench(&format!("{silent} -c 3 -n 100 --timeout 100ms --json -"));
    assert_eq!((run.code(), &run.only()["errors"]["unanswered"]), (1, &3.into()));
}

/// Where nobody listens for datagrams, the kernel says so, and that is counted.
#[cfg(target_os = "linux")]
#[test]
fn unreachable_datagrams_are_counted() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = bench(&format!("udp://{nobody} -c 3 -z 100ms --warmup 0 --timeout 100ms"));
    assert_eq!(run.code(), 1);
    assert!(run.out.contains("datagrams that could not be delivered "), "{}", run.out);
    assert!(run.out.contains("nothing was measured: connection refused"), "{}", run.out);
}

/// A server that dies in the middle ends the run.
#[test]
fn a_server_that_dies_is_no_reason_to_hang() {
    let server = Arc::new(Mutex::new(Some(Server::start("tcp://127.0.0.1:0"))));
    let endpoint = server.lock().unwrap().as_ref().unwrap().endpoint.clone();
    let seen = Arc::new(AtomicUsize::new(0));
    let (tell, told) = mpsc::channel();
    // In front of it somebody who counts, so that it dies neither too early nor by the clock.
    let front = tcp_server(move |stream| {
        let (seen, tell) = (seen.clone(), tell.clone());
        let keep = stream.try_clone().unwrap();
        echo_changed(stream, move |_, _| {
            let alive = seen.fetch_add(1, Ordering::SeqCst) < 500;
            if !alive {
                let _ = tell.send(());
                let _ = keep.shutdown(Shutdown::Both);
            }
            alive
        });
    });
    let run = bench_while(&format!("{front} -c 5 -z 50s --warmup 0 --json -"), |_| {
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        server.lock().unwrap().take();
    });
    assert_eq!(run.only()["messages"], 500);
    let run = bench(&format!("{endpoint} -c 5 -z 50s"));
    assert_eq!(run.code(), 1);
}

/// Of a hundred datagrams every tenth is dropped, then doubled, then held back until the next one has
/// gone; and one is spoilt.
#[test]
fn datagrams_that_get_lost_doubled_or_out_of_order_are_counted() {
    let dropping = udp_server(|number, datagram| match number % 10 {
        5 => vec![],
        _ => vec![datagram.to_vec()],
    });
    let run = bench(&format!("{dropping} -c 1 --depth 4 -n 20 --timeout 100ms"));
    assert!(run.out.contains("Of 4 places for datagrams on their way, "), "{}", run.out);
    let run = bench(&format!("{dropping} -c 1 --depth 4 -n 100 --timeout 300ms --json -"));
    let on_the_way = run.only()["on_the_way"].as_f64().unwrap();
    assert!(on_the_way > 0.0 && on_the_way < 2.0, "lost ones are not: {on_the_way}");
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (0, &90.into()), "{result:#}");
    assert_eq!(result["errors"]["lost"], 10);

    let doubling = udp_server(|number, datagram| match number % 10 {
        5 => vec![datagram.to_vec(); 2],
        _ => vec![datagram.to_vec()],
    });
    let run = bench(&format!("{doubling} -c 1 --depth 4 -n 100 --timeout 20s --json -"));
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (0, &100.into()), "{result:#}");
    assert_eq!(result["errors"]["duplicates"], 10);

    let mut held: Vec<Vec<u8>> = Vec::new();
    let disordering = udp_server(move |number, datagram| {
        held.insert(0, datagram.to_vec());
        if number % 10 == 5 { vec![] } else { std::mem::take(&mut held) }
    });
    let run = bench(&format!("{disordering} -c 1 --depth 4 -n 100 --timeout 20s --json -"));
    let result = run.only();
    assert_eq!((run.code(), &result["messages"]), (0, &100.into()), "{result:#}");
    assert_eq!(result["errors"]["reordered"], 10);

    for place in [0, 5, 6, 8, 63] {
        let spoiling = udp_server(move |number, datagram| {
            let mut reply = datagram.to_vec();
            reply[place] ^= u8::from(number == 50) << 7;
            vec![reply]
        });
        let run = bench(&format!("{spoiling} -c 1 -n 100 --timeout 100ms --json -"));
        let result = run.only();
        assert_eq!((run.code(), &result["errors"]["wrong"]), (1, &1.into()), "{place}: {result:#}");
    }
    let cutting = udp_server(|_, datagram| vec![datagram[..63].to_vec()]);
    let run = bench(&format!("{cutting} -c 1 -n 1 --timeout 100ms"));
    assert_eq!(run.code(), 1);
    assert!(run.out.contains("a reply of 63 bytes instead of 64"), "{}", run.out);
}

/// With `--bind` connections come from the addresses in turn.
#[test]
fn connections_come_from_the_addresses_that_were_given() {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let addresses = seen.clone();
    let endpoint = tcp_server(move |stream| {
        addresses.lock().unwrap().insert(stream.peer_addr().unwrap().ip().to_string());
        echo_changed(stream, |_, _| true);
    });
    let run = bench(&format!("{endpoint} -c 4 -n 40 --bind 127.0.0.2-127.0.0.3,127.0.0.9"));
    assert_eq!(run.code(), 0, "{}", run.out);
    let wanted = ["127.0.0.2", "127.0.0.3", "127.0.0.9"].map(str::to_owned);
    assert_eq!(*seen.lock().unwrap(), HashSet::from(wanted));
}

/// Ctrl-C ends the run early, and what was measured is shown.
#[test]
fn an_interrupt_shows_what_was_measured() {
    let (endpoint, busy) = tcp_server_that_tells();
    let run = bench_while(&format!("{endpoint} -c 1 -z 50s --warmup 0"), |pid| {
        busy.recv_timeout(Duration::from_secs(30)).unwrap();
        interrupt(pid);
    });
    assert_eq!(run.code(), 0);
    assert!(run.out.contains("Ended early by a signal, after "), "{}", run.out);
    assert!(run.out.contains("p99"), "{}", run.out);
}
