//! How the files of the generator lie above each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each file imports only from lower ones: taking away those that import nothing any more, again and again,
/// leaves none. Their own tests may look wherever they like.
#[test]
fn no_two_files_import_each_other() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/bench");
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        // The last thing in a file.
        let code = text.split("\n#[cfg(test)]\n").next().unwrap();
        let code = code.split("\n#[cfg(all(test").next().unwrap();
        imports.insert(name, imported(code));
    }
    imports.remove("mod");
    assert!(imports.len() > 40 && imports["streams"].contains("lane"), "{imports:#?}");
    loop {
        let names: BTreeSet<String> = imports.keys().cloned().collect();
        let before = imports.len();
        imports.retain(|_, others| !others.is_disjoint(&names));
        if imports.len() == before {
            break;
        }
    }
    assert!(imports.is_empty(), "these need each other: {:?}", imports.keys());
}

/// The names behind `super::`, one by one or in braces.
fn imported(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for behind in code.split("super::").skip(1) {
        let parts = match behind.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![behind],
        };
        for part in parts {
            let end = |c: char| !(c.is_alphanumeric() || c == '_');
            names.insert(part.trim().split(end).next().unwrap().to_owned());
        }
    }
    names
}
