//! Whoever takes long holds up nobody but for one call.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo, Reactor};

use crate::fairness::{hard_worker, most_are_short, settle};
use crate::support::*;

/// A whisper, and how many slow calls of others there were before each was heard.
struct Whisper {
    reactor: Reactor,
    client: TcpStream,
    calls: Arc<AtomicUsize>,
}

impl Whisper {
    /// With the budgets that everybody has.
    fn new() -> Whisper {
        let mut reactor = reactor(Config::default());
        let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
        let client = tcp(address);
        settle(&mut reactor, 1);
        Whisper { reactor, client, calls: Arc::default() }
    }

    /// Whispers so often, each time after that has been done. But for the first times, when nobody knows yet how
    /// slow the others are, few of their calls come before it.
    #[track_caller]
    fn is_heard(&mut self, times: usize, mut before: impl FnMut()) {
        let mut waits = Vec::new();
        for _ in 0..times {
            before();
            let calls = self.calls.load(Ordering::Relaxed);
            self.client.write_all(b"w").unwrap();
            let heard = self.reactor.statistics().bytes_out + 1;
            turn_until(&mut self.reactor, |reactor| reactor.statistics().bytes_out >= heard);
            waits.push(self.calls.load(Ordering::Relaxed) - calls);
        }
        most_are_short(&waits[times / 2..]);
    }
}

/// A go ends with its slice, however much of its budget is left, and however little a call moves.
#[test]
fn a_whisper_does_not_wait_for_a_whole_go_of_slow_calls() {
    let mut whisper = Whisper::new();
    let slow = hard_worker(&whisper.calls);
    let address = listen(&mut whisper.reactor, "tcp://127.0.0.1:0", slow);
    let floods = [tcp(address), tcp(address)];
    settle(&mut whisper.reactor, 3);
    for mut flood in &floods {
        flood.write_all(b"flood").unwrap();
    }
    whisper.is_heard(20, || {});
}

/// Whoever has the loop compute for long is no whisper, though it sends a byte at a time.
#[test]
fn a_whisper_does_not_wait_for_all_who_have_much_computed() {
    let mut whisper = Whisper::new();
    let calls = Arc::clone(&whisper.calls);
    let slow = Does::new().received(move |_, input| {
        calls.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
        input.len()
    });
    let address = listen(&mut whisper.reactor, "tcp://127.0.0.1:0", slow);
    let clients: Vec<_> = (0..40).map(|_| tcp(address)).collect();
    settle(&mut whisper.reactor, 41);
    whisper.is_heard(20, || {
        for mut client in &clients {
            client.write_all(b"1").unwrap();
        }
    });
}

/// The same with datagrams, although they come in batches.
#[test]
fn a_whisper_does_not_wait_for_a_batch_of_slow_datagrams() {
    let mut whisper = Whisper::new();
    let calls = Arc::clone(&whisper.calls);
    let slow = Does::new().datagram(move |_, _, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    });
    let address = listen(&mut whisper.reactor, "udp://127.0.0.1:0", slow);
    let flood = udp("127.0.0.1:0", Some(address));
    whisper.is_heard(30, || {
        for _ in 0..10 {
            flood.send(b"flood").unwrap();
        }
    });
}

/// And with connections whose service is slow to open them.
#[test]
fn a_whisper_does_not_wait_for_a_rush_that_is_slowly_opened() {
    let mut whisper = Whisper::new();
    let calls = Arc::clone(&whisper.calls);
    let slow = Does::new().opened(move |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
    });
    let address = listen(&mut whisper.reactor, "tcp://127.0.0.1:0", slow);
    let mut rush = Vec::new();
    whisper.is_heard(20, || rush.extend((0..10).map(|_| tcp(address))));
}
