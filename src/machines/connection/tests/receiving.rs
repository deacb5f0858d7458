//! The way in.

use super::*;

/// A read that fills less than the buffer has drained the socket: the one that would say so is saved.
#[test]
fn a_short_read_saves_the_read_that_would_block() {
    let mut rig = Rig::new(Script::new().gives("hello").takes_all());
    assert!(rig.event(&mut echo).is_none());
    assert_eq!((rig.script().reads, rig.script().writes), (1, 1));
    assert_eq!(rig.script().taken, b"hello");
    assert_eq!(rig.account.most(), 0); // Nothing was ever copied.
}

/// A read that fills the buffer may not have been the last one.
#[test]
fn a_full_read_is_followed_by_another() {
    let config = Config { read_buffer: 4, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("hellohel").takes_all(), config);
    assert!(rig.event(&mut echo).is_none());
    assert_eq!(rig.script().reads, 3); // Two full ones, and one that would block.
    assert_eq!(rig.script().taken, b"hellohel");
}

/// A read stops at an urgent mark. The event says that there is more, and what is behind is served.
#[test]
fn a_short_read_at_an_urgent_mark_is_followed_by_another() {
    let mut rig = Rig::new(Script::new().gives("before").gives("!after").takes_all());
    rig.connection.latch(Latch { readable: true, writable: true, read_on: true });
    assert!(rig.settle(&mut echo).is_none());
    assert_eq!(rig.script().taken, b"before!after");

    // The mark is behind us: short reads count again.
    rig.script().gives.push_back(Give::Bytes(b"more".to_vec()));
    let reads = rig.script().reads;
    assert!(rig.event(&mut echo).is_none());
    assert_eq!(rig.script().reads, reads + 1);
}

/// The end that comes with the last bytes is seen without another event.
#[test]
fn bytes_and_end_in_one_event_are_both_seen() {
    let mut rig = Rig::new(Script::new().gives("bye").ends().takes_all());
    assert_cause(rig.event(&mut echo), Cause::Ended);
    assert_eq!(rig.told, [Told::Shown(b"bye".to_vec()), Told::Ended(vec![])]);
    assert_eq!(rig.script().taken, b"bye");
}

/// Without an event nothing is read: it would only be said that it would block.
#[test]
fn nothing_is_read_unasked() {
    let mut rig = Rig::new(Script::new().gives("hello"));
    assert!(rig.settle(&mut echo).is_none());
    assert_eq!(rig.script().reads, 0);
}

/// A signal in the middle of a read or a write is no error and loses nothing.
#[test]
fn an_interrupted_call_is_made_again() {
    let mut rig = Rig::new(Script::new());
    rig.script().gives.extend([Give::Interrupted, Give::Interrupted, Give::Bytes(b"x".to_vec())]);
    rig.script().takes.extend([Take::Interrupted, Take::UpTo(usize::MAX)]);
    assert!(rig.event(&mut echo).is_none());
    assert_eq!(rig.script().taken, b"x");
}

/// What the service doesn't take is shown again with more behind it, and not before there is more.
#[test]
fn what_was_not_taken_is_shown_again_with_more_behind() {
    let mut lines = |_: &mut Hand<'_>, input: &[u8]| {
        input.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)
    };
    let mut rig = Rig::new(Script::new().gives("one\ntw"));
    assert!(rig.event(&mut lines).is_none());
    assert_eq!(rig.account.kept(), 2);
    assert!(rig.settle(&mut lines).is_none());
    rig.script().gives.push_back(Give::Bytes(b"o\nthree".to_vec()));
    assert!(rig.event(&mut lines).is_none());
    rig.script().gives.push_back(Give::End);
    assert_cause(rig.event(&mut lines), Cause::Ended);
    assert_eq!(rig.shown(), [&b"one\ntw"[..], b"two\nthree"]);
    assert_eq!(rig.told.last(), Some(&Told::Ended(b"three".to_vec())));
}

/// A pause stops the reading, and its end shows again what was not taken.
#[test]
fn a_pause_shows_and_reads_nothing_until_it_ends() {
    let mut rig = Rig::new(Script::new().gives("abc"));
    let mut pauses = |hand: &mut Hand<'_>, _: &[u8]| {
        hand.connection.pause();
        1
    };
    assert!(rig.event(&mut pauses).is_none());
    rig.script().gives.push_back(Give::Bytes(b"def".to_vec()));
    assert!(rig.event(&mut sink).is_none());
    assert_eq!(rig.script().reads, 1);

    rig.connection.resume();
    assert!(rig.settle(&mut sink).is_none());
    assert_eq!(rig.shown(), [&b"abc"[..], b"bc", b"def"]);
}

/// A pause may begin before anything was read, and end when there is nothing.
#[test]
fn a_pause_around_nothing_changes_nothing() {
    let mut rig = Rig::new(Script::new().takes_all());
    rig.connection.pause();
    assert!(rig.event(&mut echo).is_none());
    rig.connection.resume();
    assert!(rig.event(&mut echo).is_none());
    rig.connection.resume();
    rig.script().gives.push_back(Give::Bytes(b"x".to_vec()));
    assert!(rig.event(&mut echo).is_none());
    assert_eq!(rig.script().taken, b"x");
}

/// A pause outlasts a refill; after it, what was refused is shown again.
#[test]
fn a_pause_outlasts_a_full_output() {
    let config = Config { output_limit: 2, ..Config::default() };
    let mut rig = Rig::with(Script::new().gives("abcdef"), config);
    let mut pauses = |hand: &mut Hand<'_>, input: &[u8]| {
        hand.connection.pause();
        hand.send(input)
    };
    assert!(rig.event(&mut pauses).is_none());
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert!(rig.event(&mut echo).is_none());
    assert_eq!(rig.told, [Told::Shown(b"abcdef".to_vec()), Told::Writable]);
    rig.connection.resume();
    assert!(rig.settle(&mut echo).is_none());
    assert_eq!(rig.script().taken, b"abcdef");
}

/// An error ends the connection after the bytes before it were served.
#[test]
fn a_reset_comes_after_the_bytes_before_it() {
    let script = Script::new().gives("x").fails_to_read(ErrorKind::ConnectionReset).takes_all();
    let mut rig = Rig::new(script);
    assert_cause(rig.event(&mut echo), Cause::Failed(ErrorKind::ConnectionReset.into()));
    assert_eq!(rig.script().taken, b"x");
    assert!(!rig.told.contains(&Told::Ended(vec![])));
}

/// A paused connection reads nothing, so only the poller can tell that it is broken.
#[test]
fn a_paused_connection_hears_of_its_reset() {
    for error in [false, true] {
        let mut rig = Rig::new(Script::new());
        rig.connection.pause();
        rig.connection.hung_up(error, &mut rig.account);
        assert_eq!(rig.event(&mut echo).is_some(), error); // An end alone can wait.
    }
}

/// With something to write, the write will tell, and what was read before can still be written.
#[test]
fn a_hangup_does_not_cut_what_is_being_sent() {
    let mut rig = Rig::new(Script::new().gives("abc").ends().takes(1));
    assert!(rig.event(&mut echo).is_none());
    rig.connection.hung_up(false, &mut rig.account);
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    assert_cause(rig.event(&mut echo), Cause::Ended);
    assert_eq!(rig.script().taken, b"abc");
}
