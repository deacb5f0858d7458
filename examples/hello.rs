//! An echo server: the library's own services, on as many endpoints as you like.
//!
//! `cargo run --example hello`, then `nc 127.0.0.1 8888`. Elsewhere, and with pong:
//! `cargo run --example hello -- echo=tcp://127.0.0.1:7777 pong=unixgram:///tmp/pong.sock`.

mod support;

use echoloop::{Config, Echo, Pong, Reactor};
use support::{Arguments, Failure, listening};

const DEFAULTS: [&str; 4] = [
    "echo=tcp://127.0.0.1:8888",
    "echo=udp://127.0.0.1:8888",
    "pong=tcp://127.0.0.1:8889",
    "pong=udp://127.0.0.1:8889",
];

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("hello [echo=ENDPOINT | pong=ENDPOINT]...")?;
    let mut wanted: Vec<String> = std::iter::from_fn(|| arguments.next()).collect();
    if wanted.is_empty() {
        wanted = DEFAULTS.map(str::to_owned).to_vec();
    }
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    let (echo, pong) = (reactor.add(Echo), reactor.add(Pong::default()));
    for wanted in wanted {
        let (mut cx, endpoint) = match wanted.split_once('=') {
            Some(("echo", endpoint)) => (reactor.context(echo), endpoint.parse()?),
            Some(("pong", endpoint)) => (reactor.context(pong), endpoint.parse()?),
            _ => return Err(Failure::new(format!("{wanted}: neither echo= nor pong="))),
        };
        let listener = cx.listen(&endpoint)?;
        listening(&mut cx, listener, &endpoint);
    }
    Ok(reactor.run()?)
}
