//! Small sends, gathered while the sources of a turn are driven.

use std::mem;

use crate::values::Id;

/// Parts that are gathered before they are written unasked: more gain nothing, and the first would wait
/// for long.
const MOST_PARTS: usize = 64;

/// Bytes that are gathered before they are written unasked: what a first-level cache holds with room
/// to spare.
const MOST_BYTES: usize = 16 * 1024;

/// What services have sent to streams and has not been written yet.
///
/// ```text
///   read A, read B, read C, ... │ write A, write B, write C, ...
///     └──────┴───────┴── bytes ──┘
/// ```
///
/// Reading and writing take different ways through the kernel, each too long for the processor to
/// remember both. Many reads and then many writes cost less than the same in turn: 1 % of all CPU time a
/// message at 100 connections, 2 % at 1,000. And what a service sends to one connection in several
/// pieces leaves in one.
///
/// Only what may be kept in any case is gathered, so that nothing is promised that can't be held: at most
/// [`RESERVE`](crate::values::RESERVE) bytes a connection, and nothing behind what is already kept. And room is set aside for it
/// meanwhile, so that what others were told they have is still there when it is refused.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Whether small sends are gathered: while several sources are driven.
    is_open: bool,
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    id: Id,
    length: usize,
}

impl Outgoing {
    /// From here on small sends are gathered, or not any more: then what is there is to be written.
    pub(super) fn set_open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Puts bytes for a stream behind the others.
    #[inline]
    pub(super) fn gather(&mut self, id: Id, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        match self.parts.last_mut() {
            Some(last) if last.id == id => last.length += bytes.len(),
            _ => self.parts.push(Part { id, length: bytes.len() }),
        }
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.parts.len() >= MOST_PARTS || self.bytes.len() >= MOST_BYTES
    }

    /// Takes everything out, for as long as it is written: nobody gathers meanwhile.
    pub(super) fn take(&mut self) -> Gathered {
        Gathered { bytes: mem::take(&mut self.bytes), parts: mem::take(&mut self.parts) }
    }

    /// Gives back the memory of what has been written.
    pub(super) fn put_back(&mut self, mut gathered: Gathered) {
        gathered.bytes.clear();
        gathered.parts.clear();
        (self.bytes, self.parts) = (gathered.bytes, gathered.parts);
    }
}

/// What was gathered.
pub(super) struct Gathered {
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

impl Gathered {
    /// For each stream in its turn, the bytes that it is to send.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Id, &[u8])> {
        let mut rest = &self.bytes[..];
        self.parts.iter().map(move |part| {
            let (bytes, behind) = rest.split_at(part.length);
            rest = behind;
            (part.id, bytes)
        })
    }
}
