//! What is typed, on its way to the socket: found, translated, never held back without need.

/// Finds the line that leaves, in a stream that is passed on as it comes.
///
/// Bytes are only held back while they may still become that line.
#[derive(Debug)]
pub(super) struct LeaveLine {
    /// The line without its ending. `None`: no line leaves.
    word: Option<Vec<u8>>,
    in_a_line: bool,
}

/// What [`LeaveLine::scan`] has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// So many bytes, from the first, are to be passed on.
    pub(super) pass: usize,
    /// The line that leaves is next.
    pub(super) leave: bool,
}

impl LeaveLine {
    pub(super) fn new(word: Option<Vec<u8>>) -> LeaveLine {
        LeaveLine { word, in_a_line: false }
    }

    /// Looks through what has come; it begins where the last scan's `pass` ended.
    pub(super) fn scan(&mut self, input: &[u8]) -> Scan {
        let Some(word) = &self.word else { return Scan { pass: input.len(), leave: false } };
        let mut pass = 0;
        while pass < input.len() {
            let rest = &input[pass..];
            let newline = rest.iter().position(|&byte| byte == b'\n');
            if !self.in_a_line {
                match newline {
                    Some(newline) if is_line(&rest[..newline], word) => {
                        return Scan { pass, leave: true };
                    }
                    None if may_become(rest, word) => return Scan { pass, leave: false },
                    _ => {}
                }
            }
            self.in_a_line = newline.is_none();
            pass += newline.map_or(rest.len(), |newline| newline + 1);
        }
        Scan { pass, leave: false }
    }

    /// Whether a line, without `\n`, is the one that leaves.
    pub(super) fn is(&self, line: &[u8]) -> bool {
        self.word.as_deref().is_some_and(|word| is_line(line, word))
    }
}

fn is_line(line: &[u8], word: &[u8]) -> bool {
    line.strip_suffix(b"\r").unwrap_or(line) == word
}

fn may_become(start: &[u8], word: &[u8]) -> bool {
    word.starts_with(start) || start.strip_suffix(b"\r") == Some(word)
}

/// Makes every `\n` a `\r\n`, and leaves those alone that already are.
#[derive(Debug, Default)]
pub(super) struct Crlf {
    after_return: bool,
}

impl Crlf {
    /// Appends the translation of the next piece of the stream.
    pub(super) fn translate(&mut self, input: &[u8], output: &mut Vec<u8>) {
        for &byte in input {
            if byte == b'\n' && !self.after_return {
                output.push(b'\r');
            }
            self.after_return = byte == b'\r';
            output.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on when the input comes in pieces of `cut` bytes, and whether it was left.
    fn pass(word: Option<&str>, input: &[u8], cut: usize) -> (Vec<u8>, bool) {
        let mut leave = LeaveLine::new(word.map(|word| word.as_bytes().to_vec()));
        let (mut unread, mut passed) = (Vec::new(), Vec::new());
        for piece in input.chunks(cut) {
            unread.extend_from_slice(piece);
            let scan = leave.scan(&unread);
            passed.extend(unread.drain(..scan.pass));
            if scan.leave {
                return (passed, true);
            }
        }
        let left = leave.is(&unread);
        if !left {
            passed.append(&mut unread);
        }
        (passed, left)
    }

    #[test]
    fn the_line_that_leaves_is_found_in_every_cut() {
        let cases: [(&[u8], &[u8], bool); 8] = [
            (b"one\nquit\ntwo\n", b"one\n", true),
            (b"quit\r\n", b"", true),
            (b"quit", b"", true),
            (b"quitter\nqui\n quit\nquit \n", b"quitter\nqui\n quit\nquit \n", false),
            (b"I quit\nno\n", b"I quit\nno\n", false),
            (b"\n\nquit\n", b"\n\n", true),
            (b"quit\rx\n", b"quit\rx\n", false),
            (b"qui", b"qui", false),
        ];
        for (input, passed, left) in cases {
            for cut in 1..=input.len() {
                let expected = (passed.to_vec(), left);
                assert_eq!(super::tests::pass(Some("quit"), input, cut), expected, "cut {cut}");
                assert_eq!(super::tests::pass(None, input, cut), (input.to_vec(), false));
            }
        }
    }

    #[test]
    fn only_what_may_become_the_line_is_held_back() {
        let mut leave = LeaveLine::new(Some(b"quit".to_vec()));
        assert_eq!(leave.scan(b"hello, qu"), Scan { pass: 9, leave: false });
        assert_eq!(leave.scan(b"it\nqu"), Scan { pass: 3, leave: false });
        assert_eq!(leave.scan(b"qux"), Scan { pass: 3, leave: false });
    }

    #[test]
    fn line_endings_are_translated_once_in_every_cut() {
        let input = b"a\nb\r\n\n\r\r\nc\r";
        for cut in 1..=input.len() {
            let (mut crlf, mut output) = (Crlf::default(), Vec::new());
            input.chunks(cut).for_each(|piece| crlf.translate(piece, &mut output));
            assert_eq!(output, b"a\r\nb\r\n\r\n\r\r\nc\r", "cut {cut}");
        }
    }
}
