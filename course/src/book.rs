//! `course book`: the parts of the chapters that are made of the programs, and so can't become untrue.
//!
//! A part stands between `<!-- KIND STEP -->` and `<!-- end -->`. The kinds: `program`, a whole file;
//! `difference`, to the step before; `cost`, its row of `book/cost.md` and the one of the step before;
//! `run`, what `course run` has shown.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::cost;
use crate::source::difference;
use crate::steps::Step;

/// The directory of the course.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, in the order of their names, the index first.
pub fn pages() -> io::Result<Vec<PathBuf>> {
    let mut pages = vec![root().join("README.md")];
    for entry in fs::read_dir(root().join("book"))? {
        pages.push(entry?.path());
    }
    pages[1..].sort();
    Ok(pages)
}

/// Brings all pages up to date; with what runs show only if asked to, since that is never quite the same.
///
/// # Errors
///
/// A page can't be read or written, or asks for something that there isn't.
pub fn update(runs: bool) -> io::Result<()> {
    for page in pages()? {
        let text = fs::read_to_string(&page)?;
        let fresh = render(&text, runs).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", page.display()))
        })?;
        if fresh != text {
            fs::write(&page, fresh)?;
            println!("{}", page.strip_prefix(root()).unwrap_or(&page).display());
        }
    }
    Ok(())
}

/// The page with its parts made anew.
///
/// # Errors
///
/// It asks for something that there isn't.
pub fn render(text: &str, runs: bool) -> io::Result<String> {
    let mut fresh = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        fresh += line;
        fresh.push('\n');
        let Some((kind, step)) = part(line) else { continue };
        let old: Vec<&str> = lines.by_ref().take_while(|line| *line != "<!-- end -->").collect();
        fresh += &match kind {
            "program" => fenced("rust", step.source.trim_end()),
            "difference" => fenced("diff", &difference(before(step)?, step)),
            "cost" => costs(step)?,
            "run" if runs => fenced("console", &shown(step)?),
            "run" => old.iter().map(|line| format!("{line}\n")).collect(),
            _ => return Err(io::Error::other(format!("cannot understand {line}"))),
        };
        fresh += "<!-- end -->\n";
    }
    Ok(fresh)
}

/// What stands in the page as run by this step, without its fence.
pub fn transcript(text: &str, step: &Step) -> Option<String> {
    let mut lines =
        text.lines().skip_while(|line| *line != format!("<!-- run {} -->", step.number));
    lines.next()?;
    Some(lines.take_while(|line| *line != "<!-- end -->").collect::<Vec<_>>().join("\n"))
}

fn part(line: &str) -> Option<(&str, &'static Step)> {
    let (kind, step) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(' ')?;
    Some((kind, Step::numbered(step.parse().ok()?)?))
}

fn before(step: &Step) -> io::Result<&'static Step> {
    Step::numbered(step.number - 1).ok_or_else(|| io::Error::other("nothing is before step 1"))
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{text}\n```\n")
}

/// The rows of the table for this step and the one before.
fn costs(step: &Step) -> io::Result<String> {
    let table = fs::read_to_string(root().join("book/cost.md"))?;
    let of =
        |number: usize| table.lines().filter(move |it| it.starts_with(&format!("| {number}, ")));
    let rows: String =
        of(step.number - 1).chain(of(step.number)).map(|it| format!("{it}\n")).collect();
    Ok(format!("{}\n{rows}", cost::HEAD))
}

fn shown(step: &Step) -> io::Result<String> {
    let number = step.number.to_string();
    let output = Command::new(std::env::current_exe()?).args(["run", &number]).output()?;
    match output.status.success() {
        true => {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(format!("$ cargo run -- run {number}\n{}", text.trim_end()))
        }
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}
