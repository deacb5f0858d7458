//! A resolver: asks name servers for the addresses of names, all at once, and asks again when no answer comes.
//!
//! `cargo run --example resolver -- --server udp://SERVER:53 [--server ...] [--timeout SECONDS] [--rounds COUNT]
//! NAME...`
//!
//! UDP loses datagrams, delays and doubles them, and anybody can send one under any address. So:
//!
//! - A question without an answer is asked again, at the next server, and when all have been asked, at the first
//!   again with twice the time. Default: 0.5 s, four rounds, which is 7.5 s with one server.
//! - Each time it leaves from another port, which the kernel chooses, by a socket that is connected: what comes from
//!   elsewhere never gets here. The answer must have the question's number, drawn at random, and repeat the
//!   question. What doesn't is dropped and counted (RFC 5452).
//! - An answer to an earlier try is an answer: the sockets of all tries stay until the first one comes. What comes
//!   after that finds no socket.
//! - A server that says it can't, or that isn't there, is not waited for.
//! - An answer that doesn't fit into a datagram is asked for again over TCP (RFC 7766), where two bytes stand
//!   before each message and say how long it is.
//!
//! One service does all of it. The word of a timer is the number of the question that it is about.

mod support;

#[path = "resolver/wire.rs"]
mod wire;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use echoloop::{
    Cause, Config, Context, Endpoint, Frames, Id, Peer, Reactor, Service, Stop, TimerId, Width,
};
use support::{Arguments, Failure, say};
use wire::Answer;

struct Resolver {
    servers: Vec<Endpoint>,
    timeout: Duration,
    rounds: usize,
    queries: Vec<Query>,
    /// The sockets of all tries.
    tries: HashMap<Id, Try>,
    /// Messages that answered no question of ours.
    dropped: u64,
    failures: usize,
}

struct Query {
    name: String,
    question: Vec<u8>,
    tries: usize,
    timer: Option<TimerId>,
    is_done: bool,
}

#[derive(Clone, Copy)]
struct Try {
    query: usize,
    server: usize,
    is_tcp: bool,
}

impl Service for Resolver {
    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        self.heard(cx, payload);
    }

    /// Nobody listens there.
    fn unreachable(&mut self, cx: &mut Context<'_>, _error: &io::Error) {
        self.failed(cx);
    }

    /// Connected, over TCP.
    fn opened(&mut self, cx: &mut Context<'_>) {
        let Some(&Try { query, .. }) = self.tries.get(&cx.id()) else { return };
        let question = &self.queries[query].question;
        if let Ok(length) = frames().header(question.len()) {
            cx.send_all(length.as_ref());
            cx.send_all(question);
        }
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        match frames().next(input) {
            Ok(Some(frame)) => {
                self.heard(cx, frame.payload);
                frame.len()
            }
            _ => 0,
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
        self.failed(cx);
    }

    /// No answer in time: again.
    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        self.ask(cx, cx.word() as usize);
    }
}

/// Messages over TCP.
fn frames() -> Frames {
    Frames::new(Width::U16, usize::from(u16::MAX))
}

impl Resolver {
    /// Asks the next server, if it isn't enough.
    fn ask(&mut self, cx: &mut Context<'_>, number: usize) {
        let query = &mut self.queries[number];
        let (round, server) = (query.tries / self.servers.len(), query.tries % self.servers.len());
        query.timer.take().map(|timer| cx.cancel(timer));
        if round == self.rounds {
            let tries = query.tries;
            return self.done(cx, number, Err(format!("no answer to {tries} questions")));
        }
        query.tries += 1;
        query.timer = Some(cx.after_with(self.timeout * (1 << round), number as u64));
        match cx.connect(&self.servers[server]) {
            Ok(socket) => {
                cx.source(socket).send(&self.queries[number].question);
                self.tries.insert(socket, Try { query: number, server, is_tcp: false });
            }
            Err(error) => say(echoloop::describe(&error)), // The timer tries the next one.
        }
    }

    /// Something has come by this socket.
    fn heard(&mut self, cx: &mut Context<'_>, message: &[u8]) {
        let Some(&Try { query, server, is_tcp }) = self.tries.get(&cx.id()) else { return };
        match wire::answer(&self.queries[query].question, message) {
            Some(Answer::Addresses(addresses)) => self.done(cx, query, Ok(addresses)),
            Some(Answer::NoSuchName) => self.done(cx, query, Err("no such name".to_owned())),
            Some(Answer::Truncated) if !is_tcp => self.ask_over_tcp(cx, query, server),
            Some(Answer::Refused(_) | Answer::Truncated) => self.failed(cx),
            None => self.dropped += 1,
        }
    }

    /// This try leads nowhere. If it was the last one, it isn't waited for.
    fn failed(&mut self, cx: &mut Context<'_>) {
        let Some(it) = self.tries.remove(&cx.id()) else { return };
        cx.close();
        if !self.tries.values().any(|other| other.query == it.query) {
            self.ask(cx, it.query);
        }
    }

    /// The same server, in place of the try that has found out.
    fn ask_over_tcp(&mut self, cx: &mut Context<'_>, query: usize, server: usize) {
        let Endpoint::Udp { host, port } = &self.servers[server] else { return };
        match cx.connect(&Endpoint::Tcp { host: host.clone(), port: *port }) {
            Ok(connection) => {
                self.tries.insert(connection, Try { query, server, is_tcp: true });
                self.tries.remove(&cx.id());
                cx.close();
            }
            Err(_) => self.failed(cx),
        }
    }

    /// The first answer counts, and nothing more is heard of this question.
    fn done(&mut self, cx: &mut Context<'_>, number: usize, answer: Result<Vec<Ipv4Addr>, String>) {
        let query = &mut self.queries[number];
        query.is_done = true;
        query.timer.take().map(|timer| cx.cancel(timer));
        let sockets = self.tries.extract_if(|_, it| it.query == number);
        sockets.for_each(|(socket, _)| cx.source(socket).close());
        let list: Vec<_> = answer.iter().flatten().map(Ipv4Addr::to_string).collect();
        self.failures += usize::from(list.is_empty());
        match answer {
            Err(why) => say(format_args!("{}: {why}", query.name)),
            Ok(_) if list.is_empty() => say(format_args!("{}: no address", query.name)),
            Ok(_) => say(format_args!("{}: {}", query.name, list.join(" "))),
        }
        if self.queries.iter().all(|query| query.is_done) {
            cx.stop(Stop::Gracefully);
        }
    }
}

fn main() -> Result<(), Failure> {
    let usage = "resolver --server udp://SERVER:53 [--server ...] [--timeout SECONDS] [--rounds COUNT]\n       \
                 NAME...";
    let mut arguments = Arguments::new(usage)?;
    let timeout = Duration::try_from_secs_f64(arguments.option("--timeout", 0.5)?)?;
    let rounds = arguments.option("--rounds", 4)?;
    let mut servers = Vec::new();
    while let Some(text) = arguments.text("--server")? {
        match text.parse()? {
            server @ Endpoint::Udp { .. } => servers.push(server),
            _ => {
                return Err(Failure::new(format!(
                    "{text} won't do, it must be something like udp://9.9.9.9:53"
                )));
            }
        }
    }
    let random = RandomState::new();
    let names = std::iter::from_fn(|| arguments.next()).enumerate();
    let queries = names.map(|(number, name)| {
        let question = wire::question(random.hash_one(number) as u16, &name);
        let question = question.map_err(|why| Failure::new(format!("{name}: {why}")))?;
        Ok(Query { name, question, tries: 0, timer: None, is_done: false })
    });
    let queries = queries.collect::<Result<Vec<_>, Failure>>()?;
    if servers.is_empty() || queries.is_empty() || !(1..=10).contains(&rounds) {
        let why = "it takes a --server, a name, and 1 to 10 --rounds";
        return Err(Failure::new(format!("{why}: {usage}")));
    }
    // The longest message over TCP, and its length.
    let mut reactor = Reactor::new(Config { input_limit: 2 + 65_535, ..Config::default() })?;
    reactor.stop_on_signals()?;
    let (tries, dropped, failures, count) = (HashMap::new(), 0, 0, queries.len());
    let resolver = Resolver { servers, timeout, rounds, queries, tries, dropped, failures };
    let resolver = reactor.add(resolver);
    reactor.with(resolver, |resolver, cx| (0..count).for_each(|number| resolver.ask(cx, number)));
    reactor.run()?;
    let ending = reactor.with(resolver, |resolver, _| {
        let undone = resolver.queries.iter().filter(|query| !query.is_done).count();
        (resolver.failures + undone, resolver.dropped)
    });
    let (failures, dropped) = ending.unwrap_or_default();
    if dropped > 0 {
        say(format_args!("{dropped} messages were no answers, and were dropped"));
    }
    match failures {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failures} of {count} names have no address"))),
    }
}
