//! The chapters say what the programs are, and point to what exists.

use std::fs;
use std::path::Path;

use course::book::{pages, render, root};
use course::steps::STEPS;

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
