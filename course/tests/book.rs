//! The chapters say what the programs are, and point to what exists.

use std::fs;
use std::path::Path;

use course::book::{pages, render, root};
use course::steps::{STEPS, Step};

#[test]
fn what_is_made_of_the_programs_is_up_to_date() {
    for page in pages().unwrap() {
        let text = fs::read_to_string(&page).unwrap();
        assert!(render(&text, false).unwrap() == text, "{}: `cargo run -- book`", page.display());
    }
}

#[test]
fn each_step_has_a_chapter_with_all_that_belongs_to_it() {
    for step in STEPS {
        let text = fs::read_to_string(root().join(format!("book/{}.md", step.file))).unwrap();
        let n = step.number;
        let code = match n {
            1 | 14 => format!("<!-- program {n} -->"),
            _ => format!("<!-- difference {n} -->"),
        };
        let mut parts = vec![code, format!("<!-- run {n} -->")];
        if n <= 13 {
            parts.push(format!("<!-- cost {n} -->"));
        }
        for part in parts {
            assert!(text.contains(&part), "{} has no {part}", step.file);
        }
        assert!(text.starts_with(&format!("# {n}. ")), "{}", step.file);
    }
}

/// Every relative link of every page, the map to the library above all, leads to a file.
#[test]
fn what_the_pages_point_to_exists() {
    let mut links = 0;
    for page in pages().unwrap() {
        let text = fs::read_to_string(&page).unwrap();
        let directory = page.parent().unwrap_or(Path::new("."));
        for link in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.contains("://") && !path.is_empty() {
                assert!(directory.join(path).exists(), "{}: {link}", page.display());
                links += 1;
            }
        }
    }
    assert!(links > 40, "{links} links only: are they still found?");
}

/// A reader who starts at the index comes past every page.
#[test]
fn every_page_is_reached_from_the_index() {
    let index = fs::read_to_string(root().join("README.md")).unwrap();
    for page in &pages().unwrap()[1..] {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        assert!(index.contains(&format!("({name})")), "{name}");
    }
}

/// What the index promises of the programs.
#[test]
fn a_step_needs_no_more_than_the_standard_library_mio_and_slab() {
    for step in STEPS {
        let used = step.source.lines().filter_map(|line| line.strip_prefix("use "));
        for used in used {
            let name = used.split([':', ';']).next().unwrap_or_default();
            let allowed = match step.number {
                4 => &["std", "rustix"][..],
                _ => &["std", "mio", "slab"],
            };
            assert!(allowed.contains(&name), "{} uses {name}", step.file);
        }
    }
}

/// The map to the library leads to the very things, not only to files that exist: what it names is in the
/// program of the step on the one side, and on the other in the files beside it.
#[test]
fn what_the_map_names_is_there() {
    let book = root().join("book");
    let text = fs::read_to_string(book.join("last.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains("../src/"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [step, here, ..] = cells[..]
            && let Some(step) = step.parse().ok().and_then(Step::numbered)
        {
            for name in quoted(here) {
                assert!(step.source.contains(name), "step {} has no {name}: {row}", step.number);
            }
        }
        let there = cells.iter().position(|cell| cell.contains("../src/")).unwrap();
        let files: Vec<String> = cells[there]
            .split("](")
            .skip(1)
            .filter_map(|link| link.split(')').next())
            .map(|path| code(&fs::read_to_string(book.join(path)).unwrap()))
            .collect();
        let names = quoted(cells[there + 1]);
        assert!(!names.is_empty(), "{row}");
        for name in &names {
            assert!(files.iter().any(|file| has_word(file, name)), "no {name}: {row}");
        }
        for file in &files {
            assert!(names.iter().any(|name| has_word(file, name)), "a file without any: {row}");
        }
        count += 1;
    }
    assert!(count > 20, "{count} rows only: are they still found?");
}

fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Without its comments.
fn code(source: &str) -> String {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|it: char| !it.is_alphanumeric() && it != '_').any(|it| it == word)
}
