//! A connection that asks for metrics.
//!
//! ```text
//!   waiting ── a request ──▶ asking the crew ── a snapshot ──▶ answering ── all sent ──▶ waiting
//!      │  paused: what is pipelined stays where it is   no room: later │          └─ the last ─▶ (closed)
//!      └── too long for a request: 408, closed
//! ```

use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use echoloop::{Cause, Context, Hub, ServiceId, Session, Sessions, TimerId};

use super::answer::{Body, Code, Method, answer};
use super::families::render;
use super::request::{Next, Request, next};
use super::room::{MOST, Room};
use crate::cli::serve::crew::Crew;
use crate::cli::serve::snapshot::Snapshot;

/// How long the first request may take from the beginning of the connection, and another one from its
/// first byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may stay that asks for nothing, or reads nothing: as long as most scrapers wait
/// between two scrapes, and a bit.
const IDLE: Duration = Duration::from_secs(90);

/// What all connections share.
pub(super) struct Desk {
    pub(super) me: ServiceId<Sessions<Http>>,
    pub(super) crew: ServiceId<Crew>,
    pub(super) room: Rc<Room>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Http {
    /// When it said or read something last.
    heard: Instant,
    /// There is no room for it any more.
    goes: bool,
    /// What is asked of the crew at the moment.
    wanted: Option<Wanted>,
    /// The answer, and how much of it was sent.
    answer: Vec<u8>,
    sent: usize,
    /// When the request must be whole.
    deadline: Option<TimerId>,
    /// No other request is served.
    is_last: bool,
}

/// Something that needs a snapshot.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    method: Method,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Metrics,
    Health,
}

impl Session for Http {
    type Shared = Desk;

    fn opened(hub: &mut Hub<'_, Http>, cx: &mut Context<'_>) -> Http {
        let mut http = Http::new(cx.now());
        if hub.others.len() >= MOST && !make_room(hub, cx) {
            hub.shared.room.refused(cx.now());
            http.goes = true;
            match hub.others.len() < 2 * MOST {
                true => http.refuse(cx, Code::Unavailable, Method::Get),
                false => cx.abort_because("too many connections for metrics"),
            }
            return http;
        }
        cx.set_idle_timeout(Some(IDLE));
        http.deadline = Some(cx.after(PATIENCE));
        http
    }

    fn received(&mut self, hub: &mut Hub<'_, Http>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.heard = cx.now();
        let mut taken = 0;
        while self.is_waiting() && taken < input.len() {
            match next(&input[taken..]) {
                Next::Unfinished => {
                    self.deadline.get_or_insert_with(|| cx.after(PATIENCE));
                    return taken;
                }
                Next::Request(request, length) => {
                    taken += length;
                    self.is_last = request.is_last;
                    self.deadline.take().map(|deadline| cx.cancel(deadline));
                    self.serve(hub, cx, &request);
                }
                Next::Bad(code) => self.refuse(cx, code, Method::Get),
            }
        }
        if self.is_last { input.len() } else { taken }
    }

    /// Who has asked, and then ended its own direction, still gets its answer.
    fn ended(&mut self, _hub: &mut Hub<'_, Http>, cx: &mut Context<'_>, _rest: &[u8]) {
        let was_waiting = self.is_waiting();
        self.is_last = true;
        if was_waiting {
            cx.close();
        }
    }

    fn writable(&mut self, _hub: &mut Hub<'_, Http>, cx: &mut Context<'_>) {
        self.send(cx);
    }

    fn timer(&mut self, _hub: &mut Hub<'_, Http>, cx: &mut Context<'_>, _timer: TimerId) {
        self.deadline = None;
        self.refuse(cx, Code::Timeout, Method::Get);
    }

    fn closed(self, _hub: &mut Hub<'_, Http>, cx: &mut Context<'_>, cause: &Cause) {
        log::debug!("metrics: {} has gone: {cause}", cx.id());
    }
}

/// Lets the quietest go that isn't being answered, unless some that are there go already. `false`: there is none.
fn make_room(hub: &mut Hub<'_, Http>, cx: &mut Context<'_>) -> bool {
    let Hub { shared, others } = hub;
    if others.iter().filter(|(_, http)| !http.goes).count() < MOST {
        return true;
    }
    let quiet = others.iter_mut().filter(|(_, http)| !http.goes && http.wanted.is_none());
    let Some((id, http)) = quiet.min_by_key(|(_, http)| http.heard) else { return false };
    http.goes = true;
    shared.room.displaced(cx.now());
    cx.source(id).abort_because("others want metrics too");
    true
}

impl Http {
    fn new(now: Instant) -> Http {
        let (wanted, answer, sent, deadline) = (None, Vec::new(), 0, None);
        Http { heard: now, goes: false, wanted, answer, sent, deadline, is_last: false }
    }

    /// Whether the next request can be served.
    fn is_waiting(&self) -> bool {
        self.wanted.is_none() && self.answer.is_empty() && !self.is_last
    }

    fn serve(&mut self, hub: &mut Hub<'_, Http>, cx: &mut Context<'_>, request: &Request<'_>) {
        let method = request.method;
        let what = match request.path {
            "/" if method != Method::Other => {
                return self.reply(cx, Code::Ok, &Body::page(), method);
            }
            "/metrics" => What::Metrics,
            "/healthz" => What::Health,
            "/" => return self.refuse(cx, Code::NotAllowed, method),
            _ => return self.reply(cx, Code::NotFound, &Body::error(Code::NotFound), method),
        };
        if method == Method::Other {
            return self.refuse(cx, Code::NotAllowed, method);
        }
        self.wanted = Some(Wanted { method, what });
        cx.pause();
        let (me, id) = (hub.shared.me, cx.id());
        cx.tell(hub.shared.crew, move |crew, cx| {
            crew.ask(cx, move |snapshot, cx| {
                let snapshot = snapshot.clone();
                cx.tell_one(me, id, move |http, hub, cx| {
                    http.show(cx, &snapshot, &hub.shared.room);
                });
            });
        });
    }

    /// The crew has answered.
    fn show(&mut self, cx: &mut Context<'_>, snapshot: &Snapshot, room: &Room) {
        let Some(Wanted { method, what }) = self.wanted.take() else { return };
        match what {
            What::Metrics => {
                let text = render(snapshot, room);
                self.reply(cx, Code::Ok, &Body::metrics(text), method);
            }
            What::Health => {
                let (code, why) = health(snapshot);
                self.reply(cx, code, &Body::plain(why), method);
            }
        }
    }

    /// An answer that is the last.
    fn refuse(&mut self, cx: &mut Context<'_>, code: Code, method: Method) {
        self.is_last = true;
        self.reply(cx, code, &Body::error(code), method);
    }

    fn reply(&mut self, cx: &mut Context<'_>, code: Code, body: &Body, method: Method) {
        log::debug!("metrics: {} is answered {code:?}", cx.id());
        self.answer = answer(code, body, method, self.is_last);
        self.sent = 0;
        self.send(cx);
    }

    /// As much as there is room for. When all has been sent, the next request may come.
    fn send(&mut self, cx: &mut Context<'_>) {
        let sent = cx.send(&self.answer[self.sent..]);
        self.sent += sent;
        if sent > 0 {
            self.heard = cx.now();
        }
        if self.sent < self.answer.len() {
            return;
        }
        self.sent = 0;
        drop(mem::take(&mut self.answer));
        if self.is_last {
            cx.close();
        } else if cx.is_paused() {
            cx.resume(); // To what was pipelined.
        }
    }
}

fn health(snapshot: &Snapshot) -> (Code, String) {
    let late: Vec<_> = snapshot.late().map(|number| number.to_string()).collect();
    if !late.is_empty() {
        let why = format!("not turned for a second: worker {}\n", late.join(", "));
        return (Code::Unavailable, why);
    }
    match snapshot.is_stopping {
        true => (Code::Unavailable, "stopping\n".to_owned()),
        false => (Code::Ok, "ok\n".to_owned()),
    }
}
