//! The command lines in what is shipped: configurations, documents, manual pages.

use std::fs;
use std::path::PathBuf;

use clap::Parser;

use crate::Cli;

/// Files, and how many command lines they have at least: a test that found none would hold for nothing.
const FILES: [(&str, usize); 7] = [
    ("README.md", 3),
    ("docs/operating.md", 1),
    ("docs/scaling.md", 2),
    ("packaging/haproxy/haproxy.cfg", 2),
    ("packaging/kubernetes/echoloop.yaml", 1),
    ("packaging/man/echoloop-serve.1", 3),
    ("Dockerfile", 2),
];

/// Each of them is one that the program accepts.
#[test]
fn shipped_command_lines_make_sense() {
    for (name, least) in FILES {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(path).unwrap();
        let lines = command_lines(&text);
        assert!(lines.len() >= least, "{name}: {lines:?}");
        for line in lines {
            let parsed = Cli::try_parse_from(line.iter().map(String::as_str));
            assert!(parsed.is_ok(), "{name}: {line:?}: {}", parsed.err().unwrap());
        }
    }
}

/// The changes have the form of Keep a Changelog, by which the workflow of a release finds its version.
#[test]
fn changes_have_the_form_of_keep_a_changelog() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("CHANGELOG.md")).unwrap();
    let headings = |mark: &str| -> Vec<_> {
        text.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect()
    };
    let versions = headings("## ");
    assert_eq!(versions[0], "[Unreleased]");
    let current = format!("[{}] - ", env!("CARGO_PKG_VERSION"));
    assert!(versions.iter().any(|version| version.starts_with(&current)), "{versions:?}");
    for version in &versions[1..] {
        let (_, date) = version.strip_prefix('[').unwrap().split_once("] - ").unwrap();
        let digits = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
        assert_eq!(digits.collect::<String>(), "0000-00-00", "{version}");
    }
    let kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    for kind in headings("### ") {
        assert!(kinds.contains(&kind.as_str()), "{kind}");
    }
}

/// The command lines of `echoloop serve`, in whatever way they are written.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    // Some continue on the next line, in a comment or in a manual page.
    let text = text.replace("\\\n#", "").replace("\\\\\n", "").replace("\\\n", "");
    let shell = text.lines().filter_map(|line| {
        let line = line.replace("\\-", "-");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let at = line.find("echoloop serve ").filter(|&at| is_beginning(&line[..at]))?;
        Some(words(&line[at..]))
    });
    let json = text.lines().filter_map(|line| {
        let words: Vec<String> = serde_json::from_str(line.strip_prefix("CMD ")?).unwrap();
        Some([vec!["echoloop".to_string()], words].concat())
    });
    let yaml = text.split_once(" args:\n").map(|(_, list)| {
        let items = list.lines().map_while(|line| line.trim().strip_prefix("- "));
        [vec!["echoloop".to_string()], items.map(str::to_string).collect()].concat()
    });
    shell.chain(json).chain(yaml).collect()
}

/// Whether a command line begins behind this: at the margin, behind a prompt, in docker's.
fn is_beginning(before: &str) -> bool {
    let before = before.trim();
    before.is_empty() || before == "$" || before == "#" || before.ends_with("/udp")
}

/// As a shell would cut it, without a comment.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    line.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_string()).collect()
}
