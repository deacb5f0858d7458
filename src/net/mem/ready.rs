//! What can be said of a source.

use crate::values::Readiness;

/// What a source is ready for.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::net) struct Ready {
    pub(in crate::net) readable: bool,
    pub(in crate::net) writable: bool,
    /// The other end has sent its last byte.
    pub(in crate::net) read_closed: bool,
    /// The other end has gone.
    pub(in crate::net) hung_up: bool,
    /// It has gone in anger.
    pub(in crate::net) in_error: bool,
}

impl Ready {
    pub(super) const READABLE: Ready = Ready {
        readable: true,
        writable: false,
        read_closed: false,
        hung_up: false,
        in_error: false,
    };

    pub(super) const WRITABLE: Ready = Ready { readable: false, writable: true, ..Ready::READABLE };

    /// As the poller would say it.
    pub(in crate::net) fn readiness(self) -> Readiness {
        let is_urgent = false;
        Readiness::new([
            self.readable,
            self.writable,
            is_urgent,
            self.read_closed,
            self.hung_up,
            self.in_error,
        ])
    }
}
