//! What a loop does, in words and numbers.

use std::fmt;

/// One step of the loop: what is logged at trace level, and recorded. About the source that it is told
/// with, or about the loop itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "simulation", derive(Hash))]
pub(crate) enum Act {
    /// A whole turn.
    Turn,
    /// Waiting for events.
    Slept,
    /// What the poller said, all in all.
    Polled {
        events: usize,
        runnable: usize,
    },
    /// An event for a source that has gone.
    Stale,
    /// What the poller said of the source.
    Ready(Readiness),
    /// The source had its go.
    Driven,
    /// A source has come about, of this kind.
    Made(&'static str),
    /// A listener, or a dial, has become a connection, or has brought one about.
    Opened,
    Read {
        read: usize,
        shown: usize,
        taken: usize,
    },
    ShownAgain {
        shown: usize,
        taken: usize,
    },
    Sent {
        length: usize,
        taken: usize,
        queued: usize,
    },
    /// What was gathered has been written.
    Wrote {
        length: usize,
        queued: usize,
    },
    /// What was kept has been written, or a part of it.
    Flushed {
        before: usize,
        queued: usize,
    },
    Ended {
        rest: usize,
    },
    Received {
        length: usize,
    },
    /// Gathered datagrams have left.
    Dispatched {
        sent: u64,
        refused: u64,
    },
    /// A timer has come due.
    Timer(&'static str),
    /// Why it has gone, in one word.
    Gone(&'static str),
}

/// What an event says, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "simulation", derive(Hash))]
pub(crate) struct Readiness(u8);

impl Readiness {
    const WORDS: [&str; 6] =
        ["readable", "writable", "urgent", "closed for reading", "closed for writing", "in error"];

    /// In this order.
    pub(crate) fn new(flags: [bool; 6]) -> Readiness {
        Readiness(flags.iter().enumerate().map(|(i, &is_so)| u8::from(is_so) << i).sum())
    }
}

impl Act {
    /// What kind of step it is.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Act::Turn => "turn",
            Act::Slept => "wait",
            Act::Polled { .. } => "poll",
            Act::Stale => "stale",
            Act::Ready(_) => "ready",
            Act::Driven => "drive",
            Act::Made(_) => "made",
            Act::Opened => "opened",
            Act::Read { .. } => "read",
            Act::ShownAgain { .. } => "shown again",
            Act::Sent { .. } => "send",
            Act::Wrote { .. } => "write",
            Act::Flushed { .. } => "flush",
            Act::Ended { .. } => "ended",
            Act::Received { .. } => "datagram",
            Act::Dispatched { .. } => "datagrams out",
            Act::Timer(_) => "timer",
            Act::Gone(_) => "gone",
        }
    }

    /// Its numbers by name.
    pub(crate) fn numbers(self) -> [Option<(&'static str, u64)>; 3] {
        let number = |name, number: usize| Some((name, number as u64));
        match self {
            Act::Polled { events, runnable } => {
                [number("events", events), number("runnable", runnable), None]
            }
            Act::Read { read, shown, taken } => {
                [number("read", read), number("shown", shown), number("taken", taken)]
            }
            Act::ShownAgain { shown, taken } => {
                [number("shown", shown), number("taken", taken), None]
            }
            Act::Sent { length, taken, queued } => {
                [number("length", length), number("taken", taken), number("queued", queued)]
            }
            Act::Wrote { length, queued } => {
                [number("length", length), number("queued", queued), None]
            }
            Act::Flushed { before, queued } => {
                [number("before", before), number("queued", queued), None]
            }
            Act::Ended { rest } => [number("rest", rest), None, None],
            Act::Received { length } => [number("length", length), None, None],
            Act::Dispatched { sent, refused } => {
                [Some(("sent", sent)), Some(("refused", refused)), None]
            }
            Act::Turn
            | Act::Slept
            | Act::Stale
            | Act::Ready(_)
            | Act::Driven
            | Act::Made(_)
            | Act::Opened
            | Act::Timer(_)
            | Act::Gone(_) => [None; 3],
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Turn => f.write_str("a turn"),
            Act::Slept => f.write_str("waited for events"),
            Act::Polled { events, runnable } => {
                write!(f, "the poll has returned {events} events, {runnable} sources can move")
            }
            Act::Stale => f.write_str("has gone: a stale event"),
            Act::Ready(readiness) => write!(f, "is {readiness}"),
            Act::Driven => f.write_str("had its go"),
            Act::Made(kind) => write!(f, "is a {kind}"),
            Act::Opened => f.write_str("is open"),
            Act::Read { read, shown, taken } => {
                write!(f, "read {read}, showed {shown}, the service took {taken}")
            }
            Act::ShownAgain { shown, taken } => {
                write!(f, "showed {shown} once more, the service took {taken}")
            }
            Act::Sent { length, taken, queued } => {
                write!(f, "sent {taken} of {length} bytes, {queued} are still here")
            }
            Act::Wrote { length, queued } => {
                write!(f, "wrote {length} bytes, {queued} were refused")
            }
            Act::Flushed { before, queued } => write!(f, "had {before} bytes kept, now {queued}"),
            Act::Ended { rest } => write!(f, "has ended, {rest} bytes were not taken"),
            Act::Received { length } => write!(f, "received {length} bytes"),
            Act::Dispatched { sent, refused } => {
                write!(f, "sent {sent} datagrams, {refused} refused")
            }
            Act::Timer(what) => write!(f, "timer: {what}"),
            Act::Gone(why) => write!(f, "has gone: {why}"),
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (i, word) in Readiness::WORDS.iter().enumerate() {
            if self.0 & 1 << i != 0 {
                write!(f, "{separator}{word}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
