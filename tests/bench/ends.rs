//! What is said and written at the end, whatever the end was.

use std::fs;
use std::time::Duration;

use crate::support::{Server, bench, bench_while, interrupt, tcp_server_that_tells};

/// A search that was cut short says so, to people and to machines.
#[test]
fn an_interrupted_search_is_not_a_finished_one() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("found.json");
    let (endpoint, busy) = tcp_server_that_tells();
    // The closed loop tells of its connection, each trial of another one, and a rate fails at its second.
    let command = format!(
        "{endpoint} -c 1 -z 200ms --warmup 10ms --find-rate p50=9s --json {}",
        json.display()
    );
    let run = bench_while(&command, |pid| {
        (0..4).for_each(|_| busy.recv_timeout(Duration::from_secs(30)).unwrap());
        interrupt(pid);
    });
    assert!(run.out.contains("The search was interrupted"), "{}", run.out);
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(document["found"]["finished"], false, "{:#}", document["found"]);
}

/// Where the log of latencies, or the seconds, can't be written, the report isn't lost with them.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_takes_no_report_away() {
    let server = Server::start("tcp://127.0.0.1:0");
    for output in ["--hdr", "--stream", "--json"] {
        let run = bench(&format!("{} -c 1 -z 50ms --warmup 0 {output} /dev/full", server.endpoint));
        assert_eq!(run.code(), 1, "{output}: {}", run.out);
        assert!(run.out.contains("p99") && run.out.contains("a second"), "{output}: {}", run.out);
        assert!(run.err.contains("/dev/full: no space left on device"), "{output}: {}", run.err);
    }
}

/// Where nothing was measured, an older result stays what it was.
#[test]
fn a_run_that_does_not_begin_leaves_older_results() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["json", "hdr", "stream", "plot"]
        .map(|it| (format!("--{it}"), directory.path().join(it).display().to_string()));
    let outputs = paths.clone().map(|(option, path)| format!("{option} {path}")).join(" ");
    let assert_left = || {
        for (_, path) in &paths {
            assert_eq!(fs::read_to_string(path).unwrap(), "old", "{path}");
        }
    };
    paths.iter().for_each(|(_, path)| fs::write(path, "old").unwrap());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = bench(&format!("tcp://{closed} -c 1 -z 100ms {outputs}"));
    assert_eq!(run.code(), 1);
    assert_left();
    let (endpoint, busy) = tcp_server_that_tells();
    let run = bench_while(&format!("{endpoint} -c 1 --warmup 50s {outputs}"), |pid| {
        busy.recv_timeout(Duration::from_secs(30)).unwrap();
        interrupt(pid);
    });
    assert_eq!(run.code(), 1);
    assert!(!run.out.contains("without a reply"), "{}", run.out);
    assert_left();
}

/// One file can't be two, whatever it is called.
#[test]
fn two_results_are_not_written_to_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("x").display().to_string();
    let other = directory.path().join(".").join("x").display().to_string();
    for exists in [false, true] {
        if exists {
            fs::write(&name, "old").unwrap();
        }
        for more in [format!("--plot {name}"), format!("--hdr {other}")] {
            let run = bench(&format!("tcp://127.0.0.1:1 --json {name} {more}"));
            assert_eq!(run.code(), 2, "{}", run.err);
            assert!(run.err.contains("same file"), "{}", run.err);
        }
    }
    assert_eq!(fs::read_to_string(&name).unwrap(), "old");
}

/// Quiet: no report, and only what makes the run a failure.
#[test]
fn quiet_is_quiet() {
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("-q {} -c 1 -z 50ms --warmup 0", server.endpoint));
    assert_eq!((run.code(), run.out.as_str(), run.err.as_str()), (0, "", ""));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = bench(&format!("-q tcp://{closed} -c 1 -z 50ms --warmup 0"));
    assert_eq!((run.code(), run.out.as_str()), (1, ""));
    assert_eq!(run.err, "FAILED: nothing was measured: connection refused.\n");
    let command =
        format!("-q {} -c 1 -z 50ms --warmup 0 --fail-if p50>1us --json -", server.endpoint);
    let run = bench(&command);
    assert_eq!(run.code(), 3, "{}", run.err);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert_eq!(run.only()["failed"], false);
}
