//! The moments that lie inside a callback: each has a service, in memory, whose callback is where the source comes.

use std::net::UdpSocket;
use std::time::Duration;

use echoloop::{Context, Handle, Reactor, ServiceId, Stop};

use crate::rows::Moment;
use crate::stage::{Probe, Shared};
use crate::support::{Does, endpoint};

/// Has the moment come.
pub(crate) type Fire = Box<dyn FnOnce(&Handle) + Send>;

/// More than what lies in memory and what is kept together.
const TOO_MUCH: usize = 1_000_000;

/// Makes a moment ready. `None`: it is none in a callback.
pub(crate) fn arm(
    reactor: &mut Reactor,
    moment: Moment,
    stage: &Shared,
    probe: ServiceId<Probe>,
) -> Option<Fire> {
    let stage = Shared::clone(stage);
    let on = move |cx: &mut Context<'_>| stage.perform(&mut cx.as_service(probe));
    // Who calls, and who is called.
    let (caller, called) = match moment {
        Moment::Opened => (Does::new(), Does::new().opened(on)),
        Moment::Received => (
            Does::new().opened(|cx| {
                cx.send(b"!");
            }),
            Does::new().received(move |cx, input| {
                on(cx);
                input.len()
            }),
        ),
        Moment::Ended => (Does::new().opened(|cx| cx.finish()), Does::new().ended(on)),
        Moment::Closed => {
            (Does::new().opened(|cx| cx.close()), Does::new().closed(move |cx, _| on(cx)))
        }
        Moment::Writable => {
            let sends = |cx: &mut Context<'_>| {
                assert!(cx.send(&[0; TOO_MUCH]) < TOO_MUCH);
            };
            (Does::new(), Does::new().opened(sends).writable(on))
        }
        Moment::InStopping => {
            let goes = move |cx: &mut Context<'_>| {
                on(cx);
                cx.close();
            };
            return Some(in_stopping(reactor, Does::new().stopping(goes)));
        }
        Moment::Datagram => {
            return Some(datagram(reactor, Does::new().datagram(move |cx, _, _| on(cx))));
        }
        Moment::Unreachable => return Some(unreachable(reactor, Does::new().unreachable(on))),
        Moment::Timer => {
            let timers = reactor.add(Does::new().timer(move |cx, _| on(cx)));
            return Some(Box::new(move |handle| {
                let set = move |cx: &mut Context<'_>| {
                    cx.as_service(timers).after(Duration::ZERO);
                };
                handle.run(set).unwrap();
            }));
        }
        Moment::Told => {
            let told = reactor.add(Does::new());
            return Some(Box::new(move |handle| {
                handle.tell(told, move |_, cx| on(cx)).unwrap();
            }));
        }
        _ => return None,
    };
    reactor.listen(&endpoint("mem://called"), called).unwrap();
    let caller = reactor.add(caller);
    Some(Box::new(move |handle| {
        let dial = move |cx: &mut Context<'_>| {
            cx.as_service(caller).connect(&endpoint("mem://called")).unwrap();
        };
        handle.run(dial).unwrap();
    }))
}

/// It is there before the stop, which is what calls it.
fn in_stopping(reactor: &mut Reactor, called: Does) -> Fire {
    reactor.listen(&endpoint("mem://called"), called).unwrap();
    reactor.connect(&endpoint("mem://called"), Does::new()).unwrap();
    while reactor.statistics().open < 2 {
        reactor.turn(Some(Duration::ZERO)).unwrap();
    }
    Box::new(|handle| handle.stop(Stop::Gracefully).unwrap())
}

fn datagram(reactor: &mut Reactor, called: Does) -> Fire {
    reactor.listen(&endpoint("memgram://called"), called).unwrap();
    let caller = reactor.connect(&endpoint("memgram://called"), Does::new()).unwrap();
    Box::new(move |handle| {
        let send = move |cx: &mut Context<'_>| {
            cx.source(caller).send(b"!");
        };
        handle.run(send).unwrap();
    })
}

/// A socket that is connected to where nobody is.
fn unreachable(reactor: &mut Reactor, called: Does) -> Fire {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let caller = reactor.connect(&endpoint(&format!("udp://{nobody}")), called).unwrap();
    Box::new(move |handle| {
        let send = move |cx: &mut Context<'_>| {
            cx.source(caller).send(b"!");
        };
        handle.run(send).unwrap();
    })
}
