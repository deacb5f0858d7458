//! Where one thing meets another: a failed write and what has arrived, a short read and what is behind it, a
//! pause and an end, a stated reason and a deadline.

use super::*;

/// Takes all, and answers nothing.
fn takes(_: &mut Hand<'_>, input: &[u8]) -> usize {
    input.len()
}

/// Takes what it could give back.
fn echoes(hand: &mut Hand<'_>, input: &[u8]) -> usize {
    hand.send(input)
}

fn shown(rig: &Rig) -> Vec<u8> {
    let each = rig.told.iter().filter_map(|told| match told {
        Told::Shown(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    each.collect::<Vec<_>>().concat()
}

/// A write that fails ends the way out; the way in is shown to its last byte, and no end is told, which
/// might be a reset.
#[test]
fn what_has_arrived_survives_a_failed_write() {
    let script = Script::new().gives("one").gives("two").ends();
    let mut rig = Rig::new(script.fails_to_write(ErrorKind::BrokenPipe));
    let cause = rig.run(&mut |hand, input| {
        hand.send(b"thank you");
        input.len()
    });
    assert_eq!(shown(&rig), b"onetwo");
    assert!(matches!(cause, Some(Cause::Failed(error)) if error.kind() == ErrorKind::BrokenPipe));
    assert!(!rig.told.iter().any(|told| matches!(told, Told::Ended(_))));
}

/// Who can't take anything without answering is over with the write.
#[test]
fn who_must_answer_is_over_with_a_failed_write() {
    let script = Script::new().gives("one").gives("two");
    let mut rig = Rig::new(script.fails_to_write(ErrorKind::ConnectionReset));
    let cause = rig.run(&mut echoes);
    assert!(matches!(cause, Some(Cause::Failed(_))), "{cause:?}");
}

/// Who is refused by a way out that has failed is told of no room there, for it would try again, and for ever.
#[test]
fn a_failed_write_leaves_no_room_to_tell_of() {
    let mut rig = Rig::new(Script::new().gives("x").fails_to_write(ErrorKind::ConnectionReset));
    let cause = rig.run(&mut |hand, input| {
        hand.send(b"one");
        assert_eq!(hand.send(b"two"), 0);
        input.len()
    });
    assert!(matches!(cause, Some(Cause::Failed(_))), "{cause:?}");
    assert!(!rig.told.contains(&Told::Writable), "{:?}", rig.told);
}

/// What was kept for a peer that fails is given back to the account, and counts as lost.
#[test]
fn a_failed_flush_gives_back_what_was_kept() {
    let script = Script::new().gives("hello").takes(2);
    let mut rig = Rig::new(script);
    assert!(rig.event(&mut echoes).is_none());
    assert_eq!(rig.account.kept(), 3);
    rig.script().takes.push_back(Take::Error(ErrorKind::ConnectionReset));
    let cause = rig.run(&mut echoes);
    assert!(matches!(cause, Some(Cause::Failed(_))), "{cause:?}");
    assert_eq!(rig.account.kept(), 0);
}

/// On a terminal a read brings a line, and says nothing of those behind it.
#[test]
fn a_short_read_of_a_line_says_nothing() {
    let mut script = Script::new().gives("one\n").gives("two\n").gives("three\n");
    script.is_line_wise = true;
    let mut rig = Rig::new(script);
    assert!(rig.event(&mut takes).is_none()); // One event for all of them.
    assert_eq!(shown(&rig), b"one\ntwo\nthree\n");
}

/// What is shown again isn't copied: the same bytes, from where the last call left them.
#[test]
fn what_is_left_is_shown_again_from_there() {
    let mut rig = Rig::new(Script::new().gives("abc"));
    let mut calls = 0;
    rig.event(&mut |hand, _| {
        calls += 1;
        hand.connection.resume();
        usize::from(calls <= 3)
    });
    let expected = ["abc", "bc", "c"].map(|bytes| Told::Shown(bytes.as_bytes().to_vec()));
    assert_eq!(rig.told[..3], expected);
    assert_eq!(rig.account.kept(), 0);
}

/// The reason that the service gave stays, whatever ends the connection in the end.
#[test]
fn a_stated_reason_stays() {
    let mut rig = Rig::new(Script::new().gives("x").takes(0));
    rig.event(&mut |hand, input| {
        hand.send(b"last words");
        hand.close(Some(Cause::Because("enough")));
        input.len()
    });
    let Rig { connection, account, .. } = &mut rig;
    assert!(connection.has_lost(), "its last words are still here");
    let cause = connection.end(Cause::Lingered, account);
    assert!(matches!(cause, Cause::Because("enough")), "{cause:?}");
    assert!(connection.has_lost() && account.kept() == 0);
}

/// A connection that ends in order has lost nothing.
#[test]
fn an_end_in_order_has_lost_nothing() {
    let mut rig = Rig::new(Script::new().gives("hello").ends().takes_all());
    let cause = rig.run(&mut echoes);
    assert!(matches!(cause, Some(Cause::Ended)) && !rig.connection.has_lost());
}

/// When our own end is on its way, the poller's word that the peer has gone is the end of both, in order.
#[test]
fn a_hangup_behind_our_own_end_is_no_failure() {
    let mut rig = Rig::new(Script::new().gives("hello").ends().takes_all());
    rig.closes = false;
    assert!(rig.event(&mut echoes).is_none());
    let Rig { connection, account, .. } = &mut rig;
    connection.finish();
    connection.hung_up(false, account);
    let cause = rig.settle(&mut echoes);
    assert!(matches!(cause, Some(Cause::Ended)), "{cause:?}");
}
