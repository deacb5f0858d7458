//! What the parts cost that know neither sockets nor the clock: `cargo bench --features internals`.

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use echoloop::internals::EchoMachine;
use echoloop::{ByteQueue, Frames, Lines, Timers, Width};

const MESSAGE: usize = 64;

criterion_group!(benches, queue, lines, frames, timers, connection);
criterion_main!(benches);

/// Bytes in, bytes out: through an empty queue, which owns memory in between, and through one that
/// stays long.
fn queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue");
    group.throughput(Throughput::Bytes(MESSAGE as u64));
    for held in [0, 4 * 1024, 256 * 1024] {
        let mut queue = ByteQueue::new();
        queue.push(&vec![0; held]);
        group.bench_function(format!("64 bytes behind {held}"), |b| {
            b.iter(|| {
                queue.push(black_box(&[7; MESSAGE]));
                black_box(queue.as_slice());
                queue.consume(MESSAGE);
            });
        });
    }
    group.finish();
}

fn lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("lines");
    let lines = Lines::new(8 * 1024);
    for length in [4, 64, 4096] {
        let line = [vec![b'x'; length - 2], b"\r\n".to_vec()].concat();
        let stream = line.repeat(64 * 1024 / length);
        group.throughput(Throughput::Elements((stream.len() / length) as u64));
        group.bench_function(format!("of {length} bytes"), |b| {
            b.iter(|| {
                let mut rest = black_box(&*stream);
                while let Ok(Some(line)) = lines.next(rest) {
                    rest = &rest[line.len()..];
                }
                assert!(rest.is_empty());
            });
        });
    }
    group.finish();
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames");
    for width in [Width::U8, Width::U16, Width::U32] {
        let frames = Frames::new(width, 200);
        let payload = [7; MESSAGE];
        let header = frames.header(payload.len()).expect("it is short enough");
        let stream = [header.as_ref(), &payload].concat().repeat(1000);
        group.throughput(Throughput::Elements(1000));
        group.bench_function(format!("{width:?}"), |b| {
            b.iter(|| {
                let mut rest = black_box(&*stream);
                while let Ok(Some(frame)) = frames.next(rest) {
                    rest = &rest[frame.len()..];
                }
                assert!(rest.is_empty());
            });
        });
    }
    group.finish();
}

/// Beside many others, as idle timeouts are.
fn timers(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    let start = Instant::now();
    let later = |n: u64| start + Duration::from_millis(n * 7919 % 60_000);
    for others in [0, 100, 10_000] {
        let mut timers = Timers::new();
        let ids: Vec<_> = (0..others).map(|n| timers.once(later(n), n)).collect();
        let mut n = others;
        group.bench_function(format!("set and cancel, {others} others"), |b| {
            b.iter(|| {
                n += 1;
                let id = timers.once(later(n), n);
                timers.cancel(id)
            });
        });
        if let Some(&id) = ids.first() {
            group.bench_function(format!("reset, {others} others"), |b| {
                b.iter(|| {
                    n += 1;
                    timers.reset(id, later(n))
                });
            });
        }
    }
    let due = || {
        let mut timers = Timers::new();
        for n in 0..1000 {
            timers.once(later(n), n);
        }
        timers
    };
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000 come due", |b| {
        let end = start + Duration::from_secs(61);
        let fire = |timers: &mut Timers<u64>| while timers.due(end).is_some() {};
        b.iter_batched_ref(due, fire, BatchSize::SmallInput);
    });
    group.finish();
}

/// One event of a connection that echoes: what a message costs apart from system calls.
fn connection(c: &mut Criterion) {
    let mut group = c.benchmark_group("connection");
    for size in [MESSAGE, 16 * 1024] {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{size} bytes, straight out"), |b| {
            let mut machine = EchoMachine::new(Memory { size, takes: true, ..Memory::default() });
            b.iter(|| machine.event(true, true));
            assert_eq!(machine.queued(), 0);
        });
        group.bench_function(format!("{size} bytes, kept and sent later"), |b| {
            let mut machine = EchoMachine::new(Memory { size, ..Memory::default() });
            b.iter(|| {
                machine.event(true, true); // Comes in, and finds no room.
                machine.event(false, true);
            });
            assert_eq!(machine.queued(), 0);
        });
    }
    group.finish();
}

/// A peer that has always one message to send, and takes all of the answer: at once, or when it is
/// asked for the second time.
#[derive(Default)]
struct Memory {
    size: usize,
    takes: bool,
    refused: bool,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer[..self.size].fill(7);
        Ok(self.size)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.takes || self.refused {
            self.refused = false;
            return Ok(black_box(bytes).len());
        }
        self.refused = true;
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
