//! Answers each message with the same word.

use std::collections::HashSet;

use crate::{Cause, Context, Id, Lines, Peer, Service};

/// Answers each message with the same word: `pong`, or another one.
///
/// On a stream a message is a line, and the answer has the ending that the line had, `\n` or `\r\n`;
/// an unfinished last line is answered without one. A line longer than
/// [`Config::line_length`](crate::Config::line_length) closes the connection.
///
/// A datagram is a message, whatever is in it; the answer ends as it does. The answer is never longer
/// than the message, or a forged sender's address would make us hit its owner harder than the forger
/// could himself: it is cut.
#[derive(Clone, Debug)]
pub struct Pong {
    word: Vec<u8>,
    /// The answers to all lines that arrived together, which leave together.
    answers: Vec<u8>,
    /// Connections that have ended, and whose last answer waits for room.
    owed: HashSet<Id>,
}

/// Why no more lines were answered together.
enum Rest {
    /// There is no whole line left.
    Unfinished,
    /// There is no room for more.
    Waits,
    /// Its first line is longer than agreed.
    TooLong,
}

impl Pong {
    /// Answers with this word.
    pub fn new(word: impl Into<Vec<u8>>) -> Pong {
        Pong { word: word.into(), answers: Vec::new(), owed: HashSet::new() }
    }

    /// Gathers the answers to as many lines as there is room for, one at least. Returns how many bytes
    /// these lines have.
    fn gather(&mut self, lines: Lines, input: &[u8], room: usize) -> (usize, Rest) {
        self.answers.clear();
        let mut taken = 0;
        loop {
            let line = match lines.next(&input[taken..]) {
                Ok(Some(line)) => line,
                Ok(None) => return (taken, Rest::Unfinished),
                Err(_) => return (taken, Rest::TooLong),
            };
            let answer = self.word.len() + line.ending.len();
            if taken > 0 && self.answers.len() + answer > room {
                return (taken, Rest::Waits);
            }
            self.answers.extend_from_slice(&self.word);
            self.answers.extend_from_slice(line.ending);
            taken += line.len();
        }
    }
}

impl Default for Pong {
    fn default() -> Pong {
        Pong::new("pong")
    }
}

impl Service for Pong {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let lines = Lines::new(cx.config().line_length);
        let mut taken = 0;
        loop {
            let (bytes, rest) = self.gather(lines, &input[taken..], cx.send_capacity());
            // What was refused is shown again when there is room.
            if !self.answers.is_empty() && !cx.send_all(&self.answers) {
                return taken;
            }
            taken += bytes;
            match rest {
                Rest::Waits => {}
                Rest::Unfinished => return taken,
                Rest::TooLong => {
                    cx.close_because("a line longer than the limit");
                    return taken;
                }
            }
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        let refused = !rest.is_empty() && !cx.send_all(&self.word);
        if refused && cx.queued() > 0 {
            self.owed.insert(cx.id());
        } else {
            cx.close();
        }
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        if self.owed.remove(&cx.id()) {
            cx.send_all(&self.word);
            cx.close();
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
        self.owed.remove(&cx.id());
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        if !self.owed.contains(&cx.id()) {
            cx.close();
        }
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let ending: &[u8] = match payload {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        };
        let word = &self.word[..self.word.len().min(payload.len() - ending.len())];
        self.answers.clear();
        self.answers.extend_from_slice(word);
        self.answers.extend_from_slice(ending);
        cx.reply(&self.answers);
    }
}
