//! One way to reach a service from anywhere: from the host, from another thread, from another service.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echoloop::{Config, Context, Echo, HandleError, Id, Service, ServiceId, Stop};

use crate::support::*;

/// Counts what it is told, and knows its members.
#[derive(Default)]
struct Room {
    members: Vec<Id>,
    told: Vec<u32>,
}

impl Service for Room {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.members.push(cx.id());
    }
}

impl Room {
    fn say(&mut self, cx: &mut Context<'_>, text: &[u8]) {
        for &member in &self.members {
            cx.source(member).send_all(text);
        }
    }
}

/// The host has the service and its context at once, and gets back what it wants to know.
#[test]
fn the_host_has_a_service_and_its_context_at_once() {
    let mut reactor = reactor(Config::default());
    let room = reactor.add(Room::default());
    let at = reactor.with(room, |_, cx| {
        let id = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        internet(cx.source(id).local())
    });
    let mut client = tcp(at.unwrap());
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    reactor.with(room, |room, cx| room.say(cx, b"hello")).unwrap();
    turn_until_quiet(&mut reactor);
    expect(&mut client, b"hello");
}

/// A service tells another one, and is not called meanwhile; it has returned by then.
#[test]
fn a_service_tells_another_one() {
    let mut reactor = reactor(Config::default());
    let room = reactor.add(Room::default());
    let tells = reactor.add(Does::echo().received(move |cx, input| {
        let number = u32::from(input[0]);
        assert!(cx.tell(room, move |room, _| room.told.push(number)));
        cx.send(input)
    }));
    let id = reactor.context(tells).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    let mut client = tcp(internet(reactor.local(id)));
    for byte in 0..3 {
        std::io::Write::write_all(&mut client, &[byte]).unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == u64::from(byte) + 1);
        expect(&mut client, &[byte]);
    }
    assert_eq!(reactor.with(room, |room, _| room.told.clone()), Some(vec![0, 1, 2]));
}

/// From the host's hand, outside of any turn: the next turn doesn't wait.
#[test]
fn what_is_told_outside_a_turn_is_passed_on() {
    let mut reactor = reactor(Config::default());
    let (one, other) = (reactor.add(Room::default()), reactor.add(Room::default()));
    assert!(reactor.context(one).tell(other, |other, _| other.told.push(7)));
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    reactor.turn(None).unwrap();
    assert_eq!(reactor.with(other, |other, _| other.told.len()), Some(1));
    assert_eq!(reactor.poll_timeout(), None);
}

/// Two services that never cease to tell each other something keep nobody from anything.
#[test]
fn telling_for_ever_starves_nobody() {
    fn to_and_fro(cx: &mut Context<'_>, to: ServiceId<Room>, from: ServiceId<Room>) {
        cx.tell(to, move |room, cx| {
            room.told = vec![room.told.first().map_or(1, |count| count + 1)];
            to_and_fro(cx, from, to);
        });
    }
    let mut reactor = reactor(Config::default());
    let (one, other) = (reactor.add(Room::default()), reactor.add(Room::default()));
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    to_and_fro(&mut reactor.context(one), one, other);
    let client = thread::spawn(move || {
        let mut client = tcp(address);
        (0..50_u8).for_each(|byte| exchange(&mut client, &[byte]));
    });
    turn_until(&mut reactor, |_| client.is_finished());
    client.join().unwrap();
    assert!(reactor.with(one, |room, _| room.told[0]).unwrap() > 1);
    reactor.handle().stop(Stop::Gracefully).unwrap();
    run(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
}

/// From many threads; and when the reactor has stopped, it says so.
#[test]
fn other_threads_tell() {
    let server = Server::start(Config::default(), |reactor| reactor.add(Room::default()));
    let (room, handle) = (server.made, server.handle.clone());
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let handle = handle.clone();
            thread::spawn(move || handle.tell(room, move |room, _| room.told.push(n)).unwrap())
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let (sender, told) = mpsc::channel();
    handle.tell(room, move |room, _| sender.send(room.told.clone()).unwrap()).unwrap();
    let mut told = told.recv_timeout(DEADLINE).unwrap();
    told.sort();
    assert_eq!(told, [0, 1, 2, 3]);
    server.stop(Stop::AtOnce);
    assert!(matches!(handle.tell(room, |_, _| ()), Err(HandleError::Stopped)));
}

/// A service that has gone isn't told, one that nothing else keeps is told before it goes, and a name finds
/// nobody else.
#[test]
fn who_has_gone_is_not_told() {
    let mut reactor = reactor(Config::default());
    let (room, other) = (reactor.add(Room::default()), reactor.add(Room::default()));
    let (sender, told) = mpsc::channel();
    let mut cx = reactor.context(other);
    assert!(cx.tell(room, move |_, _| sender.send(()).unwrap()));
    cx.release(room);
    reactor.turn(None).unwrap();
    assert_eq!(told.try_iter().count(), 1);
    reactor.turn(Some(Duration::ZERO)).unwrap();
    let next = reactor.add(Echo); // In the place of the one that has gone.
    assert!(!reactor.context(next).tell(room, |_, _| panic!("there is nobody")));
    assert!(reactor.with(room, |_, _| ()).is_none());
}

/// A name that another reactor has given is no reason to panic: it finds nobody of its type here.
#[test]
fn a_name_of_another_reactor_finds_nothing() {
    let (mut one, mut other) = (reactor(Config::default()), reactor(Config::default()));
    let (room, echo) = (one.add(Room::default()), other.add(Echo));
    assert!(other.with(room, |_, _| panic!("it isn't here")).is_none());
    other.context(echo).tell(room, |_, _| panic!("nor is it told"));
    other.handle().tell(room, |_, _| panic!("not from elsewhere either")).unwrap();
    other.turn(None).unwrap();
    assert!(one.with(room, |room, _| room.told.is_empty()).unwrap());
}
