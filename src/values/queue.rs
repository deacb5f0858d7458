//! Bytes that could not move on yet.

/// The least that is allocated at once: a page.
const MIN_CAPACITY: usize = 4096;

/// A queue of bytes: in at the back, out at the front, and always one slice.
///
/// ```text
///   0          head                    bytes.len()      capacity
///   │ consumed  │  held: as_slice()     │  room to push  │
///   └───────────┴───────────────────────┴────────────────┘
///     consume ─▶                   push ─▶
/// ```
///
/// Empty, it owns no memory. Otherwise its capacity is at most twice what it holds, or one page.
/// When there is no room behind, or too much of it, what is held moves to a new buffer half as
/// large again. Either way a third of the new size must come or a quarter of what was held must
/// go before the next move: so each byte costs the same, however it is cut.
#[derive(Debug, Default)]
pub struct ByteQueue {
    bytes: Vec<u8>,
    head: usize,
}

impl ByteQueue {
    /// An empty queue. Allocates nothing.
    pub const fn new() -> ByteQueue {
        ByteQueue { bytes: Vec::new(), head: 0 }
    }

    /// How many bytes are held.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory is owned, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// All that is held, oldest byte first.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// Appends the bytes. There is no limit here: that is for the owner to keep.
    pub fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            self.relocate(self.len() + bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops the oldest `n` bytes.
    ///
    /// # Panics
    ///
    /// If fewer are held.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "consumed {n} bytes of {}", self.len());
        self.head += n;
        if self.is_empty() {
            *self = ByteQueue::new();
        } else if self.capacity() > MIN_CAPACITY.max(2 * self.len()) {
            self.relocate(self.len());
        }
    }

    /// Moves what is held to a buffer that has room for `needed` bytes and half as many again.
    fn relocate(&mut self, needed: usize) {
        let mut bytes = Vec::with_capacity(MIN_CAPACITY.max(needed + needed / 2));
        bytes.extend_from_slice(self.as_slice());
        *self = ByteQueue { bytes, head: 0 };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_queue_owns_nothing() {
        let mut queue = ByteQueue::new();
        assert_eq!(queue.capacity(), 0);
        queue.push(b"");
        assert_eq!(queue.capacity(), 0);
        queue.push(b"hello");
        queue.consume(2);
        assert_eq!(queue.as_slice(), b"llo");
        assert_eq!(queue.capacity(), MIN_CAPACITY);
        queue.consume(3);
        assert!(queue.is_empty());
        assert_eq!(queue.capacity(), 0);
    }

    #[test]
    #[should_panic(expected = "consumed 6 bytes of 5")]
    fn nothing_can_be_consumed_that_is_not_held() {
        let mut queue = ByteQueue::new();
        queue.push(b"hello");
        queue.consume(6);
    }

    /// A queue that stays long while bytes pass through it singly moves rarely, wherever it stands.
    #[test]
    fn each_byte_costs_the_same() {
        const HELD: usize = if cfg!(miri) { 4_200 } else { 100_000 };
        const TIMES: usize = if cfg!(miri) { 2 } else { 10 };
        let mut queue = ByteQueue::new();
        queue.push(&[0; HELD]);
        let mut moves = 0;
        for _ in 0..TIMES * HELD {
            let before = queue.as_slice().as_ptr();
            queue.consume(1);
            queue.push(b"x");
            moves += usize::from(queue.as_slice().as_ptr() != before.wrapping_add(1));
        }
        assert!(moves <= 20, "{moves} moves of {HELD} bytes for {} in and out", TIMES * HELD);
    }

    /// Interpreted, each byte takes a microsecond or more.
    const LONGEST: usize = if cfg!(miri) { 2_000 } else { 20_000 };

    proptest! {
        #[test]
        fn every_cut_gives_the_same_bytes(
            steps in prop::collection::vec((0..LONGEST, 0..LONGEST), 1..40)
        ) {
            let (mut queue, mut model) = (ByteQueue::new(), VecDeque::new());
            let mut stream = (0..).map(|n: u32| (n % 251) as u8);
            for (push, consume) in steps {
                let bytes: Vec<u8> = stream.by_ref().take(push).collect();
                queue.push(&bytes);
                model.extend(bytes);
                let consume = consume.min(queue.len());
                queue.consume(consume);
                model.drain(..consume);
                prop_assert_eq!(queue.as_slice(), &*model.make_contiguous());
                let most = if queue.is_empty() { 0 } else { MIN_CAPACITY.max(2 * queue.len()) };
                prop_assert!(queue.capacity() <= most);
            }
        }
    }
}
