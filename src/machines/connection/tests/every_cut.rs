//! The same answer for every cut; then at random.

use proptest::prelude::*;

use super::*;

/// So many bytes. Interpreted, each run takes a good part of a second: a few then.
fn some_of(bytes: usize) -> usize {
    if cfg!(miri) { 6 } else { bytes }
}

/// All of an echoed stream comes back, whatever the cuts, the writes and the limit.
#[test]
fn an_echo_is_the_same_for_every_cut_and_every_write() {
    let stream = pattern(some_of(24));
    for cut in 1..=stream.len() {
        for write in 1..=stream.len() {
            for limit in [1, 2, 5, 24, 1000] {
                let config = Config {
                    output_limit: limit,
                    input_limit: 32,
                    read_buffer: 7,
                    ..Config::default()
                };
                let mut rig = Rig::with(Script::new(), config);
                for piece in stream.chunks(cut) {
                    rig.script().gives.push_back(Give::Bytes(piece.to_vec()));
                }
                rig.script().gives.push_back(Give::End);
                rig.script().takes = vec![Take::UpTo(write); stream.len()].into();
                assert_cause(rig.run(&mut echo), Cause::Ended);
                assert_eq!(rig.script().taken, stream, "cut {cut}, write {write}, limit {limit}");
            }
        }
    }
}

/// The peer may end, reset, or go at every place of the stream: what came before is answered.
#[test]
fn an_end_or_an_error_at_every_place_loses_nothing_before_it() {
    let stream = pattern(some_of(40));
    for place in 0..=stream.len() {
        for error in [None, Some(ErrorKind::ConnectionReset), Some(ErrorKind::TimedOut)] {
            let script = Script::new().takes_all();
            let script = if place > 0 { script.gives(&stream[..place]) } else { script };
            let mut rig = Rig::new(match error {
                None => script.ends(),
                Some(kind) => script.fails_to_read(kind),
            });
            let expected = error.map_or(Cause::Ended, |kind| Cause::Failed(kind.into()));
            assert_cause(rig.run(&mut echo), expected);
            assert_eq!(rig.script().taken, stream[..place]);
        }
    }
}

/// The writing may fail at every place: the connection ends there and keeps nothing.
#[test]
fn a_failed_write_at_every_place_ends_it_cleanly() {
    let stream = pattern(some_of(30));
    for place in 0..stream.len() {
        let mut rig = Rig::new(Script::new().gives(&stream).ends());
        rig.script().takes = vec![Take::UpTo(1); place].into();
        rig.script().takes.push_back(Take::Error(ErrorKind::BrokenPipe));
        assert_cause(rig.run(&mut echo), Cause::Failed(ErrorKind::BrokenPipe.into()));
        assert_eq!(rig.script().taken, stream[..place]);
    }
}

/// The service may close after every byte: what it sent arrives, then our end.
#[test]
fn a_close_at_every_place_sends_what_was_sent_before() {
    let stream = pattern(some_of(30));
    for place in 0..stream.len() {
        for write in [1, 3, 100] {
            let mut left = place;
            let mut closes = |hand: &mut Hand<'_>, input: &[u8]| {
                let part = input.len().min(left);
                left -= part;
                let sent = hand.send(&input[..part]);
                assert_eq!(sent, part);
                if left == 0 {
                    hand.close(None);
                }
                sent
            };
            let config = Config { read_buffer: 4, ..Config::default() };
            let mut rig = Rig::with(Script::new().gives(&stream).ends(), config);
            rig.script().takes = vec![Take::UpTo(write); stream.len()].into();
            assert_cause(rig.run(&mut closes), Cause::Closed);
            assert_eq!(rig.script().taken, stream[..place]);
        }
    }
}

proptest! {
    #[test]
    fn any_script_is_echoed(
        cuts in prop::collection::vec(1usize..9000, 0..12),
        writes in prop::collection::vec(0usize..9000, 0..30),
        limit in 1usize..20_000,
        total in 0usize..50_000,
    ) {
        let stream = pattern(cuts.iter().sum());
        let config = Config {
            output_limit: limit,
            buffer_limit: total,
            read_buffer: 4096,
            ..Config::default()
        };
        let mut rig = Rig::with(Script::new(), config);
        let mut rest = stream.as_slice();
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut);
            rest = behind;
            rig.script().gives.push_back(Give::Bytes(piece.to_vec()));
        }
        rig.script().gives.push_back(Give::End);
        rig.script().takes = writes.into_iter().map(Take::UpTo).collect();
        rig.script().takes.push_back(Take::UpTo(usize::MAX));
        assert_cause(rig.run(&mut echo), Cause::Ended);
        prop_assert_eq!(&rig.script().taken, &stream);
        prop_assert!(rig.account.most() <= total + 2 * crate::values::RESERVE);
    }
}

/// Anything in any order. Set `ECHOLOOP_SEED` to the number that a failure prints to see it again.
#[test]
fn random_runs_keep_every_invariant() {
    let chosen = std::env::var("ECHOLOOP_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = match chosen {
        Some(seed) => seed..seed + 1,
        None if cfg!(miri) => 0..10, // Interpreted, each takes seconds.
        None => 0..3000,
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| random_run(Random(seed + 1)));
        assert!(run.is_ok(), "set ECHOLOOP_SEED={seed} to run this again");
    }
}

/// Numbers that only look random, splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// An echo that pauses, finishes, closes and takes less as it likes, over a stream that does the same.
fn random_run(mut random: Random) {
    let config = Config {
        output_limit: 1 + random.below(300),
        input_limit: 50 + random.below(300),
        read_buffer: 4096,
        buffer_limit: random.below(3) * 1000,
        ..Config::default()
    };
    let mut rig = Rig::with(Script::new(), config);
    let (mut given, mut closed, mut ended) = (Vec::new(), false, false);
    for _ in 0..60 {
        match random.below(16) {
            0..6 if !ended => {
                let bytes: Vec<u8> =
                    (0..=random.below(200)).map(|_| random.below(256) as u8).collect();
                given.extend_from_slice(&bytes);
                rig.script().gives.push_back(Give::Bytes(bytes));
            }
            6 if !ended => rig.script().gives.push_back(Give::Interrupted),
            7..11 => rig.script().takes.push_back(Take::UpTo(random.below(300))),
            11 => rig.script().takes.push_back(Take::Interrupted),
            12 => rig.connection.resume(),
            13 if random.below(20) == 0 => {
                closed = true;
                rig.hand().close(None);
            }
            14 if !ended && random.below(8) == 0 => {
                ended = true;
                rig.script().gives.push_back(Give::End);
            }
            _ => rig.connection.latch(Latch { readable: true, writable: true, read_on: true }),
        }
        let gone = rig.event(&mut |hand, input| {
            if random.below(10) == 0 {
                hand.connection.pause();
            }
            let sent = hand.send(&input[..random.below(input.len() + 1)]);
            // An echo that took less for no reason would have to be shown the rest again.
            if sent < input.len()
                && hand.connection.refusal == crate::machines::connection::Refusal::None
            {
                hand.connection.pause();
                hand.connection.resume();
            }
            sent
        });
        assert!(given.starts_with(&rig.script().taken));
        if let Some(cause) = gone {
            assert!(
                closed || ended || matches!(cause, Cause::InputLimit | Cause::BufferLimit),
                "{cause}"
            );
            return;
        }
    }
    // Whatever it was, it comes to an end when both sides want it to.
    rig.connection.resume();
    rig.script().gives.push_back(Give::End);
    rig.script().takes.push_back(Take::UpTo(usize::MAX));
    let gone = rig.run(&mut echo);
    assert!(gone.is_some());
    if !closed && matches!(gone, Some(Cause::Ended)) {
        assert_eq!(rig.script().taken, given);
    }
}
