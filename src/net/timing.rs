//! Timers of services.

use std::time::Duration;

use super::service::Context;
use crate::values::TimerId;

/// Timers.
impl Context<'_> {
    /// Sets a timer for this service: [`Service::timer`](crate::Service::timer) is called once, not
    /// before `delay` from the beginning of this turn, for the source of this context, even if that
    /// has gone by then.
    pub fn after(&mut self, delay: Duration) -> TimerId {
        let at = self.core.clock.later(delay.max(Duration::from_nanos(1)));
        self.core.set_timer(at, None, self.service, self.id)
    }

    /// The same with a word that [`word`](Context::word) gives back when it comes due: which kind of timer it
    /// is, or the number of what it is about. So a service with several kinds needs no table of them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use echoloop::{Context, Service, TimerId};
    /// const PING: u64 = 1;
    /// const GIVE_UP: u64 = 2;
    ///
    /// # struct Heart;
    /// impl Service for Heart {
    ///     fn opened(&mut self, cx: &mut Context<'_>) {
    ///         cx.every_with(Duration::from_secs(1), PING);
    ///         cx.after_with(Duration::from_secs(60), GIVE_UP);
    ///     }
    ///
    ///     fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
    ///         match cx.word() {
    ///             PING => {
    ///                 cx.send(b"ping\n");
    ///             }
    ///             _ => cx.close_because("a minute is enough"),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn after_with(&mut self, delay: Duration, word: u64) -> TimerId {
        let timer = self.after(delay);
        self.core.give_word(timer, word)
    }

    /// The same again and again. When the loop was late, missed ones are left out. At least 1 ms.
    pub fn every(&mut self, period: Duration) -> TimerId {
        let period = period.max(Duration::from_millis(1));
        let first = self.core.clock.later(period);
        self.core.set_timer(first, Some(period), self.service, self.id)
    }

    /// The same with a [word](Context::after_with), which it has each time.
    pub fn every_with(&mut self, period: Duration, word: u64) -> TimerId {
        let timer = self.every(period);
        self.core.give_word(timer, word)
    }

    /// In [`Service::timer`](crate::Service::timer), the word of the timer that has come due; 0 if it was
    /// given none, and everywhere else.
    pub fn word(&self) -> u64 {
        self.core.words.spoken()
    }

    /// Cancels a timer. `false`: it has fired, or was cancelled before.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.core.cancel_timer(timer)
    }
}
