//! The classic request handler, in three steps: set up, handle, finish. It answers everything in
//! capitals, in any language.
//!
//! `cargo run --example uppercase -- [ENDPOINT]`, then `nc 127.0.0.1 8891`.
//!
//! | a handler of a framework | here |
//! |---|---|
//! | `setup()` | [`Service::opened`] |
//! | `handle()`, which blocks in `recv` | [`Service::received`], called when something has arrived |
//! | `finish()` | [`Service::closed`], whatever the reason |
//! | `self.client_address` | [`Context::peer`] |
//! | `self.server`, behind a lock | `self`: one thread, no lock |
//!
//! Text comes in pieces that may end in the middle of a character. Those first bytes of one are simply
//! not taken: they are shown again, with the others behind them. Bytes that aren't UTF-8 at all come
//! back as they were.

mod support;

use std::str;

use echoloop::{Cause, Config, Context, Reactor, Service};
use support::{Arguments, Failure, listening, say};

/// A capital takes up to three times the bytes: `ΐ`, two bytes, becomes `Ϊ́`, six.
const GROWTH: usize = 3;

/// So much room, and some character fits.
const LEAST: usize = 64;

/// What all handlers share.
#[derive(Default)]
struct Uppercase {
    clients: u32,
    bytes: u64,
}

impl Service for Uppercase {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.clients += 1;
        say(format_args!("{} is here, {} now", client(cx), self.clients));
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if cx.send_capacity() < LEAST && cx.await_writable() {
            return 0;
        }
        let ready = whole_characters(&input[..input.len().min(cx.send_capacity() / GROWTH)]);
        let taken = ready.len();
        cx.send_all(&uppercase(ready));
        self.bytes += taken as u64;
        if 0 < taken && taken < input.len() && !cx.await_writable() {
            cx.resume(); // It had room: the rest, too.
        }
        taken
    }

    /// The first bytes of a character that never came.
    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        cx.send_all(rest);
        cx.close();
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        self.clients -= 1;
        let (client, left, bytes) = (client(cx), self.clients, self.bytes);
        say(format_args!("{client} is gone ({cause}), {left} left, {bytes} bytes so far"));
    }
}

fn client(cx: &mut Context<'_>) -> String {
    cx.peer().map_or(cx.id().to_string(), |peer| peer.to_string())
}

/// The bytes without the character at the end that may have come in part only.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let last = bytes.utf8_chunks().last().map_or(&b""[..], |chunk| chunk.invalid());
    // Only a cut makes `from_utf8` say that it doesn't know how long the error is.
    let is_cut = str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    if is_cut { &bytes[..bytes.len() - last.len()] } else { bytes }
}

fn uppercase(bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        answer.extend_from_slice(chunk.valid().to_uppercase().as_bytes());
        answer.extend_from_slice(chunk.invalid());
    }
    answer
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("uppercase [ENDPOINT]")?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8891")?;
    arguments.end()?;
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Uppercase::default())
    })?;
    Ok(reactor.run()?)
}
