//! Reaching a service from anywhere: from the host, from another thread, from another service.

use std::any::Any;

use super::handle::Handle;
use super::reactor::{Halves, Reactor};
use super::service::{Context, Service};
use super::stopping::Going;
use crate::values::{HandleError, Id, SLICE, ServiceId};

impl Reactor {
    /// Calls this with the service, and with what it could do if it were called now. `None`: the service
    /// has gone.
    ///
    /// ```
    /// # use echoloop::{Config, Context, Id, Reactor, Service};
    /// #[derive(Default)]
    /// struct Room {
    ///     members: Vec<Id>,
    /// }
    ///
    /// impl Service for Room {
    ///     fn opened(&mut self, cx: &mut Context<'_>) {
    ///         self.members.push(cx.id());
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), echoloop::Error> {
    /// let mut reactor = Reactor::new(Config::default())?;
    /// let room = reactor.add(Room::default());
    /// reactor.context(room).listen(&"tcp://127.0.0.1:0".parse().unwrap())?;
    /// // ... and at some time:
    /// let told = reactor.with(room, |room, cx| {
    ///     room.members.iter().filter(|&&member| cx.source(member).send_all(b"hello\n")).count()
    /// });
    /// assert_eq!(told, Some(0));
    /// # Ok(()) }
    /// ```
    pub fn with<S: Service, R>(
        &mut self,
        service: ServiceId<S>,
        with: impl FnOnce(&mut S, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let core = &mut self.halves.core;
        core.clock.read(); // The last turn may be long ago.
        if !core.roster.has(service.key()) {
            return None;
        }
        let with =
            |service: &mut dyn Service, cx: &mut Context<'_>| Some(with(known(service)?, cx));
        self.halves.call(service.key(), Id::NONE, with)
    }
}

impl Handle {
    /// Has a service told something, on the loop's own thread. What [`run`](Handle::run) says of order,
    /// bounds and the stop holds here too; a service that has gone by then isn't told.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use echoloop::{Config, Context, Reactor, Service, Stop};
    /// struct Counter(u64);
    /// # impl Service for Counter {}
    ///
    /// # fn main() -> Result<(), echoloop::Error> {
    /// let mut reactor = Reactor::new(Config::default())?;
    /// let counter = reactor.add(Counter(0));
    /// let handle = reactor.handle();
    /// let threads = [1, 2, 3].map(|n| {
    ///     let handle = handle.clone();
    ///     std::thread::spawn(move || handle.tell(counter, move |counter, _| counter.0 += n))
    /// });
    /// for thread in threads {
    ///     thread.join().unwrap().expect("the reactor has not stopped");
    /// }
    /// reactor.turn(None)?; // Runs a share of it.
    /// while reactor.poll_timeout() == Some(Duration::ZERO) {
    ///     reactor.turn(None)?;
    /// }
    /// assert_eq!(reactor.with(counter, |counter, _| counter.0), Some(6));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run`](Handle::run).
    pub fn tell<S: Service>(
        &self,
        service: ServiceId<S>,
        tell: impl FnOnce(&mut S, &mut Context<'_>) + Send + 'static,
    ) -> Result<(), HandleError> {
        self.run(move |cx| {
            cx.tell(service, tell);
        })
    }
}

impl Context<'_> {
    /// Tells another service something, or this one: as soon as this callback has returned, and in any
    /// case in this turn or at the beginning of the next one, which then doesn't wait. When there are more
    /// than can be told in 50 µs, the others have to wait for the next turns; the order stays. `false`: the
    /// service has gone, or the reactor has stopped.
    ///
    /// The context that it is told with names no source. Two services that never cease to tell each
    /// other keep no source from its go.
    pub fn tell<S: Service>(
        &mut self,
        service: ServiceId<S>,
        tell: impl FnOnce(&mut S, &mut Context<'_>) + 'static,
    ) -> bool {
        let key = service.key();
        if !self.core.roster.has(key) || self.core.stopping.going() == Going::Stopped {
            return false;
        }
        self.core.roster.join(key); // It must not go before it has been told.
        let tell = Box::new(|service: &mut dyn Service, cx: &mut Context<'_>| {
            if let Some(service) = known(service) {
                tell(service, cx);
            }
        });
        self.errands.tell(key, tell);
        true
    }
}

impl Halves {
    /// Tells services what others have to tell them.
    #[inline]
    pub(super) fn pass_on(&mut self) {
        if self.errands.can_tell() {
            self.pass_on_slice();
        }
    }

    /// Those that are behind the end of the slice have to wait for the next turn, and what is told meanwhile
    /// for the next time.
    #[cold]
    pub(super) fn pass_on_slice(&mut self) {
        let count = self.errands.count();
        let began = (count > 1).then(|| self.core.clock.this_moment());
        for left in (0..count).rev() {
            self.pass_on_one();
            if let Some(began) = began
                && left > 0
                && self.core.clock.this_moment().saturating_duration_since(began) >= SLICE
            {
                return self.errands.set_late(true);
            }
        }
        self.errands.set_late(false);
    }

    /// Nobody can be told anything any more: those that are left are the last.
    pub(super) fn pass_on_all(&mut self) {
        while self.errands.has_tells() {
            self.pass_on_one();
        }
    }

    fn pass_on_one(&mut self) {
        if let Some((service, tell)) = self.errands.next_tell() {
            self.core.roster.leave(service); // At the end of the turn it may go.
            self.visit(service, Id::NONE, None, tell);
        }
    }
}

/// The service by its own type. `None` if it is of another one: the name was given by another reactor.
fn known<S: Service>(service: &mut dyn Service) -> Option<&mut S> {
    let service: &mut dyn Any = service;
    service.downcast_mut()
}
