//! Memory that the kernel copies into and out of.

use std::io;
use std::ops::{Deref, DerefMut};

/// A page of most machines.
const PAGE: usize = 4096;

/// Bytes that begin with a page. The kernel keeps long messages in pages, and copying between them and
/// memory that begins a little later in its own page, as most allocated memory does, takes longer: for
/// messages of 16 KiB a twentieth of all the processor time. An offset of one cache line is worse yet.
pub(crate) struct Buffer {
    /// Its length never changes. A vector may be moved while pointers lead into it; a box is taken to be
    /// the only way to what it owns.
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// The same, where the length is somebody's wish, and there may not be so much.
    pub(crate) fn try_new(length: usize) -> io::Result<Buffer> {
        // Only asked for: to take what is given, zeros would have to be written to all of it.
        let mut asked = Vec::<u8>::new();
        asked.try_reserve_exact(length + PAGE).map_err(|_| io::ErrorKind::OutOfMemory)?;
        drop(asked);
        Ok(Buffer::new(length))
    }

    /// So many zeros: of large ones only what is used becomes memory.
    pub(crate) fn new(length: usize) -> Buffer {
        let bytes = vec![0; length + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Buffer { bytes, start }
    }

    /// Where it begins. Pointers made of this stay valid beside references to the bytes, each for as long
    /// as nobody writes through the other: it comes from the vector itself, not from one of those.
    pub(crate) fn base(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr().wrapping_add(self.start)
    }
}

/// A little longer than was asked for, which does no harm.
impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_page_and_is_long_enough() {
        for length in [0, 1, 64, 4096, if cfg!(miri) { 9_000 } else { 200_000 }] {
            let mut buffer = Buffer::new(length);
            assert!(buffer.as_ptr().addr().is_multiple_of(PAGE) && buffer.len() >= length);
            buffer.fill(1);
            let moved = buffer;
            assert!(
                moved.iter().all(|&byte| byte == 1) && moved.as_ptr().addr().is_multiple_of(PAGE)
            );
        }
    }
}
