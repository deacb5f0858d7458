//! What is done with bytes, and what can be done meanwhile: the two types that name each other.

use std::any::Any;
use std::collections::VecDeque;
use std::io;

use super::asked::Asked;
use super::core::Core;
use crate::values::{Cause, Id, Peer, ServiceKey, TimerId};

/// What is done with bytes: [`Echo`](crate::Echo), [`Pong`](crate::Pong), yours.
///
/// One value serves all connections of the listeners it was given to; [`Context::id`] tells which
/// one it is called for. If it remembers something about each, it is better a [`Session`](crate::Session),
/// where each connection has a value of its own. From inside any of these
/// methods it may send to any connection, close any, connect out, set timers, and stop the loop; none
/// of that calls back before the method has returned.
///
/// Everything happens on one thread: a method that takes long, or blocks, delays all the others. One that
/// panics ends [the turn](crate::Reactor::turn), and if the host catches that, one connection.
///
/// ```
/// use echoloop::{Context, Service};
///
/// /// Answers every byte with the next one.
/// struct Next;
///
/// impl Service for Next {
///     fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
///         let answer: Vec<u8> = input.iter().map(|byte| byte.wrapping_add(1)).collect();
///         cx.send(&answer) // As many bytes as could be answered are taken.
///     }
/// }
/// ```
pub trait Service: Any {
    /// A connection is there: accepted by a listener, or made by us.
    fn opened(&mut self, _cx: &mut Context<'_>) {}

    /// Bytes have arrived. Returns how many of them were taken; the rest is shown again, with more
    /// behind it, or as it is when something the service sent had no room and now has.
    ///
    /// A service that takes only what could be answered never loses anything, and slows the sender down to
    /// the reader's pace. A service that needs a whole message before it answers takes nothing until
    /// then, which is bounded by [`Config::input_limit`](crate::Config::input_limit).
    ///
    /// # Panics
    ///
    /// The reactor panics when more is returned than was shown.
    fn received(&mut self, _cx: &mut Context<'_>, input: &[u8]) -> usize {
        input.len()
    }

    /// The peer has sent its last byte. `rest` is what was never taken, an unfinished message for
    /// example. What is sent now still reaches the peer. By default: flush, then close.
    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        cx.close();
    }

    /// Everything that was kept has been sent, after a [`send`](Context::send) had taken less than it
    /// was given, or [`await_writable`](Context::await_writable) had asked: there is room again.
    fn writable(&mut self, _cx: &mut Context<'_>) {}

    /// The connection has gone, for this reason. Sending to it does nothing any more; timers that were
    /// set for it are not cancelled. Called once for each connection that was opened or adopted, and for
    /// each outgoing one that could not be made; not when the reactor is dropped. For one that was
    /// [given away](Context::detach) too, which is no end elsewhere.
    fn closed(&mut self, _cx: &mut Context<'_>, _cause: &Cause) {}

    /// One datagram has arrived, of 0 to 65,535 bytes. [`Context::reply`] answers it.
    fn datagram(&mut self, _cx: &mut Context<'_>, _from: &Peer, _payload: &[u8]) {}

    /// A connected datagram socket was told that an earlier datagram could not be delivered, or a bound
    /// one met with an error that concerns neither it nor this sender. It goes on.
    fn unreachable(&mut self, _cx: &mut Context<'_>, _error: &io::Error) {}

    /// A timer that this service has set has come due.
    fn timer(&mut self, _cx: &mut Context<'_>, _timer: TimerId) {}

    /// The reactor is stopping gracefully, and what had arrived by then, on this connection and on the
    /// others, has been served. A [paused](Context::pause) connection that stands still for
    /// [`Config::linger`](crate::Config::linger) is told even so, as it is.
    ///
    /// By default: flush, then close; or abort, if it is paused and not all was taken, for that must
    /// not look like an end in order. A service that still owes an answer may close later, within
    /// [`Config::linger`](crate::Config::linger) of the last byte that moved.
    fn stopping(&mut self, cx: &mut Context<'_>) {
        if cx.is_paused() && cx.unread() > 0 {
            cx.abort_because("stopped before all was taken");
        } else {
            cx.close();
        }
    }
}

/// What a service may touch while it is called: the connection it is called for, every other one,
/// timers, statistics, the loop itself.
///
/// Most methods act on the source that [`id`](Context::id) names; [`source`](Context::source) turns to another
/// one. On a source that has gone they do nothing, which is not an error: it is normal for that to
/// happen while a service wasn't looking.
pub struct Context<'a> {
    pub(super) core: &'a mut Core,
    pub(super) errands: &'a mut Errands,
    pub(super) service: ServiceKey,
    pub(super) id: Id,
    pub(super) asked: Option<&'a Asked<'a>>,
}

/// What services want of the half that calls them, and which can't be done while one is called.
#[derive(Default)]
pub(super) struct Errands {
    /// Services that were added: they are to be fetched, to these slots.
    arrivals: Vec<(usize, Box<dyn Service>)>,
    /// What services are to be told.
    tells: VecDeque<(ServiceKey, Tell)>,
    /// A slice has ended before all were told: those that are left wait for the next turn.
    are_late: bool,
}

/// Something that a service is to be told.
pub(super) type Tell = Box<dyn FnOnce(&mut dyn Service, &mut Context<'_>)>;

impl Errands {
    pub(super) fn arrive(&mut self, key: ServiceKey, service: Box<dyn Service>) {
        self.arrivals.push((key.slot(), service));
    }

    #[inline]
    pub(super) fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    pub(super) fn arrivals(&mut self) -> impl Iterator<Item = (usize, Box<dyn Service>)> + '_ {
        self.arrivals.drain(..)
    }

    pub(super) fn tell(&mut self, service: ServiceKey, tell: Tell) {
        self.tells.push_back((service, tell));
    }

    #[inline]
    pub(super) fn has_tells(&self) -> bool {
        !self.tells.is_empty()
    }

    /// Whether somebody can be told something now.
    #[inline]
    pub(super) fn can_tell(&self) -> bool {
        !self.tells.is_empty() && !self.are_late
    }

    /// How many wait to be told.
    pub(super) fn count(&self) -> usize {
        self.tells.len()
    }

    pub(super) fn next_tell(&mut self) -> Option<(ServiceKey, Tell)> {
        self.tells.pop_front()
    }

    pub(super) fn set_late(&mut self, are_late: bool) {
        self.are_late = are_late;
    }
}

/// Holds the place of a service that is being made.
pub(super) struct Unborn;

impl Service for Unborn {}
