//! The kinds of clients, and what each of them has in mind.

use std::time::Duration;

use super::speech::{Dice, LINE, Speech};

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Comes, talks a little, and goes in one of all ways.
    Churn,
    /// Has 64 KiB under way at any time.
    Flood,
    /// Talks on and on, and doesn't read for a while.
    Deaf,
    /// A byte or two now and then.
    Dribble,
    /// Says nothing for most of the time.
    Idle,
    /// A line that never ends.
    Endless,
    /// A small message and its answer, the wait for which is measured.
    Whisper,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was answered, then we close.
    Close,
    /// All was said, then we shut down our side; the rest of the answers must come, and then the end.
    HalfClose,
    /// All was answered, then a reset.
    Reset,
    /// A close in order with this much said, whatever is under way.
    Leave(u64),
    /// The same without any order.
    Abort(u64),
    /// The server ends it.
    Refused,
}

/// Where a client connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    TcpEcho,
    TcpPong,
    UnixEcho,
    UnixPong,
}

/// What a client will do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) door: Door,
    pub(crate) speech: Speech,
    /// Bytes that it will say.
    pub(crate) total: u64,
    /// Bytes that it says at once.
    pub(crate) piece: u64,
    /// Unanswered bytes at most.
    pub(crate) depth: u64,
    /// Between one piece and the next.
    pub(crate) rest: Option<Duration>,
    /// How long it doesn't read, from the beginning.
    pub(crate) deaf: Option<Duration>,
    pub(crate) ending: Ending,
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

impl Plan {
    pub(crate) fn new(kind: Kind, dice: &mut Dice) -> Plan {
        let doors = [Door::TcpEcho, Door::TcpEcho, Door::UnixEcho, Door::TcpPong, Door::UnixPong];
        let door = match kind {
            Kind::Endless => dice.one_of(&[Door::TcpPong, Door::UnixPong]),
            _ => dice.one_of(&doors),
        };
        let speech = match door {
            _ if kind == Kind::Endless => Speech::Endless,
            Door::TcpEcho | Door::UnixEcho => Speech::Echo(dice.number()),
            Door::TcpPong | Door::UnixPong => Speech::Pong,
        };
        let plan = Plan {
            kind,
            door,
            speech,
            total: 0,
            piece: 0,
            depth: u64::MAX,
            rest: None,
            deaf: None,
            ending: Ending::Close,
        };
        plan.of_its_kind(dice)
    }

    fn of_its_kind(self, dice: &mut Dice) -> Plan {
        let millis = |dice: &mut Dice, least: u64, most: u64| {
            Some(Duration::from_micros(dice.between(1000 * least, 1000 * most)))
        };
        match self.kind {
            Kind::Churn => {
                let piece = lines(dice.between(1, 4 * KIB));
                let total = piece * dice.between(1, 8);
                let ending = ending(dice, total);
                Plan { piece, total, depth: piece, ending, ..self }
            }
            Kind::Flood => {
                let total = lines(dice.between(4 * MIB, 64 * MIB));
                let ending = ending(dice, total);
                Plan { piece: 16 * KIB, total, depth: 64 * KIB, ending, ..self }
            }
            Kind::Deaf => {
                let total = lines(dice.between(256 * KIB, 8 * MIB));
                let (deaf, ending) = (millis(dice, 100, 2000), ending(dice, total));
                Plan { piece: 16 * KIB, total, deaf, ending, ..self }
            }
            Kind::Dribble => {
                let (total, piece) = (LINE * dice.between(4, 32), dice.between(1, 3));
                Plan { piece, total, rest: millis(dice, 5, 50), ..self }
            }
            Kind::Idle => {
                let (piece, rest) = (64, millis(dice, 5_000, 60_000));
                Plan { piece, total: 3 * piece, rest, ending: ending(dice, 3 * piece), ..self }
            }
            Kind::Endless => {
                let piece = 16 * KIB;
                Plan { piece, total: 2 * piece, ending: Ending::Refused, ..self }
            }
            Kind::Whisper => {
                let (piece, rest) = (64, millis(dice, 10, 50));
                Plan { piece, total: 1000 * piece, depth: piece, rest, ..self }
            }
        }
    }

    /// The load is taken away: what was begun is said to its end, and nothing more.
    pub(crate) fn wind_up(&mut self, said: u64) {
        let least = said.max(self.piece.min(self.total));
        self.total = lines(least).min(self.total);
        self.rest = None;
        if matches!(self.ending, Ending::Leave(_) | Ending::Abort(_)) {
            self.ending = Ending::Close;
        }
    }
}

/// One of all ways.
fn ending(dice: &mut Dice, total: u64) -> Ending {
    let middle = dice.between(1, total);
    dice.one_of(&[
        Ending::Close,
        Ending::HalfClose,
        Ending::Reset,
        Ending::Leave(middle),
        Ending::Abort(middle),
    ])
}

/// Rounded up, so that pong owes no answer for the last line.
fn lines(bytes: u64) -> u64 {
    bytes.next_multiple_of(LINE)
}
