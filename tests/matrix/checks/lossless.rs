//! Nothing is lost, reordered or invented: while it runs, and when it stops.

use std::os::unix::net::{UnixDatagram, UnixListener};

use echoloop::Stop;

use crate::fates::{Case, Fate};
use crate::flows::pattern;
use crate::rows::{Flow, Kind, Way};
use crate::world::{Setup, World};

/// Datagrams of so many bytes.
const LENGTHS: [usize; 6] = [1, 0, 100, 1_472, 9_000, 7];

/// What is put in comes out, the same and in order, and then an end in order; also when the one who puts it in
/// has ended before all is out.
pub(crate) fn through(case: Case, fate: Fate) {
    goes_through(case, fate, Setup::default());
}

fn goes_through(case: Case, fate: Fate, setup: Setup) {
    if case.kind.is_datagrams() {
        return datagrams(case, fate, setup);
    }
    let bytes = pattern(3 * case.kind.room());
    let is_early = World::goes_early(case.kind, case.moment);
    let early = if is_early { &bytes[..case.kind.room()] } else { &[] };
    let mut world = World::new(case, Setup { early: early.to_vec(), ..setup });
    world.serve(fate);
    let mut all = early;
    if !is_early {
        all = bytes;
        let (first, rest) = bytes.split_at(case.kind.room());
        world.put(first);
        world.expect(first);
        world.put(rest);
    }
    if case.kind == Kind::Terminal {
        world.expect(all); // Its only end is a hangup.
    }
    world.finish();
    world.expect(all);
    if case.kind != Kind::Terminal {
        world.expect_end();
    }
    world.gone();
    world.witness_unless_stopping();
    world.end();
}

fn datagrams(case: Case, fate: Fate, setup: Setup) {
    let mut world = World::new(case, setup);
    world.serve(fate);
    let bytes = pattern(10_000);
    let mut all = Vec::new();
    for (n, length) in LENGTHS.into_iter().enumerate() {
        let payload = &bytes[n..n + length];
        all.extend_from_slice(payload);
        world.put(payload);
        world.until("the datagram comes out", |world| world.datagrams_out() > n);
        world.expect(&all);
    }
    world.end();
}

/// What has arrived when it is asked to stop is served; then all peers find an end in order, though they have not
/// ended themselves.
pub(crate) fn stopped(case: Case, fate: Fate) {
    if case.kind.is_datagrams() {
        return datagrams_stopped(case, fate);
    }
    let bytes = pattern(case.kind.room());
    let is_early = World::goes_early(case.kind, case.moment);
    let early = if is_early { bytes.to_vec() } else { Vec::new() };
    let mut world = World::new(case, Setup { early, ..Setup::default() });
    world.serve(fate);
    if !is_early {
        world.put(bytes);
        if case.kind.flow() == Flow::Out {
            world.run(|_| ()); // By then it has been told to send them.
        }
    }
    if !case.moment.is_in_a_stop() {
        world.handle.stop(Stop::Gracefully).unwrap();
    }
    world.expect(bytes);
    world.expect_end();
    world.gone();
    world.finish_peer();
    world.release();
    world.stopped();
    world.expect(bytes);
}

fn datagrams_stopped(case: Case, fate: Fate) {
    let crowd = match case.kind {
        // No more wait at a Unix socket, unix(7).
        Kind::UnixGram | Kind::UnixGramConnected => 8,
        // Whoever asks is of the same reactor, and goes with the same stop.
        _ if case.kind.is_in_memory() => 8,
        _ => 50,
    };
    let mut world = World::new(case, Setup::default());
    world.serve(fate);
    let mut all = Vec::new();
    for n in 0..crowd {
        let payload = [n as u8; 100];
        all.extend_from_slice(&payload);
        match case.kind.flow() {
            Flow::Asked => assert_eq!(world.peer.lock().write(&payload), 100),
            _ => world.put(&payload),
        }
    }
    world.run(|_| ()); // By then all have been sent.
    world.handle.stop(Stop::Gracefully).unwrap();
    world.stopped();
    world.collect();
    assert!(world.got == all, "{} bytes of {}", world.got.len(), all.len());
}

/// All of it once more, with what a host may have about it.
pub(crate) fn in_rough_surroundings(case: Case, fate: Fate) {
    let is_stale = case.base() == Ok(Way::Listened) || case.comes_by_a_listener();
    let prepare = move |directory: &std::path::Path| {
        let path = crate::sources::at(directory);
        match case.kind {
            // What a server has left that was killed.
            Kind::Unix | Kind::UnixListener if is_stale => drop(UnixListener::bind(path).unwrap()),
            Kind::UnixGram if is_stale => drop(UnixDatagram::bind(path).unwrap()),
            _ => {}
        }
    };
    goes_through(case, fate, Setup { prepare: Some(Box::new(prepare)), ..Setup::default() });
}
