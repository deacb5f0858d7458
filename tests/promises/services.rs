//! A service may do anything from inside any callback, and an echo is the same for every cut.

use std::collections::HashSet;
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use echoloop::{Cause, Config, Context, Echo, Half, Id, Peer, Service, Stop, TimerId};

use crate::support::*;

/// Whatever the cuts of the client, an echo gives back the same bytes and then the end.
#[test]
fn an_echo_is_the_same_for_every_cut() {
    let request = pattern(40);
    for cut in 1..=request.len() {
        let mut reactor = reactor(Config { output_limit: 16, ..Config::default() });
        let (ours, mut client) = UnixStream::pair().unwrap();
        let service = reactor.add(Echo);
        reactor.context(service).adopt(ours, Half::Both).unwrap();
        for piece in request.chunks(cut) {
            client.write_all(piece).unwrap();
            reactor.turn(Some(Duration::ZERO)).unwrap();
        }
        client.shutdown(Shutdown::Write).unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().closed.ended == 1);
        expect_end(&mut client, &request);
    }
}

/// Does everything that there is to do, from inside of every callback there is, to itself and to all others.
struct Meddler {
    to: SocketAddr,
    friends: Vec<Id>,
    called: Arc<Mutex<HashSet<&'static str>>>,
    left: usize,
}

impl Meddler {
    fn meddle(&mut self, name: &'static str, cx: &mut Context<'_>) {
        self.called.lock().unwrap().insert(name);
        if self.left == 0 || cx.is_stopping() {
            return;
        }
        self.left -= 1;
        let me = cx.id();
        for (i, &friend) in self.friends.iter().rev().take(10).enumerate() {
            let mut cx = cx.source(friend);
            cx.send(b"meddling");
            cx.send_all(&[0; 10_000]);
            match (i + self.left) % 7 {
                0 => cx.close(),
                1 => cx.abort(),
                2 => cx.finish(),
                3 => cx.pause(),
                4 => cx.resume(),
                5 => cx.close_because("meddling"),
                _ => {
                    cx.send_to(&Peer::from(self.to), b"meddling");
                }
            }
        }
        let to = endpoint(&format!("tcp://{}", self.to));
        if self.left.is_multiple_of(3) {
            self.friends.extend(cx.connect(&to));
        }
        self.friends.extend(
            self.left
                .is_multiple_of(11)
                .then(|| cx.add(Echo))
                .and_then(|echo| cx.as_service(echo).listen(&endpoint("udp://127.0.0.1:0")).ok()),
        );
        let timer = cx.after(Duration::from_micros(100));
        if self.left.is_multiple_of(2) {
            cx.cancel(timer);
        }
        assert_eq!(cx.id(), me);
        let _ =
            (cx.peer(), cx.local(), cx.queued(), cx.send_capacity(), cx.is_open(), cx.statistics());
    }
}

impl Service for Meddler {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.friends.push(cx.id());
        self.meddle("opened", cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.meddle("received", cx);
        cx.send(input)
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        self.meddle("ended", cx);
        cx.close();
    }

    fn writable(&mut self, cx: &mut Context<'_>) {
        self.meddle("writable", cx);
    }

    fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
        self.meddle("closed", cx);
    }

    fn datagram(&mut self, cx: &mut Context<'_>, _from: &Peer, payload: &[u8]) {
        self.meddle("datagram", cx);
        cx.reply(payload);
    }

    fn timer(&mut self, cx: &mut Context<'_>, _timer: TimerId) {
        self.meddle("timer", cx);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.meddle("stopping", cx);
        cx.stop(Stop::Gracefully);
        cx.close();
    }
}

/// From inside every callback a service sends, closes, connects, listens, sets timers and stops the loop,
/// to itself and to all others; nothing breaks, and all accounts are right in the end.
#[test]
fn anything_can_be_done_from_inside_any_callback() {
    let called = Arc::new(Mutex::new(HashSet::new()));
    let copy = Arc::clone(&called);
    let config = Config {
        output_limit: 20_000,
        linger: Duration::from_millis(100),
        send_buffer: Some(4096),
        ..Config::default()
    };
    let server = Server::start(config, move |reactor| {
        let service = reactor.add(Does::new());
        let id = reactor.context(service).listen(&endpoint("tcp://127.0.0.1:0")).unwrap();
        let to = internet(reactor.local(id));
        let meddler = Meddler { to, friends: Vec::new(), called: copy, left: 5000 };
        let meddler = reactor.add(meddler);
        let mut cx = reactor.context(meddler);
        ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"].map(|at| {
            let id = cx.listen(&endpoint(at)).unwrap();
            internet(cx.source(id).local())
        })
    });
    let [streams, datagrams] = server.made;
    let clients = (0..4).map(|_| {
        thread::spawn(move || {
            let datagram = udp("127.0.0.1:0", Some(datagrams));
            for i in 0..200_usize {
                let mut client = tcp(streams);
                client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                let _ = client.write_all(&pattern(i * 100));
                let _ = datagram.send(b"hello");
                let _ = client.shutdown(Shutdown::Write);
                let _ = std::io::Read::read_to_end(&mut client, &mut Vec::new());
            }
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().unwrap());
    let mut last = tcp(streams);
    let _ = last.write_all(b"?");
    let statistics = server.stop(Stop::Gracefully);
    assert_eq!((statistics.open, statistics.buffered), (0, 0));
    let called = called.lock().unwrap();
    for name in ["opened", "received", "ended", "closed", "datagram", "timer"] {
        assert!(called.contains(name), "{name} was never called");
    }
}

/// A paused connection is not read, and goes on where it was.
#[test]
fn a_pause_holds_the_sender_up() {
    let mut reactor = reactor(Config::default());
    let (sender, opened) = std::sync::mpsc::channel();
    let service = Does::echo().opened(move |cx| {
        cx.pause();
        sender.send(cx.id()).unwrap();
    });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut client = tcp(address);
    client.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().open == 1);
    turn_until_quiet(&mut reactor);
    assert_eq!((reactor.statistics().bytes_in, reactor.poll_timeout()), (0, None));
    let (id, other) = (opened.try_recv().unwrap(), reactor.add(Echo));
    reactor.context(other).source(id).resume();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    expect(&mut client, b"hello");
}

/// What is sent to a connection from elsewhere than its own callbacks leaves too, all of it and in order.
#[test]
fn sending_to_others_works_whatever_their_state() {
    let members: Arc<Mutex<Vec<Id>>> = Arc::default();
    let (joined, all) = (Arc::clone(&members), Arc::clone(&members));
    let service = Does::new().opened(move |cx| joined.lock().unwrap().push(cx.id())).received(
        move |cx, input| {
            for &member in all.lock().unwrap().iter() {
                assert!(cx.source(member).send_all(input));
            }
            input.len()
        },
    );
    let server = serve(Config { output_limit: 10 << 20, ..Config::default() }, service);
    let mut clients: Vec<_> = (0..10).map(|_| tcp(server.made)).collect();
    server.until(|statistics| statistics.open == 10);
    let bytes = pattern(1 << 20);
    clients[0].write_all(&bytes).unwrap();
    for client in &mut clients {
        expect(client, &bytes);
    }
}
