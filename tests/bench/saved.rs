//! Results that are kept: second by second while it runs, and to be compared with later.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::log::log_of;
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

/// Two generators, begun together, and merged: what one with both loads would have been. Counts and
/// histograms are added; settings are those of the sum.
#[test]
fn two_generators_are_one() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (a, b, log_a, log_b) = (path("a"), path("b"), path("log a"), path("log b"));
    let (log_a, log_b) = (log_a.replace(' ', "_"), log_b.replace(' ', "_"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let start = format!("--start-at {:.2}", now + 1.5);
    let load = format!("{} --rate 500 -z 1s --warmup 100ms {start}", server.endpoint);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| bench(&format!("{load} -c 2 --json {a} --hdr {log_a}")));
        let two = bench(&format!("{load} -c 4 -w 2 --json {b} --hdr {log_b}"));
        assert_eq!((one.join().unwrap().code(), two.code()), (0, 0), "{}", two.out);
    });
    let run = bench(&format!("merge {a} {b} --json -"));
    assert_eq!(run.code(), 0, "{}", run.err);
    let document = run.json();
    assert_conforms(&document);
    let merged = &document["runs"][0];

    // What was asked for is what a single one would have been asked for.
    let whole = format!("{} --rate 1k -z 1s --warmup 100ms -c 6 -w 3 --json -", server.endpoint);
    assert_eq!(merged["settings"], bench(&whole).only()["settings"]);
    // And what was measured is what both have measured.
    let read = |path: &str| -> Value {
        let document: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        document["runs"][0].clone()
    };
    let parts = [read(&a), read(&b)];
    for name in ["messages", "connects"] {
        let sum: u64 = parts.iter().map(|part| part[name].as_u64().unwrap()).sum();
        assert_eq!(merged[name], sum, "{name}");
    }
    let mut all = log_of(&fs::read(&log_a).unwrap());
    all.extend(log_of(&fs::read(&log_b).unwrap()));
    let (mut sum, rest) = (all[0].clone(), &all[1..]);
    rest.iter().for_each(|histogram| sum.add(histogram).unwrap());
    assert_eq!(merged["latency"]["count"], sum.len());
    for (name, percentile) in merged["latency"]["percentiles"].as_object().unwrap() {
        let percent: f64 = name[1..].parse().unwrap();
        assert_eq!(*percentile, sum.value_at_percentile(percent), "{name}");
    }
    // So are the seconds, which have all that the log of either has.
    let seconds = merged["series"].as_array().unwrap();
    assert_eq!(seconds.len(), 1, "{seconds:#?}");
    let latency = &seconds[0]["latency"];
    assert_eq!(latency["count"], sum.len());
    for (name, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0)] {
        assert_eq!(latency[name], sum.value_at_percentile(percent), "{name}");
    }
    assert_eq!(latency["max"], sum.max());
    // They don't begin before the time that was given.
    for part in &parts {
        let late = part["began_at"].as_f64().unwrap() - (now + 1.6);
        assert!(late > -0.02, "{late}");
    }
    // A merged result is a result: for people, with conditions, and to be merged again.
    let run = bench(&format!("merge {a} {b} --fail-if max>0ns"));
    assert_eq!(run.code(), 3, "{}", run.out);
    assert!(run.out.starts_with("6 connections to ") && run.out.contains("p99"), "{}", run.out);
}

/// What one load can't have been is refused, or said.
#[test]
fn what_can_not_be_merged_is_said() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let saved = |name: &str, options: &str| {
        let run = bench(&format!("{} {options} --json {}", server.endpoint, path(name)));
        assert_eq!(run.code(), 0, "{}", run.out);
        path(name)
    };
    let plain = saved("plain", "-n 100 -c 2");
    let again = saved("again", "-n 100 -c 2");
    let run = bench(&format!("merge {plain} {again}"));
    assert_eq!(run.code(), 0, "{}", run.err);
    assert!(run.out.contains("4 connections to "), "{}", run.out);
    assert!(run.out.contains("under way together for 0 ns of "), "{}", run.out);
    for (options, words) in [
        ("-n 100 -c 2 --depth 2", "another depth"),
        ("-n 100 -c 2 -s 65", "another size or request"),
        ("-n 100 -c 2 --rate 10k", "another rate"),
        ("-z 100ms -c 2 --warmup 0", "another length"),
        ("-n 100 --sweep depth=1,2", "single runs can be merged"),
    ] {
        let other = saved("other", options);
        let run = bench(&format!("merge {plain} {other}"));
        assert_eq!(run.code(), 1, "{options}: {}", run.out);
        assert!(run.err.contains(words), "{options}: {}", run.err);
    }
    let run = bench(&format!("merge {plain} {again} {}/./plain", directory.path().display()));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.err.contains("is given twice"), "{}", run.err);
    // Nor is a copy another run, or a result that it is in already.
    let copy = path("copy");
    fs::copy(&plain, &copy).unwrap();
    let merged = path("merged");
    assert_eq!(bench(&format!("merge {plain} {again} --json {merged}")).code(), 0);
    for (files, one, other) in [
        (format!("{plain} {again} {copy}"), &plain, &copy),
        (format!("{merged} {copy}"), &merged, &copy),
        (format!("{again} {merged}"), &again, &merged),
    ] {
        let run = bench(&format!("merge {files}"));
        let words = format!("{one} and {other} have the same run in them, which would count twice");
        assert!(run.code() == 1 && run.err.contains(&words), "{files}: {}{}", run.out, run.err);
    }
    // Results of earlier versions have no ids, and are known by what is in them.
    let nameless = |name: &str, from: &str| {
        let text = fs::read_to_string(from).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["runs"][0].as_object_mut().unwrap().remove("ids");
        fs::write(path(name), document.to_string()).unwrap();
        path(name)
    };
    let (old, other) = (nameless("old", &plain), nameless("old_other", &again));
    assert_eq!(bench(&format!("merge {old} {other}")).code(), 0);
    let copy = nameless("old_copy", &plain);
    assert!(bench(&format!("merge {old} {copy}")).err.contains("have the same run in them"));
    let run = bench("merge");
    assert_eq!(run.code(), 2, "{}", run.out);
    let run = bench("tcp://127.0.0.1:1 --start-at 1000");
    assert!(run.code() == 2 && run.err.contains(" ago"), "{}", run.err);
    let run = bench("tcp://127.0.0.1:1 --start-at noon");
    assert!(run.code() == 2 && run.err.contains("date"), "{}", run.err);
}

/// Seconds that were saved without their histograms have none when they are merged, but counts; and one that
/// can't be read is named.
#[test]
fn seconds_without_histograms_are_merged_without_percentiles() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (new, old) = (path("new"), path("old"));
    let run = bench(&format!("{} -n 100 -c 2 --json {new}", server.endpoint));
    assert_eq!(run.code(), 0, "{}", run.out);
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&new).unwrap()).unwrap();
    document["runs"][0]["ids"] = serde_json::json!(["another"]);
    let second = &mut document["runs"][0]["series"][0];
    assert_eq!(second["latency"]["count"], 100);
    second.as_object_mut().unwrap().remove("histogram");
    fs::write(&old, document.to_string()).unwrap();
    let run = bench(&format!("merge {new} {old} --json -"));
    let merged = run.json();
    assert_conforms(&merged);
    let second = &merged["runs"][0]["series"][0];
    assert_eq!((&second["messages"], &second["latency"]), (&200.into(), &Value::Null));

    document["runs"][0]["series"][0]["histogram"] = "nonsense".into();
    fs::write(&old, document.to_string()).unwrap();
    let run = bench(&format!("merge {new} {old}"));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.err.contains("its histogram of second 1 can't be read"), "{}", run.err);
}

/// A failure of one is a failure of all, and says the same.
#[test]
fn a_failed_part_fails_the_whole() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (directory.path().join("good"), directory.path().join("bad"));
    let command = format!("{} -n 100 -c 2 --timeout 100ms", server.endpoint);
    bench(&format!("{command} --json {}", good.display()));
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&good).unwrap()).unwrap();
    document["runs"][0]["ids"] = serde_json::json!(["another"]);
    document["runs"][0]["errors"]["wrong"] = 1.into();
    document["runs"][0]["first_fault"] = "a wrong byte somewhere".into();
    fs::write(&bad, document.to_string()).unwrap();
    let run = bench(&format!("merge {} {}", good.display(), bad.display()));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.out.contains("First: a wrong byte somewhere"), "{}", run.out);
    document["runs"][0]["histograms"]["answered"] = "nonsense".into();
    fs::write(&bad, document.to_string()).unwrap();
    let run = bench(&format!("merge {} {}", good.display(), bad.display()));
    assert_eq!(run.code(), 1, "{}", run.out);
    assert!(run.err.contains("its histogram answered can't be read"), "{}", run.err);
}

/// Anybody may have written the file: a number that no run can have is refused by its name.
#[test]
fn numbers_that_no_run_can_have_are_refused() {
    let server = Server::start("tcp://127.0.0.1:0");
    let directory = tempfile::tempdir().unwrap();
    let (good, bad) = (directory.path().join("good"), directory.path().join("bad"));
    bench(&format!("{} -n 100 -c 2 --json {}", server.endpoint, good.display()));
    let document: Value = serde_json::from_str(&fs::read_to_string(&good).unwrap()).unwrap();
    for (place, number) in [
        ("/messages", u64::MAX.into()),
        ("/errors/wrong", u64::MAX.into()),
        ("/settings/connections", u64::MAX.into()),
        ("/settings/warmup_seconds", 1e19.into()),
        ("/seconds", 1e19.into()),
        ("/began_at", Value::from(-1.0)),
        ("/began_at", 1e300.into()),
        ("/generator/busiest_worker", f64::MAX.into()),
        ("/pending_by_quarter", vec![u64::MAX; 4].into()),
        ("/series/0/second", u64::MAX.into()),
        ("/series/0/messages", u64::MAX.into()),
    ] {
        let mut document = document.clone();
        *document["runs"][0].pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = number;
        fs::write(&bad, document.to_string()).unwrap();
        let run = bench(&format!("merge {} {}", good.display(), bad.display()));
        assert_eq!(run.code(), 1, "{place}: {}{}", run.out, run.err);
        let name = place.rsplit('/').next().unwrap();
        assert!(run.err.contains(&format!("{name:?}")), "{place}: {}", run.err);
    }
}
