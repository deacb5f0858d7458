//! Lines of a stream.

use echoloop::Lines;

/// The first byte is the longest line; the rest is a stream.
pub fn lines(input: &[u8]) {
    let Some((&max, stream)) = input.split_first() else { return };
    let max = usize::from(max);
    let expected = naive(stream, max);
    for cut in [1, 2, 3, 7, stream.len().max(1)] {
        assert_eq!(read(stream, max, cut), expected, "in pieces of {cut}");
    }
    // In two pieces, wherever: what the first has is the beginning of it.
    for cut in 0..stream.len().min(64) {
        let (first, whole) =
            (read(&stream[..cut], max, cut.max(1)), read(stream, max, stream.len()));
        assert!(whole.lines.starts_with(&first.lines), "the first {cut} bytes");
        assert!(!first.is_too_long || whole == first, "the first {cut} bytes");
    }
}

/// What is found in a stream.
#[derive(Debug, Default, PartialEq)]
struct Found<'a> {
    /// Texts and endings.
    lines: Vec<(&'a [u8], &'a [u8])>,
    is_too_long: bool,
}

/// As a service reads: what has arrived, in such pieces, and is not yet consumed.
fn read(stream: &[u8], max: usize, cut: usize) -> Found<'_> {
    let (lines, mut found) = (Lines::new(max), Found::default());
    let (mut begin, mut end) = (0, 0);
    while end < stream.len() {
        end = stream.len().min(end + cut);
        loop {
            match lines.next(&stream[begin..end]) {
                Ok(Some(line)) => {
                    found.lines.push((line.text, line.ending));
                    begin += line.len();
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error.max(), max);
                    found.is_too_long = true;
                    return found;
                }
            }
        }
    }
    found
}

/// The same with all of it at hand.
fn naive(stream: &[u8], max: usize) -> Found<'_> {
    let mut found = Found::default();
    for line in stream.split_inclusive(|&byte| byte == b'\n') {
        let is_whole = line.ends_with(b"\n");
        let ending = match line {
            [.., b'\r', b'\n'] => 2,
            [.., b'\n'] => 1,
            [.., b'\r'] => 1, // Perhaps half an ending.
            _ => 0,
        };
        let (text, ending) = line.split_at(line.len() - ending);
        if text.len() > max {
            found.is_too_long = true;
            return found;
        }
        if is_whole {
            found.lines.push((text, ending));
        }
    }
    found
}
