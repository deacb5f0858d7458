//! The states that a connection can be in, and what it asks of its reactor.

use crate::values::{ByteQueue, Cause};

/// Remembered readiness: an event sets it, a call that would block clears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latch {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The stream has more behind what a short read returns: its end, or what follows an urgent mark.
    pub(crate) read_on: bool,
}

/// What comes from the peer.
///
/// ```text
///   Flowing ── its last byte was read, the service knows ──▶ Over
///      └────── the service closed ──▶ Discarding ── its last byte was read ──▶ Drained
///   any ── an error, a limit, a deadline ──▶ Failed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Flowing,
    Over,
    /// What still comes is read and thrown away, so that closing doesn't reset the connection and
    /// destroy our own last bytes in flight.
    Discarding,
    Drained,
    /// Nothing moves any more.
    Failed,
}

/// What goes to the peer.
///
/// ```text
///   Open ── finished or closed ──▶ Flushing ── nothing kept ──▶ Shut
///     └────────── a write failed ─────┴──▶ Broken
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Open,
    Flushing,
    Shut,
    /// Nothing goes out any more, and what has arrived is still shown.
    Broken,
}

/// Whether the service wants to be shown what has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    /// It has seen all that is kept, and needs more to go on.
    Hungry,
    /// It wants to be shown again what is kept.
    Again,
    /// It took less because it could not send: it is shown the rest when what is kept has gone.
    Full,
    /// It asked for a pause.
    Paused,
}

/// Whether `send` has taken less than it was given, and the service doesn't know yet that it can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    None,
    /// Some time ago.
    Earlier,
    /// Since the service was last shown something.
    Now,
    /// Since then too, and nothing was in the way: it doesn't fit at all.
    Hopeless,
    /// The same, because others use up what all may keep together.
    Crowded,
}

/// What [`Connection::advance`] has done, or needs the reactor to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Show the first `bytes` of the buffer to the service, then [`keep`](super::Connection::keep) what it
    /// doesn't take. `read` of them are new.
    Show { bytes: usize, read: usize },
    /// Show this to the service once more, then [`put_back`](super::Connection::put_back) what it doesn't
    /// take: nothing is copied, however often.
    Again(ByteQueue),
    /// So many bytes were read and thrown away.
    Discarded(usize),
    /// Tell the service that all it has sent is out, and that it can send again.
    Writable,
    /// Tell the service that the peer has sent its last byte; the first `rest` bytes of the buffer
    /// are what it has not taken.
    Ended { rest: usize },
    /// Nothing can move before the next event.
    Wait,
    /// Take it away.
    Gone(Cause),
}
