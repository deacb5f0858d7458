//! Every link between the project's pages leads somewhere: to a file that is there, and to a heading in it.
//! (Links in the crate's documentation are rustdoc's business, which denies broken ones.)

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The chapters of the guide, in the order in which its first page has them, each name the next one: rustdoc lists
/// them by the alphabet.
#[test]
fn each_chapter_of_the_guide_leads_to_the_next() {
    let guide = root().join("src/guide");
    let first = fs::read_to_string(guide.join("mod.rs")).unwrap();
    let named = first.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". [`"));
    let chapters: Vec<&str> = named
        .filter(|(number, _)| number.parse::<u32>().is_ok())
        .filter_map(|(_, rest)| rest.split('`').next())
        .collect();
    let files = fs::read_dir(&guide).unwrap().count() - 1;
    assert_eq!(chapters.len(), files, "the first page names each chapter once");
    for pair in chapters.windows(2) {
        let text = fs::read_to_string(guide.join(format!("{}.rs", pair[0]))).unwrap();
        let next = format!("//! Next: [`{0}`](super::{0}).\n", pair[1]);
        assert!(text.ends_with(&next), "{} doesn't end with {next}", pair[0]);
    }
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            pages(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Where the links of a page lead: what stands in `](...)`, outside of code.
fn links(text: &str) -> Vec<String> {
    let (mut links, mut is_code) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        // Of what stands between backticks, nothing is a link.
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        for part in prose.join("`").split("](").skip(1) {
            links.extend(part.split(')').next().map(str::to_string));
        }
    }
    links
}

/// As the places that show Markdown make a name of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let (mut found, mut wrong, mut count) = (Vec::new(), Vec::new(), 0);
    pages(&root(), &mut found);
    for page in &found {
        for link in links(&fs::read_to_string(page).unwrap()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue; // To ask the network is no business of a test.
            }
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = match heading {
                "" => target.exists(),
                heading => fs::read_to_string(&target).is_ok_and(|text| {
                    let headings = text.lines().filter(|line| line.starts_with('#'));
                    headings.into_iter().any(|it| anchor(it.trim_start_matches('#')) == heading)
                }),
            };
            if !there {
                wrong.push(format!("{} -> {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "lead nowhere:\n{}", wrong.join("\n"));
    assert!(found.len() > 20 && count > 50, "{count} links in {} pages", found.len());
}

/// From the first page, everything can be reached by following links.
#[test]
fn every_page_can_be_reached_from_the_first() {
    let mut seen = vec![root().join("README.md").canonicalize().unwrap()];
    let mut next = seen.clone();
    while let Some(page) = next.pop() {
        for link in links(&fs::read_to_string(&page).unwrap()) {
            let file = link.split('#').next().unwrap_or_default();
            let target = page.parent().unwrap().join(file);
            if let Ok(target) = target.canonicalize()
                && target.extension().is_some_and(|it| it == "md")
                && !seen.contains(&target)
            {
                seen.push(target.clone());
                next.push(target);
            }
        }
    }
    let mut found = Vec::new();
    pages(&root(), &mut found);
    let lost: Vec<_> = found.iter().filter(|page| !seen.contains(page)).collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}
