//! What the examples share, and what is a program's business rather than a library's: the command
//! line, the terminal.

#![allow(dead_code, reason = "no example needs all of it")]

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::exit;
use std::str::FromStr;

use echoloop::{Context, Endpoint, Id, describe};

/// The terminal as a source, which needs some care; `echoloop connect` takes the same.
#[path = "../../src/cli/connect/stdio.rs"]
pub(crate) mod stdio;

/// What went wrong, in words for people. Returned from `main`, it is printed after `Error: `.
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(why: impl Into<String>) -> Failure {
        Failure(why.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(describe(&error))
    }
}

/// The command line: options by name in any place, then words in order.
pub(crate) struct Arguments {
    words: Vec<String>,
}

impl Arguments {
    /// Those of this process. `--help` prints the usage and ends it.
    pub(crate) fn new(usage: &str) -> Result<Arguments, Failure> {
        let words = std::env::args_os().skip(1).map(|word| word.into_string());
        let words = words.collect::<Result<Vec<_>, _>>();
        let words = words.map_err(|word| Failure(format!("{word:?} is not UTF-8")))?;
        if words.iter().any(|word| word == "--help" || word == "-h") {
            say(format_args!("usage: {usage}"));
            exit(0);
        }
        Ok(Arguments { words })
    }

    /// Whether the option is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let at = self.words.iter().position(|word| word == name);
        at.map(|at| self.words.remove(at)).is_some()
    }

    /// The value behind the option, or else the default.
    pub(crate) fn option<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, Failure> {
        let Some(text) = self.text(name)? else { return Ok(default) };
        text.parse().map_err(|_| Failure(format!("{name} {text}: makes no sense")))
    }

    /// The text behind the option; ask again for an option that may be given more than once.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(at) = self.words.iter().position(|word| word == name) else { return Ok(None) };
        let value = self.words.drain(at..(at + 2).min(self.words.len())).nth(1);
        value.map(Some).ok_or_else(|| Failure(format!("{name} needs a value")))
    }

    /// Whether the first word is this one; takes it.
    pub(crate) fn is(&mut self, command: &str) -> bool {
        self.words.first().is_some_and(|word| word == command) && self.next().is_some()
    }

    /// The next word as an endpoint, if it is one, or else the default; streams for streams, datagrams for
    /// datagrams.
    pub(crate) fn endpoint(&mut self, default: &str) -> Result<Endpoint, Failure> {
        let expected: Endpoint = default.parse()?;
        let is_one = |it: &String| it.contains("://") || it.parse::<Endpoint>().is_ok();
        if !self.words.first().is_some_and(is_one) {
            return Ok(expected);
        }
        let word = self.words.remove(0);
        let endpoint: Endpoint = word.parse()?;
        match endpoint.is_datagram() == expected.is_datagram() {
            true => Ok(endpoint),
            false => Err(Failure(format!("{word} won't do, it must be something like {default}"))),
        }
    }

    /// The next word.
    pub(crate) fn next(&mut self) -> Option<String> {
        if self.words.is_empty() { None } else { Some(self.words.remove(0)) }
    }

    /// Nothing may be left.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        self.next().map_or(Ok(()), |word| Err(Failure(format!("{word}: what is that?"))))
    }
}

/// Prints a line. That nobody wants to read it is no reason to stop; what would command the terminal
/// in a text from elsewhere is shown as a question mark. Whoever has stopped the screen with Ctrl-S
/// stops the program; to be spared that, adopt the screen, as the chat does.
pub(crate) fn say(line: impl Display) {
    let harmless = |c: char| if c.is_control() && !"\t\n".contains(c) { '\u{fffd}' } else { c };
    let line: String = line.to_string().chars().map(harmless).collect();
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says where a listener listens: with the port that the kernel has chosen, if that was asked for.
pub(crate) fn listening(cx: &mut Context<'_>, id: Id, endpoint: &Endpoint) {
    let text = endpoint.to_string();
    match (text.split_once("://"), cx.source(id).local()) {
        (Some((scheme @ ("tcp" | "udp"), _)), Some(address)) => {
            say(format_args!("listening on {scheme}://{address}"));
        }
        _ => say(format_args!("listening on {text}")),
    }
}
