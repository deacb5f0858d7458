//! What the network says about datagrams reaches the service.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use echoloop::{Config, Context, Reactor, Service, Stop};

#[derive(Default)]
struct Listener {
    heard: Option<io::ErrorKind>,
}

impl Service for Listener {
    fn unreachable(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        self.heard = Some(error.kind());
        cx.stop(Stop::AtOnce);
    }
}

/// The kernel tells of an ICMP error without anything to read, and the service of a connected socket
/// hears of it.
#[test]
fn a_connected_socket_is_told_that_nobody_is_there() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let service = reactor.add(Listener::default());
    let mut cx = reactor.context(service);
    let socket = cx.connect(&format!("udp://{nobody}").parse().unwrap()).unwrap();
    cx.source(socket).send(b"hello");

    let deadline = Instant::now() + Duration::from_secs(30);
    while !reactor.is_stopped() {
        assert!(Instant::now() < deadline, "the service was not told");
        reactor.turn(Some(Duration::from_secs(1))).unwrap();
    }
    let heard = reactor.with(service, |it, _| it.heard).unwrap();
    assert_eq!(heard, Some(io::ErrorKind::ConnectionRefused));
}
