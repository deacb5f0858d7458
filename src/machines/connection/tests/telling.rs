//! What a connection says of itself, which the reactor goes by.

use super::*;

fn pauses(hand: &mut Hand<'_>, _: &[u8]) -> usize {
    hand.connection.pause();
    0
}

/// A pause is one until it ends, or nothing can be shown any more.
#[test]
fn a_pause_is_told() {
    let mut rig = Rig::new(Script::new().gives("abc"));
    assert!(!rig.connection.is_paused());
    assert!(rig.event(&mut pauses).is_none());
    assert!(rig.connection.is_paused());
    rig.connection.resume();
    assert!(!rig.connection.is_paused());

    rig.connection.pause();
    rig.hand().close(None);
    assert!(!rig.connection.is_paused());
}

/// In a pause, what has not been read counts as well as what was kept.
#[test]
fn a_pause_is_drained_when_nothing_is_left() {
    let mut rig = Rig::new(Script::new());
    rig.connection.pause();
    assert!(rig.connection.is_drained());
    rig.connection.latch(Latch { readable: true, ..Latch::default() });
    assert!(!rig.connection.is_drained());

    let mut rig = Rig::new(Script::new().gives("abc"));
    assert!(rig.event(&mut pauses).is_none());
    assert!(!rig.connection.is_drained());
    rig.connection.resume();
    assert!(rig.settle(&mut sink).is_none());
    assert!(rig.connection.is_drained());
}

/// Who rests needs no go: whatever is left to be done says no.
#[test]
fn who_rests_has_nothing_left_to_do() {
    let resting = || Rig::new(Script::new());
    assert!(resting().connection.rests());
    let busy: [fn(&mut Rig); 5] = [
        |rig| rig.connection.latch(Latch { readable: true, ..Latch::default() }),
        |rig| assert_eq!(rig.hand().send(b"kept"), 4),
        |rig| rig.connection.finish(),
        |rig| rig.hand().close(None),
        |rig| rig.connection.lose(),
    ];
    for (number, begin) in busy.into_iter().enumerate() {
        let mut rig = resting();
        begin(&mut rig);
        assert!(!rig.connection.rests(), "the one of number {number}");
    }
}

/// The stream alone is all of it only while nothing is kept here, and nothing has begun to end.
#[test]
fn what_it_holds_is_told() {
    let mut rig = Rig::new(Script::new().gives("abc"));
    assert_eq!(rig.connection.holds(), None);
    assert!(rig.event(&mut wants_more).is_none());
    assert_eq!(rig.connection.holds(), Some("bytes have arrived that were not taken"));
    rig.connection.resume();
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.connection.holds(), None);

    rig.hand().send(b"kept");
    assert_eq!(rig.connection.holds(), Some("bytes are kept that the kernel has not taken"));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.connection.holds(), None);
    rig.hand().close(None);
    assert_eq!(rig.connection.holds(), Some("it is closing"));
}

/// What was being shown again when the service closed or aborted is nobody's any more; after an abort the peer
/// has to know.
#[test]
fn a_close_while_it_is_shown_again_keeps_nothing() {
    for aborts in [false, true] {
        let mut rig = Rig::new(Script::new().gives("abc"));
        assert!(rig.event(&mut wants_more).is_none());
        rig.connection.resume();
        let mut ends = |hand: &mut Hand<'_>, _: &[u8]| {
            match aborts {
                false => hand.close(None),
                true => hand.connection.fail(Cause::Closed, hand.account),
            }
            1
        };
        rig.settle(&mut ends);
        assert_eq!((rig.connection.unread(), rig.account.kept()), (0, 0));
        assert_eq!(rig.connection.has_lost(), aborts);
    }
}

/// A connection is full from a refusal until there is room again, or nothing is shown any more.
#[test]
fn full_means_that_its_own_output_is_in_the_way() {
    let config = Config { output_limit: 2, ..Config::default() };
    for closes in [false, true] {
        let mut rig = Rig::with(Script::new().gives("abc"), config.clone());
        assert!(!rig.connection.is_full());
        assert!(rig.event(&mut echo).is_none());
        assert!(rig.connection.is_full());
        if closes {
            rig.hand().close(None);
        } else {
            rig.script().takes.push_back(Take::UpTo(usize::MAX));
            assert!(rig.event(&mut echo).is_none());
        }
        assert!(!rig.connection.is_full());
    }
}

/// There is something to wait for only while something is kept.
#[test]
fn only_what_is_kept_is_waited_for() {
    let mut rig = Rig::new(Script::new().takes_all());
    assert!(!rig.connection.await_writable());
    rig.hand().send(b"kept");
    assert!(rig.connection.await_writable());
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.told, [Told::Writable]);
    assert!(!rig.connection.await_writable());
}
