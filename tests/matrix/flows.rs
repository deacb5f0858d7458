//! What goes through a source: something is put in at one side, and comes out at the other.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use echoloop::Stop;

use crate::peers::{Got, Peer};
use crate::rows::{Flow, Kind, Moment};
use crate::stage::Manner;
use crate::support;
use crate::world::World;

/// So many looks at a loop that has nothing to do.
const LOOKS: u64 = 5;

/// In milliseconds: half of the time after which a stopping loop looks at what no event tells of.
const SHORTEST_BEAT: u64 = 5;

/// What goes through most of them, made once.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| support::pattern(400_000));

/// So many recognizable bytes.
pub(crate) fn pattern(length: usize) -> &'static [u8] {
    &PATTERN[..length]
}

impl World {
    /// Puts these in: bytes, or one datagram.
    #[track_caller]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match self.case.kind.flow() {
            Flow::Out | Flow::Asks => {
                let bytes = bytes.to_vec();
                let put = move |probe: &mut crate::stage::Probe, cx: &mut echoloop::Context<'_>| {
                    probe.put(cx, &bytes);
                };
                self.handle.tell(self.probe, put).unwrap();
            }
            Flow::Echo | Flow::In | Flow::Asked => {
                let mut left = bytes;
                self.until("the peer has said all", |world| {
                    world.collect();
                    let sent = world.peer.lock().write(left);
                    left = &left[sent..];
                    left.is_empty()
                });
            }
        }
    }

    /// The side where things are put in says that this was all.
    pub(crate) fn finish(&mut self) {
        match self.case.kind.flow() {
            Flow::Out => {
                self.handle.tell(self.probe, |probe, cx| probe.finish(cx)).unwrap();
            }
            Flow::Echo | Flow::In => self.peer.lock().finish(),
            Flow::Asked | Flow::Asks => {}
        }
    }

    /// Takes what has come to the peer.
    pub(crate) fn collect(&mut self) {
        loop {
            let got = self.peer.lock().read();
            match got {
                Got::Bytes(bytes) => {
                    self.got.extend_from_slice(&bytes);
                    self.pieces += 1;
                }
                Got::Nothing => return,
                end => {
                    self.end.get_or_insert(end);
                    return;
                }
            }
        }
    }

    /// All that has come out by now.
    pub(crate) fn out(&mut self) -> Vec<u8> {
        self.collect();
        match self.case.kind.flow() {
            Flow::Echo | Flow::Out | Flow::Asked => self.got.clone(),
            Flow::In | Flow::Asks => self.stage.see().heard.clone(),
        }
    }

    fn has_come_out(&mut self) -> usize {
        self.collect();
        match self.case.kind.flow() {
            Flow::Echo | Flow::Out | Flow::Asked => self.got.len(),
            Flow::In | Flow::Asks => self.stage.see().heard.len(),
        }
    }

    /// Waits until so much has come out, and looks whether it is this.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[u8]) {
        self.until("all comes out", |world| world.has_come_out() >= expected.len());
        let out = self.out();
        if out != expected {
            let first = out.iter().zip(expected).position(|(a, b)| a != b);
            panic!("{} bytes for {}, different from byte {first:?} on", out.len(), expected.len());
        }
    }

    /// Something goes through it.
    #[track_caller]
    pub(crate) fn exchange(&mut self, bytes: &[u8]) {
        let mut expected = self.out();
        expected.extend_from_slice(bytes);
        self.put(bytes);
        self.expect(&expected);
    }

    /// Bytes or a datagram go through it; where there can be only what was there before it came, that has.
    #[track_caller]
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        if World::goes_early(self.case.kind, self.case.moment) {
            let early = self.early.clone();
            return self.expect(&early);
        }
        self.exchange(bytes);
    }

    /// Puts in as much as there is room for, which is less than that, and returns how much it was.
    #[track_caller]
    pub(crate) fn stuff(&mut self, bytes: &[u8]) -> usize {
        const PIECE: usize = 8 * 1024;
        let mut sent = 0;
        let mut is_stuffed = false;
        loop {
            let piece = &bytes[sent..bytes.len().min(sent + PIECE)];
            match self.peer.lock().write(piece) {
                0 if is_stuffed || piece.is_empty() => return sent,
                0 => is_stuffed = true,
                went => {
                    sent += went;
                    is_stuffed = false;
                    continue;
                }
            }
            self.rests("it rests as nobody reads");
        }
    }

    /// How many datagrams have come out.
    pub(crate) fn datagrams_out(&mut self) -> usize {
        self.collect();
        match self.case.kind.flow() {
            Flow::Asks => self.stage.see().datagrams,
            _ => self.pieces,
        }
    }

    /// The peer ends, if it has anything to end.
    pub(crate) fn finish_peer(&mut self) {
        if let Flow::Echo | Flow::In = self.case.kind.flow() {
            self.peer.lock().finish();
        }
    }

    /// The peer finds an end in order, if it finds any.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        if self.case.kind.tells_the_end() {
            self.until("the peer finds an end", |world| {
                world.collect();
                world.end.is_some()
            });
            assert_eq!(self.end, Some(Got::End));
        }
    }

    /// The service has been told once of the end of each connection, and here is why the source has gone.
    #[track_caller]
    pub(crate) fn gone(&mut self) -> String {
        let id = self.stage.see().id.expect("it was there");
        self.until("its service is told of the end", |world| {
            world.collect();
            world.stage.see().closed.iter().any(|(gone, _)| *gone == id)
        });
        let seen = self.stage.see();
        let mut causes = seen.closed.iter().filter(|(gone, _)| *gone == id);
        causes.next().expect("it has gone").1.clone()
    }

    /// The witness has noticed nothing.
    #[track_caller]
    pub(crate) fn witness(&mut self) {
        self.until("the witness is served", |world| world.witness_is_served());
    }

    /// The same, unless everybody has been told of a stop by now.
    #[track_caller]
    pub(crate) fn witness_unless_stopping(&mut self) {
        if !self.case.moment.is_in_a_stop() {
            self.witness();
        }
    }

    pub(crate) fn witness_is_served(&mut self) -> bool {
        if !self.whispered {
            assert_eq!(self.witness.write(b"w"), 1);
            self.whispered = true;
        }
        match self.witness.read() {
            Got::Bytes(bytes) => {
                assert_eq!(bytes, b"w");
                self.whispered = false;
                true
            }
            Got::Nothing => false,
            other => panic!("the witness finds {other:?}"),
        }
    }

    /// It comes to that, sooner or later, that nothing happens without somebody else, and nothing is turned for
    /// nothing. The kernel may have something to tell for a while.
    #[track_caller]
    pub(crate) fn rests(&mut self, when: &str) {
        self.until(when, |world| {
            let busy = |world: &mut World| {
                let reactor = world.host.reactor();
                reactor.is_some_and(|it| it.poll_timeout() == Some(Duration::ZERO))
            };
            let asks = if world.host.reactor().is_some() { 0 } else { LOOKS + 1 };
            let (before, begin) = (world.statistics(), Instant::now());
            for _ in 0..LOOKS {
                if busy(world) {
                    return false;
                }
                world.host.go_on();
                if asks > 0 {
                    world.statistics(); // Each question to a loop in another thread is an event, and a turn.
                }
            }
            let after = world.statistics();
            // There are the timers of a stop, and of a listener that waits; those are some time apart.
            let beats = begin.elapsed().as_millis() as u64 / SHORTEST_BEAT;
            let most = if world.host.is_turned_blindly() { LOOKS } else { 2 * asks + beats + 1 };
            !busy(world)
                && after.events <= before.events + asks
                && after.turns <= before.turns + most
        });
    }

    /// The end of each world: a stop at once, after which nothing is left, and everybody has been told.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.give_way();
        let _ = self.handle.stop(Stop::AtOnce);
        self.stopped();
    }

    /// It has stopped, or does so by itself; and then nothing is left.
    #[track_caller]
    pub(crate) fn stopped(&mut self) {
        self.until("it stops", |world| {
            world.collect();
            world.host.has_stopped()
        });
        let end = self.host.end();
        assert_eq!((end.statistics.open, end.statistics.buffered), (0, 0), "{}", end.statistics);
        assert_eq!(end.poll_timeout, None);
        let seen = self.stage.see();
        for id in &seen.ids {
            let times = seen.closed.iter().filter(|(gone, _)| gone == id).count();
            assert_eq!(times, 1, "{id} has been told so often that it has gone: {:?}", seen.closed);
        }
    }

    pub(crate) fn set_manner(&mut self, manner: Manner) {
        self.stage.see().manner = manner;
    }

    /// What goes before the moment, where it can't go after.
    pub(crate) fn goes_early(kind: Kind, moment: Moment) -> bool {
        kind == Kind::FileIn || moment.is_in_a_stop()
    }
}
