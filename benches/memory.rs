//! What a stream in memory costs beside one of TCP's: `cargo bench --bench memory`. Both ends are in one
//! reactor, a service each; all the processor time of the process is counted, the kernel's too.
//!
//! ```text
//!   connections        tcp        mem    times      (round trips a second of processor time)
//! ```

use std::time::Duration;

use echoloop::{Address, Config, Context, Echo, Endpoint, Reactor, Service};
use rustix::time::{ClockId, clock_gettime};

const MESSAGE: [u8; 64] = [7; 64];

/// Sends the next message when the last has come back.
struct Player;

impl Service for Player {
    fn opened(&mut self, cx: &mut Context<'_>) {
        cx.send(&MESSAGE);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if input.len() < MESSAGE.len() {
            return 0;
        }
        cx.send(input)
    }
}

fn main() {
    println!("connections        tcp        mem    times");
    for connections in [1, 16, 256] {
        let [tcp, mem] = ["tcp://127.0.0.1:0", "mem://echo"].map(|at| rate(at, connections));
        println!("{connections:11} {tcp:10.0} {mem:10.0} {:8.1}", mem / tcp);
    }
}

/// Round trips for each second of processor time.
fn rate(at: &str, connections: usize) -> f64 {
    const ROUND_TRIPS: u64 = 200_000;

    let mut reactor = Reactor::new(Config::default()).expect("a reactor");
    let mut at: Endpoint = at.parse().expect("an endpoint");
    let listener = reactor.listen(&at, Echo).expect("a listener");
    if let Some(Address::Ip(bound)) = reactor.local(listener) {
        at = bound.into();
    }
    let player = reactor.add(Player);
    for _ in 0..connections {
        reactor.context(player).connect(&at).expect("a connection");
    }
    let mut measured = |round_trips: u64| {
        let (end, start) = (reactor.statistics().messages_in + 2 * round_trips, processor_time());
        while reactor.statistics().messages_in < end {
            reactor.turn(Some(Duration::from_secs(1))).expect("a turn");
        }
        processor_time() - start
    };
    measured(ROUND_TRIPS / 10);
    ROUND_TRIPS as f64 / measured(ROUND_TRIPS).as_secs_f64()
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
