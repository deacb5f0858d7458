//! Messages in frames that come in pieces.

use super::talk::Frame;

/// A message of which a part has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Partial {
    /// Bytes of the length in front, and what they say so far.
    header: usize,
    length: u64,
}

/// Where in the input the message ends that has begun before it or begins with it.
pub(super) fn end_of(partial: &mut Partial, input: &[u8], frame: Frame) -> Option<usize> {
    let width = match frame {
        Frame::Line => return input.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
        Frame::Length(width) => width,
    };
    let mut used = 0;
    while partial.header < width {
        partial.length = partial.length << 8 | u64::from(*input.get(used)?);
        partial.header += 1;
        used += 1;
    }
    let left = (input.len() - used) as u64;
    if left < partial.length {
        partial.length -= left;
        return None;
    }
    let end = used + partial.length as usize;
    *partial = Partial::default();
    Some(end)
}
