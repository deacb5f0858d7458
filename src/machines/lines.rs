//! Framing by line.

use crate::values::TooLong;

/// Finds lines in a stream: text, then `\n` or `\r\n`.
///
/// Keeps nothing between calls. Show it the unread bytes from the first, and consume
/// [`Line::len`] of them for each line; an unfinished one is looked through again each time that
/// there is more of it, so `max` bounds the work as well as the memory. In
/// [`received`](crate::Service::received) that is a loop, and what it returns is how many bytes were whole lines:
///
/// ```
/// # use echoloop::{Context, Lines, Service};
/// struct Reverse {
///     lines: Lines,
/// }
///
/// impl Service for Reverse {
///     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
///         let mut taken = 0;
///         loop {
///             match self.lines.next(&input[taken..]) {
///                 Ok(Some(line)) => {
///                     let answer: Vec<u8> = line.text.iter().rev().chain(line.ending).copied().collect();
///                     if !cx.send_all(&answer) {
///                         return taken; // No room for it: shown again when there is.
///                     }
///                     taken += line.len();
///                 }
///                 Ok(None) => return taken, // The beginning of a line is shown again, with more behind it.
///                 Err(_) => {
///                     cx.close_because("line too long");
///                     return input.len();
///                 }
///             }
///         }
///     }
/// }
/// # let mut reactor = echoloop::Reactor::new(echoloop::Config::default())?;
/// # reactor.listen(&"mem://lines".parse()?, Reverse { lines: Lines::new(9) })?;
/// # struct Client;
/// # impl Service for Client {
/// #     fn opened(&mut self, cx: &mut Context<'_>) {
/// #         cx.send(b"one\r\ntw");
/// #     }
/// #     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
/// #         match input {
/// #             b"eno\r\n" => drop(cx.send(b"o\n")),
/// #             b"owt\n" => cx.stop(echoloop::Stop::AtOnce),
/// #             other => panic!("{}", other.escape_ascii()),
/// #         }
/// #         input.len()
/// #     }
/// # }
/// # reactor.connect(&"mem://lines".parse()?, Client)?;
/// # reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    max: usize,
}

/// A whole line, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Everything before the ending. A `\r` is part of it unless `\n` follows.
    pub text: &'a [u8],
    /// `\n` or `\r\n`.
    pub ending: &'a [u8],
}

#[expect(clippy::len_without_is_empty, reason = "a line has its ending at least")]
impl Line<'_> {
    /// How much of the input the line takes, in bytes: text and ending.
    pub fn len(&self) -> usize {
        self.text.len() + self.ending.len()
    }
}

impl Lines {
    /// Lines whose text has at most `max` bytes, not counting the ending.
    pub fn new(max: usize) -> Lines {
        Lines { max }
    }

    /// The first line of the input; `None` if its end hasn't come yet.
    ///
    /// # Errors
    ///
    /// [`TooLong`] as soon as it is certain that the text is longer than agreed, whether or not
    /// its end has come.
    pub fn next<'a>(&self, input: &'a [u8]) -> Result<Option<Line<'a>>, TooLong> {
        // A line that is short enough ends within this.
        let longest = self.max.saturating_add(b"\r\n".len());
        let window = &input[..input.len().min(longest)];

        let newline = window.iter().position(|&byte| byte == b'\n');
        let before = &window[..newline.unwrap_or(window.len())];
        // A last `\r` is no text if `\n` follows, and may be none as long as nothing has come yet.
        let text = before.strip_suffix(b"\r").unwrap_or(before);
        if text.len() > self.max {
            return Err(TooLong::new("line", self.max));
        }
        Ok(newline.map(|newline| Line { text, ending: &window[text.len()..=newline] }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All lines of the stream when it arrives in pieces of `cut` bytes; the last text is the
    /// unfinished rest, or says that a line was too long.
    fn read(max: usize, stream: &[u8], cut: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (lines, mut unread, mut found) = (Lines::new(max), Vec::new(), Vec::new());
        for piece in stream.chunks(cut) {
            unread.extend_from_slice(piece);
            loop {
                match lines.next(&unread) {
                    Ok(Some(line)) => {
                        found.push((line.text.to_vec(), line.ending.to_vec()));
                        let taken = line.len();
                        unread.drain(..taken);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        found.push((error.to_string().into_bytes(), Vec::new()));
                        return found;
                    }
                }
            }
        }
        found.push((unread, Vec::new()));
        found
    }

    #[test]
    fn both_endings_are_endings() {
        let lines = Lines::new(8);
        let line = lines.next(b"one\r\ntwo\n").unwrap().unwrap();
        assert_eq!((line.text, line.ending, line.len()), (&b"one"[..], &b"\r\n"[..], 5));
        let line = lines.next(b"two\n").unwrap().unwrap();
        assert_eq!((line.text, line.ending, line.len()), (&b"two"[..], &b"\n"[..], 4));
        let line = lines.next(b"\n").unwrap().unwrap();
        assert_eq!((line.text, line.len()), (&b""[..], 1));
        let line = lines.next(b"a\rb\r\r\n").unwrap().unwrap();
        assert_eq!((line.text, line.ending), (&b"a\rb\r"[..], &b"\r\n"[..]));
        assert_eq!(lines.next(b""), Ok(None));
        assert_eq!(lines.next(b"two\r"), Ok(None));
    }

    #[test]
    fn a_line_is_refused_as_soon_as_it_is_too_long_and_no_sooner() {
        let lines = Lines::new(3);
        assert_eq!(lines.next(b"abc"), Ok(None));
        assert_eq!(lines.next(b"abc\r"), Ok(None)); // The `\r` may be half an ending.
        assert_eq!(lines.next(b"abc\r\n").unwrap().unwrap().text, b"abc");
        for input in [&b"abcd"[..], b"abcd\n", b"abcd\r\n", b"abc\rx", b"abc\r\r", b"abc\r\r\n"] {
            let error = lines.next(input).unwrap_err();
            assert_eq!(error.to_string(), "line longer than 3 bytes");
        }
        assert_eq!(Lines::new(0).next(b"\r\n").unwrap().unwrap().text, b"");
        assert_eq!(Lines::new(usize::MAX).next(b"x"), Ok(None));
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same_lines(stream in "[ab\r\n]{0,40}", max in 0usize..8) {
            let whole = read(max, stream.as_bytes(), stream.len().max(1));
            for cut in 1..=stream.len() {
                prop_assert_eq!(&read(max, stream.as_bytes(), cut), &whole);
            }
        }
    }
}
