//! The manual pages, in `packaging/man`: made of the command line itself, and of what [`text`] says besides. Made
//! by the test that also sees to it that they are current, so that the program doesn't carry what makes them.

mod text;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::{env, fs};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::Cli;
use text::{Block, Section};

/// What brings the pages up to date, in a shell.
const UPDATE: &str = "ECHOLOOP_MAN=write cargo test --bin echoloop man";

/// The pages are those of this command line.
#[test]
fn manual_pages_are_current() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/man");
    let pages = pages();
    if env::var_os("ECHOLOOP_MAN").is_some_and(|word| word == "write") {
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            fs::write(folder.join(name), page).unwrap();
        }
    }
    for (name, page) in &pages {
        let there = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            there == *page,
            "{name} is not current. This updates all of them:\n\n    {UPDATE}\n"
        );
    }
    let there = fs::read_dir(&folder).unwrap().count();
    assert_eq!(there, pages.len(), "pages of commands that have gone; {UPDATE}");
}

/// Every command has a text of its own, with what a reader looks for.
#[test]
fn every_page_has_examples_an_exit_status_and_neighbours() {
    for (name, page) in pages() {
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
            let heading = format!("\n.SH {section}\n").replace("EXIT STATUS", "\"EXIT STATUS\"");
            let heading = heading.replace("SEE ALSO", "\"SEE ALSO\"");
            assert!(page.contains(&heading), "{name} has no {section}");
        }
    }
}

/// All pages by the names of their files.
fn pages() -> BTreeMap<String, String> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = BTreeMap::new();
    add(&command, "echoloop", &mut pages);
    pages
}

/// The page of a command, and those of its own commands.
fn add(command: &Command, name: &str, pages: &mut BTreeMap<String, String>) {
    let mut page = Vec::new();
    write(command, name, &mut page).unwrap();
    pages.insert(format!("{name}.1"), wrap(&String::from_utf8(page).unwrap()));
    for inner in command.get_subcommands() {
        add(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
}

fn write(command: &Command, name: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let mut shown = command.clone();
    for positional in command.get_positionals() {
        // Where there are several they don't fit on the line of a term; the text tells them.
        shown = shown.mut_arg(positional.get_id(), |arg| arg.hide_default_value(true));
    }
    let man = Man::new(shown);
    let (title, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    // Without a date, which would have to be brought up to date too.
    writeln!(page, r#".TH {title} 1 "" "echoloop {version}" "User Commands""#)?;
    man.render_name_section(page)?;
    write_synopsis(command, page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(page)?;
    }
    let mut more = Roff::new();
    for Section { title, blocks } in text::of(name) {
        if *title == "EXAMPLES" {
            add_exit_status(&mut more, command);
        }
        more.control("SH", [*title]);
        for (number, block) in blocks.iter().enumerate() {
            add_block(&mut more, block, number == 0);
        }
    }
    more.to_writer(page)
}

/// What the end of the help says in a sentence: `Exit status: 0 done, 1 it could not be done; 2 ...`.
fn add_exit_status(roff: &mut Roff, command: &Command) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some((_, sentence)) = help.split_once("Exit status:") else { return };
    roff.control("SH", ["EXIT STATUS"]);
    let mut meanings: Vec<(String, String)> = Vec::new();
    let mut may_begin = true;
    for word in sentence.split_whitespace() {
        match meanings.last_mut() {
            Some((_, meaning)) if !(may_begin && word.parse::<u8>().is_ok()) => {
                *meaning += &format!(" {word}");
            }
            _ => meanings.push((word.to_string(), String::new())),
        }
        may_begin = word.ends_with([',', ';']);
    }
    for (number, meaning) in meanings {
        let meaning = meaning.trim().trim_end_matches([',', ';', '.']);
        let (first, rest) = meaning.split_at(1);
        let meaning = format!("{}{rest}.", first.to_uppercase());
        roff.control("TP", []).text([bold(number)]).text([roman(meaning)]);
    }
}

/// As `--help` shows it: all options by their names would fill a page.
fn write_synopsis(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for (number, line) in usage.trim_start_matches("Usage:").lines().enumerate() {
        let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rest) = words.split_at(words.iter().take_while(|word| is_word(word)).count());
        if number > 0 {
            roff.control("br", []);
        }
        roff.text([bold(name.join(" ")), roman(format!(" {}", rest.join(" ")))]);
    }
    roff.to_writer(page)
}

fn add_block(roff: &mut Roff, block: &Block, is_first: bool) {
    let paragraph = |roff: &mut Roff, text: &str| {
        if !is_first {
            roff.control("PP", []);
        }
        roff.text([roman(text)]);
    };
    match block {
        Block::Text(text) => paragraph(roff, text),
        Block::Item(term, text) => {
            roff.control("TP", []).text([bold(*term)]).text([roman(*text)]);
        }
        Block::Example(why, lines) => {
            paragraph(roff, why);
            roff.control("PP", []).control("RS", ["4"]).control("EX", []);
            for line in *lines {
                roff.text([roman(*line)]);
            }
            roff.control("EE", []).control("RE", []);
        }
    }
}

/// Breaks long lines of text, which are filled anew where they are shown: so that differences can be read. What
/// is shown as it stands keeps its lines, and a term is one line.
fn wrap(page: &str) -> String {
    const WIDTH: usize = 80;

    let mut wrapped = String::new();
    let (mut is_example, mut is_term) = (false, false);
    for line in page.lines() {
        let is_request = line.starts_with(['.', '\'']);
        is_example =
            if is_request { line == ".EX" || (is_example && line != ".EE") } else { is_example };
        if is_request || is_example || is_term {
            wrapped += line.trim_end();
        } else {
            let mut column = 0;
            for word in line.split_whitespace() {
                // A line must not begin with what would make a request of it.
                if column > 0 && column + 1 + word.len() > WIDTH && !word.starts_with(['.', '\'']) {
                    wrapped.push('\n');
                    column = 0;
                } else if column > 0 {
                    wrapped.push(' ');
                    column += 1;
                }
                wrapped += word;
                column += word.len();
            }
        }
        is_term = line == ".TP";
        wrapped.push('\n');
    }
    wrapped
}
