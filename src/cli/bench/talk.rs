//! What is said: messages of one size or several that must come back, or a request and its answer.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::str::FromStr;

use super::words::{bytes, count, number_of};
use crate::cli::units;

/// Most bytes of a message that is read from a file: 16 MiB.
const LONGEST: u64 = 16 << 20;

/// What a connection says, and what it must hear.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Talk {
    /// Random bytes, and the same ones back.
    Echo(Sizes),
    /// The same bytes again and again, and an answer to each.
    Request(Request),
}

/// A request and its answer, frames included.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) answer: Answer,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Anything in such a frame.
    Any(Frame),
}

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// By the line feed at their end.
    Line,
    /// By their length in front, in so many bytes, the highest first.
    Length(usize),
}

impl Frame {
    fn wrap(self, message: Vec<u8>) -> Result<Vec<u8>, String> {
        match self {
            Frame::Line if message.contains(&b'\n') => {
                Err("a line feed within a message that --frame line ends with one".to_owned())
            }
            Frame::Line => Ok([message, b"\n".to_vec()].concat()),
            Frame::Length(width) => {
                let length = (message.len() as u64).to_be_bytes();
                let (above, length) = length.split_at(8 - width);
                if above.iter().any(|byte| *byte != 0) {
                    return Err(format!("{} bytes are too many for --frame {self}", message.len()));
                }
                Ok([length, &message].concat())
            }
        }
    }
}

impl FromStr for Frame {
    type Err = String;

    fn from_str(text: &str) -> Result<Frame, String> {
        Ok(match text {
            "line" => Frame::Line,
            "u8" => Frame::Length(1),
            "u16" => Frame::Length(2),
            "u32" => Frame::Length(4),
            _ => {
                return Err("expected line, or the width of a length in front: u8, u16, u32".into());
            }
        })
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Line => f.write_str("line"),
            Frame::Length(width) => write!(f, "u{}", width * 8),
        }
    }
}

impl Request {
    /// From what the options say.
    pub(super) fn new(
        request: &Text,
        expect: Option<&Text>,
        frame: Option<Frame>,
    ) -> Result<Request, String> {
        let wrap = |text: &Text| match frame {
            Some(frame) => frame.wrap(text.0.clone()),
            None => Ok(text.0.clone()),
        };
        let bytes = wrap(request).map_err(|error| format!("--request: {error}"))?;
        let answer = match (expect, frame) {
            (Some(expect), _) => {
                Answer::Bytes(wrap(expect).map_err(|error| format!("--expect: {error}"))?)
            }
            (None, Some(frame)) => Answer::Any(frame),
            (None, None) => {
                return Err(
                    "--request needs --expect, the answer, or --frame, to know where one ends"
                        .to_owned(),
                );
            }
        };
        if bytes.is_empty() || answer == Answer::Bytes(Vec::new()) {
            return Err("--request and --expect must have a byte at least".to_owned());
        }
        Ok(Request { bytes, answer })
    }
}

/// Bytes as people write them: text with escapes, `hex:2a0d0a`, or `@FILE`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text(pub(super) Vec<u8>);

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Text, String> {
        if let Some(path) = text.strip_prefix('@') {
            return read(path).map(Text).map_err(|error| format!("{path}: {error}"));
        }
        if let Some(digits) = text.strip_prefix("hex:") {
            let digits: Vec<u32> = digits
                .chars()
                .filter(|c| !c.is_whitespace())
                .map(|c| c.to_digit(16).ok_or_else(|| format!("{c:?} is no hexadecimal digit")))
                .collect::<Result<_, _>>()?;
            if digits.len() % 2 == 1 {
                return Err(
                    "a byte has two hexadecimal digits, and the last one has one".to_owned()
                );
            }
            return Ok(Text(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()));
        }
        unescaped(text).map(Text)
    }
}

/// All of a file, unless it is longer than any message, or has no end.
fn read(path: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path);
    let read = file.and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    match read.map_err(|error| echoloop::describe(&error))? as u64 {
        ..=LONGEST => Ok(bytes),
        _ => Err("more than 16 MiB, the most that a message of a file can have".to_owned()),
    }
}

/// With `\r`, `\n`, `\t`, `\0`, `\\` and `\x2a` for what they stand for.
fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.extend(c.to_string().bytes());
            continue;
        }
        out.push(match rest.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                let right = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| right);
                byte.ok_or("\\x stands before two hexadecimal digits")?
            }
            _ => return Err("a backslash stands before r, n, t, 0, x or another one".to_owned()),
        });
    }
    Ok(out)
}

/// Sizes of messages, and how often each comes. Which one a message has follows from its number, so that
/// it need not be stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sizes {
    pub(super) parts: Vec<(usize, u64)>,
    all: u64,
    pub(super) seed: u64,
}

impl Sizes {
    pub(super) fn one(size: usize) -> Sizes {
        Sizes { parts: vec![(size, 1)], all: 1, seed: 0 }
    }

    /// Sizes and their weights.
    pub(super) fn of_parts(parts: Vec<(usize, u64)>) -> Result<Sizes, String> {
        if let Some((size, _)) =
            parts.iter().find(|(_, weight)| !(1..=1_000_000_000).contains(weight))
        {
            return Err(format!("the weight of {size} must be 1 to 1,000,000,000"));
        }
        let all = parts.iter().map(|(_, weight)| weight).sum();
        if all == 0 {
            Err("there are no sizes".to_owned())
        } else {
            Ok(Sizes { parts, all, seed: 0 })
        }
    }

    pub(super) fn seeded(self, seed: u64) -> Sizes {
        Sizes { seed, ..self }
    }

    /// Of message number `k` of a lane.
    #[inline]
    pub(super) fn of(&self, lane: u64, k: u64) -> usize {
        if let [(size, _)] = self.parts[..] { size } else { self.drawn(lane, k) }
    }

    fn drawn(&self, lane: u64, k: u64) -> usize {
        let mut drawn = mixed(self.seed ^ mixed(lane ^ mixed(k))) % self.all;
        for &(size, weight) in &self.parts {
            match drawn.checked_sub(weight) {
                Some(rest) => drawn = rest,
                None => return size,
            }
        }
        unreachable!("the weights are all of it")
    }

    /// The only one there is.
    pub(super) fn single(&self) -> Option<usize> {
        if let [(size, _)] = self.parts[..] { Some(size) } else { None }
    }

    pub(super) fn mean(&self) -> f64 {
        let sum: f64 = self.parts.iter().map(|&(size, weight)| size as f64 * weight as f64).sum();
        sum / self.all as f64
    }

    pub(super) fn smallest(&self) -> usize {
        self.parts.iter().map(|(size, _)| *size).min().unwrap_or(0)
    }

    pub(super) fn largest(&self) -> usize {
        self.parts.iter().map(|(size, _)| *size).max().unwrap_or(0)
    }
}

/// A number from which nothing can be told of the one it was made of: splitmix64, Steele et al. 2014.
pub(super) fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        if !text.contains([':', ',']) {
            return units::size(text).map(Sizes::one);
        }
        let mut parts = Vec::new();
        for part in text.split(',') {
            let (size, weight) = part.split_once(':').unwrap_or((part, "1"));
            let weight =
                units::count(weight).map_err(|error| format!("the weight of {size}: {error}"))?;
            parts.push((units::size(size)?, weight));
        }
        Sizes::of_parts(parts)
    }
}

impl Talk {
    /// Whether the same is said, but for the seed.
    pub(super) fn is_like(&self, other: &Talk) -> bool {
        match (self, other) {
            (Talk::Echo(ours), Talk::Echo(theirs)) => ours.parts == theirs.parts,
            (ours, theirs) => ours == theirs,
        }
    }

    /// Bytes of a message that is sent; their mean, if they differ.
    pub(super) fn mean(&self) -> f64 {
        match self {
            Talk::Echo(sizes) => sizes.mean(),
            Talk::Request(request) => request.bytes.len() as f64,
        }
    }
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Talk::Echo(sizes) => match sizes.single() {
                Some(size) => write!(f, "{} bytes", count(size as f64)),
                None => {
                    let part = |&(size, weight): &(usize, u64)| {
                        format!("{} {}", count(weight as f64), bytes(size as f64))
                    };
                    let parts: Vec<String> = sizes.parts.iter().map(part).collect();
                    write!(f, "sizes of {} ({})", parts.join(" : "), bytes(sizes.mean()))
                }
            },
            Talk::Request(request) => {
                let length = number_of(request.bytes.len() as u64, "byte");
                write!(f, "requests of {length}, ")?;
                match &request.answer {
                    Answer::Bytes(answer) => {
                        write!(f, "answers of {}", number_of(answer.len() as u64, "byte"))
                    }
                    Answer::Any(Frame::Line) => f.write_str("any line as answer"),
                    Answer::Any(_) => f.write_str("any message as answer"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_people_write_them() {
        let parse = |text: &str| text.parse::<Text>().map(|text| text.0);
        assert_eq!(parse(r"PING\r\n"), Ok(b"PING\r\n".to_vec()));
        assert_eq!(parse(r"\x00\xfF\\\t"), Ok(vec![0, 255, b'\\', b'\t']));
        assert_eq!(parse("hex:2a 0d0A"), Ok(vec![42, 13, 10]));
        for wrong in [r"\q", r"\x1", r"\", "hex:2", "hex:xy", "@/none/there"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn frames_go_round_both() {
        let text = |text: &str| text.parse::<Text>().unwrap();
        let (ping, pong) = (text("ping"), text("pong!"));
        let framed = |frame| Request::new(&ping, Some(&pong), frame).unwrap();
        assert_eq!(framed(None).bytes, b"ping");
        assert_eq!(framed(Some(Frame::Line)).answer, Answer::Bytes(b"pong!\n".to_vec()));
        assert_eq!(framed(Some(Frame::Length(2))).bytes, b"\0\x04ping");
        assert_eq!(
            framed(Some(Frame::Length(4))).answer,
            Answer::Bytes(b"\0\0\0\x05pong!".to_vec())
        );
        assert!(Request::new(&ping, None, None).unwrap_err().contains("--frame"));
        assert!(Request::new(&text(r"a\nb"), None, Some(Frame::Line)).is_err());
        assert!(Request::new(&Text(vec![0; 256]), None, Some(Frame::Length(1))).is_err());
    }

    #[test]
    fn sizes_come_as_often_as_they_weigh() {
        let sizes: Sizes = "64:9,1KiB:1".parse().unwrap();
        let large = (0..10_000).filter(|k| sizes.of(7, *k) == 1024).count();
        assert!((900..1100).contains(&large), "{large}");
        assert_eq!(sizes.of(7, 5), sizes.of(7, 5));
        assert_eq!((sizes.mean(), sizes.largest()), (160.0, 1024));
        assert_eq!("100".parse::<Sizes>().unwrap().single(), Some(100));
        assert!("64:0".parse::<Sizes>().is_err() && "64:x,1".parse::<Sizes>().is_err());
    }
}
