//! What stays behind of a connection that was given away: nothing.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use echoloop::{Cause, Config, Context, Hub, Session, Sessions, Stop};

use crate::detaching::{Gift, Other, elsewhere, given};
use crate::support::*;
/// Its place is free for the next one: of all connections, and of its own address.
#[test]
fn its_place_is_free() {
    let (gifts, arrived) = elsewhere();
    let service =
        Does::new().opened(move |cx| gifts.send((cx.detach().unwrap(), Vec::new())).unwrap());
    let config = Config {
        connections: Some(1),
        connections_per_source: Some(1),
        accept_budget: 1,
        ..Config::default()
    };
    let mut reactor = reactor(config);
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut other = Other::new();
    let mut clients = [(); 5].map(|()| tcp(address));
    for _ in &clients {
        let gift = given(&mut reactor, &arrived);
        other.adopts(gift);
    }
    clients.iter_mut().for_each(|client| other.echoes(client, b"all of them"));
    let statistics = reactor.statistics();
    assert_eq!((statistics.accepted, statistics.refused), (5, Default::default()));
}

/// While the reactor stops, what is given away isn't waited for; and one that is adopted then is told of the stop
/// like all.
#[test]
fn a_stop_does_not_wait_for_what_was_given_away() {
    let (gifts, arrived) = elsewhere();
    let service =
        Does::new().stopping(move |cx| gifts.send((cx.detach().unwrap(), Vec::new())).unwrap());
    let mut first = reactor(Config { linger: Duration::from_secs(3600), ..Config::default() });
    let address = listen(&mut first, "tcp://127.0.0.1:0", service);
    let mut client = tcp(address);
    turn_until(&mut first, |reactor| reactor.statistics().open == 1);
    first.handle().stop(Stop::Gracefully).unwrap();
    let gift = given(&mut first, &arrived);
    assert_eq!(run(&mut first).closed.detached, 1);
    drop(first);
    let mut other = Other::new();
    other.reactor.handle().stop(Stop::Gracefully).unwrap();
    other.adopts(gift);
    client.write_all(b"served").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    run(&mut other.reactor);
    expect_end(&mut client, b"served");
}

/// A session that gives its connection away is dropped with all that it owns, and the others see it no more: also
/// one that does so when it begins.
#[test]
fn its_session_goes_too() {
    struct Guest {
        _goods: Sender<()>,
    }

    struct House {
        goods: Sender<()>,
        gifts: Sender<Gift>,
        causes: Sender<String>,
        is_early: bool,
    }

    impl Session for Guest {
        type Shared = House;

        fn opened(hub: &mut Hub<'_, Guest>, cx: &mut Context<'_>) -> Guest {
            if hub.shared.is_early {
                hub.shared.gifts.send((cx.detach().unwrap(), Vec::new())).unwrap();
            }
            Guest { _goods: hub.shared.goods.clone() }
        }

        fn received(
            &mut self,
            hub: &mut Hub<'_, Guest>,
            cx: &mut Context<'_>,
            input: &[u8],
        ) -> usize {
            hub.shared.gifts.send((cx.detach().unwrap(), input.to_vec())).unwrap();
            input.len()
        }

        fn closed(self, hub: &mut Hub<'_, Guest>, _cx: &mut Context<'_>, cause: &Cause) {
            hub.shared.causes.send(cause.to_string()).unwrap();
        }
    }

    for is_early in [true, false] {
        let ((goods, kept), (gifts, arrived)) = (mpsc::channel(), elsewhere());
        let (causes, told) = mpsc::channel();
        let mut reactor = reactor(Config::default());
        let house = House { goods, gifts, causes, is_early };
        let house = reactor.add(Sessions::<Guest>::new(house));
        let listener = reactor.context(house).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        let mut client = tcp(internet(reactor.local(listener)));
        client.write_all(b"hello").unwrap();
        let gift = given(&mut reactor, &arrived);
        let mut other = Other::new();
        other.adopts(gift);
        turn_until(&mut other.reactor, |reactor| reactor.statistics().bytes_out == 5);
        expect(&mut client, b"hello");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["given away by the service"]);
        assert_eq!(reactor.with(house, |house, _| house.len()), Some(0));
        drop(reactor);
        assert_eq!(kept.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
