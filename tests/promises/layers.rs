//! A layer, as the guide has it, in front of a service that knows nothing of it: what holds for the service holds
//! for both together, also at a stop.

use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use echoloop::{
    Cause, Config, Context, Echo, Endpoint, Hub, Id, Reactor, Service, Session, Sessions, Stop,
};

use crate::support::{
    Does, endpoint, expect_end, internet, reactor, run, tcp, turn_until, turn_until_quiet,
};

/// One of two connections that belong together, and the other one's name.
struct Leg(Id);

impl Session for Leg {
    type Shared = Endpoint;

    fn opened(hub: &mut Hub<'_, Leg>, cx: &mut Context<'_>) -> Leg {
        let client = Leg(cx.id());
        let inner = cx.connect(hub.shared).expect("a name in memory, also while stopping");
        hub.others.insert(&mut cx.source(inner), client);
        Leg(inner)
    }

    fn received(&mut self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let taken = cx.source(self.0).send(input);
        if taken < input.len() {
            cx.pause();
        }
        taken
    }

    fn writable(&mut self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>) {
        cx.source(self.0).resume();
    }

    fn ended(&mut self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>, _rest: &[u8]) {
        cx.source(self.0).finish();
    }

    fn closed(self, _: &mut Hub<'_, Leg>, cx: &mut Context<'_>, cause: &Cause) {
        match cause {
            Cause::Ended | Cause::Closed => cx.source(self.0).close(),
            _ => cx.source(self.0).reset(),
        }
    }

    fn stopping(&mut self, _: &mut Hub<'_, Leg>, _: &mut Context<'_>) {}
}

/// A layer in front of a service, on a TCP port.
fn layered(service: impl Service) -> (Reactor, std::net::SocketAddr) {
    let mut reactor = reactor(Config::default());
    let inner = Endpoint::mem("inner").unwrap();
    reactor.listen(&inner, service).unwrap();
    let front = Sessions::<Leg>::new(inner);
    let id = reactor.listen(&endpoint("tcp://127.0.0.1:0"), front).unwrap();
    let address = internet(reactor.local(id));
    (reactor, address)
}

/// What had arrived when the reactor was told to stop is answered through the layer, and the end is one in order; for
/// clients that were still in the backlog too.
#[test]
fn a_stop_loses_nothing_behind_a_layer() {
    for is_in_backlog in [false, true] {
        let (mut reactor, address) = layered(Echo);
        let mut client = tcp(address);
        if !is_in_backlog {
            turn_until(&mut reactor, |reactor| reactor.statistics().open == 3);
            turn_until_quiet(&mut reactor);
        }
        client.write_all(b"hello").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        reactor.handle().stop(Stop::Gracefully).unwrap();
        run(&mut reactor);
        expect_end(&mut client, b"hello");
    }
}

/// A service behind that breaks off in the middle of an answer is no end in order in front.
#[test]
fn a_reset_behind_is_a_reset_in_front() {
    let service = Does::new().received(|cx, input| {
        cx.send(b"half an ans");
        cx.reset();
        input.len()
    });
    let (mut reactor, address) = layered(service);
    let mut client = tcp(address);
    client.write_all(b"question").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.failed > 0);
    turn_until_quiet(&mut reactor);
    let error = client.read_to_end(&mut Vec::new()).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// A peer in memory that has closed in order is an end, and not a failure, for as long as nothing more is written.
#[test]
fn an_end_in_memory_is_no_reset() {
    let mut reactor = reactor(Config::default());
    let inner = Endpoint::mem("inner").unwrap();
    let closes = Does::new().opened(|cx| {
        cx.send(b"goodbye");
        cx.close();
    });
    reactor.listen(&inner, closes).unwrap();
    let (stays, causes) = Does::new()
        .ended(|cx| {
            cx.after(std::time::Duration::ZERO);
        })
        .tells_causes();
    let stays = stays.timer(|cx, _| cx.close());
    reactor.connect(&inner, stays).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    turn_until_quiet(&mut reactor);
    let causes: Vec<_> = causes.try_iter().map(|(_, cause)| cause).collect();
    assert!(causes.iter().all(|cause| cause == "Ended" || cause == "Closed"), "{causes:?}");
}

/// Whoever panics while a service is made for it leaves no source behind: the name is free again.
#[test]
fn a_panic_in_the_making_leaves_nothing() {
    let mut reactor = reactor(Config::default());
    let name = endpoint("mem://name");
    for way in 0..2 {
        let made = catch_unwind(AssertUnwindSafe(|| match way {
            0 => reactor.serve(Echo, |cx| {
                cx.listen(&name).unwrap();
                panic!("on purpose")
            }),
            _ => drop(reactor.start::<Echo>(|cx| {
                cx.listen(&name).unwrap();
                panic!("on purpose")
            })),
        }));
        assert!(made.is_err());
        turn_until_quiet(&mut reactor);
        let again = reactor.listen(&name, Echo).expect("the name is free");
        reactor.serve(Echo, |cx| cx.source(again).close());
        turn_until_quiet(&mut reactor);
    }
}

/// A session that a connection is given when it has gone goes with it.
#[test]
fn what_has_gone_keeps_no_session() {
    struct Clings;

    impl Session for Clings {
        type Shared = ();

        fn opened(_: &mut Hub<'_, Clings>, _: &mut Context<'_>) -> Clings {
            Clings
        }

        fn closed(self, hub: &mut Hub<'_, Clings>, cx: &mut Context<'_>, _cause: &Cause) {
            hub.others.insert(cx, Clings);
        }
    }

    let mut reactor = reactor(Config::default());
    let service = reactor.add(Sessions::<Clings>::new(()));
    let id = reactor.context(service).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    drop(tcp(internet(reactor.local(id))));
    turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 1);
    assert_eq!(reactor.with(service, |sessions, _| sessions.len()), Some(0));
}
