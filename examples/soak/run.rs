//! From the start of the server to the verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Wish;
use super::forged::Forger;
use super::load::Part;
use super::server::{Figures, Server};
use super::speech::Dice;
use super::support::{Failure, say};
use super::tally::Tally;
use super::verdict::Memory;

/// The main thread: watches the server, stops it now and then, and judges.
struct Watch {
    server: Server,
    tally: Arc<Tally>,
    memory: Memory,
    dice: Dice,
    began: Instant,
    duration: Duration,
    /// Within this, what the clients have left must have been noticed.
    settle: Duration,
    /// How long the load has lasted.
    lasted: Duration,
    stops: u64,
    /// Somebody wants the verdict now.
    is_interrupted: Arc<AtomicBool>,
    /// What had been done when the last line was printed.
    before: [u64; 3],
    figures: Figures,
}

pub(crate) fn run(mut wish: Wish) -> Result<(), Failure> {
    let descriptors = raise_descriptor_limit();
    if descriptors < wish.connections as u64 + 100 {
        let connections = wish.connections;
        return Err(Failure::new(format!(
            "--connections {connections}: there are {descriptors} descriptors, ulimit -n"
        )));
    }
    let directory = tempfile::tempdir()?;
    let server = Server::start(&mut wish.server, directory.path())?;
    say(format_args!("seed {}, server {}", wish.seed, server.id()));
    let base = server.look().map_err(Failure::new)?;
    let tally = Arc::new(Tally::new());
    let forger = Forger::new(&[&server.udp_echo, &server.udp_pong]);
    let forger = forger.inspect_err(|error| {
        say(format_args!("left out: forged datagrams, {}", echoloop::describe(error)));
    });
    let forges = forger.is_ok();
    let crowd = Part::crowd(&server, &tally, wish.seed, wish.pace, wish.connections, forger.ok());
    let whispers = Part::whispers(&server, &tally, wish.seed);
    let threads = [crowd.start("crowd", &tally)?, whispers.start("whispers", &tally)?];
    let mut watch = Watch {
        server,
        tally,
        memory: Memory::default(),
        dice: Dice::new(wish.seed),
        began: Instant::now(),
        duration: wish.duration,
        settle: wish.settle,
        lasted: Duration::ZERO,
        stops: 0,
        is_interrupted: interrupted()?,
        before: [0; 3],
        figures: base,
    };
    let watched = watch.watch(wish.every);
    watch.tally.calm_down();
    // Of a server that has ended, clients tell first and understand less: its sockets close a moment before.
    let mut ended = watch.check_server();
    let asked = Instant::now();
    while ended.is_ok() && watch.has_failed(&watched) && asked.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(5));
        ended = watch.check_server();
    }
    if let Err(fault) = ended.and(watched) {
        watch.tally.put_first(fault);
    }
    for thread in threads {
        if thread.join().is_err() {
            watch.tally.fault("a thread of the load has panicked".to_owned());
        }
    }
    let found = watch.judge(base, forges);
    let faults = watch.tally.faults();
    match faults.first().cloned().map_or(found, Err) {
        Ok(summary) => {
            say(format_args!("passed: {summary}"));
            Ok(())
        }
        Err(fault) => Err(Failure::new(format!("failed: {fault}; seed {}", wish.seed))),
    }
}

impl Watch {
    /// Until the time is over, or something is wrong.
    fn watch(&mut self, every: Duration) -> Result<(), String> {
        say(
            "    time    messages      MiB  connected    open  memory  descriptors  longest      p99    lost  stops",
        );
        let look = Duration::from_secs(1).min(self.duration / 80);
        // The first fifth is for warming up, of memory above all.
        let warm = self.duration / 5;
        let (mut looks, mut prints, mut stops) = (look, every, self.next_stop(Duration::ZERO));
        while !self.tally.has_failed() {
            let now = self.began.elapsed();
            self.lasted = now;
            self.check_server()?;
            if now >= looks {
                self.figures = self.server.look()?;
                if now >= warm {
                    self.memory.note(self.figures.memory);
                }
                looks = now + look;
            }
            let is_over = now >= self.duration || self.is_interrupted.load(Ordering::Relaxed);
            if now >= prints || is_over {
                self.print(now);
                prints += every;
            }
            if is_over {
                return Ok(());
            }
            if now >= stops {
                self.stop_for_a_moment()?;
                stops = self.next_stop(now);
            }
            let next = looks.min(prints).min(stops).min(self.duration);
            // A fault ends it soon.
            thread::sleep(
                next.saturating_sub(self.began.elapsed()).min(Duration::from_millis(100)),
            );
        }
        Ok(())
    }

    fn has_failed(&self, watched: &Result<(), String>) -> bool {
        watched.is_err() || self.tally.has_failed()
    }

    fn check_server(&mut self) -> Result<(), String> {
        match self.server.ended() {
            Some(status) => Err(format!("the server has ended by itself, with {status}")),
            None => Ok(()),
        }
    }

    /// Some time after this moment: five times in a short run, every quarter of a minute in a long one.
    fn next_stop(&mut self, now: Duration) -> Duration {
        let mean = Duration::from_secs(15).min(self.duration / 5).as_millis() as u64;
        now + Duration::from_millis(self.dice.between(mean / 4, 2 * mean))
    }

    fn stop_for_a_moment(&mut self) -> Result<(), String> {
        let length = Duration::from_millis(self.dice.between(1, 800));
        self.tally.set_stopped(true);
        self.server.signal(Signal::STOP)?;
        thread::sleep(length);
        self.server.signal(Signal::CONT)?;
        self.tally.set_stopped(false);
        self.stops += 1;
        Ok(())
    }

    fn print(&mut self, now: Duration) {
        let tally = &self.tally;
        let done = [&tally.messages, &tally.bytes, &tally.connections]
            .map(|counter| counter.load(Ordering::Relaxed));
        let [messages, bytes, connections] = [0, 1, 2].map(|it| done[it] - self.before[it]);
        self.before = done;
        let (longest, p99) = tally.take_waits();
        let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        let Figures { memory, descriptors, open, .. } = self.figures;
        say(format_args!(
            "{:>6} s {messages:>11} {:>8} {connections:>10} {open:>7} {:>4.1} M {descriptors:>12} {:>11} {:>9} {:>5} {:>6}",
            now.as_secs(),
            bytes >> 20,
            memory as f64 / f64::from(1 << 20),
            millis(longest),
            millis(p99),
            tally.lost.load(Ordering::Relaxed),
            self.stops,
        ));
    }

    /// The load has been taken away: what must be true now. Returns what is to be said of it.
    fn judge(&mut self, base: Figures, forges: bool) -> Result<String, String> {
        if self.tally.has_failed() {
            return Ok(String::new());
        }
        let settled = self.settle(base)?;
        let memory = match self.memory.verdict()? {
            Some(medians) => {
                let [a, b, c, d] = medians.map(|median| median as f64 / f64::from(1 << 20));
                format!(
                    "memory {a:.1}, {b:.1}, {c:.1}, {d:.1} MiB in the quarters after warming up"
                )
            }
            None => "memory not judged, in so short a time".to_owned(),
        };
        let forged = self.tally.forged.load(Ordering::Relaxed);
        if forges && forged > 0 && settled.forbidden == 0 {
            return Err(format!("of {forged} forged datagrams none was found out"));
        }
        self.server.end()?;
        let tally = &self.tally;
        let [messages, bytes, connections] = [&tally.messages, &tally.bytes, &tally.connections]
            .map(|counter| counter.load(Ordering::Relaxed));
        Ok(format!(
            "{messages} messages, {} MiB and {connections} connections in {} s, {forged} forged datagrams, {} stops; \
             {memory}; {} descriptors before and {} after; SIGTERM ended it with status 0",
            bytes >> 20,
            self.lasted.as_secs(),
            self.stops,
            base.descriptors,
            settled.descriptors,
        ))
    }

    /// Waits until the server has as many descriptors as before, and no datagram comes to it.
    fn settle(&mut self, base: Figures) -> Result<Figures, String> {
        let began = Instant::now();
        let mut before = self.server.look()?;
        loop {
            thread::sleep(Duration::from_millis(200));
            let now = self.server.look()?;
            let is_quiet = now.datagrams == before.datagrams;
            if now.descriptors <= base.descriptors && is_quiet {
                return Ok(now);
            }
            if began.elapsed() > self.settle {
                let seconds = self.settle.as_secs_f64();
                return Err(match is_quiet {
                    true => format!(
                        "descriptors: the server had {} before the load and has {} {seconds} s after it",
                        base.descriptors, now.descriptors
                    ),
                    false => format!("datagrams still fly {seconds} s after the load"),
                });
            }
            before = now;
        }
    }
}

/// Set by Ctrl-C and SIGTERM, which end the load and not the judging.
fn interrupted() -> std::io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(flag)
}

/// Up to the hard limit. Returns what holds then.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let current = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| raised.current);
    current.unwrap_or(u64::MAX)
}
