//! A flood through a source of each kind, and a whisper beside it.

use echoloop::Config;

use crate::fates::{Case, Fate};
use crate::flows::pattern;
use crate::peers::Peer;
use crate::rows::Kind;
use crate::stage::Manner;
use crate::world::{Setup, World};

/// The smallest share of bytes, and of datagrams.
const SHARE: usize = 4096;
const DATAGRAMS: usize = 4;

/// A whisper waits for some shares of the flood, not for its end.
pub(crate) fn whisper(case: Case, fate: Fate) {
    let is_file = case.kind == Kind::FileIn;
    let config = Config {
        read_buffer: SHARE,
        read_budget: SHARE,
        datagram_budget: DATAGRAMS,
        ..Config::default()
    };
    let early = if is_file { pattern(50 * SHARE).to_vec() } else { Vec::new() };
    // A file never rests, but for a service that takes nothing.
    let manner = if is_file { Manner::Stalls } else { Manner::Hears };
    let mut world = World::new(case, Setup { config, early, manner, ..Setup::default() });
    let id = world.serve(fate);
    world.rests("it rests before the flood");
    world.stage.see().shown = 0;
    let bytes = pattern(50 * SHARE);
    let pieces: Vec<&[u8]> = match case.kind.is_datagrams() {
        true => bytes.chunks(1024).take(100).collect(),
        false => vec![bytes],
    };
    for piece in pieces {
        if !is_file {
            world.peer.lock().write(piece);
        }
    }
    assert_eq!(world.witness.write(b"w"), 1);
    world.whispered = true;
    if is_file {
        world.set_manner(Manner::Hears);
        world.handle.run(move |cx| cx.source(id).resume()).unwrap();
    }
    world.witness();
    let shown = world.stage.see().shown;
    let datagrams = world.stage.see().datagrams;
    assert!(shown <= 4 * SHARE, "{shown} bytes before the whisper");
    assert!(datagrams <= 4 * DATAGRAMS, "{datagrams} datagrams before the whisper");
    world.end();
}
