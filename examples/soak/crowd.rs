//! All connections of one thread: who is missing is dialled, and who waits for a token gets one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoloop::{Context, Endpoint, Hub, Id, Rate, TokenBucket};

use super::plan::{Door, Kind, Plan};
use super::speech::Dice;
use super::talk::Talk;
use super::tally::{PATIENCE, Tally};

/// How often it looks after its own.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// How often it looks for those that wait in vain.
const LOOK: Duration = Duration::from_secs(1);

/// Where the server is.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    pub(crate) tcp_echo: Endpoint,
    pub(crate) tcp_pong: Endpoint,
    pub(crate) unix_echo: Endpoint,
    pub(crate) unix_pong: Endpoint,
}

/// What the connections of one thread share.
pub(crate) struct Crowd {
    pub(crate) tally: Arc<Tally>,
    doors: Doors,
    dice: Dice,
    pace: Option<Pace>,
    /// Those that are to be dialled.
    pub(crate) missing: VecDeque<Kind>,
    /// Those that have something to say, and no token for it.
    pub(crate) waiting: VecDeque<Id>,
    looked: Duration,
    is_calm: bool,
}

/// How much is begun each second at most.
pub(crate) struct Pace(TokenBucket);

impl Pace {
    pub(crate) fn new(per_second: u32) -> Pace {
        let burst = per_second.div_ceil(50);
        Pace(TokenBucket::new(Rate { per_second, burst }, Instant::now()))
    }

    pub(crate) fn take(&mut self) -> bool {
        self.0.take(Instant::now())
    }
}

impl Crowd {
    pub(crate) fn new(
        tally: Arc<Tally>,
        doors: Doors,
        seed: u64,
        pace: Option<Pace>,
        kinds: &[(Kind, usize)],
    ) -> Crowd {
        let missing = kinds.iter().flat_map(|&(kind, count)| vec![kind; count]).collect();
        let dice = Dice::new(seed);
        let (waiting, looked) = (VecDeque::new(), Duration::ZERO);
        Crowd { tally, doors, dice, pace, missing, waiting, looked, is_calm: false }
    }

    pub(crate) fn plan(&mut self, kind: Kind) -> Plan {
        Plan::new(kind, &mut self.dice)
    }

    /// Whether one more message, or one more connection, may be begun now.
    pub(crate) fn take_token(&mut self) -> bool {
        self.is_calm || self.pace.as_mut().is_none_or(Pace::take)
    }

    /// Looks after all of them.
    pub(crate) fn tick(hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>) {
        if hub.shared.tally.is_calm() && !hub.shared.is_calm {
            hub.shared.is_calm = true;
            for (id, talk) in hub.others.iter_mut() {
                talk.wind_up(hub.shared, &mut cx.source(id));
            }
        }
        if hub.shared.is_calm {
            hub.shared.missing.clear();
        }
        while !hub.shared.missing.is_empty() && hub.shared.take_token() {
            Crowd::dial_next(hub, cx);
        }
        for _ in 0..hub.shared.waiting.len() {
            let Some(id) = hub.shared.waiting.pop_front() else { break };
            if let Some(talk) = hub.others.get_mut(id) {
                talk.is_waiting = false;
                talk.go_on(hub.shared, &mut cx.source(id));
                if talk.is_waiting {
                    break; // There is no token left.
                }
            }
        }
        Crowd::look(hub);
    }

    fn dial_next(hub: &mut Hub<'_, Talk>, cx: &mut Context<'_>) {
        let crowd = &mut *hub.shared;
        let Some(kind) = crowd.missing.pop_front() else { return };
        let plan = crowd.plan(kind);
        let endpoint = match plan.door {
            Door::TcpEcho => &crowd.doors.tcp_echo,
            Door::TcpPong => &crowd.doors.tcp_pong,
            Door::UnixEcho => &crowd.doors.unix_echo,
            Door::UnixPong => &crowd.doors.unix_pong,
        };
        // Each address has ports of its own: those that one has would be used up by who comes and goes so fast.
        let is_tcp = matches!(plan.door, Door::TcpEcho | Door::TcpPong);
        let host = if cfg!(target_os = "linux") { crowd.dice.between(1, 250) as u8 } else { 1 };
        let local = is_tcp.then(|| ([127, 0, 0, host], 0).into());
        match cx.connect_from(endpoint, local) {
            Ok(id) => {
                let talk = Talk::new(plan, crowd);
                hub.others.insert(&mut cx.source(id), talk);
            }
            Err(error) => crowd.tally.fault(echoloop::describe(&error)),
        }
    }

    /// Whether anybody waits in vain.
    fn look(hub: &mut Hub<'_, Talk>) {
        let now = hub.shared.tally.moment();
        if now.saturating_sub(hub.shared.looked) < LOOK {
            return;
        }
        hub.shared.looked = now;
        if now < PATIENCE {
            return;
        }
        if let Some(what) = hub.others.iter().find_map(|(_, talk)| talk.complaint(now)) {
            hub.shared.tally.fault(what);
        }
    }
}
