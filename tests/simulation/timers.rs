//! Timers: never early, in order, each once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use echoloop::{Context, Service, TimerId};

use crate::world::{LONG, worlds};

/// Sets timers, cancels some, and looks when they come due.
struct Alarms {
    set: BTreeMap<u64, (Instant, TimerId)>,
    last: Option<(Instant, Instant)>,
    delays: Vec<Duration>,
    fired: Rc<RefCell<Vec<u64>>>,
}

impl Alarms {
    fn set(&mut self, cx: &mut Context<'_>) {
        let Some(delay) = self.delays.pop() else { return };
        let word = self.delays.len() as u64;
        let timer = cx.after_with(delay, word);
        self.set.insert(word, (cx.now() + delay, timer));
        if word % 7 == 3
            && let Some((_, (_, timer))) = self.set.pop_first()
        {
            assert!(cx.cancel(timer), "it has not come due yet");
        }
    }
}

impl Service for Alarms {
    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        let (at, id) =
            self.set.remove(&cx.word()).expect("it was set, not cancelled, and is due once");
        assert_eq!(id, timer);
        assert!(at <= cx.now(), "{:?} early", at - cx.now());
        // In one turn, the earlier one first.
        if let Some((turn, before)) = self.last.replace((cx.now(), at))
            && turn == cx.now()
        {
            assert!(before <= at);
        }
        self.fired.borrow_mut().push(cx.word());
        self.set(cx);
        self.set(cx);
    }
}

#[test]
fn timers() {
    worlds("timers", |world| {
        let delays: Vec<_> =
            (0..50).map(|_| Duration::from_micros(world.rng.below(3_000_000) as u64)).collect();
        let fired = Rc::<RefCell<Vec<u64>>>::default();
        let alarms = Alarms { set: BTreeMap::new(), last: None, delays, fired: Rc::clone(&fired) };
        let service = world.simulation.reactor().add(alarms);
        world.simulation.reactor().with(service, |alarms, cx| alarms.set(cx));
        world.run(LONG);
        let left = world.simulation.reactor().with(service, |alarms, _| alarms.set.len());
        if world.is_kind {
            assert_eq!(left, Some(0), "all have come due");
            assert!(fired.borrow().len() > 1);
        }
    });
}
