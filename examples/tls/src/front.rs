//! TLS on one side, plain bytes in memory on the other.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use echoloop::{Cause, Context, Endpoint, Hub, Id, Session, TimerId};
use rustls::{ServerConfig, ServerConnection};

/// What TLS may add to what is sent at once: headers, tags and padding of a record for each 16 KiB, an
/// alert, a ticket, an answer to a key update.
const OVERHEAD: usize = 4096;

/// What all legs share.
pub(crate) struct Front {
    pub(crate) tls: Arc<ServerConfig>,
    /// Where the service listens that is to be fronted.
    pub(crate) inner: Endpoint,
    pub(crate) handshake_timeout: Duration,
}

/// One of the two connections that belong together.
///
/// ```text
///              ┌──────── Client ─────────┐          ┌─ Inner ─┐
///   TCP ─────▶ │ read_tls ── plain bytes │ ── send ─▶ mem:// ──▶ Echo, Pong, yours
///       ◀───── │ write_tls ◀─ plain bytes│ ◀─ received ─────────
///              └─────────────────────────┘
/// ```
///
/// Neither keeps anything: a leg takes only what the other one has room for, and is paused until there is more. So
/// a slow reader slows down whoever sends to it, through both.
pub(crate) enum Leg {
    Client(Box<Client>),
    Inner { client: Id },
}

/// The connection that speaks TLS.
pub(crate) struct Client {
    tls: ServerConnection,
    /// It is dialled when the handshake is done: whoever never finishes it costs nothing behind.
    inner: Option<Id>,
    /// It has said that it will send no more, by a close_notify.
    has_ended: bool,
    /// So have we.
    has_finished: bool,
}

impl Session for Leg {
    type Shared = Front;

    fn opened(hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) -> Leg {
        cx.after(hub.shared.handshake_timeout);
        let tls = ServerConnection::new(Arc::clone(&hub.shared.tls));
        let mut tls = tls.expect("the configuration was good for one that nobody used");
        tls.set_buffer_limit(None); // It is given no more than can leave.
        Leg::Client(Box::new(Client { tls, inner: None, has_ended: false, has_finished: false }))
    }

    fn received(&mut self, hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        match self {
            Leg::Client(client) => client.decrypt(hub, cx, input),
            Leg::Inner { client } => match hub.others.get_mut(*client) {
                Some(Leg::Client(other)) => {
                    let taken = other.encrypt(&mut cx.source(*client), input);
                    if taken < input.len() && cx.source(*client).await_writable() {
                        cx.pause();
                    }
                    taken
                }
                _ => input.len(),
            },
        }
    }

    /// A direction has ended, and so does the other half of it.
    fn ended(&mut self, hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, _rest: &[u8]) {
        match self {
            // TCP can be cut off by anybody on the way, TLS can't: RFC 8446 section 6.1.
            Leg::Client(client) if !client.has_ended => {
                cx.abort_because("ended without a close_notify");
            }
            Leg::Client(client) if client.inner.is_none() => cx.close(),
            Leg::Client(_) => {} // The service behind knows, and is yet to answer.
            Leg::Inner { client } => {
                if let Some(Leg::Client(other)) = hub.others.get_mut(*client) {
                    other.finish(&mut cx.source(*client));
                    if other.has_ended || cx.is_stopping() {
                        cx.close();
                    }
                }
            }
        }
    }

    /// There is room: for what comes from the other one.
    fn writable(&mut self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) {
        if let Some(other) = self.other() {
            cx.source(other).resume();
        }
    }

    fn timer(&mut self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, _timer: TimerId) {
        if matches!(self, Leg::Client(client) if client.tls.is_handshaking()) {
            cx.abort_because("did not finish its handshake");
        }
    }

    /// What has arrived is answered by the service behind, which is told of the stop, too, and closes.
    fn stopping(&mut self, _hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) {
        if self.other().is_none() {
            cx.close();
        }
    }

    fn closed(self, hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, cause: &Cause) {
        let Some(other) = self.other() else { return };
        let is_over = match hub.others.get(other) {
            Some(Leg::Client(client)) => client.has_finished,
            _ => matches!(cause, Cause::Ended | Cause::Closed),
        };
        match is_over {
            true => cx.source(other).close(),
            false => cx.source(other).reset(),
        }
    }
}

impl Leg {
    /// The other one of the two, if it is there.
    fn other(&self) -> Option<Id> {
        match self {
            Leg::Client(client) => client.inner,
            Leg::Inner { client } => Some(*client),
        }
    }
}

impl Client {
    /// Takes as much as the service behind has room for.
    fn decrypt(&mut self, hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut left = input;
        loop {
            let has_room = self.pass_on(cx);
            if !has_room {
                cx.pause(); // Else its end might come before what is left of it.
            }
            if left.is_empty() || !has_room || self.has_ended {
                break;
            }
            let read = self.tls.read_tls(&mut left);
            let failed = match self.tls.process_new_packets() {
                Ok(state) => {
                    self.has_ended = state.peer_has_closed();
                    read.is_err()
                }
                Err(_) => true,
            };
            self.flush(cx); // An alert too.
            if failed {
                cx.close_because("broke the rules of TLS");
                return input.len();
            }
            if self.inner.is_none() && !self.tls.is_handshaking() && !self.connect(hub, cx) {
                return input.len();
            }
        }
        if self.has_ended && self.pass_on(cx) {
            match self.inner {
                Some(inner) if !self.has_finished => cx.source(inner).finish(),
                Some(inner) => cx.source(inner).close(),
                None => cx.close(),
            }
            return input.len(); // What follows a close_notify is to be ignored.
        }
        input.len() - left.len()
    }

    /// Dials the service behind.
    fn connect(&mut self, hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) -> bool {
        let Ok(inner) = cx.connect(&hub.shared.inner) else {
            cx.abort_because("nobody is behind");
            return false;
        };
        self.inner = Some(inner);
        let client = cx.id();
        hub.others.insert(&mut cx.source(inner), Leg::Inner { client })
    }

    /// Passes on what has been decrypted. `false`: there is more than the service behind has room for.
    fn pass_on(&mut self, cx: &mut Context<'_>) -> bool {
        let mut reader = self.tls.reader();
        while let Ok(plain @ [_, ..]) = reader.fill_buf() {
            let Some(inner) = self.inner else { return true };
            let taken = cx.source(inner).send(plain);
            if taken == 0 {
                return false;
            }
            reader.consume(taken);
        }
        true
    }

    /// Sends what comes from behind, as much of it as there is room for. The context is the client's.
    fn encrypt(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let room = cx.send_capacity().saturating_sub(OVERHEAD);
        let taken = &input[..input.len().min(room)];
        let written = self.tls.writer().write(taken).unwrap_or(0);
        self.flush(cx);
        written
    }

    /// Nothing more comes from behind. The context is the client's.
    fn finish(&mut self, cx: &mut Context<'_>) {
        self.has_finished = true;
        self.tls.send_close_notify();
        self.flush(cx);
        // At a stop nobody waits for a client that has been told all there is.
        if self.has_ended || cx.is_stopping() { cx.close() } else { cx.finish() }
    }

    /// Sends what TLS has ready.
    fn flush(&mut self, cx: &mut Context<'_>) {
        while self.tls.wants_write() {
            let mut records = Vec::new();
            let written: io::Result<usize> = self.tls.write_tls(&mut records);
            if written.is_err() || !cx.send_all(&records) {
                return cx.abort_because("doesn't read what TLS has to say");
            }
        }
    }
}
