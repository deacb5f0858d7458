//! The other ends of what is in memory: services of the same reactor, whom the test reaches by a handle.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use echoloop::{Address, Cause, Context, Handle, Peer as From, Service, ServiceId};

use crate::peers::{Between, Got, Peer};

/// More than this waits for nobody.
const MOST: usize = 64 * 1024;

/// What the two halves share.
pub(crate) struct Wire {
    between: Mutex<Between>,
    /// Once there is a reactor.
    reach: OnceLock<(Handle, ServiceId<End>)>,
    /// Gives back each datagram that comes.
    replies: bool,
}

impl Wire {
    pub(crate) fn new(replies: bool, has_borders: bool) -> Wire {
        let between = Between { has_borders, ..Between::default() };
        Wire { between: Mutex::new(between), reach: OnceLock::new(), replies }
    }

    /// Nobody panics while holding it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Between> {
        self.between.lock().expect("nobody has panicked")
    }

    pub(crate) fn connect(&self, handle: Handle, end: ServiceId<End>) {
        assert!(self.reach.set((handle, end)).is_ok(), "once");
    }

    pub(crate) fn service(&self) -> ServiceId<End> {
        self.reach.get().expect("there is a reactor").1
    }

    /// Has the service look at what is new. When the reactor has stopped, nobody does.
    fn tell(&self) {
        let (handle, end) = self.reach.get().expect("there is a reactor");
        let _ = handle.tell(*end, |end, cx| end.go_on(cx));
    }
}

/// The half in the hand of the test.
pub(crate) struct Memory(pub(crate) Arc<Wire>);

impl Peer for Memory {
    fn arrive(&mut self, at: Option<Address>) {
        self.0.lock().to = at;
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut between = self.0.lock();
        let has_room = between.out.iter().map(|it| it.len() + 1).sum::<usize>() < MOST;
        if !has_room || between.broken.is_some() {
            return 0;
        }
        between.out.push_back(bytes.to_vec());
        drop(between);
        if self.0.reach.get().is_some() {
            self.0.tell();
        }
        bytes.len()
    }

    fn read(&mut self) -> Got {
        let mut between = self.0.lock();
        if let Some(bytes) = between.got.pop_front() {
            drop(between);
            self.0.tell();
            return Got::Bytes(bytes);
        }
        match &between.broken {
            _ if between.has_ended => Got::End,
            Some(_) => Got::Broken(ErrorKind::ConnectionReset),
            None => Got::Nothing,
        }
    }

    fn finish(&mut self) {
        self.0.lock().finishes = true;
        self.0.tell();
    }

    fn reset(&mut self) {
        self.0.lock().resets = true;
        self.0.tell();
    }
}

/// The half in the reactor.
pub(crate) struct End(pub(crate) Arc<Wire>);

impl End {
    pub(crate) fn go_on(&mut self, cx: &mut Context<'_>) {
        let mut between = self.0.lock();
        let Some(id) = between.id else { return };
        let mut cx = cx.source(id);
        if between.resets {
            return cx.reset();
        }
        if let Some(to) = between.to.filter(|_| between.has_borders) {
            for payload in between.out.drain(..) {
                cx.send_to(&From::from(to), &payload);
            }
            return;
        }
        while let Some(mut bytes) = between.out.pop_front() {
            let sent = cx.send(&bytes);
            if sent < bytes.len() {
                bytes.drain(..sent);
                between.out.push_front(bytes);
                break;
            }
        }
        if between.finishes && between.out.is_empty() {
            if between.has_ended { cx.close() } else { cx.finish() }
        }
        cx.resume();
    }
}

impl Service for End {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.0.lock().id = Some(cx.id());
        self.go_on(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut between = self.0.lock();
        if between.got.iter().map(Vec::len).sum::<usize>() >= MOST {
            cx.pause(); // Nobody reads.
            return 0;
        }
        between.got.push_back(input.to_vec());
        input.len()
    }

    fn ended(&mut self, cx: &mut Context<'_>, _: &[u8]) {
        let mut between = self.0.lock();
        between.has_ended = true;
        if between.finishes && between.out.is_empty() {
            cx.close();
        }
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        cx.finish(); // It still wants to hear the rest.
    }

    fn closed(&mut self, _: &mut Context<'_>, cause: &Cause) {
        self.0.lock().broken = Some(cause.to_string());
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _: &From, payload: &[u8]) {
        if self.0.replies {
            cx.reply(payload);
        }
        self.0.lock().got.push_back(payload.to_vec());
    }
}
