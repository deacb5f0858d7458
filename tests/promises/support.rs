//! What all of these tests need: a reactor in a thread or by hand, clients with a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoloop::{Address, Config, Endpoint, Handle, Reactor, Service, Statistics, Stop};

use crate::again::again;
pub(crate) use crate::does::Does;

/// Longer than anything here takes on the slowest machine. Only against hanging.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A reactor in a thread of its own.
pub(crate) struct Server<T> {
    pub(crate) handle: Handle,
    /// What its set-up has returned.
    pub(crate) made: T,
    thread: Option<JoinHandle<Statistics>>,
}

impl<T: Send + 'static> Server<T> {
    #[track_caller]
    pub(crate) fn start(
        config: Config,
        set_up: impl FnOnce(&mut Reactor) -> T + Send + 'static,
    ) -> Server<T> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new(config).unwrap();
            let made = set_up(&mut reactor);
            sender.send((reactor.handle(), made)).unwrap();
            reactor.run().unwrap();
            reactor.statistics()
        });
        let (handle, made) = receiver.recv().expect("the server has started");
        Server { handle, made, thread: Some(thread) }
    }

    #[track_caller]
    pub(crate) fn statistics(&self) -> Statistics {
        let (sender, receiver) = mpsc::channel();
        self.handle.run(move |cx| sender.send(cx.statistics()).unwrap()).expect("it runs");
        receiver.recv_timeout(DEADLINE).expect("the loop turns")
    }

    /// Asks again and again.
    #[track_caller]
    pub(crate) fn until(&self, holds: impl Fn(&Statistics) -> bool) -> Statistics {
        let start = Instant::now();
        loop {
            let statistics = self.statistics();
            if holds(&statistics) {
                return statistics;
            }
            assert!(start.elapsed() < DEADLINE, "it never came to that: {statistics}");
            thread::yield_now();
        }
    }

    /// Sends more than the kernel holds on the whole way there and back, so that the server keeps some of it.
    #[track_caller]
    pub(crate) fn stall(&self, client: &mut TcpStream) {
        let (start, bytes) = (Instant::now(), pattern(1_000_000));
        while self.statistics().buffered == 0 {
            assert!(start.elapsed() < DEADLINE, "it never comes to a standstill");
            stuff(client, &bytes);
        }
    }

    /// Whether it has stopped by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    #[track_caller]
    pub(crate) fn stop(self, how: Stop) -> Statistics {
        self.handle.stop(how).ok();
        self.join()
    }

    /// Waits for it to stop by itself.
    #[track_caller]
    pub(crate) fn join(mut self) -> Statistics {
        let (thread, start) = (self.thread.take().unwrap(), Instant::now());
        while !thread.is_finished() {
            assert!(start.elapsed() < DEADLINE, "the server does not stop");
            thread::park_timeout(Duration::from_millis(1));
        }
        thread.join().expect("the server does not panic")
    }
}

impl<T> Drop for Server<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.handle.stop(Stop::AtOnce).ok();
            let _ = thread.join();
        }
    }
}

/// A reactor with one service on a TCP port, in a thread.
#[track_caller]
pub(crate) fn serve(config: Config, service: impl Service + Send) -> Server<SocketAddr> {
    Server::start(config, |reactor| listen(reactor, "tcp://127.0.0.1:0", service))
}

/// Listens, and says where.
#[track_caller]
pub(crate) fn listen(reactor: &mut Reactor, at: &str, service: impl Service) -> SocketAddr {
    let id = reactor.listen(&endpoint(at), service).unwrap();
    internet(reactor.local(id))
}

#[track_caller]
pub(crate) fn internet(address: Option<Address>) -> SocketAddr {
    match address {
        Some(Address::Ip(address)) => address,
        other => panic!("no internet address: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

pub(crate) fn reactor(config: Config) -> Reactor {
    Reactor::new(config).unwrap()
}

/// Turns by hand until something holds.
#[track_caller]
pub(crate) fn turn_until(reactor: &mut Reactor, mut holds: impl FnMut(&mut Reactor) -> bool) {
    let start = Instant::now();
    while !holds(reactor) {
        assert!(start.elapsed() < DEADLINE, "it never came to that: {}", reactor.statistics());
        reactor.turn(Some(Duration::from_millis(1))).unwrap();
    }
}

/// Turns by hand until nothing happens any more without somebody else.
#[track_caller]
pub(crate) fn turn_until_quiet(reactor: &mut Reactor) {
    let start = Instant::now();
    let mut quiet = 0;
    while quiet < 3 {
        assert!(start.elapsed() < DEADLINE, "it never comes to rest: {}", reactor.statistics());
        let before = reactor.statistics().events;
        let busy = reactor.poll_timeout() == Some(Duration::ZERO);
        reactor.turn(Some(Duration::ZERO)).unwrap();
        quiet = if busy || reactor.statistics().events > before { 0 } else { quiet + 1 };
    }
}

/// Runs until it has stopped, or the deadline.
#[track_caller]
pub(crate) fn run(reactor: &mut Reactor) -> Statistics {
    turn_until(reactor, |reactor| reactor.is_stopped());
    reactor.statistics()
}

#[track_caller]
pub(crate) fn tcp(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

#[track_caller]
pub(crate) fn unix(path: &std::path::Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A client socket; connected, if `to` is given.
#[track_caller]
pub(crate) fn udp(at: &str, to: Option<SocketAddr>) -> UdpSocket {
    let socket = UdpSocket::bind(at).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    if let Some(to) = to {
        socket.connect(to).unwrap();
    }
    socket
}

/// One datagram.
#[track_caller]
pub(crate) fn datagram(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = again(|| socket.recv(&mut buffer)).expect("a datagram");
    buffer.truncate(length);
    buffer
}

/// As many bytes as are expected, and the same ones.
#[track_caller]
pub(crate) fn expect(stream: &mut impl Read, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("bytes");
    assert!(bytes == expected, "{} instead of {}", show(&bytes), show(expected));
}

/// Everything up to the end, which comes in order.
#[track_caller]
pub(crate) fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end in order");
    bytes
}

/// These bytes, then the end.
#[track_caller]
pub(crate) fn expect_end(stream: &mut impl Read, expected: &[u8]) {
    let bytes = rest(stream);
    assert!(bytes == expected, "{} instead of {}", show(&bytes), show(expected));
}

/// There and back.
#[track_caller]
pub(crate) fn exchange(stream: &mut (impl Read + Write), bytes: &[u8]) {
    stream.write_all(bytes).expect("somewhere to write to");
    expect(stream, bytes);
}

/// Writes without waiting, until the kernel takes no more or all is out; returns how much that was.
#[track_caller]
pub(crate) fn stuff(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

fn show(bytes: &[u8]) -> String {
    match bytes.len() {
        0..200 => bytes.escape_ascii().to_string(),
        length => format!("{length} bytes"),
    }
}

/// Recognizable bytes: no two neighbours are alike, and the period is no power of two.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..251).collect();
    bytes = bytes.repeat(length.div_ceil(251)); // Copies are fast wherever it runs.
    bytes.truncate(length);
    bytes
}
