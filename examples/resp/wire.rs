//! The protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>, its second version.

use std::io::Write;

/// The longest line: one that says how many words there are, how long one is, or a command typed by hand.
const LINE: usize = 64 * 1024;
/// Words of a command.
const WORDS: usize = 1024 * 1024;

/// What stands at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// Its words, perhaps none, and how much of the input it takes.
    Command { words: Vec<&'a [u8]>, length: usize },
    /// There has to be more.
    Unfinished,
    /// In the words of Redis.
    Broken(String),
}

/// The first command of the input. A stream comes in pieces, so this looks at an unfinished one again and again;
/// a long word is passed over by its length.
pub(crate) fn parse(input: &[u8], word_limit: usize) -> Parsed<'_> {
    match input.first() {
        None => Parsed::Unfinished,
        Some(b'*') => command(input, word_limit),
        Some(_) => match line(input) {
            Ok(None) => Parsed::Unfinished,
            Ok(Some((text, length))) => {
                let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
                Parsed::Command { words: words.collect(), length }
            }
            Err(()) => Parsed::Broken("too big inline request".to_owned()),
        },
    }
}

/// `*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n`: how many words, then each with its length before it.
fn command(input: &[u8], word_limit: usize) -> Parsed<'_> {
    let (text, mut at) = match line(input) {
        Ok(Some(line)) => line,
        Ok(None) => return Parsed::Unfinished,
        Err(()) => return Parsed::Broken("too big mbulk count string".to_owned()),
    };
    let Some(count) = number(&text[1..]).filter(|&count| count <= WORDS as i64) else {
        return Parsed::Broken("invalid multibulk length".to_owned());
    };
    let mut words = Vec::with_capacity(count.clamp(0, 16) as usize); // What it says isn't there yet.
    for _ in 0..count {
        let rest = &input[at..];
        match rest.first() {
            None => return Parsed::Unfinished,
            Some(b'$') => {}
            Some(&other) => {
                let got = other.escape_ascii();
                return Parsed::Broken(format!("expected '$', got '{got}'"));
            }
        }
        let (text, header) = match line(rest) {
            Ok(Some(line)) => line,
            Ok(None) => return Parsed::Unfinished,
            Err(()) => return Parsed::Broken("too big bulk count string".to_owned()),
        };
        let length = number(&text[1..]).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|&length| length <= word_limit) else {
            return Parsed::Broken("invalid bulk length".to_owned());
        };
        let end = at + header + length + b"\r\n".len();
        if input.len() < end {
            return Parsed::Unfinished;
        }
        words.push(&rest[header..header + length]);
        at = end;
    }
    Parsed::Command { words, length: at }
}

/// The first line without its ending, and how long it is with that.
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, ()> {
    let window = &input[..input.len().min(LINE)];
    match window.iter().position(|&byte| byte == b'\n') {
        Some(end) => {
            let text = &window[..end];
            Ok(Some((text.strip_suffix(b"\r").unwrap_or(text), end + 1)))
        }
        None if window.len() == LINE => Err(()),
        None => Ok(None),
    }
}

/// A decimal number, with nothing else around it.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    if text.first() == Some(&b'+') {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

// The answers. Writing to a vector can't fail.

pub(crate) fn simple(answers: &mut Vec<u8>, text: &str) {
    let _ = write!(answers, "+{text}\r\n");
}

/// One line, whatever a client has put into it.
pub(crate) fn error(answers: &mut Vec<u8>, text: &str) {
    let text = text.replace(['\r', '\n'], " ");
    let _ = write!(answers, "-{text}\r\n");
}

pub(crate) fn integer(answers: &mut Vec<u8>, number: i64) {
    let _ = write!(answers, ":{number}\r\n");
}

pub(crate) fn bulk(answers: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            let _ = write!(answers, "${}\r\n", value.len());
            answers.extend_from_slice(value);
            answers.extend_from_slice(b"\r\n");
        }
        None => answers.extend_from_slice(b"$-1\r\n"),
    }
}

pub(crate) fn array(answers: &mut Vec<u8>, length: usize) {
    let _ = write!(answers, "*{length}\r\n");
}
