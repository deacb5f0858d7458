//! Framing by length.

use crate::values::TooLong;

/// How many bytes say how long a frame is. They are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One byte: payloads of up to 255 bytes.
    U8,
    /// Two bytes: payloads of up to 65,535 bytes.
    U16,
    /// Four bytes: payloads of up to 4 GiB.
    U32,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Width::U8 => 1,
            Width::U16 => 2,
            Width::U32 => 4,
        }
    }

    fn most(self) -> usize {
        match self {
            Width::U8 => u8::MAX.into(),
            Width::U16 => u16::MAX.into(),
            Width::U32 => u32::MAX as usize,
        }
    }
}

/// Finds and makes frames: the length of the payload, then the payload.
///
/// ```text
///   │ length: 1, 2 or 4 bytes │ payload: that many bytes │
/// ```
///
/// Keeps nothing between calls. Show it the unread bytes from the first, and consume
/// [`Frame::len`] of them for each frame, in a loop as that of [`Lines`](crate::Lines).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    width: Width,
    max: usize,
}

/// A whole frame, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What was sent; may be empty.
    pub payload: &'a [u8],
    width: Width,
}

#[expect(clippy::len_without_is_empty, reason = "a frame has its length at least")]
impl Frame<'_> {
    /// How much of the input the frame takes, in bytes: length and payload.
    pub fn len(&self) -> usize {
        self.width.bytes() + self.payload.len()
    }
}

/// What goes out before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    big_endian: [u8; 4],
    width: Width,
}

impl AsRef<[u8]> for Header {
    fn as_ref(&self) -> &[u8] {
        &self.big_endian[self.big_endian.len() - self.width.bytes()..]
    }
}

impl Frames {
    /// Frames whose payload has at most `max` bytes, or what the width can say if that is less.
    pub fn new(width: Width, max: usize) -> Frames {
        Frames { width, max: max.min(width.most()) }
    }

    /// The first frame of the input; `None` if its end hasn't come yet.
    ///
    /// # Errors
    ///
    /// [`TooLong`] as soon as the length has come and is more than agreed: nothing of the payload
    /// needs to be kept to find that out.
    pub fn next<'a>(&self, input: &'a [u8]) -> Result<Option<Frame<'a>>, TooLong> {
        let Some((length, rest)) = input.split_at_checked(self.width.bytes()) else {
            return Ok(None);
        };
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        if length > self.max {
            return Err(self.too_long());
        }
        Ok(rest.get(..length).map(|payload| Frame { payload, width: self.width }))
    }

    /// What to send before a payload of this many bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the other side, agreed on the same numbers, would refuse it.
    pub fn header(&self, payload_len: usize) -> Result<Header, TooLong> {
        if payload_len > self.max {
            return Err(self.too_long());
        }
        Ok(Header { big_endian: (payload_len as u32).to_be_bytes(), width: self.width })
    }

    fn too_long(&self) -> TooLong {
        TooLong::new("frame", self.max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDTHS: [Width; 3] = [Width::U8, Width::U16, Width::U32];

    #[test]
    fn the_length_is_big_endian_and_not_part_of_itself() {
        for (width, wire) in [
            (Width::U8, &b"\x02hi..."[..]),
            (Width::U16, b"\0\x02hi..."),
            (Width::U32, b"\0\0\0\x02hi..."),
        ] {
            let frames = Frames::new(width, 255);
            let frame = frames.next(wire).unwrap().unwrap();
            assert_eq!((frame.payload, frame.len()), (&b"hi"[..], wire.len() - 3));
            assert_eq!(frames.header(2).unwrap().as_ref(), &wire[..wire.len() - 5]);
        }
    }

    #[test]
    fn a_frame_is_refused_before_its_payload_comes() {
        let frames = Frames::new(Width::U16, 300);
        assert_eq!(frames.next(&[1]), Ok(None));
        assert_eq!(frames.next(&[1, 44]), Ok(None));
        let error = frames.next(&[1, 45]).unwrap_err();
        assert_eq!(error.to_string(), "frame longer than 300 bytes");
        assert_eq!(frames.header(301), Err(error));
    }

    #[test]
    fn no_width_is_asked_for_more_than_it_can_say() {
        for (width, most) in WIDTHS.into_iter().zip([255, 65_535, u32::MAX as usize]) {
            let frames = Frames::new(width, usize::MAX);
            assert!(frames.header(most).unwrap().as_ref().iter().all(|&byte| byte == 255));
            assert_eq!(frames.header(most + 1).unwrap_err().max(), most);
        }
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same_frames(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6)
        ) {
            for frames in WIDTHS.map(|width| Frames::new(width, 20)) {
                let mut wire = Vec::new();
                for payload in &payloads {
                    wire.extend_from_slice(frames.header(payload.len()).unwrap().as_ref());
                    wire.extend_from_slice(payload);
                }
                for cut in 1..=wire.len() {
                    let (mut unread, mut found) = (Vec::new(), Vec::new());
                    for piece in wire.chunks(cut) {
                        unread.extend_from_slice(piece);
                        while let Some(frame) = frames.next(&unread).unwrap() {
                            found.push(frame.payload.to_vec());
                            let taken = frame.len();
                            unread.drain(..taken);
                        }
                    }
                    prop_assert!(unread.is_empty());
                    prop_assert_eq!(&found, &payloads);
                }
            }
        }
    }
}
