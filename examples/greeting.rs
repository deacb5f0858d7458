//! A greeting: whoever says something is answered `Hello, client!`, and that was it.
//!
//! `cargo run --example greeting -- [ENDPOINT]`, then `nc 127.0.0.1 8890` and a line.
//!
//! The first bytes that arrive are enough, be they a whole message or a part of one: the answer
//! doesn't depend on them. The trap is in what else the client sends. To close a socket that has
//! unread input resets the connection, and a reset destroys what is still on its way to the client:
//! the greeting is sent, and never seen. So `close` sends what is kept, says that this was all, and
//! reads on until the client's own end, under a deadline.

mod support;

use echoloop::{Config, Context, Reactor, Service};
use support::{Arguments, Failure, listening};

struct Greeting;

impl Service for Greeting {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        cx.send_all(b"Hello, client!\n");
        cx.close();
        input.len()
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("greeting [ENDPOINT]")?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8890")?;
    arguments.end()?;
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Greeting)
    })?;
    Ok(reactor.run()?)
}
