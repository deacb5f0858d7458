//! A panic of a service, which a host may catch: what it leaves behind.
//!
//! ```text
//!   turn ── drive ── call ── a service panics ──▶ Called::drop, Leaving::drop ──▶ the host catches
//!                                                  │
//!                        the source that it was called for is broken off; what stood behind stands again
//! ```
//!
//! Nothing of this costs anything as long as no service panics: what is to be done then stands in destructors that
//! are forgotten otherwise.

use super::core::Core;
use super::table::Source;
use crate::values::{Cause, Id, ServiceKey};

/// A service is being called for a source. To be forgotten when that has returned.
pub(super) struct Called<'a> {
    pub(super) core: &'a mut Core,
    pub(super) id: Id,
}

impl Drop for Called<'_> {
    fn drop(&mut self) {
        self.core.call_unwound(self.id);
    }
}

/// Something is being made for a service that is new. To be forgotten when it is.
pub(super) struct Making<'a> {
    pub(super) core: &'a mut Core,
    pub(super) service: ServiceKey,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.core.forget_service(self.service);
        self.core.roster.release(self.service);
    }
}

impl Core {
    /// Makes sure that nothing waits for the rest of a turn that will not come.
    #[cold]
    fn call_unwound(&mut self, id: Id) {
        self.words.fall_silent();
        self.outgoing.set_open(false);
        self.write_gathered();
        self.break_off(id);
        // The one that was in the middle of its go goes on, and so do those behind it.
        let id = self.flows.unwind();
        self.schedule(id);
    }

    /// What a connection has shown to a service that panicked at it is lost, so it must not go on, nor look as if
    /// it had ended in order. A listener or a datagram socket goes on.
    fn break_off(&mut self, id: Id) {
        match self.table.get_mut(id).map(|entry| &mut entry.source) {
            Some(Source::Stream(stream)) => {
                stream.connection.break_off(Cause::Panicked, &mut self.account);
            }
            Some(Source::Dial(dial)) => {
                dial.connection.break_off(Cause::Panicked, &mut self.account);
                dial.abandoned = true;
            }
            Some(Source::Listener(_) | Source::Datagram(_) | Source::Proxied(_)) | None => return,
        }
        self.schedule(id);
    }
}
