//! A length-framed front for any service of lines: each frame is a request, each line that the service answers a
//! frame. The service, `Pong` here, listens in memory as it would anywhere, and knows nothing of frames.
//!
//! `cargo run --example framed -- [ENDPOINT]`, then
//! `printf '\0\0\0\4ping' | nc -N 127.0.0.1 8895 | xxd`: a frame of four bytes.
//!
//! ```text
//!   │ 4 bytes: 4 │ ping │ ──▶ client's leg ── "ping\n" ──▶ mem://lines ──▶ Pong
//!   │ 4 bytes: 4 │ pong │ ◀── inner leg ◀──── "pong\n" ◀──────────────────┘
//! ```

mod support;

use echoloop::{
    Cause, Config, Context, Endpoint, Frames, Hub, Id, Lines, Pong, Reactor, Session, Sessions,
    Width,
};
use support::{Arguments, Failure, listening};

/// How long a frame is: its length in four bytes, big-endian, and no more than a line may have.
const WIDTH: Width = Width::U32;

/// One of two connections that belong together. Neither keeps anything: when the other one has no room, it is paused
/// until there is some.
#[derive(Clone, Copy)]
enum Leg {
    /// Speaks in frames. Behind it is that one.
    Client(Id),
    /// Speaks in lines. In front of it is that one.
    Inner(Id),
}

impl Session for Leg {
    /// Where the service of lines listens.
    type Shared = Endpoint;

    /// A client: dials for it.
    fn opened(hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) -> Leg {
        match cx.connect(hub.shared) {
            Ok(inner) => {
                let client = Leg::Inner(cx.id());
                hub.others.insert(&mut cx.source(inner), client);
                Leg::Client(inner)
            }
            Err(_) => {
                cx.abort_because("nobody is behind");
                Leg::Client(Id::NONE)
            }
        }
    }

    fn received(&mut self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(length) = self.pass_on(cx, &input[taken..]) {
            taken += length;
        }
        taken
    }

    /// What was not taken is a piece of a message. It will never be whole.
    fn ended(&mut self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, rest: &[u8]) {
        match *self {
            Leg::Client(_) if !rest.is_empty() => cx.abort_because("ended in the midst of a frame"),
            Leg::Client(inner) => cx.source(inner).finish(),
            Leg::Inner(client) => {
                cx.source(client).close();
                cx.close();
            }
        }
    }

    /// There is room, for what comes from the other one.
    fn writable(&mut self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) {
        cx.source(self.other()).resume();
    }

    /// A client is served for as long as the service behind it has something to say; that one is told of the
    /// stop itself.
    fn stopping(&mut self, _hub: &mut Hub<'_, Leg>, _cx: &mut Context<'_>) {}

    fn closed(self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, cause: &Cause) {
        match cause {
            Cause::Ended | Cause::Closed => cx.source(self.other()).close(),
            _ => cx.source(self.other()).abort_because("the other side has gone"),
        }
    }
}

impl Leg {
    fn other(self) -> Id {
        match self {
            Leg::Client(other) | Leg::Inner(other) => other,
        }
    }

    /// Passes one message on. Returns how many bytes it had; `None` if none is whole, or has room.
    fn pass_on(self, cx: &mut Context<'_>, input: &[u8]) -> Option<usize> {
        let most = cx.config().line_length;
        let (length, message) = match self {
            Leg::Client(_) => {
                let found = Frames::new(WIDTH, most).next(input);
                let found = found.map_err(|_| cx.close_because("too long a frame")).ok()??;
                if found.payload.contains(&b'\n') {
                    cx.close_because("a frame with more than a line in it");
                    return None;
                }
                (found.len(), [found.payload, b"\n"].concat())
            }
            Leg::Inner(_) => {
                let found = Lines::new(most).next(input);
                let found = found.map_err(|_| cx.abort_because("too long a line")).ok()??;
                let header = Frames::new(WIDTH, most).header(found.text.len());
                let header = header.expect("a line isn't longer than a frame may be");
                (found.len(), [header.as_ref(), found.text].concat())
            }
        };
        if !cx.source(self.other()).send_all(&message) {
            cx.pause(); // Else its end might come before what is left of it.
            return None;
        }
        Some(length)
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("framed [ENDPOINT]")?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8895")?;
    arguments.end()?;

    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    let lines = Endpoint::mem("lines")?;
    reactor.listen(&lines, Pong::default())?;
    let front = reactor.add(Sessions::<Leg>::new(lines));
    let mut cx = reactor.context(front);
    let id = cx.listen(&endpoint)?;
    listening(&mut cx, id, &endpoint);
    reactor.run()?;
    Ok(())
}
