//! Several addresses of one name, tried side by side.

use std::fs::File;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use echoloop::{Config, Echo, Reactor, Stop};
use socket2::{Domain, Socket};

use crate::dialling::full_backlog;
use crate::names::{next, tells};
use crate::support::*;

/// Where nobody answers, for as long as what comes with it is held.
fn black_hole() -> (SocketAddr, (Socket, Vec<Socket>)) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let held = full_backlog(Domain::IPV4, &any.into());
    (held.0.local_addr().unwrap().as_socket().unwrap(), held)
}

/// Where connections are refused.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A reactor for which every name has these addresses.
fn knows(config: Config, addresses: &[SocketAddr]) -> Reactor {
    let (mut reactor, addresses) = (reactor(config), addresses.to_vec());
    reactor.set_resolver(move |_, _| Ok(addresses.clone()));
    reactor
}

fn name() -> echoloop::Endpoint {
    endpoint("tcp://several.example:80")
}

/// A dead first address, a second one that refuses: the third is tried all the same, long before the
/// timeout; what was sent early is sent to the winner only, and nothing is left over.
#[test]
fn a_dead_first_address_delays_little() {
    let (dead, _held) = black_hole();
    let server = serve(Config::default(), Echo);
    let config = Config { connect_timeout: Duration::MAX, ..Config::default() };
    let mut reactor = knows(config, &[dead, nobody(), server.made]);
    let (service, told) = tells();
    let service = reactor.add(service);
    let id = reactor.context(service).connect(&name()).unwrap();
    reactor.context(service).source(id).send(b"early");
    assert_eq!([next(&mut reactor, &told), next(&mut reactor, &told)], ["opened", "early"]);
    assert_eq!(reactor.context(service).source(id).peer(), Some(server.made.into()));
    reactor.context(service).source(id).close();
    assert_eq!(next(&mut reactor, &told), "Closed");
    turn_until_quiet(&mut reactor);
    assert_eq!(reactor.statistics().connected, 1);
}

/// The slower one of two is not forgotten: it wins if the second, begun beside it, is dead, or is refused
/// when both are under way. What the poller tells of that one is not taken for the other's.
#[test]
fn the_first_address_may_still_win() {
    for second_is_refused in [false, true] {
        let (slow, (listener, mut waiting)) = black_hole();
        let (dead, held) = black_hole();
        let mut held = Some(held);
        let mut reactor = knows(Config::default(), &[slow, dead]);
        let (service, told) = tells();
        let service = reactor.add(service);
        let id = reactor.context(service).connect(&name()).unwrap();
        reactor.context(service).source(id).pause(); // Only the poller can tell it of an error.
        // Both are under way: the timer has fired, and none is left but that of the whole dial.
        let whole = Duration::from_secs(5);
        turn_until(&mut reactor, |it| it.poll_timeout() > Some(whole));
        if second_is_refused {
            let before = reactor.statistics().events;
            held = None; // Its kernel asks once more, and nobody listens there now.
            turn_until(&mut reactor, |reactor| reactor.statistics().events > before);
        }
        assert!(told.try_recv().is_err());
        waiting.pop(); // It would be let in before ours.
        waiting.iter().for_each(|_| drop(listener.accept().unwrap()));
        assert_eq!(next(&mut reactor, &told), "opened");
        turn_until_quiet(&mut reactor);
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.write_all(b"welcome").unwrap();
        reactor.context(service).source(id).resume();
        assert_eq!(next(&mut reactor, &told), "welcome");
        drop(held);
    }
}

/// What is there when the winner is found, bytes and the end behind them, isn't lost with the others.
#[test]
fn an_early_end_of_the_winner_is_seen() {
    let (dead, _held) = black_hole();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut reactor = knows(Config::default(), &[dead, listener.local_addr().unwrap()]);
    let (service, told) = tells();
    reactor.connect(&name(), service).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    // The kernel connects while the loop begins; nothing is looked at before all has been sent.
    turn_until(&mut reactor, |_| {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (mut accepted, _) = accepted.unwrap();
    accepted.write_all(b"welcome").unwrap();
    accepted.shutdown(Shutdown::Write).unwrap();
    let all = [next(&mut reactor, &told), next(&mut reactor, &told), next(&mut reactor, &told)];
    assert_eq!(all, ["opened", "welcome", "Ended"]);
}

/// If all fail, the error says what became of each.
#[test]
fn a_failure_names_all_addresses() {
    let (first, second) = (nobody(), nobody());
    let (service, told) = tells();
    let mut reactor = knows(Config::default(), &[first, second]);
    reactor.connect(&name(), service).unwrap();
    let refused = format!("connection refused ({first}, {second})");
    assert_eq!(next(&mut reactor, &told), refused);

    let (dead, _held) = black_hole();
    let config = Config { connect_timeout: Duration::from_millis(100), ..Config::default() };
    let (service, told) = tells();
    let mut reactor = knows(config, &[first, dead]);
    reactor.connect(&name(), service).unwrap();
    let mixed = format!("connection refused ({first}), timed out ({dead})");
    assert_eq!(next(&mut reactor, &told), mixed);
    assert_eq!(reactor.poll_timeout(), None);
}

/// Those who have looked up a name themselves race the same way.
#[test]
fn addresses_can_be_given() {
    let (dead, _held) = black_hole();
    let server = serve(Config::default(), Echo);
    let mut reactor = reactor(Config::default());
    let (service, told) = tells();
    let service = reactor.add(service);
    reactor.context(service).connect_any(&[dead, server.made], None).unwrap();
    assert_eq!(next(&mut reactor, &told), "opened");
    let none = reactor.context(service).connect_any(&[], None).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::NotFound);
}

/// A race goes on while the reactor is stopping, for what was sent; and ends with it.
#[test]
fn a_race_goes_on_while_stopping() {
    let (dead, _held) = black_hole();
    let server = serve(Config::default(), Echo);
    for (addresses, delivered) in [(vec![dead, server.made], true), (vec![dead, dead], false)] {
        let linger = if delivered { DEADLINE } else { Duration::from_millis(50) };
        let config = Config { linger, ..Config::default() };
        let (mut reactor, (service, told)) = (reactor(config), tells());
        let service = reactor.add(service);
        let id = reactor.context(service).connect_any(&addresses, None).unwrap();
        let mut cx = reactor.context(service);
        cx.source(id).send(b"early");
        cx.stop(Stop::Gracefully);
        run(&mut reactor);
        let told: Vec<_> = told.try_iter().collect(); // What comes back may come too late.
        assert_eq!((told[0] == "opened", told[told.len() - 1].as_str()), (delivered, "Stopped"));
    }
    assert_eq!(server.until(|it| it.bytes_in > 0).bytes_in, 5);
}

/// What makes this program a process of its own, whose descriptors it may use up.
const ROLE: &str = "ECHOLOOP_TEST_RACE";

/// Out of descriptors with one attempt under way, that one goes on alone; the next begins when there is a
/// descriptor again, and no other one is used for it. With none at all the dial fails, and says so.
#[test]
fn a_race_goes_on_without_descriptors() {
    if std::env::var_os(ROLE).is_some() {
        return race_without_descriptors();
    }
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "racing::a_race_goes_on_without_descriptors", "--test-threads=1"])
        .env(ROLE, "1")
        .status();
    assert!(status.unwrap().success());
}

fn race_without_descriptors() {
    let (dead, _held) = black_hole();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    let (mut reactor, (service, told)) = (reactor(Config::default()), tells());
    let service = reactor.add(service);
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

    reactor.context(service).connect_any(&[there, dead], None).unwrap();
    let none = format!("too many open files ({there}, {dead})");
    assert_eq!(next(&mut reactor, &told), none);

    hoard.pop();
    reactor.context(service).connect_any(&[dead, there], None).unwrap();
    for _ in 0..6 {
        reactor.turn(None).unwrap(); // Woken by the timer only, which is tried again and again.
    }
    assert!(told.try_recv().is_err() && File::open("/dev/null").is_err());
    hoard.pop();
    assert_eq!(next(&mut reactor, &told), "opened");
    turn_until_quiet(&mut reactor);
    assert!(File::open("/dev/null").is_ok()); // The other one's is free again.
    listener.accept().unwrap();
}
