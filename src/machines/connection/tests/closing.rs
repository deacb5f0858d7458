//! The ways out of it.

use super::*;

/// All that was sent goes out, then our end, then what still comes is read to the peer's end: a close
/// with unread input would reset the connection and destroy our last bytes.
#[test]
fn a_close_flushes_tells_and_reads_to_the_end() {
    let mut rig = Rig::new(Script::new().gives("quit").takes(1));
    let mut quits = |hand: &mut Hand<'_>, input: &[u8]| {
        hand.send(b"bye");
        hand.close(None);
        input.len()
    };
    assert!(rig.event(&mut quits).is_none());
    assert!(rig.connection.is_closing() && !rig.connection.is_shut());
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.event(&mut quits).is_none());
    assert_eq!(rig.script().taken, b"bye");
    assert_eq!(rig.script().shut, 1);
    assert!(rig.connection.is_closing() && rig.connection.is_shut());

    rig.script().gives.extend([Give::Bytes(pattern(300_000)), Give::End]);
    assert_cause(rig.event(&mut quits), Cause::Closed);
    assert_eq!(rig.shown().len(), 1); // The rest was read and not shown.
}

/// The peer's end may come before all is out.
#[test]
fn a_close_waits_for_its_last_bytes_after_the_peers_end() {
    let mut rig = Rig::new(Script::new().gives("x").ends().takes(0));
    let mut quits = |hand: &mut Hand<'_>, input: &[u8]| {
        hand.send(b"bye");
        hand.close(None);
        input.len()
    };
    assert!(rig.event(&mut quits).is_none());
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert_cause(rig.event(&mut quits), Cause::Closed);
    assert_eq!(rig.script().taken, b"bye");
}

/// The stated reason is the one that is told in the end, also when the peer resets.
#[test]
fn a_stated_reason_is_told() {
    for end in [Give::End, Give::Error(ErrorKind::ConnectionReset)] {
        let mut rig = Rig::new(Script::new().gives("x").takes_all());
        let mut quits = |hand: &mut Hand<'_>, _: &[u8]| {
            hand.close(Some(Cause::Because("enough")));
            0
        };
        assert!(rig.event(&mut quits).is_none());
        rig.script().gives.push_back(end);
        assert_cause(rig.event(&mut quits), Cause::Because("enough"));
    }
}

/// What was kept for a service that closes is given back at once.
#[test]
fn a_close_frees_what_was_not_taken() {
    let mut rig = Rig::new(Script::new().gives("unfinished").takes_all());
    assert!(rig.event(&mut wants_more).is_none());
    assert_eq!(rig.account.kept(), 10);
    rig.hand().close(None);
    assert_eq!(rig.account.kept(), 0);
    assert!(rig.settle(&mut sink).is_none());
}

/// Half-closed by the peer, it goes when everything was echoed, without a call to shut it.
#[test]
fn a_half_closed_connection_goes_when_all_is_out() {
    let mut rig = Rig::new(Script::new().gives(pattern(1000)).ends());
    for _ in 0..10 {
        rig.script().takes.push_back(Take::UpTo(99));
        assert!(rig.event(&mut echo).is_none());
    }
    rig.script().takes.push_back(Take::UpTo(99));
    assert_cause(rig.event(&mut echo), Cause::Ended);
    assert_eq!(rig.script().taken, pattern(1000));
    assert_eq!(rig.script().shut, 0); // Closing tells.
}

/// A service may stay after the peer's end, and is then told of a hangup by the poller alone.
#[test]
fn one_who_stays_after_the_end_hears_of_a_hangup() {
    let mut rig = Rig::new(Script::new().gives("x").ends().takes_all());
    rig.closes = false;
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.hand().send(b"late"), 4);
    assert!(!rig.connection.is_closing());
    rig.connection.hung_up(true, &mut rig.account);
    assert_cause(rig.settle(&mut sink), Cause::Failed(ErrorKind::ConnectionReset.into()));
}

/// The hangup may come with the end, in one event, and no other event follows.
#[test]
fn one_who_stays_after_the_end_has_heard_of_a_hangup_before() {
    let mut rig = Rig::new(Script::new().gives("x").ends().takes_all());
    rig.closes = false;
    rig.connection.hung_up(false, &mut rig.account);
    assert_cause(rig.event(&mut sink), Cause::Failed(ErrorKind::ConnectionReset.into()));
    assert_eq!(rig.told, [Told::Shown(b"x".to_vec()), Told::Ended(vec![])]);
}

/// Gone at once, whatever is kept, for the stated reason and no other.
#[test]
fn a_failure_drops_everything() {
    let config = Config { output_limit: 5, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("abcdefgh"), config);
    assert!(rig.event(&mut echo).is_none());
    assert_eq!(rig.account.kept(), 8);
    rig.connection.fail(Cause::Idle, &mut rig.account);
    assert!(rig.connection.has_failed());
    rig.hand().close(Some(Cause::Because("too late")));
    assert_cause(rig.settle(&mut echo), Cause::Idle);
}

/// It takes nothing to send, and ends with its peer.
#[test]
fn a_reading_end_ends_with_its_peer() {
    let script = Script { is_pipe: true, ..Script::new().gives("output").ends() };
    let mut rig = Rig::of(Connection::half(script, Half::Read), Config::default());
    let mut answers = |hand: &mut Hand<'_>, input: &[u8]| {
        assert_eq!(hand.send(b"nowhere to go"), 0);
        input.len()
    };
    assert_cause(rig.event(&mut answers), Cause::Ended);
    assert_eq!(rig.told, [Told::Shown(b"output".to_vec()), Told::Ended(vec![])]);
}

/// A writing end goes when it is finished and all is out; no end of the peer is waited for.
#[test]
fn a_writing_end_goes_when_it_is_finished() {
    let script = Script { is_pipe: true, ..Script::new().takes(2) };
    let mut rig = Rig::of(Connection::half(script, Half::Write), Config::default());
    rig.connection.latch(Latch { writable: true, ..Latch::default() });
    assert_eq!(rig.hand().send(b"input"), 5);
    rig.connection.finish();
    assert!(rig.settle(&mut sink).is_none());
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert_cause(rig.event(&mut sink), Cause::Ended);
    assert_eq!(rig.script().taken, b"input");
}

/// A writing end whose reader goes away hears of it also when it has nothing to write.
#[test]
fn a_writing_end_hears_that_nobody_reads() {
    let script = Script { is_pipe: true, ..Script::new() };
    let mut rig = Rig::of(Connection::half(script, Half::Write), Config::default());
    assert!(rig.event(&mut sink).is_none());
    rig.connection.hung_up(true, &mut rig.account);
    assert_cause(rig.settle(&mut sink), Cause::Failed(ErrorKind::ConnectionReset.into()));
}

/// What a graceful stop asks: whether everything that has arrived was served.
#[test]
fn drained_means_that_nothing_is_left_to_show() {
    let config = Config { output_limit: 2, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("abc"), config);
    assert!(rig.connection.is_drained());
    rig.connection.latch(Latch { readable: true, ..Latch::default() });
    assert!(!rig.connection.is_drained()); // Something may have arrived.
    assert!(rig.settle(&mut echo).is_none());
    assert!(!rig.connection.is_drained()); // It was not all taken.
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.event(&mut echo).is_none());
    assert!(rig.connection.is_drained());
}

/// An end that can only be read has nobody to tell: closed, it goes at once and takes no more of what
/// others may want to read, a terminal's input for example.
#[test]
fn a_reading_end_goes_when_it_is_closed() {
    let script = Script { is_pipe: true, ..Script::new().gives("typed") };
    let mut rig = Rig::of(Connection::half(script, Half::Read), Config::default());
    rig.hand().close(None);
    assert_cause(rig.event(&mut sink), Cause::Closed);
    assert_eq!(rig.script().reads, 0);
}

/// A descriptor with both directions and no end of its own, a terminal, goes when all is out.
#[test]
fn what_has_no_own_end_does_not_linger() {
    for finish_first in [false, true] {
        let mut rig = Rig::new(Script { is_pipe: true, ..Script::new().takes_all() });
        rig.connection.latch(Latch { writable: true, ..Latch::default() });
        rig.hand().send(b"bye");
        if finish_first {
            rig.connection.finish();
            assert!(rig.settle(&mut sink).is_none());
        }
        rig.hand().close(None);
        assert_cause(rig.settle(&mut sink), Cause::Closed);
        assert_eq!(rig.script().taken, b"bye");
    }
}

/// After the peer's end there is nothing to wait for, and a service that stays wants to know of a stop.
#[test]
fn one_who_stays_after_the_end_is_drained() {
    let mut rig = Rig::new(Script::new().ends());
    rig.closes = false;
    assert!(rig.event(&mut sink).is_none());
    assert!(rig.connection.is_drained());
    let pipe = Script { is_pipe: true, ..Script::new() };
    assert!(Connection::half(pipe, Half::Write).is_drained());
}

/// An event with nothing behind it is not the peer's end.
#[test]
fn a_close_lingers_until_the_peers_end() {
    let mut rig = Rig::new(Script::new());
    rig.hand().close(None);
    rig.connection.latch(Latch { readable: true, ..Latch::default() });
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.script().reads, 1);
    rig.script().gives.push_back(Give::End);
    assert_cause(rig.event(&mut sink), Cause::Closed);
}
