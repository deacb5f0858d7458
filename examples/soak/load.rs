//! The two threads of the load: one for the crowd, one for those whose waits are measured, so that they don't
//! wait for our own loop.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoloop::{Config, Reactor, Sessions};

use super::crowd::{Crowd, Pace, TICK};
use super::forged::Forger;
use super::grams::{Grams, Post};
use super::plan::Kind;
use super::server::Server;
use super::talk::Talk;
use super::tally::{PATIENCE, Tally};

/// What one thread does.
pub(crate) struct Part {
    crowd: Crowd,
    grams: Grams,
    posts: Vec<Post>,
}

impl Part {
    /// Everything that isn't a whisper: so many connections at once.
    pub(crate) fn crowd(
        server: &Server,
        tally: &Arc<Tally>,
        seed: u64,
        pace: Option<u32>,
        connections: usize,
        forger: Option<Forger>,
    ) -> Part {
        let (churn, dribble) = ((connections / 16).clamp(4, 64), (connections / 16).max(4));
        let rest = connections.saturating_sub(8 + 8 + 2 + churn + dribble);
        let kinds = [
            (Kind::Idle, rest),
            (Kind::Churn, churn),
            (Kind::Flood, 8),
            (Kind::Deaf, 8),
            (Kind::Dribble, dribble),
            (Kind::Endless, 2),
        ];
        // A fifth of what may be begun is datagrams.
        let streams = pace.map(|pace| Pace::new(pace - pace / 5));
        let datagrams = pace.map(|pace| Pace::new(pace / 5));
        let mut posts = posts(server, false);
        posts.extend(posts.clone());
        Part {
            crowd: Crowd::new(tally.clone(), server.doors.clone(), seed, streams, &kinds),
            grams: Grams::new(tally.clone(), seed, datagrams, forger),
            posts,
        }
    }

    /// Whispers alone.
    pub(crate) fn whispers(server: &Server, tally: &Arc<Tally>, seed: u64) -> Part {
        let seed = !seed;
        let kinds = [(Kind::Whisper, 8)];
        Part {
            crowd: Crowd::new(tally.clone(), server.doors.clone(), seed, None, &kinds),
            grams: Grams::new(tally.clone(), seed, None, None),
            posts: posts(server, true),
        }
    }

    /// Begins, and goes on until it has been told to calm down and everything has come to its end.
    pub(crate) fn start(self, name: &str, tally: &Arc<Tally>) -> std::io::Result<JoinHandle<()>> {
        let tally = tally.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = self.run(&tally) {
                tally.fault(format!("the load has failed: {}", echoloop::describe(&error)));
            }
        })
    }

    fn run(self, tally: &Tally) -> Result<(), echoloop::Error> {
        let Part { crowd, mut grams, posts } = self;
        // None of our own limits may be what ends a connection.
        let config = Config { connect_timeout: PATIENCE, linger: PATIENCE, ..Config::default() };
        let mut reactor = Reactor::new(config)?;
        let crowd = reactor.add(Sessions::<Talk>::new(crowd));
        let mut context = reactor.context(crowd);
        context.every(TICK);
        let grams = reactor.start(|cx| {
            grams.begin(cx, posts)?;
            Ok(grams)
        })?;
        let mut calm = None;
        while !tally.has_failed() {
            reactor.turn(Some(Duration::from_millis(100)))?;
            if !tally.is_calm() {
                continue;
            }
            let since = *calm.get_or_insert_with(Instant::now);
            let left = reactor.with(crowd, |crowd, _| tell_left(crowd)).unwrap_or_default();
            let is_done = reactor.with(grams, |grams, _| grams.is_done()).unwrap_or(true);
            if left.is_empty() && is_done {
                break;
            }
            if since.elapsed() > PATIENCE {
                tally.fault(format!("lost end: a minute after the load was taken away, {left}"));
            }
        }
        Ok(())
    }
}

/// How many connections there are, and one of them. Nothing, if there are none.
fn tell_left(crowd: &Sessions<Talk>) -> String {
    match crowd.iter().next() {
        Some((_, talk)) => format!("{} are there, {}", crowd.len(), talk.tell("one of them")),
        None => String::new(),
    }
}

/// A socket for each kind of endpoint. Few enough under way at Unix sockets that none finds a queue full: there
/// may be ten (net.unix.max_dgram_qlen, unix(7)).
fn posts(server: &Server, is_whisper: bool) -> Vec<Post> {
    let post = |to: &echoloop::Endpoint, is_pong, window| {
        let window = if is_whisper { 1 } else { window };
        Post { to: to.clone(), is_pong, window, is_whisper }
    };
    vec![
        post(&server.udp_echo, false, 4),
        post(&server.udp_pong, true, 4),
        post(&server.unixgram_echo, false, 2),
        post(&server.unixgram_pong, true, 2),
    ]
}
