//! A value for each connection: born with it, told of every moment, gone with it.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use echoloop::{
    Cause, Config, Context, Half, HandleError, Hub, Id, Reactor, ServiceId, Session, Sessions,
    Stop, TimerId,
};

use crate::support::*;

/// Notes every moment under its own name, and does what the first byte says.
struct Noted {
    name: String,
    /// So that the test can count who is still there.
    _alive: Rc<()>,
}

#[derive(Default)]
struct Notes {
    moments: Vec<String>,
    opened: u32,
    alive: Rc<()>,
}

impl Notes {
    fn born(&mut self, name: &str) -> Noted {
        Noted { name: name.to_owned(), _alive: Rc::clone(&self.alive) }
    }
}

impl Noted {
    fn note(&self, hub: &mut Hub<'_, Noted>, moment: &str) {
        hub.shared.moments.push(format!("{} {moment}", self.name));
    }
}

impl Session for Noted {
    type Shared = Notes;

    fn opened(hub: &mut Hub<'_, Noted>, _cx: &mut Context<'_>) -> Noted {
        hub.shared.opened += 1;
        let noted = hub.shared.born(&format!("client {}", hub.shared.opened));
        noted.note(hub, &format!("opened beside {}", hub.others.len()));
        noted
    }

    fn connected(&mut self, hub: &mut Hub<'_, Noted>, _cx: &mut Context<'_>) {
        self.note(hub, "connected");
    }

    fn received(&mut self, hub: &mut Hub<'_, Noted>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        match input {
            b"timer" => drop(cx.after(Duration::from_millis(1))),
            b"late" => {
                cx.after(Duration::from_millis(1));
                cx.abort();
            }
            b"flood" => while cx.send(&pattern(100_000)) > 0 {},
            b"shout" => {
                for (id, _) in hub.others.iter() {
                    assert!(cx.source(id).send_all(b"!"));
                }
            }
            _ => self.note(hub, &format!("received {}", input.escape_ascii())),
        }
        input.len()
    }

    fn ended(&mut self, hub: &mut Hub<'_, Noted>, cx: &mut Context<'_>, _rest: &[u8]) {
        self.note(hub, "ended");
        cx.close();
    }

    fn writable(&mut self, hub: &mut Hub<'_, Noted>, _cx: &mut Context<'_>) {
        self.note(hub, "writable");
    }

    fn timer(&mut self, hub: &mut Hub<'_, Noted>, _cx: &mut Context<'_>, _timer: TimerId) {
        self.note(hub, "timer");
    }

    fn stopping(&mut self, hub: &mut Hub<'_, Noted>, cx: &mut Context<'_>) {
        self.note(hub, "stopping");
        cx.close();
    }

    fn closed(self, hub: &mut Hub<'_, Noted>, cx: &mut Context<'_>, cause: &Cause) {
        assert!(hub.others.get(cx.id()).is_none());
        self.note(hub, &format!("closed beside {}: {cause}", hub.others.len()));
    }

    fn never_opened(hub: &mut Hub<'_, Noted>, _cx: &mut Context<'_>, cause: &Cause) {
        hub.shared.moments.push(format!("never opened: {cause}"));
    }

    fn tick(hub: &mut Hub<'_, Noted>, cx: &mut Context<'_>, _timer: TimerId) {
        hub.shared.moments.push(format!("tick {}", cx.word()));
    }
}

type Room = ServiceId<Sessions<Noted>>;

#[track_caller]
fn room(config: Config) -> (Reactor, Room, SocketAddr) {
    let mut reactor = reactor(config);
    let room = reactor.add(Sessions::new(Notes::default()));
    let listener = reactor.context(room).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    let at = internet(reactor.local(listener));
    (reactor, room, at)
}

#[track_caller]
fn moments(reactor: &mut Reactor, room: Room) -> Vec<String> {
    reactor.with(room, |sessions, _| std::mem::take(&mut sessions.shared.moments)).unwrap()
}

/// Turns until so many moments are noted, and then looks whether they are these.
#[track_caller]
fn expect_moments(reactor: &mut Reactor, room: Room, expected: &[&str]) {
    let count = |reactor: &mut Reactor| {
        reactor.with(room, |sessions, _| sessions.shared.moments.len()).unwrap()
    };
    turn_until(reactor, |reactor| count(reactor) >= expected.len());
    assert_eq!(moments(reactor, room), expected);
}

/// How many sessions there are, by what the service says and by what is alive.
#[track_caller]
fn alive(reactor: &mut Reactor, room: Room) -> usize {
    let (alive, len) = reactor
        .with(room, |sessions, _| (Rc::strong_count(&sessions.shared.alive) - 1, sessions.len()))
        .unwrap();
    assert_eq!(alive, len);
    len
}

#[test]
fn a_session_lives_as_long_as_its_connection() {
    let (mut reactor, room, at) = room(Config::default());
    let mut one = tcp(at);
    expect_moments(&mut reactor, room, &["client 1 opened beside 0"]);
    let two = tcp(at);
    expect_moments(&mut reactor, room, &["client 2 opened beside 1"]);
    one.write_all(b"hello").unwrap();
    expect_moments(&mut reactor, room, &["client 1 received hello"]);
    assert_eq!(alive(&mut reactor, room), 2);
    drop(one);
    let gone = ["client 1 ended", "client 1 closed beside 1: ended by the peer"];
    expect_moments(&mut reactor, room, &gone);
    let mut three = tcp(at); // In the place of the first one, and another one.
    expect_moments(&mut reactor, room, &["client 3 opened beside 1"]);
    three.write_all(b"here").unwrap();
    expect_moments(&mut reactor, room, &["client 3 received here"]);
    two.shutdown(Shutdown::Write).unwrap();
    let gone = ["client 2 ended", "client 2 closed beside 1: ended by the peer"];
    expect_moments(&mut reactor, room, &gone);
    assert_eq!(alive(&mut reactor, room), 1);
}

/// One reaches the others, and not itself.
#[test]
fn a_session_reaches_the_others() {
    let (mut reactor, _, at) = room(Config::default());
    let (mut one, mut two, mut three) = (tcp(at), tcp(at), tcp(at));
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 3);
    two.write_all(b"shout").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().messages_out == 2);
    turn_until_quiet(&mut reactor);
    expect(&mut one, b"!");
    expect(&mut three, b"!");
    reactor.handle().stop(Stop::AtOnce).unwrap();
    run(&mut reactor);
    expect_end(&mut two, b"");
}

/// The host reaches one session by its id, with the context turned to its connection.
#[test]
fn the_host_reaches_one_session() {
    let (mut reactor, room, at) = room(Config::default());
    let (mut one, mut two) = (tcp(at), tcp(at));
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 2);
    let ids: Vec<(Id, String)> = reactor
        .with(room, |sessions, _| sessions.iter().map(|(id, it)| (id, it.name.clone())).collect())
        .unwrap();
    assert_eq!(ids.len(), 2);
    for (id, name) in &ids {
        let reached = reactor.with(room, |sessions, cx| {
            sessions.with(cx, *id, |session, _hub, cx| {
                assert_eq!((cx.id(), &session.name), (*id, name));
                cx.send_all(name.as_bytes())
            })
        });
        assert_eq!(reached, Some(Some(true)));
    }
    turn_until_quiet(&mut reactor);
    expect(&mut one, b"client 1");
    expect(&mut two, b"client 2");
    let nobody = reactor.with(room, |sessions, cx| sessions.with(cx, Id::NONE, |_, _, _| ()));
    assert_eq!(nobody, Some(None));
}

/// A timer of a connection finds its session, one of a connection that has gone finds nobody, and one of
/// the service is a tick.
#[test]
fn timers_find_whom_they_were_set_for() {
    let (mut reactor, room, at) = room(Config::default());
    let mut one = tcp(at);
    one.write_all(b"timer").unwrap();
    expect_moments(&mut reactor, room, &["client 1 opened beside 0", "client 1 timer"]);
    one.write_all(b"late").unwrap();
    expect_moments(&mut reactor, room, &["client 1 closed beside 0: closed by the service"]);
    // Set later, for a later moment, so that the late one is due by then.
    reactor.with(room, |_, cx| cx.after_with(Duration::from_millis(2), 7));
    expect_moments(&mut reactor, room, &["tick 7"]);
    let listener = reactor.with(room, |_, cx| cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap());
    reactor
        .with(room, |_, cx| cx.source(listener.unwrap()).after_with(Duration::from_millis(1), 8));
    expect_moments(&mut reactor, room, &["tick 8"]);
}

#[test]
fn a_session_is_told_of_room_and_of_the_stop() {
    let (mut reactor, room, at) = room(Config::default());
    let mut one = tcp(at);
    one.write_all(b"flood").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().buffered > 0);
    let reader = std::thread::spawn(move || rest(&mut one).len());
    let expected = ["client 1 opened beside 0", "client 1 writable"];
    expect_moments(&mut reactor, room, &expected);
    reactor.handle().stop(Stop::Gracefully).unwrap();
    let statistics = run(&mut reactor);
    let stopped = ["client 1 stopping", "client 1 closed beside 0: the reactor was stopped"];
    assert_eq!(moments(&mut reactor, room), stopped);
    assert_eq!(reader.join().unwrap() as u64, statistics.bytes_out);
    assert_eq!(alive(&mut reactor, room), 0);
}

/// An outgoing connection: without a session it gets one when it is there, and if that never comes the
/// service is told; with one that was waiting for it, that one is.
#[test]
fn outgoing_connections_have_sessions() {
    let (mut reactor, room, at) = room(Config::default());
    let to = endpoint(&format!("tcp://{at}"));
    reactor.with(room, |_, cx| cx.connect(&to).unwrap());
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 2);
    let mut both = moments(&mut reactor, room);
    both.sort();
    assert_eq!(both, ["client 1 opened beside 0", "client 2 opened beside 1"]);
    reactor.with(room, |sessions, cx| {
        let id = cx.connect(&to).unwrap();
        let session = sessions.shared.born("waiting");
        assert!(sessions.insert(&mut cx.source(id), session));
    });
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 4);
    let mut both = moments(&mut reactor, room);
    both.sort();
    assert_eq!(both, ["client 3 opened beside 3", "waiting connected"]);

    let nowhere = endpoint("unix:///nowhere/at/all");
    reactor.with(room, |_, cx| cx.connect(&nowhere).unwrap());
    expect_moments(&mut reactor, room, &["never opened: no such file or directory"]);
    reactor.with(room, |sessions, cx| {
        let id = cx.connect(&nowhere).unwrap();
        let session = sessions.shared.born("in vain");
        sessions.insert(&mut cx.source(id), session);
    });
    let in_vain = ["in vain closed beside 4: no such file or directory"];
    expect_moments(&mut reactor, room, &in_vain);
    assert_eq!(alive(&mut reactor, room), 4);
}

/// Nobody opens an adopted descriptor. With a session it is served like all others, also if the session is
/// given by another one; without, it takes what comes.
#[test]
fn an_adopted_descriptor_is_given_its_session() {
    let (mut reactor, room, _) = room(Config::default());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let id = reactor.with(room, |sessions, cx| {
        let id = cx.adopt(ours, Half::Both).unwrap();
        let session = sessions.shared.born("adopted");
        assert!(sessions.insert(&mut cx.source(id), session));
        id
    });
    theirs.write_all(b"hello").unwrap();
    expect_moments(&mut reactor, room, &["adopted received hello"]);

    let (second, mut seconds) = UnixStream::pair().unwrap();
    let (third, mut thirds) = UnixStream::pair().unwrap();
    reactor.with(room, |sessions, cx| {
        sessions.with(cx, id.unwrap(), |_, hub, cx| {
            let id = cx.adopt(second, Half::Both).unwrap();
            let session = hub.shared.born("second");
            assert!(hub.others.insert(&mut cx.source(id), session));
            cx.adopt(third, Half::Both).unwrap();
        })
    });
    assert_eq!(alive(&mut reactor, room), 2);
    thirds.write_all(b"nobody hears this").unwrap();
    drop(thirds);
    expect_moments(&mut reactor, room, &["never opened: ended by the peer"]);
    seconds.write_all(b"hello").unwrap();
    expect_moments(&mut reactor, room, &["second received hello"]);
    drop((theirs, seconds));
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 0);
    assert_eq!(alive(&mut reactor, room), 0);

    let gone = reactor.with(room, |sessions, cx| {
        let session = sessions.shared.born("too late");
        sessions.insert(&mut cx.source(id.unwrap()), session)
    });
    assert_eq!((gone, alive(&mut reactor, room)), (Some(false), 0));
}

/// A session doesn't outlive the reactor, which tells nobody when it is dropped.
#[test]
fn sessions_go_with_the_reactor() {
    let (mut reactor, room, at) = room(Config::default());
    let _client = tcp(at);
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    let alive = reactor.with(room, |sessions, _| Rc::clone(&sessions.shared.alive)).unwrap();
    assert_eq!(Rc::strong_count(&alive), 3);
    drop(reactor);
    assert_eq!(Rc::strong_count(&alive), 1);
}

/// A service that knows its own name from the beginning is told by it.
#[test]
fn a_service_may_know_its_own_name() {
    struct Knows(Option<ServiceId<Knows>>, u32);
    impl echoloop::Service for Knows {
        fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
            assert!(cx.tell(self.0.unwrap(), |it, _| it.1 += 1));
        }
    }
    let mut reactor = reactor(Config::default());
    let knows = reactor.add_with(|me| Knows(Some(me), 0));
    reactor.context(knows).after(Duration::from_millis(1));
    turn_until(&mut reactor, |reactor| reactor.with(knows, |it, _| it.1) == Some(1));
}

/// One session is told something, by another service and from another thread; nobody is told in the place
/// of one that has gone.
#[test]
fn one_session_is_told() {
    struct Told;
    impl Session for Told {
        type Shared = Vec<Id>;

        fn opened(hub: &mut Hub<'_, Told>, cx: &mut Context<'_>) -> Told {
            hub.shared.push(cx.id());
            Told
        }
    }
    let server = Server::start(Config::default(), |reactor| {
        let room = reactor.add(Sessions::<Told>::new(Vec::new()));
        let service = Does::new().received(move |cx, input| {
            let text = input.to_vec();
            cx.tell(room, move |sessions, cx| {
                let last = *sessions.shared.last().unwrap();
                cx.tell_one(room, last, move |_, _, cx| {
                    assert_eq!(cx.id(), last);
                    cx.send_all(&text);
                });
            });
            input.len()
        });
        let id = reactor.context(room).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        let at = internet(reactor.local(id));
        (room, at, listen(reactor, "tcp://127.0.0.1:0", service))
    });
    let (room, at, other) = server.made;
    let mut client = tcp(at);
    server.until(|it| it.open == 1);
    tcp(other).write_all(b"from a service").unwrap();
    expect(&mut client, b"from a service");

    let (sender, ids) = std::sync::mpsc::channel();
    server.handle.tell(room, move |it, _| sender.send(it.shared.clone()).unwrap()).unwrap();
    let id = ids.recv_timeout(DEADLINE).unwrap()[0];
    let tell = move |_: &mut Told, _: &mut Hub<'_, Told>, cx: &mut Context<'_>| {
        cx.send_all(b"from a thread");
        cx.close();
    };
    server.handle.tell_one(room, id, tell).unwrap();
    expect_end(&mut client, b"from a thread");
    drop(client);
    server.until(|it| it.open == 0);
    server.handle.tell_one(room, id, |_, _, _| panic!("it has gone")).unwrap();
    let handle = server.handle.clone();
    server.stop(Stop::AtOnce);
    let late = handle.tell_one(room, id, |_, _, _| ());
    assert!(matches!(late, Err(HandleError::Stopped)));
}
