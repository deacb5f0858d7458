//! What a test and the services of its reactor both see, and the service under test.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use echoloop::{Address, Cause, Context, Error, Half, Id, Peer, Service, describe};

use crate::fates::Case;
use crate::rows::{Flow, Way};

/// Makes the source, or has its peer come to where it is waited for. It may name what it has made.
pub(crate) type Make = Box<dyn FnOnce(&mut Context<'_>) -> Result<Option<Id>, Error> + Send>;

/// What a test and its services share.
pub(crate) type Shared = Arc<Stage>;

pub(crate) struct Stage {
    pub(crate) case: Case,
    seen: Mutex<Seen>,
    coming: Mutex<Option<Make>>,
}

/// What has been seen of the source, and what its service is to do.
#[derive(Default)]
pub(crate) struct Seen {
    /// The source under test: the latest that was adopted or opened, or was made and needs no more.
    pub(crate) id: Option<Id>,
    /// All connections that the service has heard of, or will hear of the end.
    pub(crate) ids: Vec<Id>,
    /// What was made by name: a listener, a datagram socket, a dial.
    pub(crate) made: Option<Id>,
    /// Where that can be reached.
    pub(crate) address: Option<Address>,
    /// What the making has returned.
    pub(crate) outcome: Option<Result<(), String>>,
    /// Bytes that have arrived, where nobody gives them back; datagrams in a row.
    pub(crate) heard: Vec<u8>,
    /// Bytes that were shown, each time.
    pub(crate) shown: usize,
    pub(crate) datagrams: usize,
    pub(crate) ended: usize,
    pub(crate) closed: Vec<(Id, String)>,
    pub(crate) timers: Vec<Id>,
    /// Everybody is being told of a stop.
    pub(crate) is_told: bool,
    pub(crate) manner: Manner,
    /// What the service sends as soon as the source is there.
    pub(crate) early: Vec<u8>,
}

/// What has been seen, but for the bytes.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { id, outcome, shown, datagrams, ended, closed, is_told, .. } = self;
        write!(
            f,
            "source {id:?}, made {outcome:?}, {shown} bytes and {datagrams} datagrams shown, "
        )?;
        write!(f, "{} heard, {ended} ends, closed {closed:?}, told {is_told}", self.heard.len())
    }
}

/// What the service does with what arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As its flow is.
    #[default]
    Serves,
    /// Takes nothing, and waits.
    Stalls,
    /// Says something, and closes, and takes nothing.
    Leaves,
    /// Replies with more than was asked.
    Inflates,
    /// Reads, and throws away.
    Hears,
}

/// What it says then.
pub(crate) const GOODBYE: usize = 2_500;

impl Stage {
    pub(crate) fn new(case: Case) -> Shared {
        Arc::new(Stage { case, seen: Mutex::default(), coming: Mutex::default() })
    }

    /// Nobody panics while holding it.
    pub(crate) fn see(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody has panicked")
    }

    pub(crate) fn set_coming(&self, make: Make) {
        *self.coming.lock().expect("nobody has panicked") = Some(make);
    }

    /// The moment has come. The context is that of the service under test.
    pub(crate) fn perform(&self, cx: &mut Context<'_>) {
        let Some(make) = self.coming.lock().expect("nobody has panicked").take() else { return };
        let outcome = make(cx).and_then(|made| match made {
            Some(id) => self.made(cx, id),
            None => Ok(()),
        });
        self.see().outcome = Some(outcome.map_err(|error| describe(&error)));
    }

    fn made(&self, cx: &mut Context<'_>, id: Id) -> Result<(), Error> {
        if self.case.is_background() {
            cx.source(id).unref();
        }
        let is_adopted = matches!(self.case.base(), Ok(Way::Adopted | Way::HandedOver));
        let mut seen = self.see();
        seen.made = Some(id);
        seen.address = cx.source(id).local();
        if is_adopted {
            seen.ids.push(id);
        }
        drop(seen);
        let mut id = id;
        if self.case.way == Way::HandedOver {
            id = self.hand_over(cx, id)?;
        }
        if is_adopted || self.case.kind.is_datagrams() {
            self.see().id = Some(id);
        }
        let early = std::mem::take(&mut self.see().early);
        if !early.is_empty() {
            assert!(cx.source(id).send_all(&early));
            cx.source(id).finish();
        }
        Ok(())
    }

    /// Out of the reactor, and into it again.
    fn hand_over(&self, cx: &mut Context<'_>, id: Id) -> Result<Id, Error> {
        let descriptor = cx.source(id).detach()?;
        let id = cx.adopt(descriptor, self.half())?;
        let mut seen = self.see();
        seen.ids.push(id);
        seen.id = Some(id);
        Ok(id)
    }

    pub(crate) fn half(&self) -> Half {
        match self.case.kind.flow() {
            Flow::In => Half::Read,
            Flow::Out => Half::Write,
            Flow::Echo | Flow::Asked | Flow::Asks => Half::Both,
        }
    }
}

/// The service under test.
pub(crate) struct Probe {
    stage: Shared,
    /// What it has still to send, where it is the one who sends.
    left: Vec<u8>,
    finishes: bool,
}

impl Probe {
    pub(crate) fn new(stage: &Shared) -> Probe {
        Probe { stage: Arc::clone(stage), left: Vec::new(), finishes: false }
    }

    /// Sends this, and more when there is room.
    pub(crate) fn put(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        self.left.extend_from_slice(bytes);
        self.go_on(cx);
    }

    /// Ends its direction behind the last byte.
    pub(crate) fn finish(&mut self, cx: &mut Context<'_>) {
        self.finishes = true;
        self.go_on(cx);
    }

    fn go_on(&mut self, cx: &mut Context<'_>) {
        let Some(id) = self.stage.see().id else { return };
        let sent = cx.source(id).send(&self.left);
        self.left.drain(..sent);
        if self.left.is_empty() && self.finishes {
            cx.source(id).finish();
        }
    }
}

impl Service for Probe {
    fn opened(&mut self, cx: &mut Context<'_>) {
        let id = cx.id();
        let mut seen = self.stage.see();
        seen.ids.push(id);
        seen.id = Some(id);
        drop(seen);
        if self.stage.case.way == Way::HandedOver {
            let handed = self.stage.hand_over(cx, id).map(drop);
            self.stage.see().outcome = Some(handed.map_err(|error| describe(&error)));
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut seen = self.stage.see();
        seen.shown += input.len();
        let (manner, flow) = (seen.manner, self.stage.case.kind.flow());
        match manner {
            Manner::Stalls => {
                drop(seen);
                cx.pause();
                return 0;
            }
            Manner::Hears => return input.len(),
            Manner::Leaves => {
                drop(seen);
                if flow == Flow::Echo {
                    cx.send(crate::flows::pattern(GOODBYE));
                }
                cx.close();
                return 0;
            }
            Manner::Serves | Manner::Inflates => {}
        }
        if flow == Flow::Echo {
            drop(seen);
            return cx.send(input);
        }
        seen.heard.extend_from_slice(input);
        input.len()
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        self.stage.see().ended += 1;
        cx.close();
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.go_on(cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        self.stage.see().closed.push((cx.id(), cause.to_string()));
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let mut seen = self.stage.see();
        seen.datagrams += 1;
        seen.shown += payload.len();
        let manner = seen.manner;
        if manner == Manner::Inflates {
            seen.manner = Manner::Hears;
            drop(seen);
            let more = [payload, b"!"].concat();
            let outcomes = (cx.reply(&more), cx.reply(payload), cx.reply(payload));
            // More than was asked: refused. As much: sent. As much once more: refused.
            self.stage.see().outcome = match outcomes {
                (false, true, false) => Some(Ok(())),
                other => Some(Err(format!("replied {other:?}"))),
            };
            return;
        }
        if manner == Manner::Hears {
            return;
        }
        if self.stage.case.kind.flow() == Flow::Asks {
            return seen.heard.extend_from_slice(payload);
        }
        drop(seen);
        cx.reply(payload);
    }

    fn timer(&mut self, cx: &mut Context<'_>, _timer: echoloop::TimerId) {
        self.stage.see().timers.push(cx.id());
    }
}
