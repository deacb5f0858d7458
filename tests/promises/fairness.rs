//! A flood doesn't starve a whisper.

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo, Reactor};

use crate::support::*;

/// The smallest shares there can be.
fn small_shares() -> Config {
    Config {
        read_buffer: 4096,
        read_budget: 4096,
        accept_budget: 2,
        datagram_budget: 4,
        ..Config::default()
    }
}

/// Everything that is open has been accepted and has come to rest.
#[track_caller]
pub(crate) fn settle(reactor: &mut Reactor, open: u64) {
    turn_until(reactor, |reactor| reactor.statistics().open == open);
    turn_until_quiet(reactor);
}

/// While one client floods, another's message waits for one share of the flood, not for its end.
#[test]
fn a_whisper_waits_for_one_share_of_a_flood() {
    let mut reactor = reactor(small_shares());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Does::new());
    let whispers = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let (mut flood, mut whisper) = (tcp(address), tcp(whispers));
    settle(&mut reactor, 2);
    let pending = stuff(&mut flood, &pattern(1_000_000)) as u64;
    assert!(pending > 100_000);
    whisper.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    let read = reactor.statistics().bytes_in;
    assert!(read <= 5 + 3 * 4096, "{read} bytes before the whisper was heard");
    expect(&mut whisper, b"hello");

    // Nobody has to wake the loop for the rest of the flood.
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in == pending + 5);
}

/// Of two floods none gets ahead of the other by more than a share or two.
#[test]
fn two_floods_go_at_the_same_pace() {
    let mut reactor = reactor(small_shares());
    let taken = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashMap::new()));
    let count = std::sync::Arc::clone(&taken);
    let service = Does::new().received(move |cx, input| {
        *count.lock().unwrap().entry(cx.id()).or_insert(0_usize) += input.len();
        input.len()
    });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut floods = [tcp(address), tcp(address)];
    settle(&mut reactor, 2);
    for flood in &mut floods {
        assert!(stuff(flood, &pattern(300_000)) > 100_000);
    }
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in >= 100_000);
    let taken: Vec<usize> = taken.lock().unwrap().values().copied().collect();
    assert_eq!(taken.len(), 2);
    assert!(taken[0].abs_diff(taken[1]) <= 2 * 4096, "{taken:?}");
}

/// A rush of new clients doesn't starve those that are there.
#[test]
fn a_whisper_waits_for_one_share_of_a_rush() {
    let mut reactor = reactor(small_shares());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut whisper = tcp(address);
    settle(&mut reactor, 1);
    let rush: Vec<_> = (0..30).map(|_| tcp(address)).collect();
    whisper.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    assert!(reactor.statistics().accepted <= 1 + 3 * 2);
    settle(&mut reactor, 31);
    drop(rush);
}

/// A flood of datagrams doesn't starve a stream.
#[test]
fn a_whisper_waits_for_one_share_of_datagrams() {
    let mut reactor = reactor(small_shares());
    let streams = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let datagrams = listen(&mut reactor, "udp://127.0.0.1:0", Does::new());
    let (flood, mut whisper) = (udp("127.0.0.1:0", Some(datagrams)), tcp(streams));
    settle(&mut reactor, 1);
    for _ in 0..100 {
        flood.send(b"flood").unwrap();
    }
    whisper.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    assert!(reactor.statistics().datagrams_in <= 3 * 4);
    turn_until(&mut reactor, |reactor| reactor.statistics().datagrams_in == 100);
}

/// A service that works for a millisecond whenever it is shown something, and never comes to an end. Counts.
pub(crate) fn hard_worker(count: &Arc<AtomicUsize>) -> Does {
    let count = Arc::clone(count);
    Does::new().received(move |cx, _| {
        count.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1)); // Much longer than a slice.
        cx.resume();
        0
    })
}

/// How many calls of others there were before each whisper was heard: one in the turn that it came in, since each
/// lasts for longer than a slice, and one in the turn before, if loopback took that to bring it. But when the
/// processor was taken from us meanwhile, those that use much have a fifth of that time.
#[track_caller]
pub(crate) fn most_are_short(waits: &[usize]) {
    let long = waits.iter().filter(|wait| **wait > 2).count();
    assert!(long <= waits.len() / 4, "{waits:?}");
}

/// What a whisper waits for doesn't grow with the number of floods: in each turn the poll is looked at, and
/// then one flood at most has its go, since that takes longer than a slice.
#[test]
fn a_whisper_waits_for_one_flood_however_many_there_are() {
    const FLOODS: usize = 40;
    let gos = Arc::new(AtomicUsize::new(0));
    // A call is a go.
    let mut reactor = reactor(Config { read_budget: 1024, ..small_shares() });
    let floods = listen(&mut reactor, "tcp://127.0.0.1:0", hard_worker(&gos));
    let whispers = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut whisper = tcp(whispers);
    let floods: Vec<_> = (0..FLOODS).map(|_| tcp(floods)).collect();
    settle(&mut reactor, 1 + FLOODS as u64);
    for mut flood in &floods {
        flood.write_all(b"flood").unwrap();
    }
    // Each is new once.
    turn_until(&mut reactor, |_| gos.load(Ordering::Relaxed) >= 2 * FLOODS);
    let mut waits = Vec::new();
    for _ in 0..2 * FLOODS {
        let before = gos.load(Ordering::Relaxed);
        whisper.write_all(b"w").unwrap();
        let heard = reactor.statistics().bytes_out + 1;
        turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == heard);
        waits.push(gos.load(Ordering::Relaxed) - before);
    }
    most_are_short(&waits);
    expect(&mut whisper, &[b'w'; 2 * FLOODS]);
}

/// Where there are floods only, none is counted among those that use little.
#[test]
fn floods_alone_are_no_sparse_sources() {
    let gos = Arc::new(AtomicUsize::new(0));
    let mut reactor = reactor(Config { read_budget: 1024, ..small_shares() });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", hard_worker(&gos));
    let floods = [tcp(address), tcp(address)];
    settle(&mut reactor, 2);
    for mut flood in &floods {
        flood.write_all(b"flood").unwrap();
    }
    turn_until(&mut reactor, |_| gos.load(Ordering::Relaxed) >= 8);
    let (sparse, busy) = (reactor.statistics().sparse_waits, reactor.statistics().busy_waits);
    turn_until(&mut reactor, |_| gos.load(Ordering::Relaxed) >= 16);
    let statistics = reactor.statistics();
    assert_eq!(statistics.sparse_waits.count(), sparse.count());
    assert!(statistics.busy_waits.count() >= busy.count() + 8);
}

/// Nor does any flood wait for longer than it takes the others to have their gos, one in a turn.
#[test]
fn floods_go_round_also_beside_whispers() {
    const FLOODS: usize = 10;
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    let work = Does::new().received(move |cx, _| {
        log.lock().unwrap().push(cx.id());
        thread::sleep(Duration::from_millis(1));
        cx.resume();
        0
    });
    let mut reactor = reactor(Config { read_budget: 1024, ..small_shares() });
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", work);
    let whispers = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut whispers: Vec<_> = (0..50).map(|_| tcp(whispers)).collect();
    let floods: Vec<_> = (0..FLOODS).map(|_| tcp(address)).collect();
    settle(&mut reactor, 60);
    for mut flood in &floods {
        flood.write_all(b"flood").unwrap();
    }
    turn_until(&mut reactor, |_| order.lock().unwrap().len() >= 2 * FLOODS);
    for _ in 0..5 * FLOODS {
        whispers.iter_mut().for_each(|whisper| whisper.write_all(b"w").unwrap());
        let before = order.lock().unwrap().len();
        reactor.turn(Some(Duration::ZERO)).unwrap();
        assert!(order.lock().unwrap().len() > before);
    }
    let order = order.lock().unwrap();
    for round in order[order.len() - 5 * FLOODS..].chunks(FLOODS) {
        let different: HashSet<_> = round.iter().collect();
        assert_eq!(different.len(), FLOODS, "{round:?}");
    }
}

/// A flood that pauses because its peer must read first is no newcomer when it goes on: a whisper that
/// comes at the same time is served before it, although it stands behind it.
#[test]
fn a_flood_that_paused_comes_after_a_whisper() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    let service = Does::new().received(move |cx, input| {
        log.lock().unwrap().push(cx.id());
        input.len()
    });
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", service);
    let mut flood = tcp(address);
    settle(&mut reactor, 1);
    flood.write_all(&[0; 60_000]).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in == 60_000);
    let id = order.lock().unwrap()[0];
    let mut whisper = tcp(address);
    settle(&mut reactor, 2);
    flood.write_all(&[0; 60_000]).unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in == 120_000);
    flood.write_all(b"f").unwrap();
    whisper.write_all(b"w").unwrap();
    order.lock().unwrap().clear();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_in == 120_002);
    let order = order.lock().unwrap();
    assert!(order.len() == 2 && order[1] == id && order[0] != id, "{order:?}");
}

/// One of a crowd works, for much longer than a slice.
fn work(done: &Mutex<Vec<usize>>, n: usize) {
    done.lock().unwrap().push(n);
    thread::sleep(Duration::from_millis(1));
}

/// Sets a crowd to work, each of which notes its number.
type Crowd = dyn Fn(&mut Reactor, &Arc<Mutex<Vec<usize>>>);

/// Crowds of timers, tells and commands have a slice of a turn, too: a whisper doesn't wait for all of them.
/// They come in their order, and none is lost.
#[test]
fn a_whisper_does_not_wait_for_crowds_of_other_work() {
    const CROWD: usize = 30;
    let timers = |reactor: &mut Reactor, done: &Arc<Mutex<Vec<usize>>>| {
        let done = Arc::clone(done);
        let service = Does::new().timer(move |cx, _| work(&done, cx.word() as usize));
        let service = reactor.add(service);
        let mut cx = reactor.context(service);
        for n in 0..CROWD {
            cx.after_with(Duration::ZERO, n as u64);
        }
    };
    let tells = |reactor: &mut Reactor, done: &Arc<Mutex<Vec<usize>>>| {
        let service = reactor.add(Does::new());
        let mut cx = reactor.context(service);
        for n in 0..CROWD {
            let done = Arc::clone(done);
            assert!(cx.tell(service, move |_: &mut Does, _| work(&done, n)));
        }
    };
    let commands = |reactor: &mut Reactor, done: &Arc<Mutex<Vec<usize>>>| {
        for n in 0..CROWD {
            let done = Arc::clone(done);
            reactor.handle().run(move |_| work(&done, n)).unwrap();
        }
    };
    let crowds: [(&str, &Crowd); 3] =
        [("timers", &timers), ("tells", &tells), ("commands", &commands)];
    for (name, crowd) in crowds {
        let mut reactor = reactor(Config::default());
        let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
        let mut whisper = tcp(address);
        settle(&mut reactor, 1);
        let done = Arc::default();
        crowd(&mut reactor, &done);
        whisper.write_all(b"w").unwrap();
        turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 1);
        let before = done.lock().unwrap().len();
        assert!(before <= 4, "{before} {name} before the whisper");
        assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO), "{name}");
        turn_until(&mut reactor, |_| done.lock().unwrap().len() == CROWD);
        assert!(done.lock().unwrap().iter().copied().eq(0..CROWD), "{name}");
    }
}

/// What the loop says of itself: turns, and how long those waited that used little.
#[test]
fn turns_and_waits_are_counted() {
    let mut reactor = reactor(Config::default());
    let address = listen(&mut reactor, "tcp://127.0.0.1:0", Echo);
    let mut client = tcp(address);
    settle(&mut reactor, 1);
    client.write_all(b"hello").unwrap();
    turn_until(&mut reactor, |reactor| reactor.statistics().bytes_out == 5);
    let statistics = reactor.statistics();
    assert_eq!(statistics.turn_times.count(), statistics.turns);
    assert_eq!(statistics.turn_times.max(), statistics.longest_turn);
    assert!(statistics.sparse_waits.count() >= 2); // The connection, and the message.
    assert!(statistics.sparse_waits.max() <= statistics.longest_turn);
    assert_eq!(statistics.busy_waits.count(), 0);
    let text = statistics.to_string();
    assert!(text.contains("\nturns: p50 ") && text.contains("; busy ones: none"), "{text}");
}
