//! Host names, looked up beside the loop.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::{fmt, io, mem, thread};

use crate::values::{Error, Id, LOOKUP_THREADS, LOOKUPS_WAITING, look_up};

/// Finds the addresses behind a name, and may take its time.
type Resolver = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Tells the loop that there is an answer.
type Wake = dyn Fn() + Send + Sync;

/// The names that are being looked up, by threads: getaddrinfo(3) blocks.
///
/// ```text
///   connect ── asks ──▶ waiting ──▶ threads: resolve ──▶ answers ── wakes the loop ──▶ the dial goes on
/// ```
///
/// A thread is started when there is something to look up, and ends when nothing is left. It can't be
/// interrupted: nobody waits for one whose answer isn't wanted any more, and it ends by itself.
pub(super) struct Names {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None`: the reactor has gone.
    reactor: Option<OfReactor>,
    waiting: VecDeque<Question>,
    answers: Vec<Answer>,
    threads: usize,
}

#[derive(Clone)]
struct OfReactor {
    resolver: Arc<Resolver>,
    wake: Arc<Wake>,
}

struct Question {
    id: Id,
    host: String,
    port: u16,
    /// Gone when nobody wants to know any more.
    lookup: Weak<()>,
}

/// What has become of a name.
pub(super) struct Answer {
    /// Whose peer it is.
    pub(super) id: Id,
    pub(super) addresses: io::Result<Vec<SocketAddr>>,
}

/// A name that is being looked up. Dropped, nobody wants to know any more.
#[derive(Debug)]
pub(super) struct Lookup {
    host: String,
    _wanted: Arc<()>,
}

impl Names {
    /// Has the system look names up. From another thread, `wake` has the loop take the answers.
    pub(super) fn new(wake: impl Fn() + Send + Sync + 'static) -> Names {
        let reactor = OfReactor { resolver: Arc::new(look_up), wake: Arc::new(wake) };
        let state = State { reactor: Some(reactor), ..State::default() };
        Names { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Has names looked up in this way from now on.
    pub(super) fn set_resolver(
        &self,
        resolver: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) {
        let mut resolver: Arc<Resolver> = Arc::new(resolver);
        if let Some(reactor) = &mut self.shared.lock().reactor {
            mem::swap(&mut reactor.resolver, &mut resolver);
        }
        // The last one is dropped here, outside of the lock: it is somebody else's code.
    }

    /// Has a name looked up, for whom the answer will name.
    pub(super) fn ask(&self, id: Id, host: &str, port: u16) -> io::Result<Lookup> {
        let wanted = Arc::new(());
        let lookup = Arc::downgrade(&wanted);
        let mut state = self.shared.lock();
        if state.waiting.len() >= LOOKUPS_WAITING {
            state.waiting.retain(Question::is_wanted);
        }
        if state.waiting.len() >= LOOKUPS_WAITING {
            return Err(io::Error::other("too many names wait to be looked up"));
        }
        state.waiting.push_back(Question { id, host: host.to_owned(), port, lookup });
        if state.threads < LOOKUP_THREADS {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("echoloop-names".to_owned());
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.waiting.pop_back();
                    return Err(error);
                }
                Err(error) => log::debug!("one thread less looks up names: {error}"),
            }
        }
        Ok(Lookup { host: host.to_owned(), _wanted: wanted })
    }

    /// The answers so far.
    pub(super) fn take_answers(&self) -> Vec<Answer> {
        mem::take(&mut self.shared.lock().answers)
    }
}

/// From here on nobody wants to know anything, and a thread that is still asking keeps nothing of the reactor.
impl Drop for Names {
    fn drop(&mut self) {
        let state = mem::take(&mut *self.shared.lock());
        drop(state); // Outside of the lock: the resolver is somebody else's code.
    }
}

impl Shared {
    /// Nobody panics while holding it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does, until nothing is left to do.
    fn work(&self) {
        while let Some((question, resolver)) = self.next() {
            let Question { id, host, port, .. } = &question;
            log::trace!("{id}: looking up {host}");
            let found = catch_unwind(AssertUnwindSafe(|| resolver(host, *port)));
            drop(resolver);
            let panicked = |_| Err(io::Error::other("the resolver has panicked"));
            self.answer(question, found.unwrap_or_else(panicked));
        }
    }

    fn next(&self) -> Option<(Question, Arc<Resolver>)> {
        let mut state = self.lock();
        let resolver = state.reactor.as_ref().map(|reactor| Arc::clone(&reactor.resolver));
        while let Some(question) = state.waiting.pop_front() {
            if question.is_wanted() {
                return Some((question, resolver?));
            }
        }
        state.threads = state.threads.saturating_sub(1); // None are counted when the reactor has gone.
        None
    }

    fn answer(&self, question: Question, addresses: io::Result<Vec<SocketAddr>>) {
        let mut state = self.lock();
        let Some(reactor) = state.reactor.clone().filter(|_| question.is_wanted()) else { return };
        state.answers.push(Answer { id: question.id, addresses });
        // Whoever finds others there comes behind somebody who wakes the loop.
        let wakes = state.answers.len() == 1;
        drop(state);
        if wakes {
            (reactor.wake)();
        }
    }
}

impl Question {
    fn is_wanted(&self) -> bool {
        self.lookup.strong_count() > 0
    }
}

impl Lookup {
    /// It has come to nothing.
    pub(super) fn failed(&self, reason: io::Error) -> io::Error {
        Error::new("look up", &self.host, reason).into()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        let (waiting, threads) = (state.waiting.len(), state.threads);
        f.debug_struct("Names").field("waiting", &waiting).field("threads", &threads).finish()
    }
}
