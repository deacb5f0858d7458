//! Numbers that hold: of bytes kept, and of descriptors.

use echoloop::Config;

use crate::checks::errors;
use crate::fates::{Case, Fate};
use crate::flows::pattern;
use crate::rows::{Flow, Kind, Moment};
use crate::stage::Manner;
use crate::world::{Setup, World};

/// More than finds room anywhere, once the buffers are small.
const TOO_MUCH: usize = 400_000;

/// Nobody reads: the sender is slowed down, what is kept is bounded, and the loop rests. Then somebody reads, and
/// nothing is lost.
pub(crate) fn bounded(case: Case, fate: Fate) {
    let bytes = pattern(TOO_MUCH);
    let early = if case.kind == Kind::FileIn { bytes.to_vec() } else { Vec::new() };
    let stalls = case.kind.flow() == Flow::In;
    let manner = if stalls { Manner::Stalls } else { Manner::Serves };
    let config = Config {
        output_limit: 8 * 1024,
        input_limit: 8 * 1024,
        read_buffer: 4096,
        send_buffer: Some(8 * 1024),
        receive_buffer: Some(8 * 1024),
        ..Config::default()
    };
    let most = config.output_limit + config.input_limit + config.read_buffer;
    let mut world = World::new(case, Setup { config, early, manner, ..Setup::default() });
    let id = world.serve(fate);
    if case.kind.is_datagrams() {
        return flood(world);
    }
    let sent = match case.kind {
        Kind::FileIn => TOO_MUCH,
        _ if case.kind.flow() == Flow::Out => {
            world.put(bytes);
            world.rests("it rests as nobody reads");
            TOO_MUCH
        }
        _ => world.stuff(bytes),
    };
    let statistics = world.statistics();
    let reserves = 2 * 4096 * (statistics.open as usize + 1);
    let kept = statistics.buffered as usize;
    assert!(kept <= most + reserves, "{kept} bytes are kept");
    world.witness();
    if stalls {
        world.set_manner(Manner::Serves);
        world.run(move |cx| cx.source(id).resume());
    }
    world.expect(&bytes[..sent]);
    world.end();
}

/// More datagrams than anybody reads: what finds no room is dropped, and the socket goes on.
fn flood(mut world: World) {
    const CROWD: usize = 200;
    let payload = pattern(1_000);
    for _ in 0..CROWD {
        match world.case.kind.flow() {
            Flow::Asked => drop(world.peer.lock().write(payload)),
            _ => world.put(payload),
        }
    }
    world.rests("it rests behind a flood");
    world.collect();
    world.rests("it rests behind what came back of it");
    let kept = world.statistics().buffered;
    assert_eq!(kept, 0, "bytes are kept of datagrams");
    world.collect();
    world.exchange(b"goes on");
    world.witness();
    world.end();
}

/// No descriptor is left. Who needs none is served; who needs one gets an error that says so, or waits, while the
/// loop rests; and when there are some again, it is served.
pub(crate) fn without_descriptors(case: Case, fate: Fate) {
    debug_assert_eq!(case.moment, Moment::NoDescriptors);
    if let Fate::Refused(_) | Fate::Fails(_) = fate {
        return errors::named(case, fate);
    }
    let early = if case.kind == Kind::FileIn { b"early".to_vec() } else { Vec::new() };
    let mut world = World::new(case, Setup { early, ..Setup::default() });
    if fate == Fate::Served && !case.kind.is_listener() {
        world.meet();
        world.pass(b"without descriptors");
        world.rests("it rests without descriptors");
    }
    world.serve(fate);
    world.pass(b"with descriptors");
    world.witness();
    world.end();
}
