//! A proxy: for each client it connects to a server, and passes on what either of them says.
//!
//! `cargo run --example proxy -- TO [ENDPOINT] [--idle SECONDS]`, say `proxy tcp://example.com:80`, then
//! `nc 127.0.0.1 8897`. Either side may be a Unix socket: `proxy unix:///run/a.sock tcp://0.0.0.0:7000`.
//!
//! What each end does, the other one gets to see, as if nothing stood between them:
//!
//! | one end | the other end |
//! |---|---|
//! | sends | receives it, in the same order |
//! | doesn't read | isn't read from either, when what may be kept for the first is full |
//! | ends its sending side | sees that end, and may go on sending |
//! | resets, vanishes, can't be reached | is reset: a part must not be taken for the whole |
//!
//! What a client sends before the server is there waits for it. A pair on which no byte has moved for the idle
//! time, 300 s, is ended. Ctrl-C lets those who are in the middle of something finish.
//!
//! Each end is a session that knows one thing: the id of the other one.

mod support;

use std::time::Duration;

use echoloop::{Cause, Config, Context, Endpoint, Id, Reactor, Session, Sessions};
use support::{Arguments, Failure, listening, say};

type Hub<'a> = echoloop::Hub<'a, End>;

/// One end of a pair.
struct End {
    other: Id,
}

impl Session for End {
    type Shared = Endpoint;

    /// A client has come. The server's end has its session from the beginning.
    fn opened(hub: &mut Hub<'_>, cx: &mut Context<'_>) -> End {
        let client = cx.id();
        match cx.connect(hub.shared) {
            Ok(server) => {
                hub.others.insert(&mut cx.source(server), End { other: client });
                End { other: server }
            }
            Err(error) => {
                say(echoloop::describe(&error));
                cx.reset();
                End { other: Id::NONE }
            }
        }
    }

    /// As much is taken as the other end can keep. Of the rest nothing more is read until that has room.
    fn received(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let taken = cx.source(self.other).send(input);
        if taken < input.len() {
            cx.pause();
        }
        taken
    }

    fn writable(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        cx.source(self.other).resume();
    }

    /// A half-close: the way back stays open.
    fn ended(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>, _rest: &[u8]) {
        cx.source(self.other).finish();
    }

    /// Both directions have ended, or something went wrong.
    fn closed(self, _hub: &mut Hub<'_>, cx: &mut Context<'_>, cause: &Cause) {
        match cause {
            Cause::Ended => cx.source(self.other).close(),
            Cause::ConnectFailed(_) => {
                say(format_args!("a client is turned away: {cause}"));
                cx.source(self.other).reset();
            }
            _ => cx.source(self.other).reset(),
        }
    }

    /// Whoever is in the middle of something goes on: until both have ended, or nothing moves for the linger time.
    fn stopping(&mut self, _hub: &mut Hub<'_>, _cx: &mut Context<'_>) {}
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("proxy TO [ENDPOINT] [--idle SECONDS]")?;
    let idle = Duration::try_from_secs_f64(arguments.option("--idle", 300.0)?)?;
    let Some(to) = arguments.next() else {
        return Err(Failure::new("where to? proxy TO [ENDPOINT], say proxy tcp://example.com:80"));
    };
    let to: Endpoint = to.parse()?;
    if to.is_datagram() {
        return Err(Failure::new(format!(
            "{to} won't do, it must be something like tcp://example.com:80"
        )));
    }
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8897")?;
    arguments.end()?;
    let mut reactor = Reactor::new(Config { idle_timeout: Some(idle), ..Config::default() })?;
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Sessions::<End>::new(to))
    })?;
    Ok(reactor.run()?)
}
