//! Answers each message with the same word.

use crate::{Context, Lines, Peer, Service, TooLong};

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
}

impl Pong {
    /// Answers with this word.
    pub fn new(word: impl Into<Vec<u8>>) -> Pong {
        Pong { word: word.into(), answers: Vec::new() }
    }
}

impl Default for Pong {
    fn default() -> Pong {
        Pong::new("pong")
    }
}

impl Pong {
    /// Gathers the answers to as many lines as there is room for, to one at least. Returns how many
    /// bytes those lines have, and whether they are all.
    fn answer(
        &mut self,
        lines: Lines,
        input: &[u8],
        room: usize,
    ) -> (usize, Result<bool, TooLong>) {
        let mut taken = 0;
        self.answers.clear();
        loop {
            match lines.next(&input[taken..]) {
                Ok(Some(line)) => {
                    let answer = self.word.len() + line.ending.len();
                    if self.answers.len() + answer > room && !self.answers.is_empty() {
                        return (taken, Ok(false));
                    }
                    self.answers.extend_from_slice(&self.word);
                    self.answers.extend_from_slice(line.ending);
                    taken += line.len();
                }
                Ok(None) => return (taken, Ok(true)),
                Err(error) => return (taken, Err(error)),
            }
        }
    }
}

impl Service for Pong {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let lines = Lines::new(cx.config().line_length);
        let mut taken = 0;
        loop {
            let room = cx.room();
            let (answered, all) = self.answer(lines, &input[taken..], room);
            if !cx.send_all(&self.answers) {
                return taken;
            }
            taken += answered;
            match all {
                Err(_) => cx.close_because("a line longer than the limit"),
                // The others when these are out, or now, if they are out already.
                Ok(false) if !cx.await_room() => continue,
                Ok(_) => {}
            }
            return taken;
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        if !rest.is_empty() {
            cx.send_all(&self.word);
        }
        cx.close();
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
