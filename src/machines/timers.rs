//! What is to happen later.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::values::TimerId;

/// The slab keeps this many empty slots when the last timer goes; what a burst took beyond them
/// is given back.
const KEPT_SLOTS: usize = 64;

/// Timers, each with something to hand back when it comes due. Knows no clock: `now` is told.
///
/// ```text
///   TimerId ──▶ slab of timers ──(at, order)──▶ ordered set of (at, order, slot)
///               slot │ generation                 first: next(), due()
/// ```
///
/// Setting, resetting, cancelling and coming due each cost O(log n). An id whose timer has gone
/// finds nothing, also when its slot is used again.
#[derive(Debug)]
pub struct Timers<T> {
    timers: Slab<Timer<T>>,
    /// Exactly one entry for each timer. The order tells timers for the same moment apart.
    queue: BTreeSet<(Instant, u64, usize)>,
    next_order: u64,
    next_generation: NonZeroU32,
}

#[derive(Debug)]
struct Timer<T> {
    generation: NonZeroU32,
    at: Instant,
    order: u64,
    period: Option<Duration>,
    what: T,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers::new()
    }
}

impl<T> Timers<T> {
    /// No timers. Allocates nothing.
    pub const fn new() -> Timers<T> {
        Timers {
            timers: Slab::new(),
            queue: BTreeSet::new(),
            next_order: 0,
            next_generation: NonZeroU32::MIN,
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.timers.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// Sets a timer that comes due once, at `at` or as soon after as anybody asks.
    pub fn once(&mut self, at: Instant, what: T) -> TimerId {
        self.set(at, None, what)
    }

    /// Sets a timer that comes due at `first` and then at every multiple of the period after it,
    /// for as long as the clock can say when that is. A period of zero is taken as one
    /// nanosecond, the smallest there is: due at every new `now`, once.
    pub fn every(&mut self, first: Instant, period: Duration, what: T) -> TimerId {
        self.set(first, Some(period.max(Duration::from_nanos(1))), what)
    }

    fn set(&mut self, at: Instant, period: Option<Duration>, what: T) -> TimerId {
        let generation = self.next_generation;
        self.next_generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let slot = self.timers.insert(Timer { generation, at, order: 0, period, what });
        self.enqueue(slot, at);
        TimerId { slot: u32::try_from(slot).expect("fewer than 2^32 timers"), generation }
    }

    /// Takes the timer away before it is due. `None` if it has gone already.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let slot = self.find(id)?;
        self.dequeue(slot);
        Some(self.remove(slot))
    }

    /// Moves the timer to another moment, as if it had been set now; a repeating one goes on from
    /// there. `false` if it has gone already.
    pub fn reset(&mut self, id: TimerId, at: Instant) -> bool {
        let Some(slot) = self.find(id) else {
            return false;
        };
        self.dequeue(slot);
        self.enqueue(slot, at);
        true
    }

    /// Takes those timers away of which this says so; what they were for comes in no particular order.
    /// Looks at all of them.
    pub fn extract_if(&mut self, mut is_one: impl FnMut(&T) -> bool) -> Vec<T> {
        let slots = self.timers.iter().filter(|(_, timer)| is_one(&timer.what));
        let slots: Vec<usize> = slots.map(|(slot, _)| slot).collect();
        slots
            .into_iter()
            .map(|slot| {
                self.dequeue(slot);
                self.remove(slot)
            })
            .collect()
    }

    /// Whether the timer will come due, once more at least.
    pub fn is_set(&self, id: TimerId) -> bool {
        self.find(id).is_some()
    }

    /// When the next timer comes due; `None` if none is set.
    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|&(at, ..)| at)
    }

    /// Whether a timer is due.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next().is_some_and(|next| next <= now)
    }

    /// Takes out the next timer that is due, the earliest first; for the same moment, in the order
    /// of setting. Call it until it says `None`, with the same `now`.
    ///
    /// A repeating timer is set again for its first multiple after `now`: what was missed is
    /// skipped, so none comes due twice for one `now`, and its id stays good.
    pub fn due(&mut self, now: Instant) -> Option<(TimerId, T)>
    where
        T: Clone,
    {
        let &(at, _, slot) = self.queue.first().filter(|&&(at, ..)| at <= now)?;
        self.queue.pop_first();
        let timer = &self.timers[slot];
        let id = TimerId { slot: slot as u32, generation: timer.generation };
        match timer.period.and_then(|period| first_multiple_after(now, at, period)) {
            Some(next) => {
                let what = timer.what.clone();
                self.enqueue(slot, next);
                Some((id, what))
            }
            None => Some((id, self.remove(slot))),
        }
    }

    fn find(&self, id: TimerId) -> Option<usize> {
        let slot = id.slot as usize;
        self.timers.get(slot).is_some_and(|timer| timer.generation == id.generation).then_some(slot)
    }

    fn enqueue(&mut self, slot: usize, at: Instant) {
        let timer = &mut self.timers[slot];
        (timer.at, timer.order) = (at, self.next_order);
        self.queue.insert((at, self.next_order, slot));
        self.next_order += 1;
    }

    fn dequeue(&mut self, slot: usize) {
        let timer = &self.timers[slot];
        let queued = self.queue.remove(&(timer.at, timer.order, slot));
        assert!(queued, "every timer is in the queue");
    }

    /// Removes a timer that is no longer in the queue.
    fn remove(&mut self, slot: usize) -> T {
        let timer = self.timers.remove(slot);
        // The set frees its own nodes. Slots may start over because generations don't.
        if self.timers.is_empty() && self.timers.capacity() > KEPT_SLOTS {
            self.timers = Slab::new();
        }
        timer.what
    }
}

/// The first of `at`, `at + period`, `at + 2 * period`... that is after `now`, which is not before
/// `at`. `None` if the clock can't say it.
fn first_multiple_after(now: Instant, at: Instant, period: Duration) -> Option<Instant> {
    const NANOS: u128 = Duration::from_secs(1).as_nanos();

    let since = now.duration_since(at).as_nanos() % period.as_nanos();
    let since = Duration::new((since / NANOS) as u64, (since % NANOS) as u32);
    now.checked_add(period - since)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn all_due<T: Clone>(timers: &mut Timers<T>, now: Instant) -> Vec<T> {
        std::iter::from_fn(|| timers.due(now).map(|(_, what)| what)).collect()
    }

    #[test]
    fn timers_come_due_by_deadline_then_in_order_of_setting() {
        let start = Instant::now();
        let mut timers = Timers::new();
        timers.once(start + 2 * MS, "c");
        timers.once(start + MS, "a");
        timers.once(start + MS, "b");
        timers.once(start + 3 * MS, "later");

        assert_eq!(timers.next(), Some(start + MS));
        assert_eq!(all_due(&mut timers, start), [""; 0]);
        assert_eq!(all_due(&mut timers, start + 2 * MS), ["a", "b", "c"]);
        assert_eq!((timers.next(), timers.len()), (Some(start + 3 * MS), 1));
    }

    #[test]
    fn missed_ticks_are_skipped_and_the_beat_is_kept() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let id = timers.every(start, 10 * MS, "tick");

        assert_eq!(all_due(&mut timers, start), ["tick"]);
        assert_eq!(timers.next(), Some(start + 10 * MS));
        assert_eq!(all_due(&mut timers, start + 47 * MS), ["tick"]);
        assert_eq!(timers.next(), Some(start + 50 * MS));
        assert_eq!(all_due(&mut timers, start + 50 * MS), ["tick"]);
        assert_eq!(timers.next(), Some(start + 60 * MS));

        assert!(timers.reset(id, start + 63 * MS)); // The id stays good, the beat moves.
        assert_eq!(all_due(&mut timers, start + 65 * MS), ["tick"]);
        assert_eq!(timers.next(), Some(start + 73 * MS));
        assert_eq!(timers.cancel(id), Some("tick"));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_period_of_zero_does_not_loop() {
        let start = Instant::now();
        let mut timers = Timers::new();
        timers.every(start, Duration::ZERO, ());
        assert_eq!(all_due(&mut timers, start + MS).len(), 1);
        assert_eq!(all_due(&mut timers, start + MS).len(), 0);
        assert_eq!(all_due(&mut timers, start + 2 * MS).len(), 1);
    }

    #[test]
    fn an_old_id_finds_nothing() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let fired = timers.once(start, 1);
        assert_eq!(timers.due(start), Some((fired, 1)));
        let cancelled = timers.once(start, 2);
        assert_eq!(timers.cancel(cancelled), Some(2));

        let present = timers.once(start + MS, 3);
        assert_eq!(present.slot, fired.slot); // The slot is used again, and still:
        for old in [fired, cancelled] {
            assert_eq!(timers.cancel(old), None);
            assert!(!timers.reset(old, start));
        }
        assert_eq!(timers.next(), Some(start + MS));
        assert_eq!(timers.cancel(present), Some(3));
    }

    #[test]
    fn a_burst_gives_its_memory_back() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let many = if cfg!(miri) { 100 } else { 1000 };
        let ids: Vec<_> = (0..many).map(|n| timers.once(start, n)).collect();
        assert_eq!(all_due(&mut timers, start).len(), many);
        assert_eq!(timers.timers.capacity(), 0);

        let id = timers.once(start, 0);
        assert_eq!(id.slot, ids[0].slot); // The slots began again, the generations did not.
        assert_eq!(timers.cancel(ids[0]), None);
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        let start = Instant::now();
        let mut end = start;
        for bit in (0..64).rev() {
            end = end.checked_add(Duration::from_secs(1 << bit)).unwrap_or(end);
        }
        let mut timers = Timers::new();
        timers.every(start, Duration::MAX, "no second time");
        timers.every(end, Duration::from_secs(1), "last");
        timers.once(end, "also last");
        assert_eq!(all_due(&mut timers, start), ["no second time"]);
        assert_eq!(all_due(&mut timers, end), ["last", "also last"]);
        assert!(timers.is_empty() && timers.next().is_none());
    }

    proptest! {
        /// Any mixture of calls does what a plain list would.
        #[test]
        fn timers_agree_with_a_list(steps in prop::collection::vec((0u8..4, 0u32..50, 0usize..20), 0..80)) {
            let start = Instant::now();
            let (mut timers, mut ids, mut now) = (Timers::new(), Vec::new(), start);
            let mut list: Vec<(Instant, usize, TimerId)> = Vec::new(); // Moment, order, id.
            for (order, (step, ms, pick)) in steps.into_iter().enumerate() {
                let at = start + ms * MS;
                match (step, ids.get(pick).copied()) {
                    (0, _) => {
                        ids.push(timers.once(at, ids.len()));
                        list.push((at, order, ids[ids.len() - 1]));
                    }
                    (1, Some(id)) => {
                        let held = list.iter().position(|entry| entry.2 == id);
                        prop_assert_eq!(timers.cancel(id).is_some(), held.is_some());
                        held.map(|index| list.remove(index));
                    }
                    (2, Some(id)) => {
                        let held = list.iter().position(|entry| entry.2 == id);
                        prop_assert_eq!(timers.reset(id, at), held.is_some());
                        if let Some(index) = held {
                            list[index] = (at, order, id);
                        }
                    }
                    _ => {
                        now = now.max(at);
                        list.sort();
                        let expected: Vec<_> = list.extract_if(.., |entry| entry.0 <= now).collect();
                        for (.., id) in expected {
                            prop_assert_eq!(timers.due(now).map(|(id, _)| id), Some(id));
                        }
                        prop_assert_eq!(timers.due(now), None);
                    }
                }
                prop_assert_eq!(timers.len(), list.len());
                for id in &ids {
                    let held = list.iter().any(|entry| entry.2 == *id);
                    prop_assert_eq!(timers.is_set(*id), held);
                }
                prop_assert_eq!(timers.is_due(now), list.iter().any(|entry| entry.0 <= now));
                prop_assert_eq!(timers.next(), list.iter().map(|entry| entry.0).min());
            }
        }
    }
}
