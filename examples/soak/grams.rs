//! Datagrams of all lengths, over UDP and Unix sockets: each answer must be that of a datagram that was sent. Some
//! may be lost, since the kernel drops what a queue has no room for; but not when nothing else goes on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use echoloop::{Context, Endpoint, Id, Peer, Service, TimerId};

use super::crowd::{Pace, TICK};
use super::forged::Forger;
use super::speech::{Dice, LINE, Speech};
use super::tally::{PATIENCE, Tally, add};

/// After so long a datagram or its answer is taken for lost. It may still come.
const LOST: Duration = Duration::from_secs(5);

/// Lost ones that are remembered, each socket.
const REMEMBERED: usize = 64;

/// One datagram in so many is the last one of its socket, whose answer finds nobody.
const LIFE: u64 = 2000;

/// A socket: where it is connected to, and what it sends.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) to: Endpoint,
    pub(crate) is_pong: bool,
    /// Datagrams without an answer at most.
    pub(crate) window: usize,
    /// Short ones, the wait for which is measured.
    pub(crate) is_whisper: bool,
}

/// A socket and what it has sent.
struct Gram {
    post: Post,
    speech: Speech,
    /// Where in its speech the next datagram begins: each has bytes of its own.
    next: u64,
    unanswered: VecDeque<Sent>,
    lost: VecDeque<Sent>,
    /// When it was last told something, or had nothing to wait for.
    heard: Duration,
    /// The last datagram of all is under way, or was answered.
    last: Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    NotYet,
    UnderWay,
    Answered,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    begin: u64,
    length: usize,
    at: Duration,
}

/// All datagram sockets of one thread.
pub(crate) struct Grams {
    tally: Arc<Tally>,
    dice: Dice,
    pace: Option<Pace>,
    forger: Option<Forger>,
    sockets: HashMap<Id, Gram>,
    buffer: Vec<u8>,
    rested: Duration,
}

impl Service for Grams {
    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        let (id, now) = (cx.id(), self.tally.moment());
        let Some(gram) = self.sockets.get_mut(&id) else { return };
        add(&self.tally.messages, 1);
        add(&self.tally.bytes, payload.len());
        let Some(sent) = gram.find(payload) else {
            let to = &gram.post.to;
            let length = payload.len();
            self.tally.fault(format!(
                "wrong byte: a datagram of {length} bytes from {to} answers none that was sent"
            ));
            return;
        };
        gram.heard = now;
        if gram.last == Last::UnderWay && gram.unanswered.is_empty() {
            gram.last = Last::Answered;
        }
        if gram.post.is_whisper {
            self.tally.waited(now.saturating_sub(sent.at));
        } else {
            self.send(cx);
        }
    }

    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        let now = self.tally.moment();
        let is_calm = self.tally.is_calm();
        if let Some(forger) = self.forger.as_mut().filter(|_| !is_calm) {
            forger.send(&self.tally, &mut self.dice, now);
        }
        let rests = now.saturating_sub(self.rested) < Duration::from_millis(20);
        if !rests {
            self.rested = now;
        }
        let ids: Vec<Id> = self.sockets.keys().copied().collect();
        for id in ids {
            let Some(gram) = self.sockets.get_mut(&id) else { continue };
            gram.give_up(now, &self.tally);
            match is_calm {
                true => self.send_last(&mut cx.source(id), now),
                false if self.sockets[&id].post.is_whisper && rests => {}
                false => self.send(&mut cx.source(id)),
            }
        }
    }
}

impl Grams {
    pub(crate) fn new(
        tally: Arc<Tally>,
        seed: u64,
        pace: Option<Pace>,
        forger: Option<Forger>,
    ) -> Grams {
        let (sockets, buffer, rested) = (HashMap::new(), vec![0; 65_536], Duration::ZERO);
        Grams { tally, dice: Dice::new(seed), pace, forger, sockets, buffer, rested }
    }

    /// Begins with one socket for each post.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        posts: Vec<Post>,
    ) -> Result<(), echoloop::Error> {
        posts.into_iter().try_for_each(|post| self.open(cx, post))?;
        cx.every(TICK);
        Ok(())
    }

    /// Whether all of them had the answer to their last one.
    pub(crate) fn is_done(&self) -> bool {
        self.sockets.values().all(|gram| gram.last == Last::Answered)
    }

    fn open(&mut self, cx: &mut Context<'_>, post: Post) -> Result<(), echoloop::Error> {
        let id = cx.connect(&post.to)?;
        let speech = if post.is_pong { Speech::Pong } else { Speech::Echo(self.dice.number()) };
        let heard = self.tally.moment();
        let (unanswered, lost) = (VecDeque::new(), VecDeque::new());
        let gram = Gram { post, speech, next: 0, unanswered, lost, heard, last: Last::NotYet };
        self.sockets.insert(id, gram);
        Ok(())
    }

    /// As many as there may be without an answer.
    fn send(&mut self, cx: &mut Context<'_>) {
        let id = cx.id();
        while let Some(gram) = self.sockets.get(&id)
            && gram.unanswered.len() < gram.post.window
            && !self.tally.is_calm()
            && self.pace.as_mut().is_none_or(Pace::take)
        {
            let length = self.length(&id);
            self.send_one(cx, length);
            let is_last = !self.sockets[&id].post.is_whisper && self.dice.between(1, LIFE) == 1;
            if is_last && let Some(gram) = self.sockets.remove(&id) {
                cx.close();
                if let Err(error) = self.open(cx, gram.post) {
                    self.tally.fault(echoloop::describe(&error));
                }
                return;
            }
        }
    }

    fn length(&mut self, id: &Id) -> usize {
        let post = &self.sockets[id].post;
        match (post.is_pong, post.is_whisper) {
            (true, _) => LINE as usize,
            (_, true) => 64,
            _ => {
                let any = self.dice.between(0, 65_507) as usize;
                let few = self.dice.between(1, 100) as usize;
                self.dice.one_of(&[0, 1, 64, few, 1472, few, any, 65_507])
            }
        }
    }

    fn send_one(&mut self, cx: &mut Context<'_>, length: usize) {
        let Some(gram) = self.sockets.get_mut(&cx.id()) else { return };
        let payload = &mut self.buffer[..length];
        gram.speech.say(gram.next, payload);
        let at = self.tally.moment();
        if gram.unanswered.is_empty() {
            gram.heard = at;
        }
        gram.unanswered.push_back(Sent { begin: gram.next, length, at });
        gram.next += (length as u64).next_multiple_of(LINE);
        cx.send_all(payload);
    }

    /// Nothing else goes on: one more, which must not be lost.
    fn send_last(&mut self, cx: &mut Context<'_>, now: Duration) {
        let Some(gram) = self.sockets.get_mut(&cx.id()) else { return };
        match gram.last {
            Last::NotYet if gram.unanswered.is_empty() => {
                gram.last = Last::UnderWay;
                self.send_one(cx, LINE as usize);
            }
            Last::UnderWay if now.saturating_sub(gram.heard) > LOST => {
                let to = &gram.post.to;
                self.tally.fault(format!(
                    "lost answer: a datagram to {to} was not answered, although nothing else was under way"
                ));
            }
            _ => {}
        }
    }
}

impl Gram {
    /// The datagram that this answers. It may have been taken for lost.
    fn find(&mut self, payload: &[u8]) -> Option<Sent> {
        let speech = self.speech;
        let is_it = |sent: &Sent| {
            let answer = speech.answers(sent.begin);
            speech.answers(sent.length as u64) == payload.len() as u64
                && speech.check(answer, payload).is_ok()
        };
        if let Some(at) = self.unanswered.iter().position(is_it) {
            return self.unanswered.remove(at);
        }
        let at = self.lost.iter().position(is_it)?;
        self.lost.remove(at)
    }

    /// Those that have no answer by now.
    fn give_up(&mut self, now: Duration, tally: &Tally) {
        while let Some(sent) = self.unanswered.front()
            && now.saturating_sub(sent.at) > LOST
            && self.last == Last::NotYet
        {
            add(&tally.lost, 1);
            self.lost.extend(self.unanswered.pop_front());
            if self.lost.len() > REMEMBERED {
                self.lost.pop_front();
            }
        }
        if !self.unanswered.is_empty() && now.saturating_sub(self.heard) > PATIENCE {
            let (to, seconds) = (&self.post.to, PATIENCE.as_secs());
            tally.fault(format!("lost answer: {to} has answered no datagram for {seconds} s"));
        }
    }
}
