//! Stores files that clients send, into one directory.
//!
//! `cargo run --example upload -- [ENDPOINT] [--directory PATH] [--limit BYTES]`, then
//! `cargo run --example upload -- client [ENDPOINT] FILE...`. By default files of up to 1 GiB go to
//! `./uploads`, which is made if it isn't there.
//!
//! # The protocol
//!
//! ```text
//! post|<decimal byte count>|<file name>\n   then exactly that many bytes
//! ```
//!
//! and again for the next file. To each the server answers a line, in order:
//!
//! | answer | means |
//! |---|---|
//! | `stored\|<byte count>\|<file name>` | all of it is there, under its name |
//! | `error\|<reason>` | it is not; its bytes are skipped, and the next file can follow |
//! | `fatal\|<reason>` | neither is it, and the connection is closed: over the limit, or not the protocol |
//!
//! A name is UTF-8, has no separator (`/` or `\`), no `..`, no control character, and no leading dot. A
//! file of that name is replaced, at once.
//!
//! # How
//!
//! A header and the first bytes of the file come glued together, or a header in pieces: so a line is
//! a line when its end is there, and what follows it is the file. A file that is still growing has
//! another name, with a leading dot, which no client can ask for; renaming it is the last step. If
//! the client drops, that file is removed by its destructor; if the server is killed, by the next one
//! that starts on the directory.
//!
//! Files are written on the loop's thread: that copies to the kernel's memory, which seldom blocks for
//! long, and no client writes more than its share of a turn before the next one's go. For a slow disk
//! one would use a thread. `stored` means that the kernel has it, so it outlives this program, but
//! perhaps not a power cut, after which a new name may even have an empty file. To wait for the disk, with
//! `File::sync_all`, would let everybody wait, for as long as a gigabyte takes; that needs a thread, too.

mod support;

#[path = "upload/client.rs"]
mod client;
#[path = "upload/store.rs"]
mod store;

use std::collections::HashMap;
use std::path::PathBuf;

use echoloop::{Cause, Config, Context, Id, Lines, Reactor, Service, describe};

use store::{Partial, Store};
use support::{Arguments, Failure, listening, say, stop_on_ctrl_c};

/// The longest header, and more than the longest answer.
const HEADER: usize = 1024;

struct Upload {
    store: Store,
    clients: HashMap<Id, State>,
}

/// What comes next from a client.
enum State {
    Header,
    /// Bytes of a file.
    File(Partial),
    /// So many bytes of a file that was refused.
    Refused(u64),
}

/// What became of some input.
struct Step {
    taken: usize,
    state: State,
    /// Nothing more can be done with this input.
    is_stuck: bool,
}

impl Step {
    fn on(taken: usize, state: State) -> Step {
        Step { taken, state, is_stuck: false }
    }

    fn stuck(taken: usize, state: State) -> Step {
        Step { taken, state, is_stuck: true }
    }
}

impl Service for Upload {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.clients.insert(cx.id(), State::Header);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Some(mut state) = self.clients.remove(&cx.id()) else { return input.len() };
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            let step = match state {
                State::Header => self.header(cx, rest),
                State::File(partial) => feed(cx, partial, rest),
                State::Refused(left) => skip(left, rest),
            };
            state = step.state;
            taken += step.taken;
            if step.is_stuck {
                break;
            }
        }
        self.clients.insert(cx.id(), state);
        taken
    }

    /// The client has left, or needs no more than its answers.
    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        self.clients.remove(&cx.id());
        cx.close();
    }

    /// Dropping the state removes the file that isn't whole.
    fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
        self.clients.remove(&cx.id());
    }
}

impl Upload {
    fn header(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Step {
        if cx.room() < HEADER && cx.await_room() {
            // A client that reads no answers is not asked for more files.
            return Step::stuck(0, State::Header);
        }
        let fatal = |cx: &mut Context<'_>, why: &str| {
            answer(cx, format_args!("fatal|{why}"));
            cx.close();
            Step::stuck(input.len(), State::Header)
        };
        let line = match Lines::new(HEADER / 2).next(input) {
            Ok(Some(line)) => line,
            Ok(None) => return Step::stuck(0, State::Header),
            Err(error) => return fatal(cx, &error.to_string()),
        };
        let Some((size, name)) = store::parse(line.text) else {
            return fatal(cx, "expected post|<byte count>|<file name>");
        };
        if size > self.store.limit {
            return fatal(cx, &format!("more than {} bytes", self.store.limit));
        }
        let begun = store::check(name)
            .map_err(str::to_owned)
            .and_then(|name| self.store.begin(name, size).map_err(|error| describe(&error)));
        match begun {
            Ok(partial) => Step::on(line.len(), State::File(partial)),
            Err(why) => {
                answer(cx, format_args!("error|{why}"));
                Step::on(line.len(), State::Refused(size))
            }
        }
    }
}

/// The next bytes of a file.
fn feed(cx: &mut Context<'_>, mut partial: Partial, input: &[u8]) -> Step {
    let part = up_to(partial.left, input);
    let left = partial.left - part.len() as u64;
    if let Err(error) = partial.write(part) {
        answer(cx, format_args!("error|{}", describe(&error)));
        return Step::on(part.len(), State::Refused(left));
    }
    if left > 0 {
        return Step::stuck(part.len(), State::File(partial));
    }
    let (size, name) = (partial.size, partial.name());
    match partial.finish() {
        Ok(()) => {
            say(format_args!("stored {name}, {size} bytes"));
            answer(cx, format_args!("stored|{size}|{name}"));
        }
        Err(error) => answer(cx, format_args!("error|{}", describe(&error))),
    }
    Step::on(part.len(), State::Header)
}

fn skip(left: u64, input: &[u8]) -> Step {
    let part = up_to(left, input).len();
    match left - part as u64 {
        0 => Step::on(part, State::Header),
        left => Step::stuck(part, State::Refused(left)),
    }
}

fn up_to(left: u64, input: &[u8]) -> &[u8] {
    &input[..input.len().min(usize::try_from(left).unwrap_or(usize::MAX))]
}

/// There is room for it: that was seen to before the header was taken.
fn answer(cx: &mut Context<'_>, line: std::fmt::Arguments<'_>) {
    cx.send_all(format!("{line}\n").as_bytes());
}

fn main() -> Result<(), Failure> {
    let usage = "upload [ENDPOINT] [--directory PATH] [--limit BYTES]\n       \
                 upload client [ENDPOINT] FILE...";
    let mut arguments = Arguments::new(usage)?;
    if arguments.is("client") {
        return client::run(arguments);
    }
    let directory = arguments.option("--directory", PathBuf::from("uploads"))?;
    let limit = arguments.option("--limit", 1 << 30)?;
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8895")?;
    arguments.end()?;
    let store = Store::new(&directory, limit)
        .map_err(|e| Failure::new(format!("{}: {}", directory.display(), describe(&e))))?;
    let mut reactor = Reactor::new(Config::default())?;
    stop_on_ctrl_c(&mut reactor)?;
    reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Upload { store, clients: HashMap::new() })
    })?;
    Ok(reactor.run()?)
}
