//! Load on datagram sockets.

use std::io;
use std::mem;
use std::time::Instant;

use echoloop::{Context, Id, Peer, Service, TimerId};

use super::lane::Finder;
use super::meter::{CONTROL, Meter, nanos};
use super::pacer::Pacer;
use super::phase::{Phase, Standing};
use super::wheel::Wheel;
use super::worker::Generator;

/// Bytes in front of each datagram: its number and its place, to find it by when it comes back.
pub(super) const HEADER: usize = 8;

/// Most datagrams on their way at a time, each socket: the place has 16 bits, and the record of what
/// has been answered four times as many.
pub(super) const DEPTH: usize = 1024;

/// The last datagrams of a socket of which it is known whether they were answered.
const RECORD: usize = 4 * DEPTH;

/// Datagrams that share one look at the clock: of one socket, in one turn.
const GLANCE: u32 = 32;

/// A datagram on its way.
#[derive(Clone, Copy, Default)]
struct Flight {
    number: u32,
    place: u16,
    on_its_way: bool,
    sent: u64,
    due: u64,
}

/// One socket.
struct Lane {
    id: Option<Id>,
    /// A place each for as many as may be on their way.
    flights: Box<[Flight]>,
    free: Vec<u16>,
    /// How many may be on their way now. Begins with one and grows with each reply, so that the first
    /// datagrams of many sockets don't come in one burst, which would overflow the server's buffer.
    window: usize,
    /// The number of the next datagram.
    next: u32,
    /// The highest number that was answered, and one more.
    highest: u32,
    /// Which of the last were answered, a bit each.
    answered: Box<[u64]>,
    /// Open loop: when those are due that wait for a free place.
    due: std::collections::VecDeque<u64>,
}

/// Load on datagram sockets, each connected to the server. A reply takes the place of its datagram, and the
/// next one is sent; so does the end of the waiting for one that is lost.
///
/// ```text
///   datagram:   number │ place │ bytes of the wheel, from where number and place say
///               4      │ 2 + 2 │
/// ```
pub(super) struct Datagrams {
    meter: Meter,
    wheel: Wheel,
    lanes: Vec<Lane>,
    finder: Finder,
    pacer: Option<Pacer>,
    /// Of the first lane, among those of all workers.
    first: u64,
    scratch: Vec<u8>,
    /// The last look at the clock: in which turn, for which socket, how often it may still serve.
    glance: (Instant, Option<Id>, u32),
    now: u64,
    looked: u64,
    began: bool,
    control: Option<TimerId>,
    pending: u64,
}

impl Lane {
    fn new(depth: usize, window: usize) -> Lane {
        Lane {
            id: None,
            flights: vec![Flight::default(); depth].into(),
            free: (0..depth as u16).rev().collect(),
            window,
            next: 0,
            highest: 0,
            answered: vec![0; RECORD / 64].into(),
            due: Default::default(),
        }
    }

    /// Whether this one was answered, as far as anybody remembers; and remembers what it is now.
    fn record(&mut self, number: u32, answered: bool) -> bool {
        let bit = number as usize % RECORD;
        let word = &mut self.answered[bit / 64];
        let before = *word >> (bit % 64) & 1 == 1;
        *word = *word & !(1 << (bit % 64)) | u64::from(answered) << (bit % 64);
        before
    }
}

impl Datagrams {
    pub(super) fn new(meter: Meter, first: u64) -> Datagrams {
        let load = &meter.load;
        let window = if load.rate.is_some() { load.depth } else { 1 };
        Datagrams {
            lanes: (0..load.connections).map(|_| Lane::new(load.depth, window)).collect(),
            scratch: vec![0; load.size],
            meter,
            wheel: Wheel::new(),
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
        while self.meter.is_on()
            && let Some(pacer) = &mut self.pacer
            && let Some((index, due)) = pacer.next(now)
        {
            self.meter.recent.late.saturating_record(now - due);
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
        let mut cx = cx.on(id);
        loop {
            let lane = &mut self.lanes[index];
            if lane.flights.len() - lane.free.len() >= lane.window {
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
            let Some(place) = lane.free.pop() else { return };
            let number = lane.next;
            lane.next = lane.next.wrapping_add(1);
            lane.record(number, false);
            lane.flights[usize::from(place)] =
                Flight { number, place, on_its_way: true, sent: now, due };
            self.write(index, number, place);
            cx.send(&self.scratch);
        }
    }

    /// Makes a datagram.
    fn write(&mut self, index: usize, number: u32, place: u16) {
        let (header, body) = self.scratch.split_at_mut(HEADER);
        header[..4].copy_from_slice(&number.to_be_bytes());
        header[4..6].copy_from_slice(&place.to_be_bytes());
        let tag = (self.first + index as u64) as u16;
        header[6..].copy_from_slice(&tag.to_be_bytes());
        body.copy_from_slice(self.wheel.at(body_of(number, place, tag), body.len()));
    }

    /// Compares a reply with what it must be, and finds its place.
    fn check(&mut self, index: usize, payload: &[u8]) -> Option<(u32, usize)> {
        let size = self.meter.load.size;
        if payload.len() != size {
            self.meter.tally.wrong(|| {
                format!("socket {index}: a reply of {} bytes instead of {size}", payload.len())
            });
            return None;
        }
        let (header, body) = payload.split_at(HEADER);
        let number = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let place = u16::from_be_bytes([header[4], header[5]]);
        let tag = u16::from_be_bytes([header[6], header[7]]);
        let lane = &self.lanes[index];
        let begun = lane.next.wrapping_sub(number).wrapping_sub(1) < u32::MAX / 2;
        let right = tag == (self.first + index as u64) as u16
            && begun
            && usize::from(place) < lane.flights.len()
            && self.wheel.compare(body_of(number, place, tag), body).is_ok();
        if !right {
            self.meter.tally.wrong(|| format!("socket {index}: wrong bytes in a reply"));
            return None;
        }
        Some((number, place.into()))
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

/// Where on the wheel the body of a datagram begins.
fn body_of(number: u32, place: u16, tag: u16) -> u32 {
    Wheel::place(u64::from(number) + (u64::from(place) << 21) + (u64::from(tag) << 40))
}

impl Generator for Datagrams {
    fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }
}

impl Service for Datagrams {
    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let Some(index) = self.finder.find(cx.id()) else { return };
        let now = self.glance(cx);
        let Some((number, place)) = self.check(index, payload) else { return };
        let lane = &mut self.lanes[index];
        let flight = &mut lane.flights[place];
        if !flight.on_its_way || flight.number != number {
            let errors = &mut self.meter.tally.errors;
            *if lane.record(number, true) { &mut errors.duplicates } else { &mut errors.late } += 1;
            return;
        }
        flight.on_its_way = false;
        let Flight { sent, due, .. } = *flight;
        lane.free.push(place as u16);
        lane.record(number, true);
        if number.wrapping_sub(lane.highest) < u32::MAX / 2 {
            lane.highest = number.wrapping_add(1);
        } else {
            self.meter.tally.errors.reordered += 1;
        }
        lane.window = (lane.window + 1).min(lane.flights.len());
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
        if self.control.is_none() {
            self.open(cx);
        }
        if self.control.is_none_or(|control| control == timer) {
            self.control(cx);
        } else {
            let now = self.meter.now();
            self.pace(cx, now);
            self.wait_for_due(cx);
        }
    }
}
