//! What people type, coming from elsewhere or by mistake, and what must not happen to their files.

use std::fs;
use std::time::Duration;

use crate::log::log_of;
use crate::support::{Server, bench, bench_while, interrupt, tcp_server_that_tells, udp_server};

/// Conditions fail a run that is right otherwise, with a status of their own.
#[test]
fn a_condition_that_holds_is_status_3() {
    let server = Server::start("tcp://127.0.0.1:0");
    let command = format!("{} -n 200 --fail-if p50>9s --fail-if rate<1", server.endpoint);
    let run = bench(&command);
    assert_eq!(run.code(), 0, "{}", run.out);
    assert!(run.out.contains("fail if p50>9s") && run.out.contains(" ok\n"), "{}", run.out);
    let run = bench(&format!("{command} --fail-if max>0ns --json -"));
    assert_eq!(run.code(), 3);
    let result = run.only();
    assert_eq!(result["failed"], false);
    let holds: Vec<_> =
        result["fail_if"].as_array().unwrap().iter().map(|it| &it["holds"]).collect();
    assert_eq!(holds, [false, false, true]);
    let measured = &result["fail_if"][2]["measured"];
    assert_eq!(measured.as_f64(), result["latency"]["max"].as_f64());
    let run = bench(&format!("{command} --fail-if max>0ns"));
    assert!(run.out.contains("FAILED: max>0ns, which --fail-if forbids"), "{}", run.out);
    // Of a sweep, any run.
    let run = bench(&format!("{} -n 50 --sweep depth=1,2 --fail-if max>0ns", server.endpoint));
    assert_eq!(run.code(), 3, "{}", run.out);
    assert!(run.out.contains("depth 1: FAILED: max>0ns"), "{}", run.out);
}

/// Loss is a condition for datagrams; and wrong replies are worse than any condition.
#[test]
fn loss_can_be_forbidden_and_faults_come_first() {
    let dropping = udp_server(|number, datagram| match number % 2 {
        0 => vec![],
        _ => vec![datagram.to_vec()],
    });
    let command = format!("{dropping} -n 20 --timeout 300ms --fail-if loss>10% --json -");
    let run = bench(&command);
    assert_eq!((run.code(), &run.only()["fail_if"][0]["measured"]), (3, &0.5.into()));
    let wrong = udp_server(|_, datagram| vec![vec![7; datagram.len()]]);
    let run = bench(&format!("{wrong} -n 20 --timeout 20ms --fail-if loss>10%"));
    assert_eq!(run.code(), 1);
}

/// Whatever the number of workers, there is a histogram a second, and the last one has what came late.
#[test]
fn the_log_has_one_histogram_a_second() {
    let server = Server::start("tcp://127.0.0.1:0");
    for workers in [1, 2, 3] {
        for (load, seconds) in [("-z 1500ms", 2), ("-z 2s", 2), ("-n 600 --rate 2k", 1)] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let path = file.path().display();
            let command = format!("{} -c 6 -w {workers} {load} --warmup 10ms", server.endpoint);
            let run = bench(&format!("{command} --hdr {path} --json -"));
            let result = run.only();
            let log = log_of(&fs::read(file.path()).unwrap());
            assert_eq!(log.len(), seconds, "{workers} workers, {load}");
            assert_eq!(result["series"].as_array().unwrap().len(), seconds);
            let count: u64 = log.iter().map(|histogram| histogram.len()).sum();
            assert_eq!(result["latency"]["count"], count, "{workers} workers, {load}");
        }
    }
}

/// So many a second is what it says, also if it isn't whole, or less than one.
#[test]
fn rates_need_not_be_whole() {
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -c 1 -z 700ms --rate 1.9 --warmup 0 --json -", server.endpoint));
    let result = run.only();
    assert_eq!((&result["settings"]["rate"], &result["messages"]), (&1.9.into(), &2.into()));
    let run = bench(&format!("{} -c 1 -z 1500ms --rate 0.5 --warmup 0", server.endpoint));
    assert_eq!(run.code(), 0, "{}", run.out);
    assert!(run.out.contains("open loop at 0.50 a second"), "{}", run.out);
    assert!(run.out.contains(" 1 message in "), "{}", run.out);
    let run = bench(&format!("{} -c 1.5 -n 10", server.endpoint));
    assert_eq!(run.code(), 2);
    assert!(run.err.contains("whole number"), "{}", run.err);
}

/// Some connections are there and some aren't: that is said first of all, and is no success.
#[test]
fn a_part_of_the_connections_is_not_all_of_them() {
    // What comes from the one address doesn't get to the other.
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -c 10 -n 500 --bind 127.0.0.1,::1", server.endpoint));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.out.starts_with("5 of 10 connections to "), "{}", run.out);
    assert!(run.out.contains("FAILED: 5 of 10 connections could not be made"), "{}", run.out);
    let run = bench(&format!(
        "{} -c 10 -n 500 --bind 127.0.0.1,::1 --allow-losses --json -",
        server.endpoint
    ));
    let result = run.only();
    assert_eq!((run.code(), &result["connections_not_made"]), (0, &5.into()), "{result:#}");
}

/// A result that is there already stays until there is a new one.
#[test]
fn files_are_not_touched_before_there_is_a_result() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    for option in ["--json", "--hdr", "--plot"] {
        let file = directory.path().join("keep");
        fs::write(&file, "precious").unwrap();
        let command = format!("{} -n 10 {option} {}", server.endpoint, file.display());
        let run = bench(&format!("{command} --pin 999"));
        assert_eq!(run.code(), 1, "{}", run.out);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious", "{option}");
        let run = bench(&format!("{command} --server-pid 4194305"));
        assert_eq!(run.code(), 1, "{}", run.out);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious", "{option}");
        assert_eq!(bench(&command).code(), 0);
        assert_ne!(fs::read_to_string(&file).unwrap(), "precious", "{option}");
        let new = directory.path().join("new");
        let run = bench(&format!("{} -n 10 {option} {} --pin 999", server.endpoint, new.display()));
        assert!(run.code() == 1 && !new.exists(), "{option}");
    }
}

/// Every kind of result can be written to a pipe, one at a time, and nothing else then.
#[test]
fn results_can_go_to_the_standard_output() {
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -n 50 --plot -", server.endpoint));
    assert!(run.out.starts_with("<svg ") && run.out.ends_with("</svg>\n"), "{}", run.out);
    let run = bench(&format!("{} -n 50 --hdr -", server.endpoint));
    assert_eq!(log_of(run.out.as_bytes()).len(), 1);
    let run = bench(&format!("{} -n 50 --hdr - --plot -", server.endpoint));
    assert_eq!(run.code(), 2);
    assert!(run.err.contains("only one result"), "{}", run.err);
}

/// Options as they are known from elsewhere: ours has the same meaning, or its name is told.
#[test]
fn options_of_other_generators_are_answered_with_ours() {
    for (options, words) in [
        ("-d 10s", "--duration"),
        ("-d 16", "--depth"),
        ("-d16", "--depth"),
        ("-d", "--depth"),
        ("-t 4", "--workers"),
        ("-t4", "--duration"),
        ("--threads 4", "--workers"),
        ("-R 2000", "--rate"),
        ("-q 50", "--rate"),
        ("--qps=50", "--rate"),
        ("--pipeline 16", "--depth"),
        ("--requests 100", "--count"),
        ("--clients=100", "--connections"),
        ("-L", "always shown"),
        ("--latency", "always shown"),
        ("-k", "--churn"),
    ] {
        // Before the endpoint, the endpoint may be taken for its value.
        for line in [format!("tcp://127.0.0.1:1 {options}"), format!("{options} tcp://127.0.0.1:1")]
        {
            let run = bench(&line);
            assert_eq!(run.code(), 2, "{line}: {}{}", run.out, run.err);
            assert!(run.err.contains(words), "{line}: {}", run.err);
            assert!(!run.out.contains("FAILED"), "{line}: {}", run.out);
        }
    }
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -z 50ms -P 16 -c 2 --warmup 0 --json -", server.endpoint));
    let settings = &run.only()["settings"];
    assert_eq!((&settings["seconds"], &settings["depth"]), (&0.05.into(), &16.into()));
}

/// The help has none of the options that are only there to be refused.
#[test]
fn the_help_is_about_our_own_options() {
    let run = bench("--help");
    assert_eq!(run.code(), 0);
    assert!(run.out.contains("-P, --depth") && !run.out.contains("--threads"), "{}", run.out);
}

/// Conditions that make no sense are refused before anything is loaded.
#[test]
fn conditions_that_make_no_sense_are_refused() {
    for (options, words) in [
        ("--fail-if p99", "p99>1ms"),
        ("--fail-if p99<1ms", "is p99>1ms meant?"),
        ("--fail-if rate>50k", "is rate<50k meant?"),
        ("--fail-if loss>1", "percentage"),
        ("--fail-if p99>1", "no unit"),
        ("--fail-if p99>20s", "--timeout, 10.0 s, which must be longer"),
        ("--fail-if per-cpu<1k", "--server-pid"),
        ("--rate 1k --fail-if rate<2k", "always holds"),
        ("--find-rate p99=1ms --fail-if errors>0", "cannot be used with"),
        ("--find-rate p99=20s", "--timeout, which must be longer"),
    ] {
        let run = bench(&format!("tcp://127.0.0.1:1 {options}"));
        assert_eq!(run.code(), 2, "{options}: {}", run.err);
        assert!(run.err.contains(words), "{options}: {}", run.err);
    }
}

#[test]
fn an_interrupt_before_any_rate_was_tried_is_told() {
    let (endpoint, busy) = tcp_server_that_tells();
    let command = format!("{endpoint} -c 1 -z 50s --warmup 0 --find-rate p99=1ms");
    let run = bench_while(&command, |pid| {
        busy.recv_timeout(Duration::from_secs(30)).unwrap();
        interrupt(pid);
    });
    assert_eq!(run.code(), 1);
    assert!(run.out.contains("Interrupted before any rate was tried."), "{}", run.out);
    assert!(!run.out.contains("No rate"), "{}", run.out);
}

/// Few rounds say nothing about which one is faster.
#[test]
fn few_rounds_have_no_verdict() {
    let server = Server::start("tcp://127.0.0.1:0");
    let endpoint = &server.endpoint;
    for rounds in [1, 2, 5] {
        let command = format!("{endpoint} {endpoint} -n 50 --rounds {rounds}");
        let run = bench(&command);
        assert_eq!(run.code(), 0, "{}", run.out);
        assert!(run.out.contains("no verdict") && run.out.contains("No verdict: "), "{}", run.out);
        assert!(!run.out.contains("within the noise"), "{}", run.out);
        let document = bench(&format!("{command} --json -")).json();
        for ratio in document["comparison"][1]["ratios_to_first"].as_object().unwrap().values() {
            assert!(ratio["within_noise"].is_null(), "{ratio:#}");
        }
    }
}
