//! Load on datagram sockets.

use std::io;
use std::mem;
use std::time::Instant;

use echoloop::{Context, Id, Peer, Service, TimerId};

use super::flights::{Flight, Flights, Unexpected};
use super::generator::Generator;
use super::lane::Finder;
use super::meter::{CONTROL, Meter};
use super::pacer::Pacer;
use super::phase::{Phase, Standing};
use super::seconds::nanos;
use super::stamp::{LENGTH, Stamp};
use super::talk::{Sizes, Talk};
use super::wheel::Wheel;

/// Datagrams that share one look at the clock: of one socket, in one turn.
const GLANCE: u32 = 32;

/// Places where bodies begin.
const BODIES: u32 = 4096;

/// Load on datagram sockets, each connected to the server. A reply takes the place of its datagram, and the
/// next one is sent; so does the end of the waiting for one that is lost.
///
/// ```text
///   datagram:   stamp: number, place, socket │ bytes of the wheel, from where the stamp says
///               8 bytes                      │
/// ```
pub(super) struct Datagrams {
    meter: Meter,
    wheel: Wheel,
    lanes: Vec<Flights>,
    finder: Finder,
    pacer: Option<Pacer>,
    /// Of the first lane, among those of all workers.
    first: u64,
    sizes: Sizes,
    scratch: Vec<u8>,
    /// The last look at the clock: in which turn, for which socket, how often it may still serve.
    glance: (Instant, Option<Id>, u32),
    now: u64,
    looked: u64,
    began: bool,
    control: Option<TimerId>,
    pending: u64,
}

impl Datagrams {
    pub(super) fn new(meter: Meter, first: u64) -> Datagrams {
        let load = &meter.load;
        let Talk::Echo(sizes) = load.talk.clone() else {
            unreachable!("requests are for streams, as the command line was told")
        };
        let window = if load.rate.is_some() { load.depth } else { 1 };
        Datagrams {
            lanes: (0..load.connections).map(|_| Flights::new(load.depth, window)).collect(),
            scratch: vec![0; sizes.largest()],
            sizes,
            meter,
            wheel: Wheel::random(),
            finder: Finder::default(),
            pacer: None,
            first,
            glance: (Instant::now(), None, 0),
            now: 0,
            looked: 0,
            began: false,
            control: None,
            pending: 0,
        }
    }

    fn open(&mut self, cx: &mut Context<'_>) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            match cx.connect_from(&self.meter.load.endpoint, self.meter.load.local(index)) {
                Ok(id) => {
                    self.finder.put(id, index);
                    lane.id = Some(id);
                    self.meter.tally.connects += 1;
                }
                Err(error) => {
                    self.meter.gone(&echoloop::Cause::ConnectFailed(error.into()), false);
                }
            }
        }
    }

    fn control(&mut self, cx: &mut Context<'_>) {
        let now = self.meter.now();
        self.give_up_lost(cx, now);
        let alive = self.lanes.iter().filter(|lane| lane.id.is_some()).count();
        let standing = Standing { settled: true, alive, pending: self.pending };
        let changed = self.meter.control(&standing);
        let now = self.meter.now(); // The measured time may have begun just now.
        match self.meter.phase {
            Phase::Warming | Phase::Measuring
                if changed && !mem::replace(&mut self.began, true) =>
            {
                if let Some(rate) = self.meter.load.rate {
                    self.pacer = Some(self.meter.pacer(rate, now));
                    self.pace(cx, now);
                    self.wait_for_due(cx);
                } else {
                    (0..self.lanes.len()).for_each(|index| self.pump(cx, index, now));
                }
            }
            Phase::Measuring if changed => {
                self.pending -= self.lanes.iter_mut().map(Flights::measure).sum::<u64>();
            }
            Phase::Over => {
                self.give_up_all(now);
                return self.meter.finish(cx, &standing);
            }
            _ => {}
        }
        self.control = Some(cx.after(CONTROL));
    }

    /// Gives up those that have been on their way for too long. Not all at once, since those that were lost
    /// in one burst would be replaced in one burst, and be lost again.
    fn give_up_lost(&mut self, cx: &mut Context<'_>, now: u64) {
        let timeout = nanos(self.meter.load.timeout);
        if now - self.looked < (timeout / 64).min(100_000_000) {
            return;
        }
        self.looked = now;
        for index in 0..self.lanes.len() {
            let lane = &mut self.lanes[index];
            if lane.free.len() == lane.flights.len() {
                continue;
            }
            let most = lane.flights.len() / 8 + 1;
            let late = |flight: &&mut Flight| flight.on_its_way && now - flight.sent > timeout;
            for flight in lane.flights.iter_mut().filter(late).take(most) {
                flight.on_its_way = false;
                lane.free.push(flight.place);
                self.pending -= 1;
                self.meter.lost(flight.due, flight.sent, now);
            }
            self.pump(cx, index, now);
        }
    }

    /// At the end: what has no reply yet is not waited for any longer.
    fn give_up_all(&mut self, now: u64) {
        for lane in &mut self.lanes {
            for flight in lane.flights.iter_mut().filter(|flight| flight.on_its_way) {
                flight.on_its_way = false;
                self.meter.lost(flight.due, flight.sent, now);
            }
            self.meter.tally.errors.unsent += lane.due.len() as u64;
            self.meter.gave_up(lane.due.drain(..).map(|due| (due, 1)), now);
        }
    }

    fn pace(&mut self, cx: &mut Context<'_>, now: u64) {
        while let Some(pacer) = &mut self.pacer
            && let Some((index, due)) = self.meter.next_due(pacer, now)
        {
            if self.lanes[index].id.is_none() {
                self.meter.tally.errors.unsent += 1;
                self.meter.gave_up([(due, 1)], now);
                continue;
            }
            self.lanes[index].due.push_back(due);
            self.pending += 1;
            self.pump(cx, index, now);
        }
    }

    fn wait_for_due(&mut self, cx: &mut Context<'_>) {
        if let Some(pacer) = &self.pacer
            && self.meter.is_on()
        {
            cx.after(pacer.sleep(self.meter.now()));
        }
    }

    /// Sends as many datagrams as there are free places and reasons.
    #[inline]
    fn pump(&mut self, cx: &mut Context<'_>, index: usize, now: u64) {
        let Some(id) = self.lanes[index].id else { return };
        let mut cx = cx.source(id);
        loop {
            let lane = &mut self.lanes[index];
            if !lane.has_room() {
                return;
            }
            let due = if self.pacer.is_some() {
                let Some(due) = lane.due.pop_front() else { return };
                due
            } else if self.meter.is_on() && self.meter.left > 0 {
                self.meter.left -= u64::from(self.meter.left != u64::MAX);
                self.pending += 1;
                now
            } else {
                return;
            };
            let Some((number, place)) = lane.begin(due, now) else { return };
            let size = self.write(index, number, place);
            cx.send(&self.scratch[..size]);
        }
    }

    /// Makes a datagram, of so many bytes.
    fn write(&mut self, index: usize, number: u32, place: u16) -> usize {
        let stamp = Stamp { number, place, tag: self.tag(index) };
        let (size, body_of) = (self.size_of(stamp), self.body_of(stamp));
        let (header, body) = self.scratch[..size].split_at_mut(LENGTH);
        header.copy_from_slice(&self.meter.stage.seal.make(stamp));
        body.copy_from_slice(self.wheel.at(body_of, body.len()));
        size
    }

    /// The number of a socket, among those of all workers.
    fn tag(&self, index: usize) -> u16 {
        (self.first + index as u64) as u16
    }

    fn size_of(&self, stamp: Stamp) -> usize {
        self.sizes.of(stamp.tag.into(), stamp.number.into())
    }

    /// Where on the wheel the body of a datagram begins: at so few places that all of them stay in a
    /// first-level cache, if bodies are short. Which datagram it is says the stamp.
    fn body_of(&self, stamp: Stamp) -> u32 {
        let Stamp { number, place, tag } = stamp;
        let number = u64::from(number) + (u64::from(place) << 21) + (u64::from(tag) << 40);
        self.wheel.spread(number) % BODIES
    }

    /// Compares a reply with what it must be: which datagram it belongs to.
    #[inline]
    fn check(&mut self, index: usize, payload: &[u8]) -> Option<(u32, u16)> {
        if let Some((header, body)) = payload.split_first_chunk() {
            let stamp = self.meter.stage.seal.read(*header);
            if stamp.tag == self.tag(index)
                && self.lanes[index].age(stamp.number, stamp.place).is_some()
                && payload.len() == self.size_of(stamp)
                && self.wheel.compare(self.body_of(stamp), body).is_ok()
            {
                return Some((stamp.number, stamp.place));
            }
        }
        self.wrong(index, payload);
        None
    }

    /// Says what it is that came instead of a reply.
    #[cold]
    fn wrong(&mut self, index: usize, payload: &[u8]) {
        let (length, sockets) = (payload.len(), self.meter.stage.connections as u64);
        let is_a_size = self.sizes.parts.iter().any(|(size, _)| *size == length);
        let (true, Some((header, body))) = (is_a_size, payload.split_first_chunk()) else {
            let wanted = match self.sizes.single() {
                Some(size) => size.to_string(),
                None => "one of the sizes sent".to_owned(),
            };
            let tally = &mut self.meter.tally;
            tally
                .wrong(|| format!("socket {index}: a reply of {length} bytes instead of {wanted}"));
            return;
        };
        let fits = |stamp: Stamp| {
            u64::from(stamp.tag) < sockets
                && usize::from(stamp.place) < self.meter.load.depth
                && length == self.size_of(stamp)
                && self.wheel.compare(self.body_of(stamp), body).is_ok()
        };
        let seal = self.meter.stage.seal;
        let stamp = seal.read(*header);
        let is_another = stamp.tag != self.tag(index) && fits(stamp);
        let is_stale = seal.is_of_an_earlier_run(*header, fits);
        let tally = &mut self.meter.tally;
        if is_another {
            tally.errors.misdelivered += 1;
            tally.first_fault.get_or_insert_with(|| {
                format!("socket {index}: a reply that belongs to socket {}", stamp.tag)
            });
        } else if is_stale {
            tally.errors.stale += 1;
        } else {
            tally.wrong(|| format!("socket {index}: wrong bytes in a reply"));
        }
    }

    /// The time, as precise as is worth its price: see `GLANCE`.
    #[inline]
    fn glance(&mut self, cx: &Context<'_>) -> u64 {
        let (turn, id, left) = &mut self.glance;
        if *left == 0 || *turn != cx.now() || *id != Some(cx.id()) {
            self.glance = (cx.now(), Some(cx.id()), GLANCE);
            self.look();
        }
        self.glance.2 -= 1;
        self.now
    }

    fn look(&mut self) -> u64 {
        self.now = self.meter.now();
        self.now
    }
}

impl Generator for Datagrams {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.open(cx);
        self.control(cx);
    }
}

impl Service for Datagrams {
    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let Some(index) = self.finder.find(cx.id()) else { return };
        let now = self.glance(cx);
        let Some((number, place)) = self.check(index, payload) else { return };
        let lane = &mut self.lanes[index];
        let (errors, one) = (&mut self.meter.tally.errors, u64::from(lane.is_measured(number)));
        let (sent, due) = match lane.answer(number, place) {
            Ok(times) => times,
            Err(Unexpected::Late) => return errors.late += one,
            Err(Unexpected::Duplicate) => return errors.duplicates += one,
        };
        errors.reordered += if lane.is_out_of_order(number) { one } else { 0 };
        self.pending -= 1;
        let now = if sent < now { now } else { self.look() }; // It has been there and back since.
        if self.pacer.is_some() {
            self.meter.replied_to(due, sent, now);
        } else {
            self.meter.replied(now - sent, 1, now);
        }
        self.pump(cx, index, now);
        if self.pacer.is_some() {
            self.pace(cx, now);
        }
    }

    fn unreachable(&mut self, _cx: &mut Context<'_>, error: &io::Error) {
        self.meter.tally.errors.unreachable += 1;
        self.meter.tally.first_error.get_or_insert_with(|| echoloop::describe(error));
    }

    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        if self.control == Some(timer) {
            self.control(cx);
        } else {
            let now = self.meter.now();
            self.pace(cx, now);
            self.wait_for_due(cx);
        }
    }
}
