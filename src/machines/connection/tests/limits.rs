//! What may be kept.

use super::*;
use crate::values::RESERVE;

/// A reader that never reads costs what the limits allow, and then nothing is read for it any more.
#[test]
fn a_full_output_stops_the_reading() {
    let config = Config { output_limit: 100, ..Config::default() };
    let most = config.output_limit + config.read_buffer;
    let mut rig = Rig::with(Script::new().gives(pattern(200_000)), config);
    assert!(rig.run(&mut echo).is_none());
    assert_eq!(rig.script().reads, 1);
    assert!(rig.account.most() <= most);
    assert_eq!(rig.connection.queued(), 100);
}

/// A message that is longer than the input limit closes the connection, also when it comes in drops.
#[test]
fn an_endless_message_is_cut_off() {
    for cut in [1, 7, 64, 1000] {
        let config = Config { input_limit: 64, read_buffer: 16, ..Config::default() };
        let mut rig = Rig::with(Script::new().takes_all(), config);
        let mut gone = None;
        for piece in pattern(1000).chunks(cut) {
            rig.script().gives.push_back(Give::Bytes(piece.to_vec()));
            gone = gone.or(rig.event(&mut wants_more));
            if gone.is_some() {
                break;
            }
        }
        assert_cause(gone, Cause::InputLimit);
        assert!(rig.account.most() < 64 + 16);
    }
}

/// A message of one byte less is fine.
#[test]
fn a_message_within_the_limit_is_waited_for() {
    let config = Config { input_limit: 64, read_buffer: 16, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(63)).ends().takes_all(), config);
    assert_cause(rig.event(&mut wants_more), Cause::Ended);
    assert_eq!(rig.told.last(), Some(&Told::Ended(pattern(63))));
}

/// When all memory is used up by others, one who keeps nothing is served in small steps.
#[test]
fn without_memory_healthy_connections_are_served() {
    let config = Config { buffer_limit: 100_000, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(50_000)).ends().takes_all(), config);
    rig.account.take(100_000); // Somebody else's.
    let mut gone = None;
    for _ in 0..ENDLESS {
        rig.connection.latch(Latch { readable: true, writable: true, read_on: true });
        match rig.connection.advance(&mut rig.buffer, &rig.config, &mut rig.account) {
            Step::Show { bytes, .. } => {
                assert!(bytes <= RESERVE);
                let input = rig.buffer[..bytes].to_vec();
                assert_eq!(rig.hand().send(&input), bytes);
            }
            Step::Ended { .. } => rig.hand().close(None),
            Step::Gone(cause) => {
                gone = Some(cause);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_cause(gone, Cause::Ended);
    assert_eq!(rig.script().taken, pattern(50_000));
}

/// Without memory, one whose output waits reads no more than one step before it has gone, and then goes on.
#[test]
fn without_memory_a_stalled_connection_waits_for_its_reader() {
    let config = Config { buffer_limit: 0, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(20_000)), config);
    assert!(rig.run(&mut echo).is_none());
    assert_eq!(rig.account.kept(), 2 * RESERVE);
    for _ in 0..ENDLESS {
        if rig.script().taken.len() == 20_000 {
            break;
        }
        rig.script().takes.push_back(Take::UpTo(1000));
        assert!(rig.event(&mut echo).is_none());
        assert!(rig.account.most() <= 2 * RESERVE);
    }
    assert_eq!(rig.script().taken, pattern(20_000));
}

/// Without memory, one that takes what comes is shown all of it, also while its output waits: the other end may
/// read only when it has been read.
#[test]
fn without_memory_a_stalled_connection_still_hears() {
    let config = Config { buffer_limit: 0, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(20_000)), config);
    assert_eq!(rig.hand().send(b"hello"), 5); // Which the kernel doesn't take.
    assert_eq!(rig.connection.queued(), 5);
    let mut heard = 0;
    assert!(
        rig.run(&mut |_: &mut Hand<'_>, input: &[u8]| {
            heard += input.len();
            input.len()
        })
        .is_none()
    );
    assert_eq!(heard, 20_000);
}

/// Without memory, an unfinished message within the reserve is waited for, a longer one is not.
#[test]
fn without_memory_a_long_message_ends_the_connection() {
    let config = Config { buffer_limit: 0, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(RESERVE)).takes_all(), config);
    assert!(rig.event(&mut wants_more).is_none());
    rig.script().gives.push_back(Give::Bytes(b"x".to_vec()));
    assert_cause(rig.event(&mut wants_more), Cause::BufferLimit);
}

/// There is room for a first answer whatever others keep, and `send_all` takes what was promised.
#[test]
fn room_is_a_promise() {
    for (total, limit) in [(0, 1), (0, 100_000), (1000, 500), (50_000, 100_000)] {
        let config = Config { buffer_limit: total, output_limit: limit, ..Config::default() };
        let mut rig = Rig::with(Script::new(), config);
        let room = rig.connection.room(&rig.config, &rig.account);
        assert!(room >= RESERVE.min(limit));
        assert!(rig.hand().send_all(&pattern(room)));
        assert_eq!(rig.connection.queued(), room);
        rig.connection.finish();
        assert_eq!(rig.connection.room(&rig.config, &rig.account), 0);
    }
}

/// An idle connection owns no memory but its own place.
#[test]
fn idle_is_small() {
    let mut rig = Rig::new(Script::new().gives("abc").takes(1));
    assert!(rig.event(&mut echo).is_none());
    assert!(rig.connection.kept.is_some());
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.event(&mut echo).is_none());
    assert!(rig.connection.kept.is_none());
    assert!(size_of::<Connection<std::fs::File>>() <= 24);
}

/// More is kept during a pause than the input limit allows otherwise, and nothing breaks when it ends.
#[test]
fn a_pause_in_the_middle_of_much_input_is_survived() {
    let config = Config { input_limit: 8, read_buffer: 100, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(100)), config);
    let mut one_and_pause = |hand: &mut Hand<'_>, _: &[u8]| {
        hand.connection.pause();
        1
    };
    assert!(rig.event(&mut one_and_pause).is_none());
    for left in (1..99).rev() {
        rig.connection.resume();
        assert!(rig.settle(&mut one_and_pause).is_none());
        assert_eq!(rig.account.kept(), left);
    }
}

/// The limit is for what a service must see before it can go on, not for what it goes on with.
#[test]
fn who_takes_some_and_resumes_has_not_met_the_limit() {
    let config = Config { input_limit: 8, read_buffer: 100, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(100)), config);
    let mut one_by_one = |hand: &mut Hand<'_>, _: &[u8]| {
        hand.connection.resume();
        1
    };
    assert!(rig.event(&mut one_by_one).is_none());
    assert_eq!((rig.shown().len(), rig.account.kept()), (100, 0));
}

/// But who takes nothing has.
#[test]
fn who_takes_nothing_and_resumes_has_met_the_limit() {
    let config = Config { input_limit: 8, read_buffer: 100, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives(pattern(100)), config);
    let gone = rig.event(&mut |hand: &mut Hand<'_>, _: &[u8]| {
        hand.connection.resume();
        0
    });
    assert_cause(gone, Cause::InputLimit);
}
