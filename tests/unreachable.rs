//! What a service hears when its datagrams can't be delivered.
#![cfg(target_os = "linux")]

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use echoloop::{Config, Context, Reactor, Service};

#[derive(Default)]
struct Hears(Option<io::ErrorKind>);

impl Service for Hears {
    fn unreachable(&mut self, _cx: &mut Context<'_>, error: &io::Error) {
        self.0 = Some(error.kind());
    }
}

/// The poll reports an ICMP error without calling the socket readable; the service is told all the same,
/// without having to send again.
#[test]
fn a_connected_socket_hears_that_nobody_is_there() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut reactor = Reactor::new(Config::default()).unwrap();
    let service = reactor.add(Hears::default());
    let mut cx = reactor.context(service);
    let id = cx.connect(&format!("udp://{nobody}").parse().unwrap()).unwrap();
    cx.on(id).send(b"anybody?");
    for _ in 0..10 {
        reactor.turn(Some(Duration::from_secs(1))).unwrap();
        if let Some(kind) = reactor.service::<Hears>(service).unwrap().0 {
            assert_eq!(kind, io::ErrorKind::ConnectionRefused);
            return;
        }
    }
    panic!("the service was not told");
}
