//! An id of what has gone finds nothing, whatever is in its place by now.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use echoloop::{Context, Error, Half, Id};

use crate::fates::{Case, Fate};
use crate::peers::{Peer, Stream};
use crate::support::Does;
use crate::world::{Setup, World};

pub(crate) fn nothing_is_found(case: Case, fate: Fate) {
    let mut world = World::new(case, Setup::default());
    let id = world.serve(fate);
    world.run(move |cx| {
        cx.source(id).after(Duration::ZERO);
        cx.source(id).abort();
    });
    world.until("it has gone", |world| !world.run(move |cx| cx.source(id).is_open()));
    let (next, ours) = UnixStream::pair().unwrap();
    let mut next = Stream::new(next);
    assert_eq!(next.write(b"next"), 4);
    let there = world.run(move |cx| {
        let echo = cx.add(Does::echo());
        let there = cx.as_service(echo).adopt(ours, Half::Both).unwrap();
        cx.release(echo);
        misuse(cx, id);
        there
    });
    assert_ne!(there, id);
    world.until("the timer finds its service", |world| world.stage.see().timers.contains(&id));
    world.until("the next one is served", |_| next.has(b"next"));
    world.run(move |cx| misuse(cx, id));
    world.witness_unless_stopping();
    world.release();
    world.end();
}

/// All that one might do to it.
fn misuse(cx: &mut Context<'_>, id: Id) {
    let mut gone = cx.source(id);
    assert!(!gone.is_open());
    assert_eq!(gone.send(b"lost"), 0);
    assert!(!gone.send_all(b"lost"));
    assert_eq!((gone.send_capacity(), gone.queued(), gone.unread()), (0, 0, 0));
    assert!(!gone.await_writable() && !gone.is_paused());
    assert_eq!((gone.peer(), gone.local(), gone.listener()), (None, None, None));
    gone.pause();
    gone.resume();
    gone.finish();
    gone.set_idle_timeout(Some(Duration::from_nanos(1)));
    gone.unref();
    gone.close();
    gone.abort();
    gone.reset();
    let error: Error = gone.detach().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
