//! What is shown: on the left what the client does and sees, on the right the server.

use std::io::{self, IsTerminal, Write};

const WIDTH: usize = 96;
const LEFT: usize = 46;

/// A terminal that is narrower breaks the lines itself.
const NARROWEST: usize = 40;

/// Where a demonstration is shown. What the clients saw is also kept.
pub struct Stage {
    out: Box<dyn Write>,
    width: usize,
    colours: bool,
    /// The left side, a line for each thing said: it depends neither on the machine nor on its speed.
    pub left: Vec<String>,
}

/// How a text is set off on a terminal.
#[derive(Clone, Copy)]
enum Look {
    Plain,
    Heading,
    Faint,
    Bad,
    Good,
}

impl Stage {
    /// On the standard output: with colours, if that is a terminal, and as wide as it is.
    pub fn standard() -> Stage {
        let out = io::stdout();
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let columns = match out.is_terminal() {
            true => rustix::termios::tcgetwinsize(&out).map_or(WIDTH, |size| size.ws_col as usize),
            false => WIDTH,
        };
        let width = columns.clamp(NARROWEST, WIDTH);
        Stage { out: Box::new(out), width, colours, left: Vec::new() }
    }

    /// Nowhere: for tests.
    pub fn dark() -> Stage {
        Stage { out: Box::new(io::sink()), width: WIDTH, colours: false, left: Vec::new() }
    }

    /// Above the two sides.
    pub fn heading(&mut self, text: &str, right: &str) -> io::Result<()> {
        for line in headline(text, right, self.width - 2) {
            self.line(Look::Heading, &line)?;
        }
        writeln!(self.out)?;
        self.columns(Look::Faint, "the client", "the server")
    }

    /// The client has done or seen something; and this is to be seen of the server then.
    pub fn show(&mut self, left: &str, right: &str) -> io::Result<()> {
        if !left.is_empty() {
            self.left.push(left.to_owned());
        }
        self.columns(Look::Plain, left, right)
    }

    /// It has failed, or held, in these words; and the code that did it.
    pub fn verdict(&mut self, holds: bool, words: &str, file: &str, code: &str) -> io::Result<()> {
        writeln!(self.out)?;
        self.line(if holds { Look::Good } else { Look::Bad }, words)?;
        self.line(Look::Faint, file)?;
        for line in code.lines() {
            writeln!(self.out, "    {line}")?; // However long: code is not to be broken.
        }
        writeln!(self.out)
    }

    /// A paragraph.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.line(Look::Plain, text)
    }

    /// A line of a table: what has no room beside the first cell stands below it, behind a margin.
    pub fn row(&mut self, first: &str, rest: &str) -> io::Result<()> {
        let width = first.chars().count();
        if width + rest.chars().count() <= self.width {
            return self.line(Look::Plain, &format!("{first}{rest}"));
        }
        self.line(Look::Plain, first.trim_end())?;
        wrap(rest, self.width - 6).iter().try_for_each(|it| self.say(&format!("      {it}")))
    }

    fn line(&mut self, look: Look, text: &str) -> io::Result<()> {
        for line in wrap(text, self.width) {
            let painted = self.paint(look, &line);
            writeln!(self.out, "{painted}")?;
        }
        self.out.flush()
    }

    fn columns(&mut self, look: Look, left: &str, right: &str) -> io::Result<()> {
        let left_width = LEFT * self.width / WIDTH;
        let (left, right) = (wrap(left, left_width - 2), wrap(right, self.width - left_width - 4));
        for i in 0..left.len().max(right.len()) {
            let left = left.get(i).map_or("", |it| it);
            let right = right.get(i).map_or("", |it| it);
            let line = format!("  {left:<left_width$}{right}");
            let painted = self.paint(look, line.trim_end());
            writeln!(self.out, "{painted}")?;
        }
        self.out.flush()
    }

    fn paint(&self, look: Look, text: &str) -> String {
        let code = match look {
            _ if !self.colours => return text.to_owned(),
            Look::Plain => return text.to_owned(),
            Look::Heading => "1",
            Look::Faint => "2",
            Look::Bad => "1;31",
            Look::Good => "1;32",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Both at the ends of a line, or, where that has no room, in a line each.
fn headline(text: &str, right: &str, width: usize) -> Vec<String> {
    let (length, right_length) = (text.chars().count(), right.chars().count());
    if length + right_length < width {
        return vec![format!("{text}{right:>0$}", width - length)];
    }
    vec![text.to_owned(), right.to_owned()]
}

/// Breaks a text between words. What stands at the front of it stays there.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.chars().count() > width {
        let end = rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
        let indent = rest.len() - rest.trim_start().len();
        let at = rest[..end].rfind(' ').filter(|&at| at > indent).unwrap_or(end);
        lines.push(rest[..at].to_owned());
        rest = rest[at..].trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

/// `1234567` as `1,234,567`.
pub fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("    indented", 6), ["    in", "dented"]);
        assert_eq!(wrap("", 8), [""]);
    }

    #[test]
    fn what_has_no_room_in_a_heading_stands_below() {
        assert_eq!(headline("Step 1", "process 7", 20), ["Step 1     process 7"]);
        assert_eq!(headline("Step 1", "process 7", 16), ["Step 1 process 7"]);
        assert_eq!(headline("Step 1", "process 7", 15), ["Step 1", "process 7"]);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([number(7), number(1000), number(1234567)], ["7", "1,000", "1,234,567"]);
    }
}
