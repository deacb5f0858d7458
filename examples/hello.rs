//! An echo server in three lines.
//!
//! `cargo run --example hello`, then `nc 127.0.0.1 8888`.

use echoloop::{Config, Echo, Pong, Reactor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut reactor = Reactor::new(Config::default())?;
    reactor.listen(&"tcp://127.0.0.1:8888".parse()?, Echo)?;
    reactor.listen(&"udp://127.0.0.1:8888".parse()?, Echo)?;
    reactor.listen(&"tcp://127.0.0.1:8889".parse()?, Pong::default())?;
    reactor.listen(&"udp://127.0.0.1:8889".parse()?, Pong::default())?;
    reactor.listen(&"unix:///tmp/e.sock".parse()?, Echo)?;
    reactor.run()?;
    Ok(())
}
