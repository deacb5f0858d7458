//! What is printed.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echoloop::Endpoint;
use serde_json::{Value, json};

use super::args::Args;
use super::payload::Wrong;
use super::tally::Tally;
use super::times::milliseconds;
use super::window::Verdict;
use crate::cli::output;

/// Lines on standard output, dots, or nothing before the end.
#[derive(Debug)]
pub(super) struct Report {
    endpoint: Endpoint,
    style: Style,
    size: usize,
    timeout: Duration,
    /// Connecting is all that is measured.
    connects: bool,
    /// Each line begins with the time.
    timestamps: bool,
    /// What is pinged, as its address says.
    peer: String,
    /// Why nothing can be printed any more.
    broken: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// A line a reply.
    Lines,
    /// A dot a message, taken back by its reply: those that are left are lost.
    Dots,
    /// The first line and the summary.
    Quiet,
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
    /// `target` is the endpoint as it is connected to.
    pub(super) fn new(args: &Args, target: &Endpoint) -> Report {
        let style = match (args.json, args.quiet, args.flood) {
            (true, ..) => Style::Json,
            (_, true, _) => Style::Quiet,
            (_, _, true) if io::stdout().is_terminal() => Style::Dots,
            (_, _, true) => Style::Quiet,
            _ => Style::Lines,
        };
        let peer = target.to_string();
        Report {
            endpoint: args.endpoint.clone(),
            style,
            size: if args.tcp_connect { 0 } else { args.size },
            timeout: args.timeout,
            connects: args.tcp_connect,
            timestamps: args.timestamps,
            peer: peer.split_once("://").map_or(peer.as_str(), |(_, address)| address).to_string(),
            broken: None,
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether nothing can be printed any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Why nothing could be printed.
    pub(super) fn unwritable(&mut self) -> Option<String> {
        output::judge(Err(self.broken.take()?)).err()
    }

    fn print(&mut self, text: impl Display) {
        if let Err(error) = output::write(text.to_string().as_bytes()) {
            self.broken.get_or_insert(error);
        }
    }

    fn line(&mut self, text: impl Display) {
        if self.style != Style::Lines {
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        match self.timestamps {
            true => {
                self.print(format_args!("[{}.{:06}] {text}\n", now.as_secs(), now.subsec_micros()))
            }
            false => self.print(format_args!("{text}\n")),
        }
    }

    /// From now on it is this address, if it is another one than was known.
    pub(super) fn has_peer(&mut self, peer: Option<String>) {
        if let Some(peer) = peer {
            self.peer = peer;
        }
    }

    /// It begins.
    pub(super) fn begins(&mut self, peer: Option<String>) {
        self.has_peer(peer);
        if self.style != Style::Json {
            let (name, peer, size) = (&self.endpoint, &self.peer, self.size);
            self.print(format!("PING {name} ({peer}) {size} bytes of data.\n"));
        }
    }

    pub(super) fn connected(&mut self, connect: Duration) {
        self.line(format_args!("connected in {:.3} ms", milliseconds(connect)));
    }

    pub(super) fn sent(&mut self) {
        if self.style == Style::Dots {
            self.print('.');
        }
    }

    /// A message has no answer, and the next one is sent.
    pub(super) fn outstanding(&mut self, number: u64) {
        self.line(format_args!("no answer yet for seq={}", number + 1));
    }

    /// There will be none in time, or there is no connection for it, for this reason.
    pub(super) fn lost(&mut self, number: u64, why: Option<&str>) {
        let what = if self.connects || why.is_some() { "connection for" } else { "reply to" };
        let why = match why {
            Some(why) => format!(": {why}"),
            None => format!(" within {} ms", milliseconds(self.timeout)),
        };
        self.line(format_args!("no {what} seq={}{why}", number + 1));
    }

    pub(super) fn error(&mut self, error: &str) {
        let peer = self.peer.clone();
        self.line(format_args!("From {peer}: {error}"));
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        if self.style == Style::Dots && matches!(reply.verdict, Verdict::Reply { .. }) {
            self.print("\u{8} \u{8}");
        }
        let (time, remark) = match reply.verdict {
            Verdict::Reply { time, late: true, .. } => (Some(time), " (late)"),
            Verdict::Reply { time, reordered: true, .. } => (Some(time), " (out of order)"),
            Verdict::Reply { time, .. } => (Some(time), ""),
            Verdict::Duplicate { time } => (Some(time), " (DUP!)"),
            Verdict::Unexpected => (None, " (unexpected)"),
        };
        let mut text = match self.connects {
            true => format!("connected to {}", self.peer),
            false => format!("{} bytes from {}", reply.bytes, self.peer),
        };
        if let Some(time) = time {
            text += &format!(": seq={} time={:.3} ms", reply.number + 1, milliseconds(time));
        }
        text += remark;
        match &reply.fault {
            None => {}
            Some(Fault::Byte(wrong)) => {
                let Wrong { offset, expected, got } = wrong;
                let what = format!("should be 0x{expected:x} but was 0x{got:x}");
                text += &format!("\nwrong data byte #{offset} {what}");
            }
            Some(Fault::Length) if reply.bytes < self.size => text += " (truncated)",
            Some(Fault::Length) => text += " (too long)",
            Some(Fault::Line(line)) => text += &format!("\nwrong answer: {line:?}"),
        }
        self.line(text);
    }

    /// The result, if there is one, however it came to its end.
    pub(super) fn ends(&mut self, args: &Args, tally: &Tally, error: Option<&str>, cut_off: bool) {
        if self.style == Style::Json {
            let mut json = json!({
                "endpoint": self.endpoint.to_string(), "peer": self.peer, "size": self.size,
                "expect": args.expected().map(|it| String::from_utf8_lossy(&it).into_owned()),
                "count": args.count, "flood": args.floods(), "tcp_connect": args.tcp_connect,
                "interval_ms": (!args.floods()).then(|| milliseconds(args.interval)),
                "timeout_ms": milliseconds(self.timeout),
                "deadline_ms": args.deadline.map(milliseconds),
                "error": error, "interrupted": cut_off,
            });
            if let (Value::Object(json), Value::Object(result)) = (&mut json, tally.to_json()) {
                json.extend(result);
            }
            return self.print(format_args!("{json:#}\n"));
        }
        let (endpoint, summary) = (&self.endpoint, tally.summary(args.floods()));
        self.print(format!("\n--- {endpoint} ping statistics ---\n{summary}"));
    }
}
