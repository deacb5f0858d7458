//! What chance and time are in a simulation.

use std::time::{Duration, Instant};

use echoloop::{Client, Config, Echo, Endpoint, Faults, Script, Simulation, Stop};

fn echo() -> Endpoint {
    "mem://echo".parse().unwrap()
}

fn live(mut world: Simulation) -> (u64, Duration, Client) {
    world.reactor().listen(&echo(), Echo).unwrap();
    let script = Script::new().sends(vec![7; 100_000]).waits(Duration::from_secs(1)).ends();
    let client = world.client(&echo(), script).unwrap();
    world.run_for(Duration::from_secs(60)).unwrap();
    (world.trace(), world.now(), client)
}

/// Each seed has a world of its own, and only one.
#[test]
fn a_seed_is_a_world() {
    let world = |seed| live(Simulation::new(seed, Faults::rough(), Config::default()).unwrap()).0;
    let traces: Vec<_> = (0..50).map(world).collect();
    let again: Vec<_> = (0..50).map(world).collect();
    assert_eq!(traces, again);
    let mut different = traces.clone();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 45, "{} worlds of 50", different.len());
}

/// Bytes are chance as well; without any, nothing goes wrong.
#[test]
fn bytes_are_chance() {
    let world = |bytes: &[u8]| {
        live(Simulation::from_bytes(bytes, Faults::rough(), Config::default()).unwrap())
    };
    let (still, _, client) = world(&[]);
    assert_eq!((client.received().len(), client.has_ended()), (100_000, true));
    let (rough, ..) = world(&[255; 100]);
    assert_eq!(rough, world(&[255; 100]).0);
    assert_ne!(rough, still);
}

/// Nothing goes wrong unless it may: then each fault alone is seen.
#[test]
fn each_fault_does_what_it_says() {
    let world = |faults| live(Simulation::new(1, faults, Config::default()).unwrap());
    let none = Faults::none();
    let (_, _, client) = world(none.clone());
    assert_eq!((client.received().len(), client.has_ended()), (100_000, true));
    let (_, _, client) = world(Faults { refuse: 1.0, ..none.clone() });
    assert_eq!(client.cause().as_deref(), Some("connection refused"));
    let (_, _, client) = world(Faults { reset: 1.0, ..none.clone() });
    assert_eq!(client.cause().as_deref(), Some("connection reset by peer"));
    let (_, _, client) = world(Faults { vanish: 1.0, ..none.clone() });
    assert_eq!((client.received().len(), client.cause()), (0, None));
    let (_, _, client) = world(Faults { stop: 1.0, ..none.clone() });
    assert!(client.cause().is_some() && !client.has_ended());
    for faults in [
        Faults { cut: 0.9, ..none.clone() },
        Faults { short_write: 1.0, ..none.clone() },
        Faults { delay: 1.0, ..none.clone() },
        Faults { late: 1.0, ..none.clone() },
    ] {
        let (_, _, client) = world(faults.clone());
        assert_eq!((client.received().len(), client.has_ended()), (100_000, true), "{faults:?}");
    }
}

/// Nothing is sent, and then something: a write of nothing finds room in any wire.
#[test]
fn a_send_of_nothing_is_in_nobodys_way() {
    for faults in [Faults::none(), Faults::default()] {
        let mut world = Simulation::new(1, faults, Config::default()).unwrap();
        world.reactor().listen(&echo(), Echo).unwrap();
        let second = Duration::from_secs(1);
        let script = Script::new().sends("").waits(second).sends("").sends("hello").ends();
        let client = world.client(&echo(), script).unwrap();
        world.run_for(60 * second).unwrap();
        assert_eq!((client.received(), client.has_ended()), (b"hello".to_vec(), true));
    }
}

/// An hour is a jump, and what a handle asks for is done all the same.
#[test]
fn time_is_simulated() {
    let start = Instant::now();
    let mut world = Simulation::new(7, Faults::none(), Config::default()).unwrap();
    world.reactor().listen(&echo(), Echo).unwrap();
    let hour = Duration::from_secs(3600);
    let client = world.client(&echo(), Script::new().waits(hour).sends("late").ends()).unwrap();
    world.run_for(hour / 2).unwrap();
    assert_eq!((world.now().as_secs(), client.sent()), (1800, 0));
    world.run_for(hour).unwrap();
    assert_eq!(client.received(), b"late");
    assert!((hour..hour + Duration::from_secs(1)).contains(&world.now()));
    world.reactor().handle().stop(Stop::AtOnce).unwrap();
    world.run_for(hour).unwrap();
    assert!(world.reactor().is_stopped());
    assert!(start.elapsed() < hour, "that took real time");
}
