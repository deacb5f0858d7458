//! Frames of a stream.

use echoloop::{Frames, Width};

use crate::dice::Dice;

/// The first two bytes are the width and the longest payload; the rest is a stream.
pub fn frames(input: &[u8]) {
    let mut dice = Dice::new(input);
    let (width, bytes) = dice.pick(&[(Width::U8, 1), (Width::U16, 2), (Width::U32, 4)]);
    let max = dice.pick(&[0, 1, 5, 100, 255, 300, 65_535, 70_000, usize::MAX]);
    let (frames, stream) = (Frames::new(width, max), dice.rest());
    let expected = naive(stream, bytes, max);
    for cut in [1, 2, 3, 7, stream.len().max(1)] {
        assert_eq!(read(frames, stream, cut), expected, "in pieces of {cut}");
    }

    // What was found, sent anew, is what it was made of.
    let mut sent = Vec::new();
    for payload in &expected.payloads {
        sent.extend_from_slice(frames.header(payload.len()).expect("it was found").as_ref());
        sent.extend_from_slice(payload);
    }
    assert_eq!(sent, stream[..sent.len()]);
}

#[derive(Debug, Default, PartialEq)]
struct Found<'a> {
    payloads: Vec<&'a [u8]>,
    is_too_long: bool,
}

/// As a service reads: what has arrived, in such pieces, and is not yet consumed.
fn read(frames: Frames, stream: &[u8], cut: usize) -> Found<'_> {
    let mut found = Found::default();
    let (mut begin, mut end) = (0, 0);
    while end < stream.len() {
        end = stream.len().min(end + cut);
        loop {
            match frames.next(&stream[begin..end]) {
                Ok(Some(frame)) => {
                    found.payloads.push(frame.payload);
                    begin += frame.len();
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(frames.header(error.max() + 1), Err(error));
                    found.is_too_long = true;
                    return found;
                }
            }
        }
    }
    found
}

/// The same with all of it at hand.
fn naive(mut stream: &[u8], width: usize, max: usize) -> Found<'_> {
    let mut found = Found::default();
    while stream.len() >= width {
        let mut length = [0; 8];
        length[8 - width..].copy_from_slice(&stream[..width]);
        let length = u64::from_be_bytes(length) as usize;
        if length > max {
            found.is_too_long = true;
            break;
        }
        if stream.len() - width < length {
            break;
        }
        found.payloads.push(&stream[width..width + length]);
        stream = &stream[width + length..];
    }
    found
}
