//! Names for things that come and go: a slot, and a generation that no other user of the slot has.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::NonZeroU32;

/// Names a source: a listener, a stream, a datagram socket.
///
/// A slot is used again after its source has gone; the generation isn't. So an `Id` kept for too
/// long finds nothing, and never another source: every method that takes one treats an old one
/// as a source that has closed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    slot: u32,
    generation: u32,
}

impl Id {
    /// Names no source, now or ever. It is what [`Context::id`](crate::Context::id) says when a service is
    /// called for itself.
    pub const NONE: Id = Id { slot: u32::MAX, generation: u32::MAX };

    pub(crate) fn new(slot: usize, generation: u32) -> Id {
        let slot = u32::try_from(slot).expect("fewer than 2^32 sources");
        Id { slot, generation }
    }

    /// A small number that no other source has at the same time, to index a table of one's own with:
    /// below the most sources that were there at once. A later source may have it again, so a table
    /// that outlives its sources should hold their ids too, and compare.
    pub fn slot(self) -> usize {
        self.slot as usize
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }

    /// Both halves in one number: what the poller carries for us. Needs 64 bits.
    pub(crate) fn to_bits(self) -> usize {
        (self.generation as usize) << 32 | self.slot as usize
    }

    pub(crate) fn from_bits(bits: usize) -> Id {
        Id { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// `7.42`: the slot and the generation, as the log shows it.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a service within its reactor, and says of which type it is.
///
/// Like an [`Id`], one that is kept for too long finds nothing, and never another service.
pub struct ServiceId<S> {
    key: ServiceKey,
    service: PhantomData<fn(&S)>,
}

impl<S> ServiceId<S> {
    /// The caller vouches for the type.
    pub(crate) fn new(key: ServiceKey) -> ServiceId<S> {
        ServiceId { key, service: PhantomData }
    }

    pub(crate) fn key(self) -> ServiceKey {
        self.key
    }
}

// Derived, they would ask the same of the service.
impl<S> Clone for ServiceId<S> {
    fn clone(&self) -> ServiceId<S> {
        *self
    }
}

impl<S> Copy for ServiceId<S> {}

impl<S> PartialEq for ServiceId<S> {
    fn eq(&self, other: &ServiceId<S>) -> bool {
        self.key == other.key
    }
}

impl<S> Eq for ServiceId<S> {}

impl<S> Hash for ServiceId<S> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl<S> fmt::Debug for ServiceId<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceId({}.{})", self.key.slot, self.key.generation)
    }
}

/// The name of a service alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServiceKey {
    slot: u32,
    generation: u32,
}

impl ServiceKey {
    pub(crate) fn new(slot: usize, generation: u32) -> ServiceKey {
        let slot = u32::try_from(slot).expect("fewer than 2^32 services");
        ServiceKey { slot, generation }
    }

    pub(crate) fn slot(self) -> usize {
        self.slot as usize
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

/// Names a timer. One that has fired for the last time, or was cancelled, names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId {
    pub(crate) slot: u32,
    /// Never zero, so that an `Option` of it is no larger.
    pub(crate) generation: NonZeroU32,
}

impl TimerId {
    /// Names no timer: no slot has this number.
    pub(crate) const NONE: TimerId = TimerId { slot: u32::MAX, generation: NonZeroU32::MAX };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_poller() {
        for id in [Id::new(0, 0), Id::new(7, u32::MAX - 1), Id::NONE] {
            assert_eq!(Id::from_bits(id.to_bits()), id);
        }
        assert_eq!(Id::new(7, 42).to_string(), "7.42");
    }
}
