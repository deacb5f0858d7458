//! What `echoloop bench` prints and writes, and what it says before it begins.

use std::fs;
use std::path::Path;

use crate::log::log_of;
use crate::schema::conforms;
use crate::support::{Run, Server, bench, bench_while, tcp_server_that_tells};
use serde_json::Value;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bench.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A whole document is what the schema says.
#[track_caller]
pub(crate) fn assert_conforms(document: &Value) {
    let schema = schema();
    conforms(document, &schema, &schema, "document").unwrap();
}

/// A part of it is.
#[track_caller]
pub(crate) fn assert_is(value: &Value, name: &str) {
    let schema = schema();
    conforms(value, &schema["$defs"][name], &schema, name).unwrap();
}

#[track_caller]
fn assert_plain(run: &Run) {
    for text in [&run.out, &run.err] {
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{text:?}");
    }
}

/// Every kind of document is what the schema says.
#[test]
fn json_is_what_its_schema_says() {
    let (tcp, udp) = (Server::start("tcp://127.0.0.1:0"), Server::start("udp://127.0.0.1:0"));
    let (tcp, udp) = (&tcp.endpoint, &udp.endpoint);
    let pid = std::process::id();
    let commands = [
        ("single", format!("{tcp} -n 100")),
        ("single", format!("{tcp} -n 100 --rate 10k --server-pid {pid}")),
        ("single", format!("{tcp} -n 100 --churn --bind 127.0.0.1")),
        ("single", format!("{udp} -n 100 --pin 0")),
        ("single", "tcp://127.0.0.1:1 -n 100".to_owned()),
        ("single", format!("{tcp} -z 1200ms --warmup 0 --rate 1k..2k --arrival poisson")),
        ("single", format!("{tcp} -n 100 --fail-if p50>9s --think 1ms -s 8:1,9:2")),
        ("single", format!("{tcp} -n 100 --request a --expect a --allow-losses")),
        ("single", format!("{tcp} -n 100 --request a --frame line")),
        ("sweep", format!("{udp} -n 10 --sweep rate=500.5,600")),
        ("sweep", format!("{tcp} -n 100 --sweep depth=1,2")),
        ("compare", "tcp://127.0.0.1:1 tcp://127.0.0.1:2 -n 10 --rounds 1".to_owned()),
        ("find-rate", "tcp://127.0.0.1:1 --find-rate p99=1ms".to_owned()),
        ("compare", format!("{tcp} {tcp} -n 100 --rounds 2 --server-pid {pid} --server-pid {pid}")),
        ("compare", format!("{tcp} {udp} -n 100 --rounds 2 --sweep size=8,64")),
        ("find-rate", format!("{udp} -z 50ms --warmup 10ms --find-rate p50=900ms")),
    ];
    for (kind, command) in commands {
        let run = bench(&format!("{command} --json -"));
        let document = run.json();
        assert_eq!(document["kind"], kind);
        assert_conforms(&document);
        assert_plain(&run);
    }
}

/// With the process of the server its processor time is known, and its memory.
#[cfg(target_os = "linux")]
#[test]
fn the_server_is_watched() {
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -n 5000 --server-pid {}", server.endpoint, std::process::id()));
    assert_eq!(run.code(), 0);
    let line = run.out.lines().find(|line| line.trim_start().starts_with("server")).unwrap();
    assert!(
        line.contains("% of a processor") && line.contains("messages per CPU-second"),
        "{line}"
    );
    assert!(run.out.contains("a connection"), "{}", run.out);
}

/// Of a server that has ended there are no figures, and it is said why: whether its parent knows it yet or not.
#[cfg(target_os = "linux")]
#[test]
fn a_server_that_ends_is_named() {
    for is_reaped in [false, true] {
        let (endpoint, told) = tcp_server_that_tells();
        let mut command = std::process::Command::new("cat");
        let mut other = command.stdin(std::process::Stdio::piped()).spawn().expect("there is cat");
        let pid = other.id();
        let directory = tempfile::tempdir().unwrap();
        let json = directory.path().join("json");
        let pids = format!("{},{pid}", std::process::id());
        let command =
            format!("{endpoint} -c 1 -z 300ms --server-pid {pids} --json {}", json.display());
        let run = bench_while(&command, |_| {
            told.recv().unwrap();
            other.kill().unwrap();
            if is_reaped {
                other.wait().unwrap();
            }
        });
        other.wait().unwrap();
        assert_eq!(run.code(), 0, "{}{}", run.out, run.err);
        let document: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
        assert_conforms(&document);
        let result = &document["runs"][0];
        let words = format!("Process {pid} of the server ended within the run");
        assert!(result["notes"].to_string().contains(&words), "{result:#}");
        let usage = &result["server"];
        assert_eq!(usage["ended_process"], pid);
        for (name, figure) in usage.as_object().unwrap() {
            let known = figure.is_number() && name != "ended_process";
            assert!(!known, "{name}: {usage:#}");
        }
    }
}

/// What a message costs the server is counted, or it is said what could not be and why. Context switches
/// are known to everybody.
#[cfg(target_os = "linux")]
#[test]
fn what_a_message_costs_the_server_is_counted() {
    let server = Server::start("tcp://127.0.0.1:0");
    let mut other = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("every system has cat");
    let pids = format!("{},{}", std::process::id(), other.id());
    let command = format!("{} -n 5000 --server-pid {pids} --count-system-calls", server.endpoint);
    let result = bench(&format!("{command} --json -")).only();
    let (counted, each) = (&result["server"]["counted"], &result["server"]["per_message"]);
    assert!(counted["context_switches"].is_u64(), "{result:#}");
    let notes = result["notes"].to_string();
    for (name, words) in [
        ("instructions_user", "instructions"),
        ("cycles_user", "cycles"),
        ("system_calls", "system calls"),
    ] {
        let Some(count) = counted[name].as_u64() else {
            assert!(each[name].is_null() && notes.contains(words), "{name}: {result:#}");
            continue;
        };
        // An answer takes a system call at least, and that some instructions; several may share one.
        assert!(count > 0, "{name}: {result:#}");
        let ratio = each[name].as_f64().unwrap() * 5000.0 / count as f64;
        assert!((ratio - 1.0).abs() < 1e-6, "{name}: {result:#}");
    }
    let run = bench(&command);
    assert!(run.out.contains("\n  each message  "), "{}", run.out);
    assert!(run.out.contains(" context switches\n"), "{}", run.out);
    let both = format!(
        "{0} {0} -n 500 --rounds 1 --server-pid {pids} --server-pid {pids}",
        server.endpoint
    );
    let run = bench(&both);
    assert!(run.out.contains("switches/message"), "{}", run.out);
    // Nobody has asked for what slows the server down.
    assert!(!run.out.contains("system calls"), "{}", run.out);
    other.kill().unwrap();
    other.wait().unwrap();
}

/// What the kernel knows of the connections, at the end and for each second.
#[cfg(target_os = "linux")]
#[test]
fn connections_are_watched() {
    let server = Server::start("tcp://127.0.0.1:0");
    let command = format!("{} -c 3 -z 1500ms --warmup 0 --rate 500", server.endpoint);
    let result = bench(&format!("{command} --json -")).only();
    for tcp in [&result["tcp"], &result["series"][0]["tcp"], &result["series"][1]["tcp"]] {
        assert!(tcp["rtt_max"].as_u64().unwrap() > 0, "{result:#}");
        assert!(tcp["retransmitted"].is_u64(), "{result:#}");
    }
    assert!(
        bench(&format!("{} -n 100", server.endpoint)).out.contains("sent again  round trip p50")
    );
}

/// The log is read back by the reader that everybody uses, and has every reply in it.
#[test]
fn the_hdr_log_has_every_latency() {
    let server = Server::start("tcp://127.0.0.1:0");
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let run = bench(&format!("{} -n 3000 --rate 2k -w 2 --hdr {path} --json -", server.endpoint));
    let latency = &run.only()["latency"];
    let log = log_of(&fs::read(file.path()).unwrap());
    let count: u64 = log.iter().map(|histogram| histogram.len()).sum();
    let max = log.iter().map(|histogram| histogram.max()).max().unwrap();
    assert_eq!((&count.into(), &max.into()), (&latency["count"], &latency["max"]));
}

/// Pictures are well-formed as far as a test without a browser can tell.
#[test]
fn plots_are_svg() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plot.svg");
    for more in ["", "--rate 5k", "--sweep connections=1,2,4", &server.endpoint] {
        let run =
            bench(&format!("{} -n 200 -c 2 {more} --plot {}", server.endpoint, file.display()));
        assert_eq!(run.code(), 0, "{}", run.out);
        let svg = fs::read_to_string(&file).unwrap();
        assert!(
            svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"")
                && svg.ends_with("</svg>\n")
        );
        assert!(svg.contains("<polyline") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

/// For people: a table, bars, and not one control character when nobody looks at a terminal.
#[test]
fn the_report_is_plain_text() {
    let server = Server::start("tcp://127.0.0.1:0");
    let run = bench(&format!("{} -n 500 -c 2 --rate 5k", server.endpoint));
    assert_plain(&run);
    assert_eq!(run.err, "");
    for words in [
        "2 connections to tcp://127.0.0.1:",
        "from the scheduled time",
        "uncorrected",
        "p99.9",
        "100.000 %",
        "generator",
    ] {
        assert!(run.out.contains(words), "{words} in {}", run.out);
    }
}

/// A sweep has a row for each value; a comparison has ratios, and the same server twice is noise unless
/// chance wills it otherwise.
#[test]
fn sweeps_and_comparisons_are_tables() {
    let server = Server::start("tcp://127.0.0.1:0");
    let endpoint = &server.endpoint;
    let run = bench(&format!("{endpoint} -n 100 --sweep size=64,1KiB,64KiB"));
    assert_eq!(run.code(), 0);
    for row in ["  64 B ", "  1.00 KiB ", "  64.0 KiB "] {
        assert_eq!(run.out.lines().filter(|line| line.starts_with(row)).count(), 1, "{}", run.out);
    }
    let run = bench(&format!("{endpoint} {endpoint} -n 100 --rounds 6"));
    assert_eq!(run.code(), 0);
    assert!(run.out.contains(&format!("ratios to {endpoint}")), "{}", run.out);
    assert!(run.out.contains("6 rounds") && !run.out.contains("No verdict"), "{}", run.out);
}

/// The search finds a rate that holds a goal that is easy, and none that holds one that can't be held.
#[test]
fn a_rate_is_found() {
    let server = Server::start("tcp://127.0.0.1:0");
    let search = format!("{} -c 2 -z 50ms --warmup 10ms --find-rate", server.endpoint);
    let run = bench(&format!("{search} p50=900ms"));
    assert_eq!(run.code(), 0, "{}", run.out);
    assert!(run.out.contains("a second hold p50 <= 900 ms"), "{}", run.out);
    let run = bench(&format!("{search} p50=1ns"));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.out.contains("No rate that was tried holds"), "{}", run.out);
}

/// A command line that makes no sense is told so, before anything is connected, with status 2.
#[test]
fn nonsense_is_refused() {
    let cases = [
        ("", "required"),
        ("127.0.0.1:8888", "tcp"),
        ("tcp://127.0.0.1:1 -c 0", "--connections must be more than 0"),
        ("tcp://127.0.0.1:1 -c 2 -w 3", "more --workers than --connections"),
        ("tcp://127.0.0.1:1 --size many", "64KiB"),
        ("tcp://127.0.0.1:1 --rate 0", "--rate must be more than 0"),
        ("tcp://127.0.0.1:1 -n 1 -z 1s", "cannot be used with"),
        ("tcp://127.0.0.1:1 --bind localhost", "neither an address"),
        ("tcp://127.0.0.1:1 --bind 127.0.0.9-127.0.0.2", "not a range"),
        ("tcp://127.0.0.1:1 --sweep colour=1,2", "expected connections"),
        ("tcp://127.0.0.1:1 --sweep depth=1,0", "--depth must be more than 0"),
        ("tcp://127.0.0.1:1 --find-rate p99", "as in p99=1ms"),
        ("tcp://127.0.0.1:1 --find-rate p99=0", "no message takes no time"),
        ("tcp://127.0.0.1:1 --find-rate p99.9=0ms", "as in p99=1ms"),
        ("tcp://127.0.0.1:1 tcp://127.0.0.1:2 --server-pid 1", "once for each endpoint"),
        ("tcp://127.0.0.1:1 --server-pid 1,zero", "expected 4711, or 4711,4712"),
        ("tcp://127.0.0.1:1 --server-pid 1,2,1", "--server-pid names process 1 twice"),
        ("tcp://127.0.0.1:1 --server-pid 2 --server-pid 2", "--server-pid names process 2 twice"),
        (
            "tcp://127.0.0.1:1 tcp://127.0.0.1:2 --server-pid 1 --server-pid 3,3",
            "names process 3 twice",
        ),
        ("tcp://127.0.0.1:1 --request @/dev/zero --frame u32", "/dev/zero: more than 16 MiB"),
        ("udp://127.0.0.1:1 --size 7", "8 to 65507"),
        ("udp://127.0.0.1:1 --churn", "--churn is for connections"),
        ("unix:///none --bind 127.0.0.1", "--bind is for tcp and udp"),
    ];
    for (arguments, words) in cases {
        let run = bench(arguments);
        assert_eq!(run.code(), 2, "{arguments}: {}", run.err);
        assert!(run.err.contains(words), "{arguments}: {}", run.err);
        assert_eq!(run.out, "");
    }
}

/// What would run out is said before the start, with the number that is needed.
#[cfg(target_os = "linux")]
#[test]
fn what_would_run_out_is_said() {
    let cases = [
        ("tcp://127.0.0.1:1 -c 100m", "file descriptors, and the hard limit is"),
        ("tcp://127.0.0.1:1 --bind 192.0.2.1", "cannot connect from 192.0.2.1: cannot assign"),
        ("tcp://127.0.0.1:1 --server-pid 4194305", "cannot watch process 4194305: there is none"),
        ("tcp://127.0.0.1:1 --server-pid 1,4194305", "cannot watch process 4194305: there is none"),
        ("tcp://127.0.0.1:1 --json /none/x.json", "cannot write /none/x.json: no such file"),
        ("tcp://127.0.0.1:1 --hdr /none/x", "cannot write /none/x: no such file"),
    ];
    for (arguments, words) in cases {
        let run = bench(arguments);
        assert_eq!(run.code(), 1, "{arguments}: {}", run.err);
        assert!(run.err.contains(words), "{arguments}: {}", run.err);
        assert_eq!(run.out, "");
    }
}
