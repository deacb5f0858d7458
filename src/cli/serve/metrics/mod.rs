//! Metrics over HTTP: `/metrics` for Prometheus, `/healthz` for a supervisor, `/` for people.
//!
//! | module | does |
//! |---|---|
//! | `session` | a connection: requests one after the other, each answered whole |
//! | `request` | finds a request in what has arrived, or says what is wrong with it |
//! | `room` | who has to go when there are too many |
//! | `answer` | an answer's head and body |
//! | `families`, `text` | a snapshot in the text format of Prometheus |
//! | `process` | what the system says of this process |
//! | `page.html` | draws what `/metrics` says |

pub(crate) mod answer;
mod families;
mod process;
pub(crate) mod request;
mod room;
mod session;
mod text;

use std::rc::Rc;

use echoloop::{Endpoint, Reactor, ServiceId, Sessions};

use super::crew::Crew;
use super::listen::{Failure, Site, at};
pub(crate) use room::Room;
use session::{Desk, Http};

/// Serves them there. In the background: a graceful stop doesn't wait for those who watch it.
pub(super) fn listen(
    reactor: &mut Reactor,
    crew: ServiceId<Crew>,
    room: &Rc<Room>,
    site: Site,
) -> Result<Vec<Endpoint>, Failure> {
    process::note_start();
    let room = Rc::clone(room);
    let service = reactor.add_with(|me| Sessions::<Http>::new(Desk { me, crew, room }));
    let (_, bound) = at(reactor, site, &mut |reactor, make| {
        let mut cx = reactor.context(service);
        let listener = make(&mut cx)?;
        cx.source(listener).unref();
        cx.source(listener).set_proxied(false); // Who scrapes comes by itself.
        Ok(listener)
    })?;
    Ok(bound)
}
