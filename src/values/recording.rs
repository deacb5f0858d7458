//! What the turns of a loop did, step by step.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Act, Id};

/// What the latest turns of a reactor did: see [`Reactor::record`](crate::Reactor::record).
///
/// A ring of steps, 48 bytes each: when it is full, the oldest makes room for the next.
///
/// ```text
///   turn 7 ─┬─ the poll returned 2 events ── 3.1 is readable ── 5.1 is readable
///           ├─ 3.1 ─ read 64, showed 64, took 64 ─ sent 64
///           └─ 5.1 ─ read 12, ...
/// ```
#[derive(Clone, Debug)]
pub struct Recording {
    start: Instant,
    most: usize,
    steps: VecDeque<Step>,
    left_out: u64,
}

/// One step: something that happened, or something that took a while.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Nanoseconds since the recording began.
    at: u64,
    /// Nanoseconds; 0 for what is but a moment.
    took: u64,
    source: Id,
    act: Act,
}

impl Recording {
    pub(crate) fn new(most: usize) -> Recording {
        Recording { start: Instant::now(), most, steps: VecDeque::new(), left_out: 0 }
    }

    /// Notes what happened just now.
    pub(crate) fn note(&mut self, source: Id, act: Act) {
        let at = nanos(self.start.elapsed());
        self.push(Step { at, took: 0, source, act });
    }

    /// Notes what began then, and has ended now.
    pub(crate) fn note_since(&mut self, since: Instant, source: Id, act: Act) {
        let at = nanos(since.saturating_duration_since(self.start));
        self.push(Step { at, took: nanos(since.elapsed()).max(1), source, act });
    }

    fn push(&mut self, step: Step) {
        while self.steps.len() >= self.most {
            self.steps.pop_front();
            self.left_out += 1;
        }
        self.steps.push_back(step);
    }

    /// How many steps it holds.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps had to make room for later ones.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Its events, a line each, without what stands around them.
    fn write_events(&self, process: usize, to: &mut impl Write) -> io::Result<()> {
        write!(to, r#"{{"ph":"M","name":"process_name","pid":{process},"tid":0,"args":"#)?;
        write!(to, r#"{{"name":"reactor {process}","left_out":{}}}}}"#, self.left_out)?;
        write_name(to, process, 0, "the loop")?;
        let mut kinds = BTreeMap::new();
        for step in &self.steps {
            if let Act::Made(kind) = step.act {
                kinds.insert(step.source.slot(), kind);
            }
            // A slot that was used again is named by its latest user.
            if step.source != Id::NONE {
                kinds.entry(step.source.slot()).or_insert("source");
            }
        }
        for (slot, kind) in kinds {
            write_name(to, process, slot + 1, &format!("{slot} {kind}"))?;
        }
        self.steps.iter().try_for_each(|step| step.write(process, to))
    }

    /// Writes recordings, each that of one reactor, into one file in the [Trace Event Format], which Perfetto and
    /// `chrome://tracing` open, and `echoloop trace` makes a page of: one line for each step. Turns and waits are on
    /// the first track of a recording; each source has one of its own, which is its slot.
    ///
    /// [Trace Event Format]: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use echoloop::{Config, Echo, Reactor, Recording};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut reactor = Reactor::new(Config::default())?;
    /// reactor.listen(&"tcp://127.0.0.1:0".parse()?, Echo)?;
    /// reactor.record(1000);
    /// reactor.turn(Some(Duration::ZERO))?;
    /// let mut file = Vec::new();
    /// Recording::write_trace(&[reactor.recording().unwrap()], &mut file)?;
    /// assert!(file.starts_with(br#"{"traceEvents":["#));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The writer's own.
    pub fn write_trace(recordings: &[&Recording], to: &mut impl Write) -> io::Result<()> {
        write!(to, r#"{{"traceEvents":["#)?;
        for (process, recording) in recordings.iter().enumerate() {
            to.write_all(if process == 0 { b"\n" } else { b",\n" })?;
            recording.write_events(process, to)?;
        }
        writeln!(to, "\n],\"displayTimeUnit\":\"ns\"}}")
    }
}

fn write_name(to: &mut impl Write, process: usize, track: usize, name: &str) -> io::Result<()> {
    write!(to, ",\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{process},")?;
    write!(to, r#""tid":{track},"args":{{"name":"{name}"}}}}"#)
}

impl Step {
    fn write(&self, process: usize, to: &mut impl Write) -> io::Result<()> {
        let Step { at, took, source, act } = self;
        let track = if *source == Id::NONE { 0 } else { source.slot() + 1 };
        write!(to, ",\n{{\"name\":\"{}\",\"pid\":{process},\"tid\":{track},", act.name())?;
        write!(to, r#""ts":{}.{:03},"#, at / 1000, at % 1000)?;
        match took {
            0 => write!(to, r#""ph":"i","s":"t","#)?,
            _ => write!(to, r#""ph":"X","dur":{}.{:03},"#, took / 1000, took % 1000)?,
        }
        write!(to, r#""args":{{"words":""#)?;
        if *source != Id::NONE {
            write!(to, "{source} ")?;
        }
        write!(to, "{act}\"")?;
        for (name, number) in act.numbers().into_iter().flatten() {
            write!(to, r#","{name}":{number}"#)?;
        }
        write!(to, "}}}}")
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut recording = Recording::new(2);
        for events in 0..5 {
            recording.note(Id::NONE, Act::Polled { events, runnable: 0 });
        }
        assert_eq!((recording.len(), recording.left_out()), (2, 3));
        let mut text = Vec::new();
        recording.write_events(0, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(r#""events":2"#) && text.contains(r#""events":3"#), "{text}");
    }

    #[test]
    fn what_takes_a_while_has_a_length() {
        let mut recording = Recording::new(9);
        let id = Id::new(4, 2);
        let began = Instant::now().checked_sub(Duration::from_millis(7)).unwrap();
        recording.note_since(began, id, Act::Driven);
        recording.note(id, Act::Ended { rest: 7 });
        recording.note(Id::NONE, Act::Turn);
        let mut text = Vec::new();
        Recording::write_trace(&[&recording], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let (_, micros) = text.split_once(r#""ph":"X","dur":"#).unwrap();
        let micros: u64 = micros.split('.').next().unwrap().parse().unwrap();
        assert!(micros >= 7000, "{text}");
        assert!(
            text.contains(r#""words":"4.2 has ended, 7 bytes were not taken","rest":7"#),
            "{text}"
        );
        assert!(text.contains(r#""tid":5,"args":{"name":"4 source"}"#), "{text}");
        // On its own track; what is of no source is on the first.
        assert!(text.contains(r#""name":"drive","pid":0,"tid":5,"#), "{text}");
        assert!(text.contains(r#""name":"turn","pid":0,"tid":0,"#), "{text}");
    }
}
