//! What is printed.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::payload::Wrong;
use super::tally::{Tally, milliseconds};
use super::window::Verdict;
use super::{Args, Endpoint};

/// Lines on standard output, dots, or nothing before the end.
#[derive(Debug)]
pub(super) struct Report {
    endpoint: Endpoint,
    style: Style,
    size: usize,
    timeout: Duration,
    /// Who answers, as its address says.
    peer: String,
    /// Nobody reads any more.
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A line a reply.
    Lines,
    /// A dot a message, taken back by its reply: those that are left are lost.
    Dots,
    /// The summary alone.
    Summary,
    Json,
}

/// What came back, besides being wrong or not.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) number: u64,
    pub(super) bytes: usize,
    pub(super) verdict: Verdict,
    pub(super) fault: Option<Fault>,
}

/// In which way a reply is wrong.
#[derive(Debug)]
pub(super) enum Fault {
    Byte(Wrong),
    Length,
    /// Instead of the line that was expected, the beginning of this one.
    Line(String),
}

impl Report {
    pub(super) fn new(args: &Args) -> Report {
        let style = match (args.json, args.summary, args.flood) {
            (true, ..) => Style::Json,
            (_, true, _) => Style::Summary,
            (_, _, true) if io::stdout().is_terminal() => Style::Dots,
            (_, _, true) => Style::Summary,
            _ => Style::Lines,
        };
        Report {
            endpoint: args.endpoint.clone(),
            style,
            size: args.size,
            timeout: args.timeout,
            peer: args.endpoint.to_string(),
            broken: false,
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether nobody reads what is printed.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    fn print(&mut self, text: impl Display) {
        let mut output = io::stdout().lock();
        self.broken |= write!(output, "{text}").and_then(|()| output.flush()).is_err();
    }

    fn line(&mut self, text: impl Display) {
        if self.style == Style::Lines {
            self.print(format_args!("{text}\n"));
        }
    }

    /// It begins, to this address.
    pub(super) fn begins(&mut self, peer: Option<String>, connect: Option<Duration>) {
        let name = self.endpoint.to_string();
        if let Some(peer) = peer {
            self.peer = peer;
        }
        if matches!(self.style, Style::Lines | Style::Dots) {
            let other_name = !name.ends_with(&self.peer);
            let peer = if other_name { format!(" ({})", self.peer) } else { String::new() };
            let size = self.size;
            self.print(format_args!("PING {name}{peer}: {size} bytes of data\n"));
        }
        if let Some(connect) = connect {
            self.line(format_args!("connected in {:.3} ms", milliseconds(connect)));
        }
    }

    pub(super) fn sent(&mut self) {
        if self.style == Style::Dots {
            self.print('.');
        }
    }

    pub(super) fn lost(&mut self, number: u64) {
        let timeout = milliseconds(self.timeout);
        self.line(format_args!("no reply to seq={} within {timeout} ms", number + 1));
    }

    pub(super) fn error(&mut self, error: &str) {
        let peer = self.peer.clone();
        self.line(format_args!("from {peer}: {error}"));
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        if self.style == Style::Dots && matches!(reply.verdict, Verdict::Reply { .. }) {
            self.print("\u{8} \u{8}");
        }
        let (time, remark) = match reply.verdict {
            Verdict::Reply { time, late: true, .. } => (Some(time), " (late)"),
            Verdict::Reply { time, reordered: true, .. } => (Some(time), " (out of order)"),
            Verdict::Reply { time, .. } => (Some(time), ""),
            Verdict::Duplicate { time } => (Some(time), " (duplicate)"),
            Verdict::Unexpected => (None, " (unexpected)"),
        };
        let mut text = format!("{} bytes from {}", reply.bytes, self.peer);
        if let Some(time) = time {
            text += &format!(": seq={} time={:.3} ms", reply.number + 1, milliseconds(time));
        }
        text += remark;
        match &reply.fault {
            None => {}
            Some(Fault::Byte(wrong)) => {
                let Wrong { offset, expected, got } = wrong;
                let what = format!("should be 0x{expected:02x}, is 0x{got:02x}");
                text += &format!("; WRONG: byte {offset} {what}");
            }
            Some(Fault::Length) => text += &format!("; WRONG: should be {} bytes", self.size),
            Some(Fault::Line(line)) => text += &format!("; WRONG: it is {line:?}"),
        }
        self.line(text);
    }

    /// The result, if there is one, however it came to its end.
    pub(super) fn ends(&mut self, args: &Args, tally: &Tally, error: Option<&str>, cut_off: bool) {
        if self.style == Style::Json {
            let mut json = json!({
                "endpoint": self.endpoint.to_string(), "peer": self.peer, "size": self.size,
                "expect": args.expected().map(|it| String::from_utf8_lossy(&it).into_owned()),
                "count": args.count, "flood": args.flood,
                "interval_ms": (!args.flood).then(|| milliseconds(args.interval)),
                "timeout_ms": milliseconds(self.timeout), "error": error, "interrupted": cut_off,
            });
            if let (Value::Object(json), Value::Object(result)) = (&mut json, tally.to_json()) {
                json.extend(result);
            }
            return self.print(format_args!("{json:#}\n"));
        }
        if tally.sent == 0 {
            return; // Whoever it was never got there: the error says all.
        }
        let is_first = self.style == Style::Summary && !io::stdout().is_terminal();
        let before = if is_first { "" } else { "\n" };
        let endpoint = self.endpoint.clone();
        self.print(format_args!("{before}--- {endpoint} ping statistics ---\n{tally}"));
    }
}
