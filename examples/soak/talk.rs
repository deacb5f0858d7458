//! One connection: says what its plan has, checks each byte that comes back, and ends in its way.

use std::time::Duration;

use echoloop::{Cause, Context, Hub, Id, Session, TimerId};

use super::crowd::Crowd;
use super::plan::{Ending, Kind, Plan};
use super::tally::{PATIENCE, add};

/// Beyond what one message has.
const LONGEST_PIECE: usize = 16 * 1024;

/// The words of its timers.
const GO_ON: u64 = 1;
const LISTEN: u64 = 2;

/// A connection and how far it is.
///
/// ```text
///   Dialling ── connected ──▶ Talking ── all said and heard, or as much as it wants ──▶ Over ──▶ (closed)
/// ```
pub(crate) struct Talk {
    plan: Plan,
    stage: Stage,
    said: u64,
    heard: u64,
    /// It says nothing until a timer has fired.
    is_resting: bool,
    /// It has no token, and is in the queue for one.
    pub(crate) is_waiting: bool,
    /// When a byte moved last.
    moved: Duration,
    /// When the message that is unanswered was said.
    asked: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Dialling,
    Talking,
    /// Its own end of it is done, whatever the server still has to say.
    Over,
}

impl Session for Talk {
    type Shared = Crowd;

    /// Each connection is given its talk when it is dialled.
    fn opened(hub: &mut Hub<'_, Talk>, _cx: &mut Context<'_>) -> Talk {
        let plan = hub.shared.plan(Kind::Churn);
        Talk::new(plan, hub.shared)
    }

    fn connected(&mut self, hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>) {
        let crowd = &mut *hub.shared;
        add(&crowd.tally.connections, 1);
        self.stage = Stage::Talking;
        self.moved = crowd.tally.moment();
        if let Some(deaf) = self.plan.deaf.filter(|_| !crowd.tally.is_calm()) {
            cx.pause();
            cx.after_with(deaf, LISTEN);
        }
        self.go_on(crowd, cx);
    }

    fn received(&mut self, hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if self.stage == Stage::Talking {
            self.hear(hub.shared, cx, input);
        }
        input.len()
    }

    fn ended(&mut self, hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>, _rest: &[u8]) {
        let is_right = match self.plan.ending {
            Ending::HalfClose => self.has_all(),
            Ending::Refused => true,
            _ => self.stage == Stage::Over,
        };
        if !is_right {
            let what = self.tell("lost answer: the server has ended it");
            hub.shared.tally.fault(what);
        }
        self.stage = Stage::Over;
        cx.close();
    }

    fn writable(&mut self, hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>) {
        self.go_on(hub.shared, cx);
    }

    fn timer(&mut self, hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>, _timer: TimerId) {
        match cx.word() {
            GO_ON => self.is_resting = false,
            _ => cx.resume(),
        }
        self.moved = hub.shared.tally.moment();
        self.go_on(hub.shared, cx);
    }

    fn closed(self, hub: &mut Hub<'_, Talk>, _cx: &mut Context<'_>, cause: &Cause) {
        let crowd = &mut *hub.shared;
        let is_right = match (self.plan.ending, cause) {
            (Ending::Refused, _) => self.stage != Stage::Dialling,
            (Ending::Close | Ending::HalfClose, Cause::Failed(_) | Cause::Lingered) => false,
            _ => self.stage == Stage::Over,
        };
        if !is_right {
            let what = match self.stage {
                Stage::Dialling => "connection refused",
                Stage::Talking => "lost answer: the connection has gone",
                Stage::Over => "lost end: the connection has gone",
            };
            crowd.tally.fault(format!("{}: {cause}", self.tell(what)));
        }
        crowd.missing.push_back(self.plan.kind);
    }

    /// The crowd's own timer.
    fn tick(hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>, _timer: TimerId) {
        Crowd::tick(hub, cx);
    }
}

impl Talk {
    pub(crate) fn new(plan: Plan, crowd: &Crowd) -> Talk {
        Talk {
            plan,
            stage: Stage::Dialling,
            said: 0,
            heard: 0,
            is_resting: false,
            is_waiting: false,
            moved: crowd.tally.moment(),
            asked: None,
        }
    }

    /// Says what it may say now, and ends if its time has come.
    pub(crate) fn go_on(&mut self, crowd: &mut Crowd, cx: &mut Context<'_>) {
        while self.stage == Stage::Talking && !self.is_resting && self.may_say() {
            if !crowd.take_token() {
                return self.wait_for_token(crowd, cx.id());
            }
            if !self.say(crowd, cx) {
                break; // When there is room.
            }
        }
        self.end_in_time(crowd, cx);
    }

    fn wait_for_token(&mut self, crowd: &mut Crowd, id: Id) {
        if !self.is_waiting {
            self.is_waiting = true;
            crowd.waiting.push_back(id);
        }
    }

    fn may_say(&self) -> bool {
        let unanswered = self.said - self.plan.speech.answered(self.heard);
        self.said < self.limit() && unanswered.saturating_add(self.plan.piece) <= self.plan.depth
    }

    /// Up to where it speaks.
    fn limit(&self) -> u64 {
        match self.plan.ending {
            Ending::Leave(at) | Ending::Abort(at) => at,
            _ => self.plan.total,
        }
    }

    /// Says the next piece. `false`: not all of it was taken.
    fn say(&mut self, crowd: &mut Crowd, cx: &mut Context<'_>) -> bool {
        let mut buffer = [0; LONGEST_PIECE];
        let piece = self.plan.piece.min(self.limit() - self.said) as usize;
        let piece = &mut buffer[..piece];
        self.plan.speech.say(self.said, piece);
        let taken = cx.send(piece);
        self.said += taken as u64;
        self.moved = crowd.tally.moment();
        if self.plan.kind == Kind::Whisper && self.asked.is_none() {
            self.asked = Some(self.moved);
        }
        if let Some(rest) = self.plan.rest {
            self.is_resting = true;
            cx.after_with(rest, GO_ON);
        }
        taken == piece.len()
    }

    fn hear(&mut self, crowd: &mut Crowd, cx: &mut Context<'_>, input: &[u8]) {
        add(&crowd.tally.messages, 1);
        add(&crowd.tally.bytes, input.len());
        let owed = self.plan.speech.answers(self.said) - self.heard;
        let mut wrong = self.plan.speech.check(self.heard, input).err();
        if input.len() as u64 > owed {
            wrong = Some(format!("{} bytes came where {owed} were owed", input.len()));
        }
        if let Some(wrong) = wrong {
            let what = self.tell(&format!("wrong byte: {wrong}"));
            crowd.tally.fault(what);
            self.stage = Stage::Over;
            return cx.abort();
        }
        self.heard += input.len() as u64;
        self.moved = crowd.tally.moment();
        if self.owes_nothing()
            && let Some(asked) = self.asked.take()
        {
            crowd.tally.waited(self.moved.saturating_sub(asked));
        }
        self.go_on(crowd, cx);
    }

    /// Whether all that was said is answered.
    fn owes_nothing(&self) -> bool {
        self.heard == self.plan.speech.answers(self.said)
    }

    /// Whether everything was said and answered.
    fn has_all(&self) -> bool {
        self.said == self.plan.total && self.owes_nothing()
    }

    fn end_in_time(&mut self, crowd: &mut Crowd, cx: &mut Context<'_>) {
        if self.stage != Stage::Talking {
            return;
        }
        match self.plan.ending {
            Ending::Close if self.has_all() => cx.close(),
            Ending::Reset if self.has_all() => cx.reset(),
            Ending::Leave(at) if self.said >= at => cx.close(),
            Ending::Abort(at) if self.said >= at => cx.abort(),
            Ending::HalfClose if self.said == self.plan.total => return cx.finish(),
            Ending::Refused if crowd.tally.is_calm() => cx.abort(),
            _ => return,
        }
        self.stage = Stage::Over;
    }

    /// The load is taken away.
    pub(crate) fn wind_up(&mut self, crowd: &mut Crowd, cx: &mut Context<'_>) {
        self.plan.wind_up(self.said);
        self.is_resting = false;
        cx.resume();
        self.go_on(crowd, cx);
    }

    /// What it waits for longer than anybody has to.
    pub(crate) fn complaint(&self, now: Duration) -> Option<String> {
        let is_late = now.saturating_sub(self.moved) > PATIENCE;
        let what = match self.stage {
            Stage::Dialling => "no connection",
            Stage::Talking if !self.owes_nothing() => "lost answer: nothing comes",
            Stage::Talking if self.said == self.plan.total => "lost end: nothing comes",
            // Resting, or waiting for a token.
            Stage::Talking => return None,
            Stage::Over => "lost end: it is still there",
        };
        is_late.then(|| format!("{} for {} s", self.tell(what), PATIENCE.as_secs()))
    }

    /// This, and whom it has happened to.
    pub(crate) fn tell(&self, what: &str) -> String {
        let Plan { kind, door, ending, total, .. } = &self.plan;
        let (said, heard) = (self.said, self.heard);
        let answers = self.plan.speech.answers(said);
        format!(
            "{what} ({kind:?} at {door:?}, ending {ending:?}, has said {said} of {total} bytes and heard \
             {heard} of {answers})"
        )
    }
}
