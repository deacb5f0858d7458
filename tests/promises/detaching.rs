//! A connection can be given away, and goes on elsewhere: nothing of it is lost on the way, and nothing stays
//! behind.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use echoloop::{
    Address, Cause, Config, Context, Echo, Half, Id, Reactor, Service, ServiceId, Stop, TimerId,
    describe,
};

use crate::support::*;

/// A connection, and what it has shown already.
pub(crate) type Gift = (OwnedFd, Vec<u8>);

/// Where connections go when they are given away, each with what it has shown already.
pub(crate) fn elsewhere() -> (Sender<Gift>, Receiver<Gift>) {
    mpsc::channel()
}

/// Another reactor, which echoes what it is given, first of all what had been shown.
pub(crate) struct Other {
    pub(crate) reactor: Reactor,
    echo: ServiceId<Echo>,
}

impl Other {
    pub(crate) fn new() -> Other {
        let mut reactor = reactor(Config::default());
        let echo = reactor.add(Echo);
        Other { reactor, echo }
    }

    #[track_caller]
    pub(crate) fn adopts(&mut self, (descriptor, shown): Gift) -> Id {
        let mut cx = self.reactor.context(self.echo);
        let id = cx.adopt(descriptor, Half::Both).unwrap();
        assert!(cx.source(id).send_all(&shown));
        id
    }

    /// There and back through it.
    #[track_caller]
    pub(crate) fn echoes(&mut self, stream: &mut (impl Read + Write), bytes: &[u8]) {
        stream.write_all(bytes).unwrap();
        let before = self.reactor.statistics().bytes_in;
        turn_until(&mut self.reactor, |reactor| {
            reactor.statistics().bytes_in == before + bytes.len() as u64
        });
        expect(stream, bytes);
    }
}

/// Turns until something is given away.
#[track_caller]
pub(crate) fn given(reactor: &mut Reactor, gifts: &Receiver<Gift>) -> Gift {
    let mut gift = None;
    turn_until(reactor, |_| {
        gift = gift.take().or_else(|| gifts.try_recv().ok());
        gift.is_some()
    });
    gift.unwrap()
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Whatever it is and whichever way it came, it is served elsewhere like one that never was here; and here it is
/// told of as gone, once, and counted.
#[test]
fn every_kind_goes_on_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    for way in ["tcp", "unix", "background", "dialled", "adopted tcp", "adopted unix"] {
        let (gifts, arrived) = elsewhere();
        let (service, causes) = Does::new()
            .opened(move |cx| gifts.send((cx.detach().unwrap(), Vec::new())).unwrap())
            .tells_causes();
        let mut reactor = reactor(Config::default());
        let service = reactor.add(service);
        let mut cx = reactor.context(service);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut adopted = None;
        let mut client: Box<dyn ReadWrite> = match way {
            "unix" => {
                cx.listen(&endpoint(&format!("unix://{}", path.display()))).unwrap();
                Box::new(unix(&path))
            }
            "dialled" => {
                cx.connect(&listener.local_addr().unwrap().into()).unwrap();
                turn_until_quiet(&mut reactor);
                Box::new(listener.accept().unwrap().0)
            }
            "adopted tcp" => {
                let client = tcp(listener.local_addr().unwrap());
                adopted = Some(cx.adopt(listener.accept().unwrap().0, Half::Both).unwrap());
                Box::new(client)
            }
            "adopted unix" => {
                let (ours, theirs) = UnixStream::pair().unwrap();
                adopted = Some(cx.adopt(ours, Half::Both).unwrap());
                Box::new(theirs)
            }
            _ => {
                let id = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
                if way == "background" {
                    cx.source(id).unref();
                }
                Box::new(tcp(internet(cx.source(id).local())))
            }
        };
        let gift = match adopted {
            Some(id) => (reactor.context(service).source(id).detach().unwrap(), Vec::new()),
            None => given(&mut reactor, &arrived),
        };
        client.write_all(b"on the way ").unwrap(); // To nobody, at this moment.
        let events = reactor.statistics().events;
        turn_until_quiet(&mut reactor);
        let statistics = reactor.statistics();
        assert_eq!(statistics.events, events, "{way}: the poller still tells of it");
        let counted = u64::from(way != "background");
        assert_eq!((statistics.open, statistics.closed.detached), (0, counted), "{way}");
        let told: Vec<_> = causes.try_iter().map(|(_, cause)| cause).collect();
        assert_eq!(told, ["Detached"], "{way}");

        let mut other = Other::new();
        let id = other.adopts(gift);
        let peer = other.reactor.context(other.echo).source(id).peer();
        assert_eq!(matches!(peer, Some(Address::Ip(_))), !way.contains("unix"), "{way}: {peer:?}");
        turn_until(&mut other.reactor, |reactor| reactor.statistics().bytes_out == 11);
        expect(&mut client, b"on the way ");
        other.echoes(&mut client, b"and there");
    }
}

/// Gives its connection away at one moment.
struct Gives {
    moment: &'static str,
    gifts: Sender<Gift>,
    opened: Sender<Id>,
    closed: Sender<String>,
}

impl Gives {
    fn at(&mut self, moment: &str, cx: &mut Context<'_>, shown: &[u8]) {
        if self.moment == moment {
            self.give(cx, shown);
        }
    }

    fn give(&mut self, cx: &mut Context<'_>, shown: &[u8]) {
        let gift = cx.detach().unwrap_or_else(|error| panic!("{}: {error:#}", self.moment));
        self.gifts.send((gift, shown.to_vec())).unwrap();
    }
}

impl Service for Gives {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.opened.send(cx.id()).unwrap();
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        match self.moment {
            "received" => self.give(cx, input),
            "once more" => {
                cx.resume();
                self.moment = "received";
                return 0;
            }
            // More than the kernel takes, then room.
            "writable" => assert!(cx.send(&pattern(6_000_000)) > 0 && cx.await_writable()),
            "timer" => drop(cx.after(Duration::ZERO)),
            _ => {}
        }
        input.len()
    }

    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        self.at("ended", cx, rest);
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.at("writable", cx, b"");
    }

    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        self.at("timer", cx, b"");
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.at("stopping", cx, b"");
    }

    fn closed(&mut self, _cx: &mut Context<'_>, cause: &Cause) {
        self.closed.send(cause.to_string()).unwrap();
    }
}

/// From inside every callback. What is being shown is passed on with it.
#[test]
fn a_connection_can_be_given_away_at_any_moment() {
    for moment in ["received", "once more", "ended", "writable", "timer", "told", "stopping"] {
        let ((gifts, arrived), (ids, opened)) = (elsewhere(), mpsc::channel());
        let (closed, causes) = mpsc::channel();
        let service = Gives { moment, gifts, opened: ids, closed };
        let mut reactor = reactor(Config { output_limit: 8_000_000, ..Config::default() });
        let service = reactor.add(service);
        let listener = reactor.context(service).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        let mut client = tcp(internet(reactor.local(listener)));
        client.write_all(b"hello").unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in == 5);
        match moment {
            "ended" => client.shutdown(Shutdown::Write).unwrap(),
            "stopping" => reactor.context(service).stop(Stop::Gracefully),
            "told" => {
                let id = opened.try_recv().unwrap();
                reactor.with(service, |it, cx| it.give(&mut cx.source(id), b"")).unwrap();
            }
            _ => {}
        }
        let reader = (moment == "writable").then(|| {
            let mut client = client.try_clone().unwrap();
            std::thread::spawn(move || expect(&mut client, &pattern(6_000_000)))
        });
        let gift = given(&mut reactor, &arrived);
        if let Some(reader) = reader {
            reader.join().unwrap();
        }
        turn_until(&mut reactor, |reactor| reactor.statistics().closed.detached == 1);
        assert_eq!(
            causes.try_iter().collect::<Vec<_>>(),
            ["given away by the service"],
            "{moment}"
        );
        if moment == "stopping" {
            run(&mut reactor); // Nothing is left to wait for.
        }
        let mut other = Other::new();
        let shown = gift.1.len();
        other.adopts(gift);
        assert_eq!(
            shown,
            if ["received", "once more"].contains(&moment) { 5 } else { 0 },
            "{moment}"
        );
        expect(&mut client, &b"hello"[..shown]);
        if moment == "ended" {
            turn_until(&mut other.reactor, |reactor| reactor.statistics().open == 0);
            expect_end(&mut client, b""); // The end is read once more.
        } else {
            other.echoes(&mut client, b"on we go");
        }
    }
}

/// While anything is kept, it can't be: and nothing has changed. When that has gone, it can.
#[test]
fn what_keeps_bytes_is_not_given_away() {
    let (gifts, arrived) = elsewhere();
    let (errors, refused) = mpsc::channel();
    let give = move |cx: &mut Context<'_>| match cx.detach() {
        Ok(gift) => gifts.send((gift, Vec::new())).unwrap(),
        Err(error) => errors.send((error.kind(), describe(&error))).unwrap(),
    };
    let gives = give.clone();
    let service = Does::new()
        .received(move |cx, input| {
            if input == b"keep" {
                cx.after(Duration::ZERO);
                return 0;
            }
            cx.send(&pattern(6_000_000));
            cx.await_writable();
            give(cx);
            input.len()
        })
        .timer(move |cx, _| gives(cx))
        .writable(|cx| {
            cx.after(Duration::ZERO);
        });
    let mut reactor = reactor(Config { output_limit: 8_000_000, ..Config::default() });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut client = tcp(address);
    client.write_all(b"keep").unwrap();
    let mut error = None;
    let mut until_refused = |reactor: &mut Reactor| {
        turn_until(reactor, |_| {
            error = refused.try_recv().ok();
            error.is_some()
        });
        error.take().unwrap()
    };
    let (kind, text) = until_refused(&mut reactor);
    assert_eq!(kind, std::io::ErrorKind::ResourceBusy);
    assert!(text.ends_with(": bytes have arrived that were not taken"), "{text}");
    client.write_all(b"!").unwrap();
    let (kind, text) = until_refused(&mut reactor);
    assert_eq!(kind, std::io::ErrorKind::ResourceBusy);
    assert!(text.ends_with(": bytes are kept that the kernel has not taken"), "{text}");
    let reader = std::thread::spawn(move || {
        expect(&mut client, &pattern(6_000_000));
        client
    });
    let gift = given(&mut reactor, &arrived);
    let mut client = reader.join().unwrap();
    let mut other = Other::new();
    other.adopts(gift);
    other.echoes(&mut client, b"still in order");
}

/// What isn't a connection, or is none yet or no more, can't be given away, and says so.
#[test]
fn only_a_connection_is_given_away() {
    let mut reactor = reactor(Config::default());
    let echo = reactor.add(Echo);
    let mut cx = reactor.context(echo);
    let stream = cx.listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
    let datagrams = cx.listen(&endpoint("udp://127.0.0.1:0")).unwrap();
    let to = internet(cx.source(stream).local());
    let mem = endpoint("mem://here");
    cx.listen(&mem).unwrap();
    let mem = cx.connect(&mem).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().accepted == 1);
    let mut cx = reactor.context(echo);
    let dial = cx.connect(&to.into()).unwrap();
    let (closing, _theirs) = UnixStream::pair().unwrap();
    let closing = cx.adopt(closing, Half::Both).unwrap();
    cx.source(closing).close();
    for (id, why) in [
        (mem, "it is in memory, and has no descriptor"),
        (stream, "it is not a connection"),
        (datagrams, "it is not a connection"),
        (dial, "it is still being made"),
        (closing, "it is closing"),
        (Id::NONE, "it has gone"),
    ] {
        let error = cx.source(id).detach().unwrap_err();
        assert_eq!(describe(&error), format!("cannot give away {id}: {why}"));
    }
    exchange_by_hand(&mut reactor, &mut tcp(to), b"and nothing has changed");
}

#[track_caller]
fn exchange_by_hand(reactor: &mut Reactor, stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    turn_until(reactor, |reactor| reactor.statistics().bytes_out >= bytes.len() as u64);
    expect(stream, bytes);
}

/// What was sent and only gathered leaves before it goes: both connections move in the same turn, so that small
/// sends are.
#[test]
fn what_was_gathered_goes_first() {
    let (gifts, arrived) = elsewhere();
    let service = Does::new().received(move |cx, input| {
        assert!(cx.send_all(b"the last word, "));
        gifts.send((cx.detach().unwrap(), input.to_vec())).unwrap();
        0
    });
    let mut reactor = reactor(Config::default());
    let service = reactor.add(service);
    let mut clients = [(); 3].map(|()| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        reactor.context(service).adopt(ours, Half::Both).unwrap();
        theirs
    });
    turn_until_quiet(&mut reactor);
    clients.iter_mut().for_each(|client| client.write_all(b"and the next").unwrap());
    let mut other = Other::new();
    for _ in 0..3 {
        let gift = given(&mut reactor, &arrived);
        other.adopts(gift);
    }
    turn_until_quiet(&mut other.reactor);
    for client in &mut clients {
        expect(client, b"the last word, and the next");
    }
    assert_eq!((reactor.statistics().open, reactor.statistics().buffered), (0, 0));
}
