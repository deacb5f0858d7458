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

use std::path::PathBuf;

use echoloop::{Config, Context, Hub, Lines, Reactor, Session, Sessions, describe};

use store::{Partial, Store};
use support::{Arguments, Failure, listening, say};

/// The longest header, and more than the longest answer.
const HEADER: usize = 1024;

/// What comes next from a client. Dropped, it removes the file that isn't whole.
enum Upload {
    Header,
    /// Bytes of a file.
    File(Partial),
    /// So many bytes that nobody wants, then a header.
    Skip(u64),
}

impl Session for Upload {
    type Shared = Store;

    fn opened(_hub: &mut Hub<'_, Upload>, _cx: &mut Context<'_>) -> Upload {
        Upload::Header
    }

    fn received(&mut self, hub: &mut Hub<'_, Upload>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(more) = self.next(hub.shared, cx, &input[taken..]) {
            taken += more;
        }
        taken
    }
}

impl Upload {
    /// Takes what comes next; `None`, if nothing can be done with this input.
    fn next(&mut self, store: &mut Store, cx: &mut Context<'_>, input: &[u8]) -> Option<usize> {
        match self {
            Upload::Header => self.header(store, cx, input),
            Upload::File(Partial { left: 1.., .. }) | Upload::Skip(1..) if input.is_empty() => None,
            Upload::File(partial) => {
                let part = up_to(partial.left, input);
                if let Some(next) = feed(cx, partial, part) {
                    *self = next;
                }
                Some(part.len())
            }
            Upload::Skip(0) => {
                *self = Upload::Header;
                Some(0)
            }
            Upload::Skip(left) => {
                let part = up_to(*left, input);
                *left -= part.len() as u64;
                Some(part.len())
            }
        }
    }

    fn header(&mut self, store: &mut Store, cx: &mut Context<'_>, input: &[u8]) -> Option<usize> {
        if cx.send_capacity() < HEADER && cx.await_writable() {
            return None; // A client that reads no answers is not asked for more files.
        }
        let fatal = |cx: &mut Context<'_>, why: &str| {
            answer(cx, format_args!("fatal|{why}"));
            cx.close();
            Some(input.len())
        };
        let line = match Lines::new(HEADER / 2).next(input) {
            Ok(line) => line?,
            Err(error) => return fatal(cx, &error.to_string()),
        };
        let Some((size, name)) = store::parse(line.text) else {
            return fatal(cx, "expected post|<byte count>|<file name>");
        };
        if size > store.limit {
            return fatal(cx, &format!("more than {} bytes", store.limit));
        }
        let begun = store::check(name)
            .map_err(str::to_owned)
            .and_then(|name| store.begin(name, size).map_err(|error| describe(&error)));
        *self = begun.map(Upload::File).unwrap_or_else(|why| {
            answer(cx, format_args!("error|{why}"));
            Upload::Skip(size)
        });
        Some(line.len())
    }
}

/// The next bytes of a file. Returns what comes behind them, if that isn't more of it.
fn feed(cx: &mut Context<'_>, partial: &mut Partial, part: &[u8]) -> Option<Upload> {
    let left = partial.left - part.len() as u64;
    let written = partial.write(part);
    if written.is_ok() && left > 0 {
        return None;
    }
    match written.and_then(|()| partial.finish()) {
        Ok(()) => {
            let (size, name) = (partial.size, partial.name());
            say(format_args!("stored {name}, {size} bytes"));
            answer(cx, format_args!("stored|{size}|{name}"));
        }
        Err(error) => answer(cx, format_args!("error|{}", describe(&error))),
    }
    Some(Upload::Skip(left))
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
    reactor.stop_on_signals()?;
    reactor.start(|cx| {
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        Ok(Sessions::<Upload>::new(store))
    })?;
    Ok(reactor.run()?)
}
