//! What a turn of the reactor costs over real sockets: `cargo bench --bench turns`. Only the turn is
//! timed, not the peers at the other ends.

use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};
use echoloop::{Address, Config, Echo, Error, Half, Reactor};
use rustix::process::{Resource, getrlimit, setrlimit};

const MESSAGE: [u8; 64] = [7; 64];

criterion_group!(benches, empty, streams, idle, datagrams);
criterion_main!(benches);

/// Nothing to do: the poll, and a look at everything that could be due.
fn empty(c: &mut Criterion) {
    let (mut reactor, _peers) = reactor_with(1);
    c.bench_function("turn/nothing to do", |b| b.iter(|| reactor.turn(Some(Duration::ZERO))));
}

/// A message on each of so many connections.
fn streams(c: &mut Criterion) {
    let mut group = c.benchmark_group("turn");
    for ready in [1, 16, 256] {
        let (mut reactor, mut peers) = reactor_with(ready);
        group.throughput(Throughput::Elements(ready as u64));
        group.bench_function(format!("echo on {ready} connections"), |b| {
            echo(b, &mut reactor, &mut peers);
        });
    }
    group.finish();
}

/// One message, and many connections that are only there.
fn idle(c: &mut Criterion) {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("the hard limit is allowed");
    // Each has both of its ends in this process; some descriptors are left for everything else.
    let most = limit.maximum.map_or(usize::MAX, |most| most.saturating_sub(200) as usize / 2);
    let many = most.min(5_000);
    let (mut reactor, mut peers) = reactor_with(many);
    c.bench_function(&format!("turn/echo on 1 of {many} connections"), |b| {
        echo(b, &mut reactor, &mut peers[..1]);
    });
}

/// A burst from one peer.
fn datagrams(c: &mut Criterion) {
    let mut reactor = Reactor::new(Config::default()).expect("a reactor");
    let id = reactor.listen(&"udp://127.0.0.1:0".parse().expect("an endpoint"), Echo);
    let Some(Address::Ip(server)) = reactor.local(id.expect("a socket")) else {
        panic!("a udp socket has an address");
    };
    let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    peer.connect(server).expect("an address");
    let mut group = c.benchmark_group("turn");
    for burst in [1, 32] {
        group.throughput(Throughput::Elements(burst));
        group.bench_function(format!("echo of {burst} datagrams"), |b| {
            b.iter_custom(|iterations| {
                time(iterations, &mut reactor, |reactor| {
                    (0..burst).try_for_each(|_| peer.send(&MESSAGE).map(drop))?;
                    let took = timed_turn(reactor)?;
                    let mut answer = [0; MESSAGE.len() + 1];
                    for _ in 0..burst {
                        assert_eq!(peer.recv(&mut answer)?, MESSAGE.len());
                    }
                    Ok(took)
                })
            });
        });
    }
    group.finish();
}

/// A reactor that echoes on so many connections, and their other ends.
fn reactor_with(connections: usize) -> (Reactor, Vec<UnixStream>) {
    let mut reactor = Reactor::new(Config::default()).expect("a reactor");
    let service = reactor.add(Echo);
    let peers = (0..connections).map(|_| {
        let (ours, theirs) = UnixStream::pair().expect("two descriptors");
        reactor.context(service).adopt(ours, Half::Both).expect("a stream");
        theirs
    });
    let peers = peers.collect();
    // The news is that all are writable, which takes more than one turn to tell.
    let mut events = u64::MAX;
    while events != reactor.statistics().events {
        events = reactor.statistics().events;
        reactor.turn(Some(Duration::ZERO)).expect("a turn");
    }
    (reactor, peers)
}

fn echo(b: &mut Bencher<'_>, reactor: &mut Reactor, peers: &mut [UnixStream]) {
    b.iter_custom(|iterations| {
        time(iterations, reactor, |reactor| {
            peers.iter_mut().try_for_each(|peer| peer.write_all(&MESSAGE))?;
            let took = timed_turn(reactor)?;
            let mut answer = [0; MESSAGE.len()];
            peers.iter_mut().try_for_each(|peer| peer.read_exact(&mut answer))?;
            Ok(took)
        })
    });
}

fn time(
    iterations: u64,
    reactor: &mut Reactor,
    mut step: impl FnMut(&mut Reactor) -> io::Result<Duration>,
) -> Duration {
    (0..iterations).map(|_| step(reactor).expect("sockets that work")).sum()
}

fn timed_turn(reactor: &mut Reactor) -> io::Result<Duration> {
    let start = Instant::now();
    reactor.turn(Some(Duration::ZERO)).map_err(|error: Error| io::Error::other(error))?;
    Ok(start.elapsed())
}
