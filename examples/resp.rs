//! A small server that speaks the protocol of Redis, RESP: strings by their keys, in memory.
//!
//! `cargo run --release --example resp -- [ENDPOINT] [--value-limit BYTES] [--memory BYTES]`, then
//! `redis-cli -p 6380`, `redis-benchmark -p 6380 -t ping,set,get`, or `nc 127.0.0.1 6380` and `SET key value`.
//!
//! It knows PING, ECHO, SET, GET, DEL, EXISTS, INCR, MSET, MGET, DBSIZE, FLUSHALL and QUIT, and as much of CONFIG
//! GET and COMMAND as the tools ask for. What it doesn't know it answers as Redis does, and so it does with what
//! breaks the protocol: an error, then the end, for nothing behind that can be understood.
//!
//! - A client may send many commands at once. All that are whole are answered in one send; the first one that is
//!   not stays where it is, and is shown again with more behind it.
//! - A client that sends and doesn't read is not read from any more: a command is taken only if there is room for
//!   its answer.
//! - A value has at most `--value-limit` bytes, 512 KiB, all of them and their keys `--memory`, 256 MiB.

mod support;

#[path = "resp/store.rs"]
mod store;
#[path = "resp/wire.rs"]
mod wire;

use echoloop::{Config, Context, Reactor, Service};
use store::{After, SHORT, Store};
use support::{Arguments, Failure, listening};
use wire::{Parsed, parse};

struct Resp {
    store: Store,
    value_limit: usize,
    /// The answers of one call; kept for its memory only.
    answers: Vec<u8>,
}

impl Service for Resp {
    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let (mut taken, mut is_full) = (0, false);
        let room = cx.send_capacity();
        self.answers.clear();
        while !is_full {
            match parse(&input[taken..], self.value_limit) {
                Parsed::Unfinished => break,
                Parsed::Command { words, length } => {
                    let left = room - self.answers.len();
                    match self.run(cx, &words, left) {
                        After::Go => taken += length,
                        After::NoRoom => is_full = true,
                        After::Close => {
                            cx.send_all(&self.answers);
                            cx.close();
                            return taken + length;
                        }
                    }
                }
                Parsed::Broken(why) => {
                    wire::error(&mut self.answers, &format!("ERR Protocol error: {why}"));
                    cx.send_all(&self.answers);
                    cx.close_because("broke the protocol");
                    return input.len();
                }
            }
        }
        cx.send_all(&self.answers);
        if is_full && !cx.await_writable() {
            cx.resume(); // All of it has gone already: on with the rest.
        }
        taken
    }
}

impl Resp {
    /// Runs a command if there is so much room for its answer; or if there can't be any more.
    fn run(&mut self, cx: &mut Context<'_>, words: &[&[u8]], left: usize) -> After {
        let is_first = self.answers.is_empty();
        if left < SHORT {
            return After::NoRoom;
        }
        match self.store.run(words, left, &mut self.answers) {
            After::NoRoom if is_first && !cx.await_writable() => {
                wire::error(&mut self.answers, "ERR the answer is longer than there is room for");
                After::Go
            }
            after => after,
        }
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::new("resp [ENDPOINT] [--value-limit BYTES] [--memory BYTES]")?;
    let value_limit = arguments.option("--value-limit", 512 * 1024)?;
    let memory = arguments.option("--memory", 256 * 1024 * 1024)?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:6380")?;
    arguments.end()?;
    if value_limit > 64 * 1024 * 1024 {
        return Err(Failure::new(format!("--value-limit {value_limit}: at most 67108864")));
    }
    // A command with a key and a value of that size, and the answer to a question for some of them.
    let limit = 2 * value_limit + 64 * 1024;
    let config = Config { input_limit: limit, output_limit: limit, ..Config::default() };
    let mut reactor = Reactor::new(config)?;
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Resp { store: Store::new(memory), value_limit, answers: Vec::new() })
    })?;
    Ok(reactor.run()?)
}
