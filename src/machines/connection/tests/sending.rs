//! The way out.

use super::*;
use crate::values::RESERVE;

/// A short write keeps the rest for the next event.
#[test]
fn a_short_write_keeps_the_rest_for_the_next_event() {
    let mut rig = Rig::new(Script::new().takes(2));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    assert_eq!(rig.hand().send(b"hello"), 5); // Two went out, three are kept.
    assert_eq!(rig.script().taken, b"he");
    assert_eq!((rig.connection.queued(), rig.account.kept()), (3, 3));

    rig.script().takes.push_back(Take::UpTo(9));
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.script().taken, b"hello");
    assert_eq!(rig.account.kept(), 0);
}

/// After a refused or a short write nothing is written before an event.
#[test]
fn a_full_kernel_is_not_asked_again() {
    let mut rig = Rig::new(Script::new().takes(0));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    assert_eq!(rig.hand().send(b"a"), 1);
    rig.script().takes.push_back(Take::UpTo(1));
    assert_eq!(rig.hand().send(b"b"), 1);
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.script().writes, 1);
}

/// What is sent while something is kept stands behind it.
#[test]
fn what_is_kept_goes_first() {
    let mut rig = Rig::new(Script::new().takes(1));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    rig.hand().send(b"abc");
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    rig.hand().send(b"def"); // The latch is set again, and yet this must not pass.
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.script().taken, b"abcdef");
}

/// After a refusal there is one word that there is room again, when all of it has gone.
#[test]
fn a_refusal_is_followed_by_one_refill() {
    let config = Config { output_limit: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().takes(0), config);
    assert_eq!(rig.hand().send(b"abcdef"), 4);
    rig.script().takes.push_back(Take::UpTo(3));
    rig.script().takes.push_back(Take::UpTo(0));
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.told, []);
    rig.script().takes.push_back(Take::UpTo(3));
    assert!(rig.run(&mut sink).is_none());
    assert_eq!(rig.told, [Told::Writable]);
}

/// `send_all` sends all or nothing, and what was refused is heard of again.
#[test]
fn all_or_nothing_is_meant() {
    let config = Config { output_limit: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().takes(1), config);
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    assert!(rig.hand().send_all(b"abc"));
    assert!(!rig.hand().send_all(b"def"));
    assert_eq!(rig.connection.queued(), 2);
    rig.script().takes.push_back(Take::UpTo(2));
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.told, [Told::Writable]);
    assert_eq!(rig.script().taken, b"abc");
}

/// What can't fit at all ends the connection, or it would wait for ever.
#[test]
fn an_answer_that_can_never_fit_ends_the_connection() {
    let config = Config { output_limit: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("?").takes_all(), config);
    let mut answers = |hand: &mut Hand<'_>, _: &[u8]| usize::from(hand.send_all(b"abcdef"));
    assert_cause(rig.event(&mut answers), Cause::OutputLimit);
}

/// An answer that has no room now is tried again when what stands before it has gone.
#[test]
fn an_answer_without_room_waits_for_it() {
    let config = Config { output_limit: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("??").takes(1), config);
    let mut answers = |hand: &mut Hand<'_>, input: &[u8]| {
        input.iter().take_while(|_| hand.send_all(b"abc")).count()
    };
    assert!(rig.event(&mut answers).is_none());
    rig.script().takes.push_back(Take::UpTo(2));
    assert!(rig.event(&mut answers).is_none());
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.event(&mut answers).is_none());
    assert_eq!(rig.script().taken, b"abcabc");
    assert_eq!(rig.shown(), [&b"??"[..], b"?"]);
}

/// Between the event that tells of room and the go that makes use of it, what is kept is still in the way: who is
/// refused then hears of room too.
#[test]
fn who_is_refused_before_the_flush_hears_of_room() {
    let config = Config { output_limit: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().takes_all(), config);
    assert!(rig.hand().send_all(b"abc"));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    assert!(!rig.hand().send_all(b"def"));
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.told, [Told::Writable]);
}

/// Whoever took something before it met with what can't fit is shown the rest once more, and may think better of it.
#[test]
fn who_took_something_may_answer_otherwise() {
    let config = Config { output_limit: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("ab").takes_all(), config);
    let mut answers = |hand: &mut Hand<'_>, input: &[u8]| match input {
        b"ab" => 1 + usize::from(hand.send_all(b"far too long")),
        _ => hand.send(b"!"),
    };
    assert!(rig.event(&mut answers).is_none());
    assert_eq!(
        (rig.shown(), &rig.script().taken[..]),
        (vec![b"ab".to_vec(), b"b".to_vec()], &b"!"[..])
    );
}

/// An answer that would fit, if others didn't keep so much, says so when it ends the connection.
#[test]
fn an_answer_that_others_leave_no_room_for_ends_the_connection() {
    let limit = 2 * RESERVE;
    let config = Config { buffer_limit: 0, output_limit: limit, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("?").takes_all(), config);
    let answer = pattern(limit);
    let mut answers = |hand: &mut Hand<'_>, _: &[u8]| usize::from(hand.send_all(&answer));
    assert_cause(rig.event(&mut answers), Cause::BufferLimit);
}

/// A failed write ends the connection, and nobody hears of room after it.
#[test]
fn a_failed_write_ends_the_connection() {
    let mut rig = Rig::new(Script::new().gives("x").fails_to_write(ErrorKind::BrokenPipe));
    assert_cause(rig.event(&mut echo), Cause::Failed(ErrorKind::BrokenPipe.into()));
    assert_eq!(rig.shown().len(), 1);
}

/// The same while something is kept.
#[test]
fn a_failed_flush_ends_the_connection_and_frees_what_was_kept() {
    let mut rig = Rig::new(Script::new().gives("abc").takes(1));
    assert!(rig.event(&mut echo).is_none());
    rig.script().takes.push_back(Take::Error(ErrorKind::ConnectionReset));
    assert_cause(rig.event(&mut echo), Cause::Failed(ErrorKind::ConnectionReset.into()));
}

/// Finished, it takes no more; what was kept goes out, then our end, and the peer is still heard.
#[test]
fn finishing_ends_our_direction_only() {
    let mut rig = Rig::new(Script::new().takes(1));
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    rig.hand().send(b"abc");
    rig.connection.finish();
    assert_eq!(rig.hand().send(b"no"), 0);
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.script().shut, 0); // Not before all is out.
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.script().taken, b"abc");
    assert_eq!(rig.script().shut, 1);

    rig.script().gives.extend([Give::Bytes(b"still here".to_vec()), Give::End]);
    assert_cause(rig.event(&mut sink), Cause::Ended);
    assert_eq!(rig.shown(), [b"still here"]);
}

/// Finished while the service waits for room: there is nothing to wait for any more.
#[test]
fn finishing_ends_the_wait_for_room() {
    let config = Config { output_limit: 1, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("abc"), config);
    assert!(rig.event(&mut echo).is_none());
    rig.connection.finish();
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.shown(), [&b"abc"[..], b"bc"]);
}

/// After a refusal and an error there is no room, and it would be a lie to say so.
#[test]
fn a_broken_connection_is_not_refilled() {
    let config = Config { output_limit: 2, ..Config::default() };
    let mut rig = Rig::with(Script::new(), config);
    assert_eq!(rig.hand().send(b"abc"), 2);
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    rig.connection.fail(Cause::Closed, &mut rig.account);
    assert_cause(rig.settle(&mut sink), Cause::Closed);
    assert_eq!(rig.told, []);
}
