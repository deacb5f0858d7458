//! All that was ever found, once more.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use echoloop_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Of each target; nothing is found in it any more.
#[test]
fn the_corpus_holds() {
    for (name, target) in TARGETS {
        let folder = folder("corpus").join(name);
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 5, "{}: {} files", folder.display(), files.len());
        files.sort();
        target(&[]);
        for file in files {
            let input = fs::read(&file).unwrap();
            let found = std::panic::catch_unwind(|| target(&input));
            assert!(found.is_ok(), "see it again: cargo run --bin {name} {}", file.display());
        }
    }
}

/// Who adds a target adds its program and its corpus.
#[test]
fn every_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(folder("fuzz_targets")), targets);
    assert_eq!(names(folder("corpus")), targets);
}
