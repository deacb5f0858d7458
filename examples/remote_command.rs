//! Runs commands for clients: those that the operator allows, and no others.
//!
//! `cargo run --example remote_command -- [ENDPOINT] [--allow 'NAME=PROGRAM ARGUMENT...']...`, then
//! `cargo run --example remote_command -- client [ENDPOINT] NAME...`, or `nc 127.0.0.1 8894` and a name.
//! Without `--allow`: `date`, `uptime` and `disk`, which is `df -h`. Limits: `--time-limit` 10 s for a
//! command, `--output-limit` 16777216 bytes, `--commands` 8 at once, `--clients` 64, `--grace` 2 s.
//!
//! # The protocol
//!
//! A client sends a line, which is the name of a command, and gets the reply
//!
//! ```text
//! info|<decimal byte count>\n   then exactly that many bytes:
//! <status>\n<output>
//! ```
//!
//! The count is that of status line and output together, so a reply without output is told from one
//! that has not come yet. The output is what the program wrote to its standard output and standard
//! error. The status is one of
//!
//! | status | means |
//! |---|---|
//! | `exit <code>` | it ended by itself; 0 is success |
//! | `signal <number>` | it was ended by a signal |
//! | `killed <reason>` | by us: `time limit`, `output limit`, `left`, or what went wrong; the output up to then |
//! | `refused <reason>` | it was never started |
//!
//! Then the next reply, in the order of the lines. What a command leaves running behind itself is
//! killed; the reply doesn't wait for it.
//!
//! # Who has left
//!
//! `printf 'date\nuptime\n' | nc -N 127.0.0.1 8894` says all it has to say, ends its sending side, and
//! waits for the answers. Somebody who has left, and wants none, looks the same over TCP: an end is all
//! that either of them sends. So after the end the lines that had arrived are still answered, each in
//! its turn, but for the time of the grace only. Then the command that runs is killed as `left`, the
//! lines behind it are dropped, and the connection is closed, as it is when all is answered. A reset says
//! more, and so does the hangup of a Unix socket: nobody is there to read. Then it is killed at once.
//!
//! A last line without its ending may be the beginning of a longer name, and is refused.
//!
//! # How
//!
//! Nothing goes through a shell: a name stands for a program and fixed arguments. Each command is a
//! process group of its own, so that all of it can be killed. Its output is a pipe, and its end a
//! signal, SIGCHLD: both are sources of the loop, and nobody waits for a command but its own client.
//!
//! The count goes first, so the whole output must be there before a byte of the reply can go. It
//! is kept in a file without a name, in the directory for temporary files: memory for a client is the
//! same for ten bytes and for a hundred megabytes, and the disk holds at most clients times output
//! limit. Writing to that file is done on the loop's thread, 64 KiB at a time; sending is a matter
//! of the loop: the file is a source, the client slows it down.

mod support;

#[path = "remote_command/client.rs"]
mod client;
#[path = "remote_command/command.rs"]
mod command;
#[path = "remote_command/flows.rs"]
mod flows;
#[path = "remote_command/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use echoloop::{Config, Endpoint, Reactor, Sessions};
use signal_hook::consts::SIGCHLD;

use command::Command;
use server::{Limits, Remote};
use support::{Arguments, Failure, listening};

/// The longest line: a name.
const NAME: usize = 256;

fn main() -> Result<(), Failure> {
    let usage = "remote_command [ENDPOINT] [--allow 'NAME=PROGRAM ARGUMENT...']... [--anybody]\n           \
                 [--time-limit SECONDS] [--output-limit BYTES] [--commands COUNT] [--clients COUNT]\n           \
                 [--grace SECONDS]\n       \
                 remote_command client [ENDPOINT] NAME...";
    let mut arguments = Arguments::new(usage)?;
    if arguments.is("client") {
        return client::run(arguments);
    }
    let mut allowed = BTreeMap::new();
    while let Some(text) = arguments.text("--allow")? {
        allowed.extend([Command::parse(&text)?]);
    }
    if allowed.is_empty() {
        allowed.extend(
            ["date=date", "uptime=uptime", "disk=df -h"].map(Command::parse).into_iter().flatten(),
        );
    }
    let limits = Limits {
        time: Duration::try_from_secs_f64(arguments.option("--time-limit", 10.0)?)?,
        output: arguments.option("--output-limit", 16 * 1024 * 1024)?,
        commands: arguments.option("--commands", 8)?,
        grace: Duration::try_from_secs_f64(arguments.option("--grace", 2.0)?)?,
    };
    let clients = arguments.option("--clients", 64)?;
    let anybody = arguments.flag("--anybody");
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8894")?;
    arguments.end()?;
    if !anybody && !is_local(&endpoint)? {
        return Err(Failure::new(format!(
            "{endpoint} is not on loopback; --anybody if you mean it"
        )));
    }
    let mut reactor = Reactor::new(Config { connections: Some(clients), ..Config::default() })?;
    reactor.stop_on_signals()?;
    let remote = reactor.add_with(|me| Sessions::new(Remote::new(me, allowed, limits)));
    reactor.on_signal(SIGCHLD, move |cx| {
        cx.tell(remote, server::reap);
    })?;
    let mut cx = reactor.context(remote);
    let listener = cx.listen(&endpoint)?;
    listening(&mut cx, listener, &endpoint);
    Ok(reactor.run()?)
}

/// Whether only this machine can connect to it.
fn is_local(endpoint: &Endpoint) -> io::Result<bool> {
    match endpoint {
        Endpoint::Unix(_) => Ok(true),
        _ => Ok(endpoint.resolve()?.iter().all(|address| address.ip().is_loopback())),
    }
}
