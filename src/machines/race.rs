//! Several addresses of one name, tried side by side.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::values::{Address, CONNECTION_ATTEMPT_DELAY, MOST_ADDRESSES, Outcome, describe};

/// Attempts to connect to the addresses of one peer, side by side (RFC 8305 section 5). The next one
/// begins when the last one has had [`CONNECTION_ATTEMPT_DELAY`] for itself, or at once when one has failed.
/// The first that connects wins, and the others are given up.
///
/// ```text
///   1st  begins ─────────────────── no answer ──────────────▶ given up
///   2nd  │◀─ delay ─▶│ begins ── refused
///   3rd                          begins ── connected ──▶ wins
/// ```
#[derive(Debug)]
pub(crate) struct Race<S> {
    /// In the order in which they are tried.
    attempts: Vec<Attempt<S>>,
    /// Until then the next one has to wait. `None`: it hasn't.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Attempt<S> {
    to: Address,
    state: State<S>,
}

#[derive(Debug)]
enum State<S> {
    Untried,
    UnderWay(S),
    Failed(io::Error),
}

impl<S> State<S> {
    fn socket(self) -> Option<S> {
        match self {
            State::UnderWay(socket) => Some(socket),
            State::Untried | State::Failed(_) => None,
        }
    }
}

/// What the attempts under way have come to.
#[derive(Debug)]
pub(crate) struct Settled<S> {
    /// The one that is connected.
    pub(crate) winner: Option<S>,
    /// Those that have failed, and, once one has won, all others.
    pub(crate) given_up: Vec<S>,
}

impl<S> Default for Race<S> {
    fn default() -> Race<S> {
        Race { attempts: Vec::new(), next: None }
    }
}

impl<S> Race<S> {
    pub(crate) fn new(addresses: impl IntoIterator<Item = Address>) -> Race<S> {
        let untried = |to| Attempt { to, state: State::Untried };
        Race { attempts: addresses.into_iter().map(untried).collect(), next: None }
    }

    /// The address to try next, if its time has come.
    pub(crate) fn next(&self, now: Instant) -> Option<Address> {
        let next = self.attempts.iter().find(|it| matches!(it.state, State::Untried))?;
        self.next.is_none_or(|at| at <= now).then_some(next.to)
    }

    /// When its time comes, if nothing happens before.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let has_more = self.attempts.iter().any(|it| matches!(it.state, State::Untried));
        self.next.filter(|_| has_more)
    }

    /// The attempt at it has begun.
    pub(crate) fn begun(&mut self, socket: S, now: Instant) {
        self.decide_next(State::UnderWay(socket));
        self.next = Some(now + CONNECTION_ATTEMPT_DELAY);
    }

    /// It failed as soon as it began.
    pub(crate) fn failed(&mut self, error: io::Error) {
        self.decide_next(State::Failed(error));
        self.next = None;
    }

    /// It can't begin before that time; or before another one has failed.
    pub(crate) fn put_off(&mut self, until: Instant) {
        self.next = Some(until);
    }

    fn decide_next(&mut self, state: State<S>) {
        let next = self.attempts.iter_mut().find(|it| matches!(it.state, State::Untried));
        next.expect("whoever begins has asked for the next").state = state;
    }

    /// How many attempts are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.attempts.iter().filter(|it| matches!(it.state, State::UnderWay(_))).count()
    }

    /// Asks each attempt under way how it stands.
    pub(crate) fn settle(&mut self, mut ask: impl FnMut(&S) -> Outcome<()>) -> Settled<S> {
        let (mut connected, mut winner, mut given_up) = (None, None, Vec::new());
        for (i, attempt) in self.attempts.iter_mut().enumerate() {
            let State::UnderWay(socket) = &attempt.state else { continue };
            match ask(socket) {
                Outcome::Blocked => {}
                Outcome::Failed(error) => {
                    log::trace!("{} could not be reached: {error}", attempt.to);
                    let state = std::mem::replace(&mut attempt.state, State::Failed(error));
                    given_up.extend(state.socket());
                    self.next = None; // The next one has its place.
                }
                Outcome::Done(()) => {
                    connected = Some(i);
                    break;
                }
            }
        }
        if let Some(winning) = connected {
            for (i, attempt) in std::mem::take(&mut self.attempts).into_iter().enumerate() {
                match attempt.state.socket() {
                    Some(socket) if i == winning => winner = Some(socket),
                    socket => given_up.extend(socket),
                }
            }
        }
        Settled { winner, given_up }
    }

    /// The time for all of them is over: what has no answer has none.
    pub(crate) fn expire(&mut self) {
        let timed_out = || State::Failed(io::ErrorKind::TimedOut.into());
        for attempt in &mut self.attempts {
            if matches!(attempt.state, State::UnderWay(_)) {
                attempt.state = timed_out();
            }
        }
        // None was let in so far, a Unix listener was too busy.
        if let [Attempt { state: state @ State::Untried, .. }, ..] = &mut self.attempts[..] {
            *state = timed_out();
        }
    }

    /// Why nothing has come of it: of one attempt its own error, of several what became of each. The kind
    /// is a timeout, if there is one: a server may be there. Otherwise it is that of the last one.
    pub(crate) fn failure(self) -> io::Error {
        let mut failed: Vec<(Address, io::Error)> =
            self.attempts.into_iter().filter_map(failed).collect();
        let timed_out = |(_, error): &(_, io::Error)| error.kind() == io::ErrorKind::TimedOut;
        let kind = match failed.last() {
            None => return io::ErrorKind::NotFound.into(),
            Some(_) if failed.iter().any(timed_out) => io::ErrorKind::TimedOut,
            Some((_, error)) => error.kind(),
        };
        match failed.len() {
            1 => failed.remove(0).1,
            _ => io::Error::new(kind, Failures::new(failed)),
        }
    }
}

fn failed<S>(attempt: Attempt<S>) -> Option<(Address, io::Error)> {
    match attempt.state {
        State::Failed(error) => Some((attempt.to, error)),
        State::Untried | State::UnderWay(_) => None,
    }
}

/// Each reason once, and whom it was met with: `connection refused ([::1]:80), timed out (127.0.0.1:80)`.
#[derive(Debug)]
struct Failures(Vec<(String, Vec<Address>)>);

impl Failures {
    fn new(failed: Vec<(Address, io::Error)>) -> Failures {
        let mut reasons: Vec<(String, Vec<Address>)> = Vec::new();
        for (address, error) in failed {
            let reason = describe(&error);
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, addresses)) => addresses.push(address),
                None => reasons.push((reason, vec![address])),
            }
        }
        Failures(reasons)
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (reason, addresses)) in self.0.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            let addresses: Vec<_> = addresses.iter().map(Address::to_string).collect();
            write!(f, "{separator}{reason} ({})", addresses.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failures {}

/// The addresses in the order to try them: the two families in turn (RFC 8305 section 4), that of the
/// first one first, each in its own order; every address once, and not more than [`MOST_ADDRESSES`].
pub(crate) fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let of_family = |is_ipv4| addresses.iter().filter(move |it| it.is_ipv4() == is_ipv4);
    let (mut first, mut second) = (of_family(first_is_ipv4), of_family(!first_is_ipv4));
    let mut order: Vec<SocketAddr> = Vec::new();
    for _ in 0..addresses.len() {
        for address in [first.next(), second.next()].into_iter().flatten() {
            if !order.contains(address) {
                order.push(*address);
            }
        }
    }
    order.truncate(MOST_ADDRESSES);
    order
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DELAY: Duration = CONNECTION_ATTEMPT_DELAY;

    fn address(text: &str) -> Address {
        Address::Ip(text.parse().unwrap())
    }

    /// Sockets are numbers. The addresses are 10.0.0.1, 10.0.0.2 and so on.
    fn race(length: u8) -> Race<u8> {
        Race::new((1..=length).map(|n| address(&format!("10.0.0.{n}:80"))))
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    /// What those have come to that are not waiting.
    fn settle(race: &mut Race<u8>, refuse: &[u8], connect: &[u8]) -> Settled<u8> {
        race.settle(|socket| match socket {
            it if refuse.contains(it) => Outcome::Failed(refused()),
            it if connect.contains(it) => Outcome::Done(()),
            _ => Outcome::Blocked,
        })
    }

    #[test]
    fn the_next_one_waits_for_the_delay_or_for_a_failure() {
        let (mut race, start) = (race(4), Instant::now());
        assert_eq!(race.next(start), Some(address("10.0.0.1:80")));
        race.begun(1, start);
        assert_eq!((race.next(start), race.next_at()), (None, Some(start + DELAY)));
        let then = start + DELAY;
        assert_eq!(race.next(then), Some(address("10.0.0.2:80")));
        race.begun(2, then);
        assert_eq!((race.next(then), race.under_way()), (None, 2));
        // The first one fails, and the third begins at once.
        assert_eq!(settle(&mut race, &[1], &[]).given_up, [1]);
        assert_eq!((race.next(then), race.next_at()), (Some(address("10.0.0.3:80")), None));
        race.failed(refused());
        assert_eq!(race.next(then), Some(address("10.0.0.4:80")));
        race.begun(4, then);
        assert_eq!((race.next(then + 2 * DELAY), race.next_at()), (None, None));
    }

    #[test]
    fn the_first_that_connects_wins() {
        let (mut race, now) = (race(4), Instant::now());
        for socket in 1..=3 {
            race.begun(socket, now);
        }
        let settled = settle(&mut race, &[1], &[2, 3]);
        assert_eq!(settled.winner, Some(2));
        assert_eq!(settled.given_up, [1, 3]);
        assert_eq!((race.next(now + DELAY), race.under_way()), (None, 0));
    }

    /// When there is no descriptor for another one, those under way go on, and a failure makes a place.
    #[test]
    fn what_is_put_off_begins_when_another_fails() {
        let (mut race, now) = (race(2), Instant::now());
        race.begun(1, now);
        race.put_off(now + 2 * DELAY);
        assert_eq!((race.next(now + DELAY), race.next_at()), (None, Some(now + 2 * DELAY)));
        settle(&mut race, &[1], &[]);
        assert_eq!(race.next(now + DELAY), Some(address("10.0.0.2:80")));
    }

    #[test]
    fn a_failure_names_them_all() {
        let (mut one, mut several, now) = (race(1), race(4), Instant::now());
        one.failed(refused());
        assert_eq!(describe(&one.failure()), "connection refused"); // Its own.
        several.failed(refused());
        several.begun(2, now);
        several.failed(refused());
        several.expire(); // The fourth was never tried.
        let failure = several.failure();
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        let all = "connection refused (10.0.0.1:80, 10.0.0.3:80), timed out (10.0.0.2:80)";
        assert_eq!(describe(&failure), all);
        let mut busy = race(1);
        busy.expire();
        assert_eq!(busy.failure().kind(), io::ErrorKind::TimedOut);
        assert_eq!(race(0).failure().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_families_come_in_turn() {
        let order = |addresses: &[&str]| {
            let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            interleaved(&addresses).iter().map(SocketAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        );
        assert_eq!(
            order(&["1.1.1.1:1", "1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]),
            ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]
        );
        assert_eq!(order(&[]), [""; 0]);
        let many: Vec<_> = (0..100).map(|n| SocketAddr::from(([10, 0, 0, n], 80))).collect();
        assert_eq!(interleaved(&many), many[..MOST_ADDRESSES]);
    }
}
