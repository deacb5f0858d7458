//! Runs commands for clients: those that the operator allows, and no others.
//!
//! `cargo run --example remote_command [ENDPOINT] [--allow 'NAME=PROGRAM ARGUMENT...']...`, then
//! `cargo run --example remote_command client [ENDPOINT] NAME...`, or `nc 127.0.0.1 8894` and a name.
//! Without `--allow`: `date`, `uptime` and `disk`, which is `df -h`. Limits: `--time-limit` 10 s for a
//! command, `--output-limit` 16777216 bytes, `--commands` 8 at once, `--clients` 64.
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
//! | `killed <reason>` | by us: `time limit`, `output limit`, or what went wrong; the output up to then |
//! | `refused <reason>` | it was never started |
//!
//! Then the next reply, in the order of the lines. Who ends its sending side has left: its command
//! is killed. So is what a command leaves running behind itself; the reply doesn't wait for it.
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

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Seek};
use std::time::Duration;

use echoloop::{Cause, Config, Context, Endpoint, Half, Id, Lines, Reactor, Service, TimerId};
use signal_hook::consts::SIGCHLD;

use command::{Command, Running};
use support::{Arguments, Failure, listening, say, stop_on_ctrl_c};

/// What a program may have written before it ended is in its pipe when we hear of the end, and read
/// soon. Who still holds the pipe after that doesn't belong to the group any more, and is left alone.
const GRACE: Duration = Duration::from_secs(1);

/// The longest line: a name.
const NAME: usize = 256;

/// Room for a refusal, or for what precedes the output.
const HEAD: usize = 1024;

struct Remote {
    allowed: BTreeMap<String, Command>,
    time_limit: Duration,
    output_limit: u64,
    most: usize,
    sigchld: Id,
    clients: HashMap<Id, Client>,
    /// Pipes and replies, and whose they are.
    sources: HashMap<Id, Id>,
    /// Killed, and not reaped yet.
    dying: Vec<Running>,
}

/// What a client waits for.
///
/// ```text
///   Nothing ── a name ──▶ Command ── it has ended, so has its pipe ──▶ Reply ── sent ──▶ Nothing
///                 pipe ──▶ spool                    spool ──▶ client
/// ```
enum Client {
    Nothing,
    Command(Running),
    Reply(Id),
}

impl Service for Remote {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.clients.insert(cx.id(), Client::Nothing);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let id = cx.id();
        if id == self.sigchld {
            self.reap(cx);
            input.len()
        } else if let Some(&client) = self.sources.get(&id) {
            self.flows(cx, client, input)
        } else {
            self.asked(cx, input)
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, _rest: &[u8]) {
        cx.close(); // And `closed` follows, for clients and for sources.
        if self.clients.contains_key(&cx.id()) {
            self.left(cx);
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, _cause: &Cause) {
        let Some(client) = self.sources.remove(&cx.id()) else { return self.left(cx) };
        match self.clients.get_mut(&client) {
            Some(Client::Command(running)) => {
                running.pipe = None;
                self.reply_if_over(cx, client);
            }
            Some(state @ Client::Reply(_)) => {
                *state = Client::Nothing;
                cx.on(client).resume(); // The next line may be there already.
            }
            _ => {}
        }
    }

    /// A client takes more of its reply.
    fn refilled(&mut self, cx: &mut Context<'_>) {
        if let Some(&Client::Reply(spool)) = self.clients.get(&cx.id()) {
            cx.on(spool).resume();
        }
    }

    /// A command takes too long, or holds its pipe for too long after its end.
    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        let client = cx.id();
        match self.clients.get(&client) {
            Some(Client::Command(running)) if running.timer != timer => {}
            Some(Client::Command(running)) if running.is_ending() => self.reply(cx, client),
            _ => self.kill(cx, client, "time limit".to_owned()),
        }
    }
}

impl Remote {
    /// A client may have sent the name of a command.
    fn asked(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(Client::Nothing) = self.clients.get(&cx.id()) {
            if cx.room() < HEAD && cx.await_room() {
                break;
            }
            match Lines::new(NAME).next(&input[taken..]) {
                Ok(Some(line)) => {
                    taken += line.len();
                    let name = String::from_utf8_lossy(line.text);
                    if let Err(why) = self.start(cx, name.trim()) {
                        refuse(cx, &why);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    refuse(cx, &error.to_string());
                    cx.close_because("too long a line");
                    break;
                }
            }
        }
        taken
    }

    fn start(&mut self, cx: &mut Context<'_>, name: &str) -> Result<(), String> {
        let client = cx.id();
        let command = self.allowed.get(name).ok_or_else(|| format!("no such command: {name}"))?;
        let running = |it: &&Client| matches!(it, Client::Command(_));
        if self.clients.values().filter(running).count() + self.dying.len() >= self.most {
            return Err("too many commands at once, try again later".to_owned());
        }
        let cannot = |error: &dyn std::error::Error| format!("cannot start {name}: {error}");
        let (started, pipe) = command.start().map_err(|error| cannot(&error))?;
        let mut running = Running::new(started, cx.after(self.time_limit));
        match cx.adopt(pipe, Half::Read) {
            Ok(pipe) => {
                running.pipe = Some(pipe);
                self.sources.insert(pipe, client);
                self.clients.insert(client, Client::Command(running));
                Ok(())
            }
            Err(error) => {
                self.bury(running);
                Err(cannot(&error))
            }
        }
    }

    /// From a pipe into the spool, or from the spool to the client.
    fn flows(&mut self, cx: &mut Context<'_>, client: Id, input: &[u8]) -> usize {
        match self.clients.get_mut(&client) {
            Some(Client::Command(running)) if running.verdict.is_none() => {
                let left = self.output_limit - running.written;
                let within = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if let Err(error) = running.write(&input[..within]) {
                    self.kill(cx, client, error.to_string());
                } else if within < input.len() {
                    self.kill(cx, client, "output limit".to_owned());
                }
                input.len()
            }
            Some(Client::Reply(_)) => {
                let taken = cx.on(client).send(input);
                if taken < input.len() {
                    cx.pause();
                }
                taken
            }
            _ => input.len(),
        }
    }

    /// SIGCHLD says that somebody has ended, not who.
    fn reap(&mut self, cx: &mut Context<'_>) {
        self.dying.retain_mut(|running| !running.reap());
        let mut over = Vec::new();
        for (&client, state) in &mut self.clients {
            if let Client::Command(running) = state
                && !running.is_over()
                && running.reap()
            {
                over.push(client);
            }
        }
        for client in over {
            self.begin_grace(cx, client);
            self.reply_if_over(cx, client);
        }
    }

    fn kill(&mut self, cx: &mut Context<'_>, client: Id, why: String) {
        let Some(Client::Command(running)) = self.clients.get_mut(&client) else { return };
        running.kill();
        running.verdict = Some(format!("killed {why}"));
        self.begin_grace(cx, client);
    }

    /// From now on the reply waits for the rest of the output, but not for ever.
    fn begin_grace(&mut self, cx: &mut Context<'_>, client: Id) {
        if let Some(Client::Command(running)) = self.clients.get_mut(&client) {
            cx.cancel(running.timer);
            running.timer = cx.on(client).after(GRACE);
        }
    }

    fn reply_if_over(&mut self, cx: &mut Context<'_>, client: Id) {
        if let Some(Client::Command(running)) = self.clients.get(&client)
            && running.is_over()
            && running.pipe.is_none()
        {
            self.reply(cx, client);
        }
    }

    /// The whole output is there: sends it.
    fn reply(&mut self, cx: &mut Context<'_>, client: Id) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        let Client::Command(mut running) = std::mem::replace(state, Client::Nothing) else {
            return;
        };
        cx.cancel(running.timer);
        if let Some(pipe) = running.pipe.take() {
            self.sources.remove(&pipe);
            cx.on(pipe).abort();
        }
        let status = running.status();
        let count = status.len() as u64 + 1 + running.written;
        let spool = running.spool.rewind().and_then(|()| running.spool.try_clone());
        self.bury(running);
        say(format_args!("{client}: {status}, {count} bytes"));
        let mut cx = cx.on(client);
        if !cx.send_all(format!("info|{count}\n{status}\n").as_bytes()) {
            return cx.abort();
        }
        match spool.ok().and_then(|spool| cx.adopt(spool, Half::Read).ok()) {
            Some(spool) => {
                self.sources.insert(spool, client);
                self.clients.insert(client, Client::Reply(spool));
            }
            None => cx.abort(), // The count is promised, and can't be kept.
        }
    }

    /// A client has gone, and so does whatever was done for it.
    fn left(&mut self, cx: &mut Context<'_>) {
        match self.clients.remove(&cx.id()) {
            Some(Client::Command(running)) => {
                if let Some(pipe) = running.pipe {
                    self.sources.remove(&pipe);
                    cx.on(pipe).abort();
                }
                self.bury(running);
            }
            Some(Client::Reply(spool)) => {
                self.sources.remove(&spool);
                cx.on(spool).abort();
            }
            Some(Client::Nothing) | None => {}
        }
    }

    /// Nobody waits for this one any more. It is killed, if it still runs, and reaped when it is dead.
    fn bury(&mut self, mut running: Running) {
        running.kill();
        if !running.reap() {
            self.dying.push(running);
        }
    }
}

fn refuse(cx: &mut Context<'_>, why: &str) {
    let status = format!("refused {why}\n");
    cx.send_all(format!("info|{}\n{status}", status.len()).as_bytes());
}

fn main() -> Result<(), Failure> {
    let usage = "remote_command [ENDPOINT] [--allow 'NAME=PROGRAM ARGUMENT...']... [--anybody]\n           \
                 [--time-limit SECONDS] [--output-limit BYTES] [--commands COUNT] [--clients COUNT]\n       \
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
    let time_limit = Duration::try_from_secs_f64(arguments.option("--time-limit", 10.0)?)?;
    let output_limit = arguments.option("--output-limit", 16 * 1024 * 1024)?;
    let most = arguments.option("--commands", 8)?;
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
    stop_on_ctrl_c(&mut reactor)?;
    let signal = support::signal(SIGCHLD)?;
    reactor.start(|cx| {
        let sigchld = cx.adopt(signal, Half::Read)?;
        cx.on(sigchld).in_background();
        let listener = cx.listen(&endpoint)?;
        listening(cx, listener, &endpoint);
        let (clients, sources, dying) = Default::default();
        Ok(Remote { allowed, time_limit, output_limit, most, sigchld, clients, sources, dying })
    })?;
    Ok(reactor.run()?)
}

/// Whether only this machine can connect to it.
fn is_local(endpoint: &Endpoint) -> io::Result<bool> {
    match endpoint {
        Endpoint::Unix(_) => Ok(true),
        _ => Ok(endpoint.resolve()?.iter().all(|address| address.ip().is_loopback())),
    }
}
