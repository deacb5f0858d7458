//! State for each connection: a value that is born with it and dies with it.

mod table;

pub use table::Others;
use table::Table;

use crate::{Cause, Context, Handle, HandleError, Id, Service, ServiceId, TimerId};

/// What is remembered about one connection, and what is done with its bytes: a [`Service`] in which each
/// connection has a value of its own, `self`, beside what [all of them share](Session::Shared).
///
/// ```text
///   opened ──▶ a session ── received, writable, timer, ended, stopping ──▶ closed, and it is dropped
/// ```
///
/// Nothing has to be looked up, and nothing taken out of a table at the end: what a session owns goes with
/// it, whichever way its connection goes. [`Sessions`] makes a service of it.
///
/// ```
/// use echoloop::{Config, Context, Hub, Reactor, Session, Sessions};
///
/// /// Tells each client how many bytes it has sent so far.
/// #[derive(Default)]
/// struct Count {
///     bytes: usize,
/// }
///
/// impl Session for Count {
///     type Shared = ();
///
///     fn opened(_hub: &mut Hub<'_, Count>, _cx: &mut Context<'_>) -> Count {
///         Count::default()
///     }
///
///     fn received(&mut self, _hub: &mut Hub<'_, Count>, cx: &mut Context<'_>, input: &[u8]) -> usize {
///         self.bytes += input.len();
///         cx.send_all(format!("{}\n", self.bytes).as_bytes());
///         input.len()
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut reactor = Reactor::new(Config::default())?;
/// reactor.listen(&"tcp://127.0.0.1:0".parse()?, Sessions::<Count>::new(()))?;
/// # Ok(()) }
/// ```
///
/// What holds for a service holds here: everything happens on one thread, and none of what is done calls
/// back before the method has returned.
pub trait Session: Sized + 'static {
    /// What all sessions of a service share, `()` if that is nothing.
    type Shared: 'static;

    /// A connection is there: accepted by a listener, or made by us. Not called for one that was
    /// [given](Sessions::insert) a session before it was there.
    fn opened(hub: &mut Hub<'_, Self>, cx: &mut Context<'_>) -> Self;

    /// The outgoing connection that this session was [given to](Sessions::insert) is there.
    fn connected(&mut self, _hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>) {}

    /// Bytes have arrived; see [`Service::received`]. By default all are taken.
    ///
    /// # Panics
    ///
    /// The reactor panics when more is returned than was shown.
    fn received(&mut self, _hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>, input: &[u8]) -> usize {
        input.len()
    }

    /// The peer has sent its last byte; see [`Service::ended`]. By default: flush, then close.
    fn ended(&mut self, _hub: &mut Hub<'_, Self>, cx: &mut Context<'_>, rest: &[u8]) {
        Unasked.ended(cx, rest);
    }

    /// There is room again; see [`Service::writable`].
    fn writable(&mut self, _hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>) {}

    /// A timer has come due that was set for this connection. None comes due for one that has gone, so
    /// nothing has to be cancelled at the end.
    fn timer(&mut self, _hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>, _timer: TimerId) {}

    /// The reactor is stopping gracefully; see [`Service::stopping`], also for what is done by default.
    fn stopping(&mut self, _hub: &mut Hub<'_, Self>, cx: &mut Context<'_>) {
        Unasked.stopping(cx);
    }

    /// The connection has gone, for this reason, and the session goes too. Not called when the reactor is
    /// dropped, and its sessions with it; what must be done even then is done by the destructor.
    fn closed(self, _hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>, _cause: &Cause) {}

    /// A connection has gone that never had a session: an outgoing one that could not be made, or an adopted
    /// descriptor that was given none.
    fn never_opened(_hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>, _cause: &Cause) {}

    /// A timer has come due that was set for the service itself: by [`Reactor::with`](crate::Reactor::with),
    /// for example, or for a listener.
    fn tick(_hub: &mut Hub<'_, Self>, _cx: &mut Context<'_>, _timer: TimerId) {}
}

/// What a session may touch beside itself and its [`Context`]. `shared` and `others` can be borrowed at the
/// same time.
///
/// ```
/// # use echoloop::{Context, Hub, Session};
/// # struct Member;
/// # impl Member {
/// /// Says to all others what this one has said. Returns how many were reached.
/// fn say(&self, hub: &mut Hub<'_, Member>, cx: &mut Context<'_>, text: &[u8]) -> usize {
///     hub.others.iter().filter(|(member, _)| cx.source(*member).send_all(text)).count()
/// }
/// # }
/// # impl Session for Member {
/// #     type Shared = ();
/// #     fn opened(_: &mut Hub<'_, Member>, _: &mut Context<'_>) -> Member { Member }
/// # }
/// ```
pub struct Hub<'a, S: Session> {
    /// What all sessions share.
    pub shared: &'a mut S::Shared,
    /// All sessions but the one that is called.
    pub others: Others<'a, S>,
}

/// The service whose connections each have a [`Session`].
///
/// A session costs its own size and 12 bytes, and to find it an index and a comparison. What a burst of
/// them took is given back.
///
/// It serves streams. A source that has no session takes what comes and answers nothing: an adopted
/// descriptor that was [given](Sessions::insert) none, since it is never opened; a datagram socket always, for
/// that is no connection. It can have a service of its own, which [tells](Context::tell) this one.
#[derive(Debug)]
pub struct Sessions<S: Session> {
    /// What all sessions share.
    pub shared: S::Shared,
    table: Table<S>,
}

/// What services do unless they say otherwise.
struct Unasked;

impl Service for Unasked {}

impl<S: Session> Sessions<S> {
    /// No sessions yet, and what they will share.
    pub fn new(shared: S::Shared) -> Sessions<S> {
        Sessions { shared, table: Table::new() }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The session of this connection.
    pub fn get(&self, id: Id) -> Option<&S> {
        self.table.get(id)
    }

    /// The session of this connection.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut S> {
        self.table.get_mut(id)
    }

    /// All sessions and whose they are, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &S)> {
        self.table.iter()
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id, &mut S)> {
        self.table.iter_mut()
    }

    /// Calls this with one session, as if something had happened on its connection. `None`: it has none.
    ///
    /// So a host reaches one client:
    ///
    /// ```
    /// # use echoloop::{Hub, Id, Reactor, ServiceId, Session, Sessions};
    /// fn say<S: Session>(reactor: &mut Reactor, room: ServiceId<Sessions<S>>, client: Id, text: &str) {
    ///     reactor.with(room, |sessions, cx| {
    ///         sessions.with(cx, client, |_session, _hub, cx| cx.send_all(text.as_bytes()))
    ///     });
    /// }
    /// ```
    pub fn with<R>(
        &mut self,
        cx: &mut Context<'_>,
        id: Id,
        with: impl FnOnce(&mut S, &mut Hub<'_, S>, &mut Context<'_>) -> R,
    ) -> Option<R> {
        self.call(id, |session, hub| with(session, hub, &mut cx.source(id)))
    }

    /// Gives a session to the source of this context: an adopted descriptor, or an outgoing connection that
    /// is still being made. One that it had is dropped. `false`: the source has gone.
    ///
    /// ```
    /// # use std::os::fd::OwnedFd;
    /// # use echoloop::{Error, Half, Reactor, ServiceId, Session, Sessions};
    /// fn take_over<S: Session>(
    ///     reactor: &mut Reactor,
    ///     room: ServiceId<Sessions<S>>,
    ///     socket: OwnedFd,
    ///     session: S,
    /// ) -> Result<(), Error> {
    ///     let taken = reactor.with(room, |sessions, cx| {
    ///         let id = cx.adopt(socket, Half::Both)?;
    ///         sessions.insert(&mut cx.source(id), session);
    ///         Ok(())
    ///     });
    ///     taken.unwrap_or(Ok(()))
    /// }
    /// ```
    pub fn insert(&mut self, cx: &mut Context<'_>, session: S) -> bool {
        let is_there = cx.is_open();
        if is_there {
            self.table.insert(cx.id(), session);
        }
        is_there
    }

    fn call<R>(&mut self, id: Id, call: impl FnOnce(&mut S, &mut Hub<'_, S>) -> R) -> Option<R> {
        let (session, others) = self.table.split(id)?;
        let result = call(session, &mut Hub { shared: &mut self.shared, others });
        self.table.settle();
        Some(result)
    }

    /// The same where there is no session, or none any more.
    fn call_without<R>(&mut self, call: impl FnOnce(&mut Hub<'_, S>) -> R) -> R {
        let others = self.table.others();
        let result = call(&mut Hub { shared: &mut self.shared, others });
        self.table.settle();
        result
    }
}

/// Reaching one session.
impl Context<'_> {
    /// [Tells](Context::tell) one session something, as if it had happened on its connection. One that has
    /// gone by then isn't told. `false`: the service has gone, or the reactor has stopped.
    ///
    /// ```
    /// # use echoloop::{Cause, Context, Hub, Id, Service, ServiceId, Session, Sessions};
    /// /// The other end of a connection.
    /// struct Back<S: Session> {
    ///     front: Id,
    ///     fronts: ServiceId<Sessions<S>>,
    /// }
    ///
    /// impl<S: Session> Service for Back<S> {
    ///     fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
    ///         cx.tell_one(self.fronts, self.front, |_front, _hub, cx| cx.close());
    ///     }
    /// }
    /// ```
    pub fn tell_one<S: Session>(
        &mut self,
        service: ServiceId<Sessions<S>>,
        id: Id,
        tell: impl FnOnce(&mut S, &mut Hub<'_, S>, &mut Context<'_>) + 'static,
    ) -> bool {
        self.tell(service, move |sessions, cx| {
            sessions.with(cx, id, tell);
        })
    }
}

/// Reaching one session.
impl Handle {
    /// The same from another thread: what it has found out for one connection, say. What
    /// [`tell`](Handle::tell) says of order, bounds and the stop holds here too.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Handle::run).
    pub fn tell_one<S: Session>(
        &self,
        service: ServiceId<Sessions<S>>,
        id: Id,
        tell: impl FnOnce(&mut S, &mut Hub<'_, S>, &mut Context<'_>) + Send + 'static,
    ) -> Result<(), HandleError> {
        self.tell(service, move |sessions, cx| {
            sessions.with(cx, id, tell);
        })
    }
}

impl<S: Session> Service for Sessions<S> {
    fn opened(&mut self, cx: &mut Context<'_>) {
        let id = cx.id();
        if self.call(id, |session, hub| session.connected(hub, cx)).is_none() {
            let session = self.call_without(|hub| S::opened(hub, cx));
            self.table.insert(id, session);
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let taken = self.call(cx.id(), |session, hub| session.received(hub, cx, input));
        taken.unwrap_or(input.len())
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        let told = self.call(cx.id(), |session, hub| session.ended(hub, cx, rest));
        told.unwrap_or_else(|| Unasked.ended(cx, rest));
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.call(cx.id(), |session, hub| session.writable(hub, cx));
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        match self.table.remove(cx.id()) {
            Some(session) => self.call_without(|hub| session.closed(hub, cx, cause)),
            None => self.call_without(|hub| S::never_opened(hub, cx, cause)),
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        let told = self.call(cx.id(), |session, hub| session.timer(hub, cx, timer));
        // A source that is there, and has no session, is a listener for example.
        if told.is_none() && (cx.id() == Id::NONE || cx.is_open()) {
            self.call_without(|hub| S::tick(hub, cx, timer));
        }
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        let told = self.call(cx.id(), |session, hub| session.stopping(hub, cx));
        told.unwrap_or_else(|| Unasked.stopping(cx));
    }
}
