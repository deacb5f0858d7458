//! A broadcaster with a rate: what publishers send, line by line, goes to all subscribers, to each no faster than
//! it has subscribed for.
//!
//! `cargo run --example broadcast -- [ENDPOINT] [--publishers ENDPOINT] [--rate LINES] [--burst LINES]
//! [--patience SECONDS]`, then `nc 127.0.0.1 8898` in some terminals, and `nc 127.0.0.1 8899` to publish.
//!
//! Each subscriber has a token bucket, `--rate` lines a second, 10, and `--burst` at once after a pause, 20. A
//! line that finds no token is left out for this subscriber, for the news of now is worth more than that of a
//! minute ago; the next line that finds one comes behind `(3 lines left out)`. So does one that finds no room,
//! since the subscriber doesn't read. If that goes on for `--patience` seconds, 5, it is dropped.
//!
//! So nobody can slow a publisher down, and what is kept for a subscriber is bounded. A chat wants the opposite,
//! that nothing is lost and all wait for the slowest: see `chat.rs`.
//!
//! What a subscriber sends is read and means nothing.

mod support;

use std::time::Duration;

use echoloop::{
    Config, Context, Id, Lines, Rate, Reactor, Session, Sessions, TimerId, TokenBucket,
};
use support::{Arguments, Failure, listening};

/// Bytes kept for a subscriber beyond what the kernel takes.
const KEPT: usize = 64 * 1024;

type Hub<'a> = echoloop::Hub<'a, Client>;

/// What all share.
struct Station {
    /// Who comes by this listener publishes.
    publishers: Id,
    rate: Rate,
    patience: Duration,
}

enum Client {
    Publisher,
    Subscriber(Subscriber),
}

struct Subscriber {
    bucket: TokenBucket,
    /// Lines since the last one that it has got.
    left_out: u64,
    /// When it is dropped, if it doesn't read.
    behind: Option<TimerId>,
}

impl Session for Client {
    type Shared = Station;

    fn opened(hub: &mut Hub<'_>, cx: &mut Context<'_>) -> Client {
        if cx.listener() == Some(hub.shared.publishers) {
            return Client::Publisher;
        }
        let bucket = TokenBucket::new(hub.shared.rate, cx.now());
        Client::Subscriber(Subscriber { bucket, left_out: 0, behind: None })
    }

    fn received(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Client::Publisher = self else { return input.len() };
        let lines = Lines::new(cx.config().line_length);
        let mut taken = 0;
        loop {
            match lines.next(&input[taken..]) {
                Ok(Some(line)) => {
                    taken += line.len();
                    publish(hub, cx, line.text);
                }
                Ok(None) => return taken,
                Err(error) => {
                    cx.send_all(format!("{error}, goodbye\n").as_bytes());
                    cx.close_because("sent too long a line");
                    return input.len();
                }
            }
        }
    }

    /// The last line may have no ending.
    fn ended(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, rest: &[u8]) {
        if let (Client::Publisher, false) = (&self, rest.is_empty()) {
            publish(hub, cx, rest);
        }
        cx.close();
    }

    /// It has read everything.
    fn writable(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        if let Client::Subscriber(Subscriber { behind, .. }) = self {
            behind.take().map(|timer| cx.cancel(timer));
        }
    }

    /// It has not.
    fn timer(&mut self, _hub: &mut Hub<'_>, cx: &mut Context<'_>, _timer: TimerId) {
        cx.abort_because("reads too slowly");
    }
}

/// To all subscribers.
fn publish(hub: &mut Hub<'_>, cx: &mut Context<'_>, line: &[u8]) {
    for (id, client) in hub.others.iter_mut() {
        if let Client::Subscriber(subscriber) = client {
            subscriber.hears(hub.shared, &mut cx.source(id), line);
        }
    }
}

impl Subscriber {
    fn hears(&mut self, station: &Station, cx: &mut Context<'_>, line: &[u8]) {
        const NOTE: usize = 64; // At most: how many were left out, and the ending.

        let has_room = cx.send_capacity() >= line.len() + NOTE;
        if !has_room || !self.bucket.take(cx.now()) {
            self.left_out += 1;
        } else {
            if self.left_out > 0 {
                cx.send_all(format!("({} lines left out)\n", self.left_out).as_bytes());
                self.left_out = 0;
            }
            cx.send_all(&[line, b"\n"].concat());
        }
        if self.behind.is_none() && cx.queued() > KEPT / 2 && cx.await_writable() {
            self.behind = Some(cx.after(station.patience));
        }
    }
}

fn main() -> Result<(), Failure> {
    let usage = "broadcast [ENDPOINT] [--publishers ENDPOINT] [--rate LINES] [--burst LINES]\n       \
                 [--patience SECONDS]";
    let mut arguments = Arguments::new(usage)?;
    let publishers = arguments.option("--publishers", "tcp://127.0.0.1:8899".parse()?)?;
    let rate = Rate {
        per_second: arguments.option("--rate", 10)?,
        burst: arguments.option("--burst", 20)?,
    };
    let patience = Duration::try_from_secs_f64(arguments.option("--patience", 5.0)?)?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8898")?;
    arguments.end()?;
    // The kernel keeps for a subscriber too, megabytes unless it is told.
    let config = Config { output_limit: KEPT, send_buffer: Some(KEPT), ..Config::default() };
    let mut reactor = Reactor::new(config)?;
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let subscribers = cx.listen(&endpoint)?;
        listening(cx, subscribers, &endpoint);
        let listener = cx.listen(&publishers)?;
        listening(cx, listener, &publishers);
        Ok(Sessions::<Client>::new(Station { publishers: listener, rate, patience }))
    })?;
    Ok(reactor.run()?)
}
