//! Load on stream connections that stay.

use echoloop::{Cause, Context, Service, TimerId};

use super::generator::Generator;
use super::lane::{Finder, Lane, State};
use super::meter::{CONTROL, Meter};
use super::pacer::Pacer;
use super::phase::{Phase, Standing};
use super::script::{Fault, Script};
use super::seconds::nanos;
use super::thinking::Thinking;

/// Connections that are being made at a time: less than a usual backlog has room for, since whoever
/// finds it full waits a second.
pub(super) const DIALS: usize = 128;

/// Messages that the reactor may gather before they are written. Reading several times and then writing as often
/// is quicker than by turns; but if the most that the reactor would gather, four times as many, leave together,
/// they meet at the server together, and a part of the connections waits half as long again as the others, at
/// the same mean.
const TOGETHER: u32 = 16;

/// Load on stream connections that stay: in a closed loop, the next message of a connection goes out
/// when a reply has come in; in an open loop, when it is due, and if the depth is used up then, as soon
/// as there is a place.
pub(super) struct Streams {
    meter: Meter,
    script: Script,
    lanes: Vec<Lane>,
    finder: Finder,
    pacer: Option<Pacer>,
    thinking: Thinking,
    /// Lanes that have begun to connect, those of them that are at it, those that are there.
    dialled: usize,
    dialling: usize,
    open: usize,
    /// Messages sent since they were last known to be written.
    gathered: u32,
    /// The timer that looks at the phase; others are the pacer's.
    control: Option<TimerId>,
    /// The one after which somebody has thought enough.
    wake: Option<TimerId>,
    pending: u64,
}

impl Streams {
    pub(super) fn new(meter: Meter, first: u64) -> Streams {
        let script = Script::new(&meter.load.talk);
        let lane = |number: u64| Lane::new(number, script.start(number));
        Streams {
            lanes: (0..meter.load.connections).map(|index| lane(first + index as u64)).collect(),
            meter,
            script,
            thinking: Thinking::default(),
            finder: Finder::default(),
            pacer: None,
            dialled: 0,
            dialling: 0,
            open: 0,
            gathered: 0,
            control: None,
            wake: None,
            pending: 0,
        }
    }

    /// Begins to connect as many as may be at it now.
    fn dial(&mut self, cx: &mut Context<'_>) {
        let now = self.meter.now();
        let allowed = match self.meter.load.ramp {
            Some(ramp) => (now as f64 / 1e9 * ramp) as usize + 1,
            None => usize::MAX,
        };
        while self.dialled < self.lanes.len().min(allowed) && self.dialling < DIALS {
            let index = self.dialled;
            self.dialled += 1;
            let load = &self.meter.load;
            match cx.connect_from(&load.endpoint, load.local(index)) {
                Ok(id) => {
                    self.finder.put(id, index);
                    let lane = &mut self.lanes[index];
                    (lane.id, lane.state) = (Some(id), State::Dialling(now));
                    self.dialling += 1;
                }
                Err(error) => {
                    self.lanes[index].state = State::Gone;
                    self.meter.gone(&Cause::ConnectFailed(error.into()), false);
                }
            }
        }
    }

    fn control(&mut self, cx: &mut Context<'_>) {
        self.dial(cx);
        let waiting = self.lanes.len() - self.dialled;
        let standing = Standing {
            settled: waiting == 0 && self.dialling == 0,
            alive: waiting + self.dialling + self.open,
            pending: self.pending,
        };
        let changed = self.meter.control(&standing);
        let now = self.meter.now();
        match self.meter.phase {
            Phase::Warming | Phase::Measuring if changed && self.pacer.is_none() => {
                self.begin(cx, now);
            }
            Phase::Measuring if changed => {
                self.pending -= self.lanes.iter_mut().map(Lane::drop_waiting).sum::<u64>();
            }
            Phase::Over => {
                self.give_up(now);
                return self.meter.finish(cx, &standing);
            }
            _ => {}
        }
        self.control = Some(cx.after(CONTROL));
    }

    /// All connections are there.
    fn begin(&mut self, cx: &mut Context<'_>, now: u64) {
        if let Some(rate) = self.meter.load.rate {
            self.pacer = Some(self.meter.pacer(rate, now));
            self.pace(cx, now);
            self.wait_for_due(cx);
            return;
        }
        for index in 0..self.lanes.len() {
            self.pump(cx, index, now);
        }
    }

    /// What is still on its way at the end will not be waited for.
    fn give_up(&mut self, now: u64) {
        for lane in &mut self.lanes {
            let (sent, unsent) = self.meter.abandon(lane, now);
            if sent + unsent > 0 {
                self.meter.tally.trouble.silent += 1;
                self.meter.tally.trouble.owed += sent;
            }
        }
    }

    /// Takes what is due from the schedule.
    fn pace(&mut self, cx: &mut Context<'_>, now: u64) {
        while let Some(pacer) = &mut self.pacer
            && let Some((index, due)) = self.meter.next_due(pacer, now)
        {
            let lane = &mut self.lanes[index];
            if lane.state != State::Open {
                self.meter.tally.errors.unsent += 1;
                self.meter.gave_up([(due, 1)], now);
                continue;
            }
            lane.dues.push_back(due);
            self.pending += 1;
            self.pump(cx, index, now);
        }
    }

    /// Sleeps as long as the poll can tell, and does not sleep from then on until the message is due.
    fn wait_for_due(&mut self, cx: &mut Context<'_>) {
        if let Some(pacer) = &self.pacer
            && self.meter.is_on()
        {
            cx.after(pacer.sleep(self.meter.now()));
        }
    }

    /// Begins as many messages on a lane as may be begun, and sends.
    #[inline]
    fn pump(&mut self, cx: &mut Context<'_>, index: usize, now: u64) {
        let Streams { meter, lanes, script, .. } = self;
        let lane = &mut lanes[index];
        if lane.state != State::Open {
            return;
        }
        let free = (meter.load.depth as u64).saturating_sub(lane.flying + lane.thinking);
        let messages = if self.pacer.is_some() {
            free.min(lane.waiting())
        } else if meter.is_on() {
            let messages = free.min(meter.left);
            if meter.left != u64::MAX {
                meter.left -= messages;
            }
            self.pending += messages;
            messages
        } else {
            0
        };
        if messages > 0 {
            script.begin(lane, messages, now);
            self.push(cx, index);
        }
    }

    /// As many messages as replies have come are begun after a while only.
    fn think(&mut self, cx: &mut Context<'_>, index: usize, replies: u64, now: u64) {
        self.lanes[index].thinking += replies;
        let at = now + nanos(self.meter.load.think);
        if self.thinking.put(at, index, replies) {
            self.wake = Some(cx.after(Thinking::sleep(at, now)));
        }
    }

    /// Those who have thought enough go on.
    fn wake(&mut self, cx: &mut Context<'_>) {
        let now = self.meter.now();
        while let Some((index, replies)) = self.thinking.take(now) {
            self.lanes[index].thinking -= replies;
            self.pump(cx, index, now);
        }
        self.wake = self.thinking.next().map(|at| cx.after(Thinking::sleep(at, now)));
    }

    /// Sends what has been begun, as far as it goes.
    #[inline]
    fn push(&mut self, cx: &mut Context<'_>, index: usize) {
        let lane = &mut self.lanes[index];
        let Some(id) = lane.id else { return };
        let mut cx = cx.source(id);
        while lane.unsent() > 0 {
            let piece = self.script.piece(lane);
            let taken = cx.send(piece);
            lane.sent(taken);
            if taken < piece.len() {
                return; // `writable` tells when to go on.
            }
        }
        self.gathered += 1;
        if self.gathered >= TOGETHER {
            self.gathered = 0;
            cx.await_writable(); // It writes what is gathered, for all connections.
        }
    }

    /// Whole replies have come in: takes their times.
    #[inline]
    fn answered(&mut self, index: usize, mut replies: u64, now: u64) {
        let lane = &mut self.lanes[index];
        self.pending -= replies;
        while replies > 0 {
            let Some((sent, messages)) = lane.answer(replies) else { return };
            replies -= messages;
            if self.pacer.is_none() {
                self.meter.replied(now - sent, messages, now);
                continue;
            }
            for due in lane.dues.drain(..messages as usize) {
                self.meter.replied_to(due, sent, now);
            }
        }
    }

    /// What came before the fault counts; the message whose reply is wrong has one, and is given up.
    #[cold]
    fn condemn(&mut self, cx: &mut Context<'_>, index: usize, input: &[u8], fault: Fault) {
        let (Fault::Wrong(right) | Fault::Surplus(right)) = fault;
        let now = self.meter.now();
        if let Ok(replies) = self.script.check(&mut self.lanes[index], &input[..right]) {
            self.answered(index, replies, now);
        }
        let lane = &mut self.lanes[index];
        lane.state = State::Condemned;
        let (replies, byte) = (lane.answered, lane.arrived + 1);
        let tally = &mut self.meter.tally;
        match fault {
            Fault::Wrong(_) => {
                tally.wrong(|| format!("connection {index}: byte {byte} of reply {}", replies + 1));
                if let Some((sent, _)) = lane.answer(1) {
                    let since = lane.dues.pop_front().unwrap_or(sent);
                    self.pending -= 1;
                    self.meter.gave_up([(since, 1)], now);
                }
            }
            Fault::Surplus(_) => tally.surplus(|| match replies {
                0 => format!("connection {index}: bytes before they were asked for"),
                _ => format!(
                    "connection {index}: more bytes behind reply {replies}, the last asked for"
                ),
            }),
        }
        cx.abort();
    }
}

impl Generator for Streams {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.control(cx);
    }
}

impl Service for Streams {
    fn opened(&mut self, cx: &mut Context<'_>) {
        let Some(index) = self.finder.find(cx.id()) else { return };
        let now = self.meter.now();
        let lane = &mut self.lanes[index];
        if let State::Dialling(since) = lane.state {
            self.meter.recent.connect.saturating_record(now - since);
        }
        lane.state = State::Open;
        self.meter.tally.connects += 1;
        self.dialling -= 1;
        self.open += 1;
        self.pump(cx, index, now);
        self.dial(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Some(index) = self.finder.find(cx.id()) else { return input.len() };
        let now = self.meter.now();
        match self.script.check(&mut self.lanes[index], input) {
            Err(fault) => self.condemn(cx, index, input, fault),
            Ok(0) => {}
            Ok(replies) => {
                self.answered(index, replies, now);
                if self.meter.load.think.is_zero() {
                    self.pump(cx, index, now);
                } else {
                    self.think(cx, index, replies, now);
                }
                if self.pacer.is_some() {
                    self.pace(cx, now);
                }
            }
        }
        input.len()
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        if let Some(index) = self.finder.find(cx.id()) {
            self.push(cx, index);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let Some(index) = self.finder.find(cx.id()) else { return };
        if self.meter.phase == Phase::Over {
            return; // We did that ourselves.
        }
        let lane = &mut self.lanes[index];
        let state = std::mem::replace(&mut lane.state, State::Gone);
        self.pending -= lane.flying + lane.waiting();
        let now = self.meter.now();
        self.meter.abandon(lane, now);
        let was_there = !matches!(state, State::Dialling(_));
        *if was_there { &mut self.open } else { &mut self.dialling } -= 1;
        if state != State::Condemned {
            self.meter.gone(cause, was_there);
        }
        self.dial(cx);
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if self.control == Some(timer) {
            self.control(cx);
        } else if self.wake == Some(timer) {
            self.wake(cx);
        } else {
            let now = self.meter.now();
            self.pace(cx, now);
            self.wait_for_due(cx);
        }
    }
}
