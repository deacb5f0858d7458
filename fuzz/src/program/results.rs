//! Saved results of the load generator: to be merged, and to be compared with.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::bench::baseline::Baseline;
use crate::cli::bench::merge::Merged;
use crate::dice::Dice;

/// A result as it was saved.
const SAVED: &str = include_str!("saved.json");

/// Either a document of its own, or changes of one that is right, for each of two generators.
pub fn results(input: &[u8]) {
    if input.first() == Some(&b'{') {
        let Ok(text) = str::from_utf8(input) else { return };
        return merge(&[text, SAVED]);
    }
    let mut dice = Dice::new(input);
    let mut documents =
        [SAVED; 2].map(|text| serde_json::from_str::<Value>(text).expect("it was saved"));
    let both = dice.byte();
    while !dice.is_empty() {
        let which = usize::from(both % 2 == 1 && dice.byte() % 2 == 1);
        change(&mut documents[which], &mut dice);
        if both.is_multiple_of(4) {
            documents[1] = documents[0].clone();
        }
    }
    let texts = documents.map(|document| document.to_string());
    merge(&texts.each_ref().map(String::as_str));
}

/// Goes down to some member, and makes something else of it.
fn change(value: &mut Value, dice: &mut Dice<'_>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            let at = dice.below(members.len());
            let name = members.keys().nth(at).expect("there are so many").clone();
            match dice.byte() {
                255 => drop(members.remove(&name)),
                _ => change(&mut members[&name], dice),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.below(items.len());
            match dice.byte() {
                255 => drop(items.remove(at)),
                254 => items.push(items[at].clone()),
                _ => change(&mut items[at], dice),
            }
        }
        leaf => *leaf = other(leaf, dice),
    }
}

fn other(leaf: &Value, dice: &mut Dice<'_>) -> Value {
    match dice.below(16) {
        0 => Value::Null,
        1 => (dice.byte().is_multiple_of(2)).into(),
        2 => u64::MAX.into(),
        3 => (1_u64 << (dice.byte() % 64)).into(),
        4 => (-1).into(),
        5 => f64::MAX.into(),
        6 => (-1e-300).into(),
        7 => (10_f64.powi(i32::from(dice.byte() % 40) - 10)).into(),
        8 => "".into(),
        9 => "poisson".into(),
        10 => String::from_utf8_lossy(dice.bytes(20)).into_owned().into(),
        11 => Value::Array(vec![leaf.clone(); dice.below(5)]),
        12 => u64::from(dice.byte()).into(),
        // One character of a text is another one: of a histogram, for example.
        _ => match leaf.as_str() {
            Some(text) if text.is_ascii() && !text.is_empty() => {
                let mut bytes = text.as_bytes().to_vec();
                let at = dice.below(bytes.len().min(60_000));
                bytes[at] = dice.byte() % 128;
                String::from_utf8_lossy(&bytes).into_owned().into()
            }
            _ => u64::from(dice.byte()).into(),
        },
    }
}

/// What can be read can be merged and shown, and what is written then can be read again and is the same.
fn merge(texts: &[&str]) {
    compare(texts);
    let mut merged = Merged::default();
    for (number, text) in texts.iter().enumerate() {
        if merged.add(PathBuf::from(format!("{number}.json")), text).is_err() {
            return;
        }
    }
    let Ok(sum) = merged.sum() else { return };
    assert!(!sum.report().is_empty() && sum.picture().starts_with("<svg"));
    let document = sum.document();
    let mut again = Merged::default();
    if let Err(error) = again.add("again.json".into(), &document.to_string()) {
        // But a sum of two numbers, each of which is all that can be read.
        return assert!(is_large(&document), "{error}");
    }
    let again = again.sum().expect("there is one").document();
    let (once, twice) = (&document["runs"][0], &again["runs"][0]);
    for name in
        ["settings", "messages", "errors", "latency", "histograms", "server", "tcp", "connects"]
    {
        assert!(same(&once[name], &twice[name]), "{name}: {} and {}", once[name], twice[name]);
    }
}

/// Whether there is a number in it that is close to the largest of its kind.
fn is_large(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(is_large),
        Value::Array(items) => items.iter().any(is_large),
        other => other.as_f64().is_some_and(|number| number > 9e10),
    }
}

/// Numbers that are written and read again may differ in their last digit.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, it)| other.get(name).is_some_and(|that| same(it, that)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-9
        }
        (one, other) => one == other,
    }
}

/// One as the baseline of the other.
fn compare(texts: &[&str]) {
    let Ok(baseline) = Baseline::parse(Path::new("old.json"), texts[0]) else { return };
    let Ok(new) = serde_json::from_str::<Value>(texts[1]) else { return };
    for run in new["runs"].as_array().into_iter().flatten() {
        if baseline.check(&run["settings"]).is_ok() {
            assert!(
                baseline.json(run).is_object()
                    && baseline.text(std::slice::from_ref(run), None).contains("ratio")
            );
        } else {
            assert!(baseline.json(run).is_null());
        }
    }
}
