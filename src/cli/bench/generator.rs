//! What makes load, whatever its kind.

use echoloop::{Context, Service};

use super::meter::Meter;

/// A service that makes load.
pub(super) trait Generator: Service {
    fn meter(&mut self) -> &mut Meter;

    /// Connects, and sees to everything from then on.
    fn begin(&mut self, cx: &mut Context<'_>);
}
