//! Whole simulated runs.

use std::time::Duration;

use echoloop::{Client, Config, Echo, Endpoint, Faults, Pong, Script, ServiceId, Simulation, Stop};

use crate::dice::Dice;

/// Longer than any timeout of these worlds.
const LONG: Duration = Duration::from_secs(300);

/// Turns in succession in which nothing happens and no time passes: a few, where a stop goes from one phase to
/// the next. A loop that spins has no end of them.
const IDLE_TURNS: u32 = 10;

/// More than any world of these needs.
const TURNS: u64 = 1_000_000;

/// The first bytes are the configuration and what the clients do; the rest is chance.
pub fn worlds(input: &[u8]) {
    let trace = World::new(input).live();
    // Some worlds twice: the same bytes, the same world.
    if input.first().is_some_and(|first| first % 16 == 0) {
        assert_eq!(World::new(input).live(), trace);
    }
}

struct World {
    simulation: Simulation,
    config: Config,
    /// Whether nothing may be lost.
    is_kind: bool,
    clients: Vec<(Vec<u8>, Client)>,
    whispers: Vec<Client>,
    idle_turns: u32,
    stops_since: Option<Duration>,
    nobody: ServiceId<Echo>,
}

fn at(text: &str) -> Endpoint {
    text.parse().expect("it is one")
}

/// What a client sends, and how.
type Plan = (Vec<u8>, Script);

impl World {
    fn new(input: &[u8]) -> World {
        let mut dice = Dice::new(input);
        let kind = dice.byte() / 16 % 4;
        let (is_kind, faults) = match kind {
            0 => (true, Faults::none()),
            1 => (true, Faults::default()),
            _ => (false, Faults::rough()),
        };
        let config = Config {
            output_limit: dice.pick(&[5_000, 20_000, 256 * 1024]),
            input_limit: dice.pick(&[2_000, 10_000, 64 * 1024]),
            buffer_limit: dice.pick(&[30_000, 200_000, 256 << 20]),
            read_buffer: dice.pick(&[4096, 10_000, 64 * 1024]),
            read_budget: dice.pick(&[1, 5_000, 256 * 1024]),
            send_buffer: dice.pick(&[None, Some(4096), Some(9_000)]),
            accept_budget: dice.pick(&[1, 64]),
            datagram_budget: dice.pick(&[1, 5, 256]),
            backlog: dice.pick(&[1, 4096]),
            connections: if is_kind { None } else { dice.pick(&[None, Some(2), Some(50)]) },
            linger: Duration::from_secs(5),
            stop_timeout: dice.pick(&[3, 30].map(Duration::from_secs)),
            idle_timeout: Some(Duration::from_secs(20)),
            ..Config::default()
        };
        let streams: Vec<Plan> = (0..1 + dice.below(4)).map(|_| plan(&mut dice, is_kind)).collect();
        let datagrams: Vec<usize> = (0..dice.below(4)).map(|_| dice.below(2000)).collect();
        let mut simulation = Simulation::from_bytes(dice.rest(), faults, config.clone()).unwrap();
        let reactor = simulation.reactor();
        let nobody = reactor.add(Echo);
        reactor.listen(&at("mem://echo"), Echo).unwrap();
        reactor.listen(&at("memgram://pong"), Pong::default()).unwrap();
        let mut start = |to: &str, script| simulation.client(&at(to), script).unwrap();
        let clients = streams
            .into_iter()
            .map(|(bytes, script)| (bytes, start("mem://echo", script)))
            .collect();
        let whispers = datagrams
            .into_iter()
            .map(|length| {
                let script = Script::new().sends(vec![b'?'; length]).waits(LONG / 10).ends();
                start("memgram://pong", script)
            })
            .collect();
        World {
            simulation,
            config,
            is_kind,
            clients,
            whispers,
            idle_turns: 0,
            stops_since: None,
            nobody,
        }
    }

    /// Until nothing is left to happen, and then a stop.
    fn live(mut self) -> u64 {
        let end = self.simulation.now() + LONG;
        while self.simulation.now() < end
            && !self.simulation.reactor().is_stopped()
            && self.simulation.reactor().poll_timeout().is_some()
        {
            let left = end - self.simulation.now();
            self.turn(left);
        }
        self.look_at_clients();
        self.simulation.reactor().handle().stop(Stop::Gracefully).ok();
        while !self.simulation.reactor().is_stopped() {
            self.simulation.run_for(Duration::ZERO).unwrap(); // It looks whether a handle has anything.
            self.turn(LONG);
        }
        let statistics = self.simulation.reactor().statistics();
        assert_eq!((statistics.open, statistics.buffered), (0, 0));
        assert_eq!(self.simulation.reactor().poll_timeout(), None);
        for (_, client) in &self.clients {
            assert_eq!(client.opened_and_closed().1, 1, "told that it has gone");
        }
        self.simulation.trace()
    }

    /// One turn, and what holds after each.
    fn turn(&mut self, timeout: Duration) {
        let steps = self.simulation.steps();
        let is_busy = self.simulation.reactor().poll_timeout() == Some(Duration::ZERO);
        self.simulation.reactor().turn(Some(timeout)).unwrap();
        let is_idle = is_busy && self.simulation.steps() == steps;
        self.idle_turns = if is_idle { self.idle_turns + 1 } else { 0 };
        assert!(self.idle_turns <= IDLE_TURNS, "the loop spins, and nothing happens");

        let statistics = self.simulation.reactor().statistics();
        assert!(statistics.turns < TURNS, "it goes on and on");
        let most = self.config.buffer_limit + 2 * 4096 * (statistics.open as usize + 1);
        assert!(statistics.buffered as usize <= most, "{} of {most} kept", statistics.buffered);
        let reactor = self.simulation.reactor();
        if !reactor.is_stopped() && reactor.context(self.nobody).is_stopping() {
            let now = self.simulation.now();
            let took = now - *self.stops_since.get_or_insert(now);
            let limit = self.config.stop_timeout + Faults::none().latest + Duration::from_millis(1);
            assert!(took <= limit, "the stop takes {took:?}");
        }
    }

    fn look_at_clients(&mut self) {
        for (bytes, client) in &self.clients {
            let (opened, closed) = client.opened_and_closed();
            assert!(opened <= 1 && closed == 1, "opened {opened} times, closed {closed} times");
            let received = client.received();
            assert!(bytes.starts_with(&received), "an echo of something else");
            assert!(received.len() <= client.sent(), "an echo of what was not sent");
            if self.is_kind {
                let received = received.len();
                assert_eq!(
                    (received, client.has_ended()),
                    (bytes.len(), true),
                    "{:?}",
                    client.cause()
                );
            }
        }
        for whisper in &self.whispers {
            for answer in whisper.datagrams() {
                assert!(b"pong".starts_with(&answer), "{answer:?}"); // Never longer than what it answers.
            }
        }
        assert_eq!(self.simulation.reactor().statistics().open, 0, "nobody stays for ever");
    }
}

fn plan(dice: &mut Dice<'_>, is_kind: bool) -> Plan {
    let length = match dice.byte() % 4 {
        0 => dice.below(10),
        1 => dice.below(3000),
        _ => 4 * dice.below(8_000),
    };
    let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    let leaves = !is_kind && dice.byte() % 5 == 4;
    let (mut script, mut rest) = (Script::new(), &bytes[..]);
    for _ in 0..dice.below(6) {
        let (piece, behind) = rest.split_at(dice.below(8192).min(rest.len()));
        rest = behind;
        script = script.sends(piece);
        let time = Duration::from_millis(dice.below(2000) as u64);
        script = match dice.byte() % 4 {
            0 => script.waits(time),
            1 => script.is_deaf(time),
            _ => script,
        };
    }
    let script = script.sends(rest);
    (bytes, if leaves { script.aborts() } else { script.ends() })
}
