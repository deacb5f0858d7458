//! Servers that are almost right, and a verdict that isn't taken in by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{
    Run, Server, bench, bench_while, echo_changed, interrupt, tcp_server, tcp_server_that_tells,
    udp_server,
};

/// A TCP server of which connection number `index`, in the order of accepting, is treated like this.
fn by_connection(serve: impl Fn(usize, std::net::TcpStream) + Send + Clone + 'static) -> String {
    let accepted = Arc::new(AtomicUsize::new(0));
    tcp_server(move |stream| serve(accepted.fetch_add(1, Ordering::SeqCst), stream))
}

#[track_caller]
fn assert_failed(run: &Run, words: &[&str]) {
    assert_eq!(run.code(), 1, "{}{}", run.out, run.err);
    for words in words {
        assert!(run.out.contains(words), "{words} in:\n{}", run.out);
    }
}

/// A message that is swallowed stops its connection, and only that; the others go on as if nothing were.
#[test]
fn a_swallowed_message_fails_the_run() {
    let endpoint = by_connection(|index, stream| {
        let mut deaf = stream.try_clone().unwrap();
        echo_changed(stream, |number, _| index != 1 || number != 20);
        let _ = std::io::copy(&mut deaf, &mut std::io::sink());
    });
    let run = bench(&format!("{endpoint} -c 3 --duration 200ms --warmup 0 --timeout 1s"));
    assert_failed(&run, &["FAILED: 1 message had no reply within 1.00 s, on 1 of 3 connections."]);
    assert!(run.out.contains("p99"), "what was measured is shown all the same: {}", run.out);
}

#[test]
fn a_swallowed_last_byte_fails_the_run() {
    let endpoint = by_connection(|_, mut stream| {
        let mut kept = stream.try_clone().unwrap();
        let mut last = [0; 64];
        echo_changed(stream.try_clone().unwrap(), |number, message| {
            last = *message;
            number != 20
        });
        let _ = std::io::Write::write_all(&mut stream, &last[..63]);
        let _ = std::io::copy(&mut kept, &mut std::io::sink());
    });
    let run = bench(&format!("{endpoint} -c 2 --duration 200ms --warmup 0 --timeout 1s"));
    assert_failed(&run, &["FAILED: 2 messages had no reply within 1.00 s, on 2 of 2 connections."]);
}

/// A server that takes connections and says nothing on four of ten.
#[test]
fn deaf_connections_fail_the_run() {
    let endpoint = by_connection(|index, stream| match index {
        0..4 => drop(std::io::copy(&mut &stream, &mut std::io::sink())),
        _ => echo_changed(stream, |_, _| true),
    });
    let command = format!("{endpoint} -c 10 --duration 200ms --timeout 1s --warmup 10ms");
    assert_failed(&bench(&command), &["FAILED: 4 messages had no reply", "on 4 of 10 connections"]);
    // And whoever knows about it says so, and has a result with the sentence in it.
    let endpoint = by_connection(|index, stream| match index {
        0..4 => drop(std::io::copy(&mut &stream, &mut std::io::sink())),
        _ => echo_changed(stream, |_, _| true),
    });
    let command = format!("{endpoint} -c 10 --duration 200ms --timeout 1s --warmup 10ms");
    let run = bench(&format!("{command} --allow-losses"));
    assert_eq!(run.code(), 0, "{}", run.out);
    assert!(run.out.contains("\n4 messages had no reply within 1.00 s"), "{}", run.out);
}

/// A server that dies in mid-run: the figures of the time before are shown, and are no success.
#[test]
fn a_death_in_mid_run_fails_it() {
    let seen = Arc::new(AtomicUsize::new(0));
    let endpoint = tcp_server(move |stream| {
        let seen = seen.clone();
        echo_changed(stream, move |_, _| seen.fetch_add(1, Ordering::SeqCst) < 500);
    });
    let run = bench(&format!("{endpoint} -c 5 --duration 50s --warmup 0"));
    assert_failed(
        &run,
        &["FAILED: 5 of 5 connections were lost, the first ", "No connection was left"],
    );
    assert!(run.out.contains("500 messages in "), "{}", run.out);
    // The same in an open loop.
    let endpoint = tcp_server(|stream| echo_changed(stream, |number, _| number < 100));
    let run = bench(&format!("{endpoint} -c 2 --rate 2k --duration 50s --warmup 0 --json -"));
    assert_eq!(run.code(), 1);
    let result = run.only();
    assert_eq!((&result["failed"], &result["messages"]), (&true.into(), &200.into()), "{result:#}");
}

/// What happens in the warm-up is not measured: no figures of it, whatever ended it.
#[test]
fn a_death_in_the_warm_up_measures_nothing() {
    let endpoint = tcp_server(|stream| echo_changed(stream, |number, _| number < 50));
    let run = bench(&format!("{endpoint} -c 3 --duration 1s --warmup 50s"));
    assert_failed(&run, &["FAILED: nothing was measured: no connection was left in the warm-up"]);
    assert!(!run.out.contains("p99") && !run.out.contains("a second"), "{}", run.out);
    let endpoint = tcp_server(|stream| echo_changed(stream, |number, _| number < 50));
    let run = bench(&format!("{endpoint} -c 3 --duration 1s --warmup 50s --json -"));
    let result = run.only();
    assert_eq!((&result["messages"], &result["latency"]), (&0.into(), &().into()), "{result:#}");
}

#[test]
fn an_interrupt_in_the_warm_up_measures_nothing() {
    for options in ["-c 1", "-c 2 -w 2", "-c 1 --rate 5k"] {
        let (endpoint, busy) = tcp_server_that_tells();
        let command = format!("{endpoint} {options} --duration 1s --warmup 50s");
        let run = bench_while(&command, |pid| {
            busy.recv_timeout(Duration::from_secs(30)).unwrap();
            interrupt(pid);
        });
        assert_failed(&run, &["Interrupted in the warm-up: nothing was measured."]);
        assert!(!run.out.contains("p99"), "{}", run.out);
    }
}

/// Half of the datagrams are dropped: then the slower half of what users met has no time at all, and
/// no percentile from p51 on is less than what was waited for in vain.
#[test]
fn what_was_never_answered_is_in_the_percentiles() {
    for load in ["", "--rate 2k", "-d 4 --rate 1k", "-w 2"] {
        let load = load.replace("-d ", "--depth ");
        let endpoint = udp_server(|number, datagram| match number % 2 {
            0 => vec![datagram.to_vec()],
            _ => vec![],
        });
        let command = format!("{endpoint} -c 4 --duration 300ms --warmup 0 --timeout 50ms {load}");
        let run = bench(&format!("{command} --json -"));
        let result = run.only();
        let p99 = result["latency"]["percentiles"]["p99"].as_u64().unwrap();
        assert!(p99 >= 50_000_000, "{load}: {result:#}");
        // In an open loop those behind a lost one have to wait too, before they are sent.
        let quick = if load.contains("rate") { "latency_uncorrected" } else { "latency_answered" };
        let half = &result[quick]["percentiles"]["p50"];
        assert!(half.as_u64().unwrap() < 50_000_000, "{load}: {result:#}");
        let count = |name: &str| result[name]["count"].as_u64().unwrap();
        let errors = &result["errors"];
        let lost = errors["lost"].as_u64().unwrap() + errors["unsent"].as_u64().unwrap();
        assert!(lost > 0);
        assert_eq!(count("latency"), count("latency_answered") + lost, "{load}: {result:#}");
        let run = bench(&command);
        assert!(run.out.contains("of those answered"), "{}", run.out);
    }
}

/// The same for streams: whatever was sent and not answered has taken as long as was waited for it.
#[test]
fn unanswered_messages_are_in_the_percentiles() {
    for load in ["", "--rate 500", "--churn", "--churn --rate 500"] {
        let endpoint = by_connection(|index, stream| match index % 4 {
            0 => drop(std::io::copy(&mut &stream, &mut std::io::sink())),
            _ => echo_changed(stream, |_, _| true),
        });
        let command = format!("{endpoint} -c 4 --duration 200ms --warmup 0 --timeout 100ms {load}");
        let result = bench(&format!("{command} --json -")).only();
        let max = |name: &str| result[name]["max"].as_u64().unwrap();
        assert!(max("latency") >= 100_000_000, "{load}: {result:#}");
        let count = |name: &str| result[name]["count"].as_u64().unwrap();
        let errors = &result["errors"];
        let lost = errors["unanswered"].as_u64().unwrap() + errors["unsent"].as_u64().unwrap();
        assert_eq!(count("latency"), count("latency_answered") + lost, "{load}: {result:#}");
    }
}

/// When all is answered there is one line, and both members say the same.
#[test]
fn without_loss_there_is_one_line() {
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -n 100", server.endpoint));
    assert!(!run.out.contains("of those answered"), "{}", run.out);
    let result = bench(&format!("{} -n 100 --json -", server.endpoint)).only();
    assert_eq!(result["latency"], result["latency_answered"]);
}
