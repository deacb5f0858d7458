//! Which listener a connection came through.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use echoloop::{Config, Half, Id};

use crate::support::*;

/// One service on several ports is told which of them a connection came to, in the first callback and in the
/// last one, also when the listener has gone and another one is in its place. What was connected or adopted
/// came through none.
#[test]
fn a_connection_knows_its_listener() {
    let mut reactor = reactor(Config::default());
    let (sender, seen) = mpsc::channel::<(&str, Option<Id>)>();
    let closed = sender.clone();
    let service = reactor.add(
        Does::new()
            .opened(move |cx| sender.send(("opened", cx.listener())).unwrap())
            .closed(move |cx, _| closed.send(("closed", cx.listener())).unwrap()),
    );
    let listen = |reactor: &mut echoloop::Reactor, at: &str| {
        let id = reactor.context(service).listen(&endpoint(at)).unwrap();
        (id, reactor.local(id))
    };
    let next = |reactor: &mut echoloop::Reactor| {
        let mut next = None;
        turn_until(reactor, |_| {
            next = next.or(seen.try_recv().ok());
            next.is_some()
        });
        next.unwrap()
    };
    let (first, at) = listen(&mut reactor, "tcp://127.0.0.1:0");
    let one = tcp(internet(at));
    assert_eq!(next(&mut reactor), ("opened", Some(first)));
    reactor.context(service).source(first).close();
    let (second, at) = listen(&mut reactor, "tcp://127.0.0.1:0");
    assert_eq!(first.slot(), second.slot());
    let (third, third_at) = listen(&mut reactor, "tcp://127.0.0.1:0");
    let _two = tcp(internet(at));
    assert_eq!(next(&mut reactor), ("opened", Some(second)));
    let at: SocketAddr = internet(third_at);
    let _three = tcp(at);
    assert_eq!(next(&mut reactor), ("opened", Some(third)));
    drop(one);
    assert_eq!(next(&mut reactor), ("closed", Some(first)));

    let to = endpoint(&format!("tcp://{at}"));
    reactor.context(service).connect(&to).unwrap();
    let both = [next(&mut reactor), next(&mut reactor)];
    assert!(both.contains(&("opened", None)) && both.contains(&("opened", Some(third))));
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let adopted = reactor.context(service).adopt(ours, Half::Both).unwrap();
    assert_eq!(reactor.context(service).source(adopted).listener(), None);
    assert_eq!(reactor.context(service).source(third).listener(), None);
    assert_eq!(reactor.context(service).listener(), None);
}
