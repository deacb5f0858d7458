//! Results that are kept: second by second while it runs, and to be compared with later.

use std::fs;

use serde_json::Value;

use crate::output::{assert_conforms, assert_is};
use crate::support::{Server, bench};

/// A line for each second, while it runs, each what the schema says, and together what the result says.
#[test]
fn seconds_are_streamed_as_they_pass() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let (stream, json) = (directory.path().join("stream"), directory.path().join("json"));
    let command = format!("{} -c 4 -w 2 -z 2s --rate 1k --warmup 10ms", server.endpoint);
    let pid = std::process::id();
    let run = bench(&format!(
        "{command} --server-pid {pid} --stream {} --json {}",
        stream.display(),
        json.display()
    ));
    assert_eq!(run.code(), 0, "{}", run.out);
    let text = fs::read_to_string(stream).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let document: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let series = document["runs"][0]["series"].as_array().unwrap();
    assert_eq!((lines.len(), series.len()), (2, 2));
    for (line, second) in lines.iter().zip(series) {
        assert_is(line, "streamed");
        assert_eq!(line["latency"], second["latency"]);
        assert!(line["server_cpu_share"].as_f64().unwrap() > 0.0);
    }
    let sum: u64 = lines.iter().map(|line| line["messages"].as_u64().unwrap()).sum();
    assert_eq!(document["runs"][0]["messages"], sum);
    let run = bench(&format!("{} -n 100 --stream - --sweep depth=1,2", server.endpoint));
    let runs: Vec<Value> =
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&runs[0]["run"], &runs[1]["run"]), (&0.into(), &1.into()), "{}", run.out);
}

/// Against a saved result: a ratio for each figure. What was measured differently is refused, by name.
#[test]
fn a_saved_result_can_be_compared_with() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("old.json");
    let old = old.display();
    let command = format!("{} -c 2 -n 500", server.endpoint);
    assert_eq!(bench(&format!("{command} --json {old}")).code(), 0);
    let run = bench(&format!("{command} --baseline {old}"));
    assert_eq!(run.code(), 0, "{}", run.err);
    for words in ["against ", "ratio", "messages a second", "latency p99", "chance"] {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
    let document = bench(&format!("{command} --baseline {old} --json -")).json();
    assert_conforms(&document);
    let rate = &document["runs"][0]["baseline"]["figures"]["messages_per_second"];
    let ratio = rate["now"].as_f64().unwrap() / rate["then"].as_f64().unwrap();
    assert!((rate["ratio"].as_f64().unwrap() - ratio).abs() < 1e-9, "{rate:#}");
    for (options, setting) in [
        ("--depth 2", "depth was 1, and is 2 now"),
        ("-s 65", "size was 64, and is 65 now"),
        ("--rate 5k", "rate was none, and is 5,000 now"),
        ("--sweep connections=2,3", "connections was 2, and is 3 now"),
    ] {
        let run = bench(&format!("{command} {options} --baseline {old}"));
        assert_eq!(run.code(), 1, "{options}: {}", run.out);
        assert!(run.err.contains("was measured differently"), "{}", run.err);
        assert!(run.err.contains(setting), "{options}: {}", run.err);
    }
    let failed = directory.path().join("failed.json");
    let failed = failed.display();
    bench(&format!("tcp://127.0.0.1:1 -c 2 -n 500 --json {failed}"));
    for (file, words) in [
        (failed.to_string(), "has failed"),
        ("/none/there".to_owned(), "cannot read /none/there: no such file"),
        ("Cargo.toml".to_owned(), "cannot read Cargo.toml"),
        ("docs/bench.schema.json".to_owned(), "was not written by echoloop bench"),
    ] {
        let run = bench(&format!("{command} --baseline {file}"));
        assert_eq!(run.code(), 1, "{file}: {}", run.out);
        assert!(run.err.contains(words), "{file}: {}", run.err);
    }
}
