//! Load of connections that come and go: connect, one exchange, close, and again.

use std::time::Duration;

use echoloop::{Cause, Context, Service, TimerId};

use super::generator::Generator;
use super::lane::{Finder, Lane, State};
use super::meter::{CONTROL, Meter};
use super::pacer::Pacer;
use super::phase::{Phase, Standing};
use super::script::{Fault, Script};

/// How long a lane that could not connect waits before it tries again, so that a server that is gone is
/// not stormed.
const RETRY: Duration = Duration::from_millis(50);

/// Load of connections that come and go. A lane has one connection at a time, and begins the next when the
/// last one is closed on both sides; in an open loop, when it is due too.
pub(super) struct Churn {
    meter: Meter,
    script: Script,
    lanes: Vec<Lane>,
    finder: Finder,
    pacer: Option<Pacer>,
    /// Connections begun.
    begun: u64,
    /// Whether any has ever been made.
    reached: bool,
    /// Lanes that try again when the timer comes.
    failed: Vec<(TimerId, usize)>,
    control: Option<TimerId>,
    pending: u64,
}

impl Churn {
    pub(super) fn new(meter: Meter, first: u64) -> Churn {
        let script = Script::new(&meter.load.talk);
        let lanes = (0..meter.load.connections).map(|lane| Lane::new(first + lane as u64, 0));
        Churn {
            lanes: lanes.collect(),
            meter,
            script,
            finder: Finder::default(),
            pacer: None,
            begun: 0,
            reached: false,
            failed: Vec::new(),
            control: None,
            pending: 0,
        }
    }

    fn control(&mut self, cx: &mut Context<'_>) {
        let hopeless = !self.reached && self.failed.len() == self.lanes.len();
        let alive = if hopeless { 0 } else { self.lanes.len() };
        let standing = Standing { settled: true, alive, pending: self.pending };
        let changed = self.meter.control(&standing);
        let now = self.meter.now();
        match self.meter.phase {
            Phase::Warming | Phase::Measuring if changed && self.begun == 0 => {
                match self.meter.load.rate {
                    Some(rate) => self.pacer = Some(self.meter.pacer(rate, now)),
                    None => (0..self.lanes.len()).for_each(|index| self.dial(cx, index)),
                }
            }
            Phase::Measuring if changed => {
                self.pending -= self.lanes.iter_mut().map(Lane::drop_waiting).sum::<u64>();
            }
            Phase::Over => {
                (0..self.lanes.len()).for_each(|index| self.give_up(index, now));
                return self.meter.finish(cx, &standing);
            }
            _ => {}
        }
        self.control = Some(cx.after(CONTROL));
        if changed && self.pacer.is_some() {
            self.pace(cx);
        }
    }

    /// Begins the next connection of a lane, if there is to be one.
    fn dial(&mut self, cx: &mut Context<'_>, index: usize) {
        let Churn { meter, lanes, .. } = self;
        let lane = &mut lanes[index];
        if self.pacer.is_some() {
            if lane.waiting() == 0 {
                return;
            }
        } else if meter.is_on() && meter.left > 0 {
            meter.left -= u64::from(meter.left != u64::MAX);
            self.pending += 1;
        } else {
            return;
        }
        lane.flying = 1;
        self.connect(cx, index);
    }

    fn connect(&mut self, cx: &mut Context<'_>, index: usize) {
        let load = &self.meter.load;
        let local = load.local(self.begun as usize);
        self.begun += 1;
        match cx.connect_from(&load.endpoint, local) {
            Ok(id) => {
                self.finder.put(id, index);
                let now = self.meter.now();
                (self.lanes[index].id, self.lanes[index].state) = (Some(id), State::Dialling(now));
            }
            Err(error) => {
                self.meter.gone(&Cause::ConnectFailed(error.into()), false);
                self.unanswered(index);
                self.failed.push((cx.after(RETRY), index));
            }
        }
    }

    /// The message of this connection will have no reply.
    fn unanswered(&mut self, index: usize) {
        let since = self.give_up_one(index);
        self.meter.unanswered(since);
    }

    /// Nor a right one. Since when it was waited for.
    fn give_up_one(&mut self, index: usize) -> u64 {
        let now = self.meter.now();
        let lane = &mut self.lanes[index];
        let since = match (lane.dues.pop_front(), lane.state) {
            (Some(due), _) => due,
            (None, State::Dialling(since)) => since,
            (None, _) => lane.answer(1).map_or(now, |(sent, _)| sent),
        };
        lane.flying = 0;
        self.pending -= 1;
        self.meter.gave_up([(since, 1)], now);
        since
    }

    /// At the end: nobody waits any longer.
    fn give_up(&mut self, index: usize, now: u64) {
        if self.lanes[index].flying > 0 {
            let before = self.meter.tally.errors.unanswered;
            self.unanswered(index);
            let owed = self.meter.tally.errors.unanswered - before;
            self.meter.tally.trouble.silent += owed;
            self.meter.tally.trouble.owed += owed;
        }
        self.meter.abandon(&mut self.lanes[index], now);
    }

    fn pace(&mut self, cx: &mut Context<'_>) {
        let now = self.meter.now();
        while let Some(pacer) = &mut self.pacer
            && let Some((index, due)) = self.meter.next_due(pacer, now)
        {
            let lane = &mut self.lanes[index];
            lane.dues.push_back(due);
            self.pending += 1;
            if lane.flying == 0 && matches!(lane.state, State::Waiting | State::Gone) {
                self.dial(cx, index);
            }
        }
        if let Some(pacer) = &self.pacer
            && self.meter.is_on()
        {
            cx.after(pacer.sleep(self.meter.now()));
        }
    }

    fn push(&mut self, cx: &mut Context<'_>, index: usize) {
        let lane = &mut self.lanes[index];
        while lane.unsent() > 0 {
            let piece = self.script.piece(lane);
            let taken = cx.send(piece);
            lane.sent(taken);
            if taken < piece.len() {
                return;
            }
        }
    }

    /// The one reply is here.
    fn answered(&mut self, index: usize) {
        let now = self.meter.now();
        let lane = &mut self.lanes[index];
        lane.state = State::Condemned;
        self.pending -= 1;
        if let Some((sent, _)) = lane.answer(1) {
            match lane.dues.pop_front() {
                None => self.meter.replied(now - sent, 1, now),
                Some(due) => self.meter.replied_to(due, sent, now),
            }
        }
    }
}

impl Churn {
    /// A whole reply counts, whatever comes behind it; a message whose reply is wrong is given up.
    #[cold]
    fn condemn(&mut self, cx: &mut Context<'_>, index: usize, input: &[u8], fault: Fault) {
        let (Fault::Wrong(right) | Fault::Surplus(right)) = fault;
        if let Ok(1..) = self.script.check(&mut self.lanes[index], &input[..right]) {
            self.answered(index);
        }
        let lane = &mut self.lanes[index];
        lane.state = State::Condemned;
        let tally = &mut self.meter.tally;
        match fault {
            Fault::Surplus(_) => tally.surplus(|| match lane.flying {
                0 => "more bytes behind the reply of a connection".to_owned(),
                _ => "bytes before they were asked for".to_owned(),
            }),
            Fault::Wrong(_) => {
                let byte = lane.arrived + 1;
                tally.wrong(|| format!("byte {byte} of the reply"));
                self.give_up_one(index);
            }
        }
        cx.abort();
    }
}

impl Generator for Churn {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.control(cx);
    }
}

impl Service for Churn {
    fn opened(&mut self, cx: &mut Context<'_>) {
        let Some(index) = self.finder.find(cx.id()) else { return };
        let now = self.meter.now();
        if let State::Dialling(since) = self.lanes[index].state {
            self.meter.recent.connect.saturating_record(now - since);
        }
        self.reached = true;
        self.meter.tally.connects += 1;
        let lane = &mut self.lanes[index];
        lane.renew(cx.id(), self.script.start(self.begun));
        lane.state = State::Open;
        self.script.begin(lane, 1, now);
        self.push(cx, index);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Some(index) = self.finder.find(cx.id()) else { return input.len() };
        let lane = &mut self.lanes[index];
        match self.script.check(lane, input) {
            Ok(0) => {}
            Ok(_) => {
                self.answered(index);
                cx.close();
            }
            Err(fault) => self.condemn(cx, index, input, fault),
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
        let state = lane.state;
        if lane.flying > 0 {
            self.unanswered(index);
        }
        self.lanes[index].state = State::Gone;
        let was_there = !matches!(state, State::Dialling(_));
        if state != State::Condemned {
            self.meter.gone(cause, was_there);
        }
        if !was_there {
            self.failed.push((cx.after(RETRY), index));
        } else {
            self.dial(cx, index);
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if self.control == Some(timer) {
            self.control(cx);
        } else if let Some(at) = self.failed.iter().position(|(waits, _)| *waits == timer) {
            let (_, index) = self.failed.swap_remove(at);
            self.dial(cx, index);
        } else {
            self.pace(cx);
        }
    }
}
