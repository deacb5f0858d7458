//! The server: what each client waits for, and what is done about it.

use std::collections::{BTreeMap, HashMap};
use std::io::Seek;
use std::mem;
use std::time::Duration;

use echoloop::{Cause, Context, Half, Id, Lines, Service, TimerId, describe};

use super::NAME;
use super::command::{Command, Running};
use super::support::say;

/// What a program may have written before it ended is in its pipe when we hear of the end, and read
/// soon. Who still holds the pipe after that doesn't belong to the group any more, and is left alone.
const HELD: Duration = Duration::from_secs(1);

/// Room for a refusal, or for what precedes the output.
const HEAD: usize = 1024;

pub(super) struct Limits {
    /// Of a command.
    pub(super) time: Duration,
    /// Of a command, in bytes.
    pub(super) output: u64,
    /// How many commands at once.
    pub(super) commands: usize,
    /// What a client that has sent its last byte has left for its answers.
    pub(super) grace: Duration,
}

pub(super) struct Remote {
    allowed: BTreeMap<String, Command>,
    limits: Limits,
    sigchld: Id,
    clients: HashMap<Id, Client>,
    /// Pipes and replies, and whose they are.
    sources: HashMap<Id, Id>,
    /// Killed, and not reaped yet.
    dying: Vec<Running>,
}

struct Client {
    work: Work,
    /// Since it has sent its last byte.
    ended: Option<Ended>,
}

/// What is being done for a client.
///
/// ```text
///   Nothing ── a name ──▶ Command ── it has ended, so has its pipe ──▶ Reply ── sent ──▶ Nothing
///                 pipe ──▶ spool                    spool ──▶ client
/// ```
enum Work {
    Nothing,
    Command(Running),
    Reply(Id),
}

struct Ended {
    /// What it has sent and was not looked at yet: the reactor shows it no more.
    lines: Vec<u8>,
    /// When the grace is over.
    grace: TimerId,
}

impl Service for Remote {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.clients.insert(cx.id(), Client { work: Work::Nothing, ended: None });
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

    /// A client that still waits for its answers, or one that has left. A source is closed by this.
    fn ended(&mut self, cx: &mut Context<'_>, rest: &[u8]) {
        self.expects_no_more(cx, rest);
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        let Some(client) = self.sources.remove(&cx.id()) else { return self.left(cx) };
        match self.clients.get_mut(&client).map(|client| &mut client.work) {
            Some(Work::Command(running)) => {
                running.pipe = None;
                self.reply_if_over(cx, client);
            }
            Some(work @ Work::Reply(_)) if matches!(cause, Cause::Ended) => {
                *work = Work::Nothing;
                self.go_on(&mut cx.on(client));
            }
            Some(Work::Reply(_)) => cx.on(client).abort(), // Less than the count that it was promised.
            Some(Work::Nothing) | None => {}
        }
    }

    /// A client takes more of its reply, or can be answered again.
    fn refilled(&mut self, cx: &mut Context<'_>) {
        match self.clients.get(&cx.id()).map(|client| &client.work) {
            Some(&Work::Reply(spool)) => cx.on(spool).resume(),
            Some(Work::Nothing) => self.go_on(cx),
            Some(Work::Command(_)) | None => {}
        }
    }

    /// A command takes too long, or holds its pipe for too long after its end; or a client's grace is over.
    fn timer(&mut self, cx: &mut Context<'_>, timer: TimerId) {
        let id = cx.id();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let grace = client.ended.as_mut().filter(|ended| ended.grace == timer);
        let grace_is_over = grace.map(|ended| ended.lines.clear()).is_some();
        match &client.work {
            Work::Nothing if grace_is_over => self.go_on(cx),
            Work::Command(it) if grace_is_over && !it.is_ending() => self.kill(cx, id, "left"),
            Work::Command(it) if it.timer == timer && it.is_ending() => self.reply(cx, id),
            Work::Command(it) if it.timer == timer => self.kill(cx, id, "time limit"),
            _ => {}
        }
    }

    /// The server stops: a reply goes on, and nothing else.
    fn stopping(&mut self, cx: &mut Context<'_>) {
        match self.clients.get(&cx.id()).map(|client| &client.work) {
            Some(Work::Reply(_)) => self.expects_no_more(cx, b""),
            Some(Work::Nothing | Work::Command(_)) => cx.close(),
            None => {} // A source, which goes with its client.
        }
    }
}

impl Remote {
    pub(super) fn new(allowed: BTreeMap<String, Command>, limits: Limits, sigchld: Id) -> Remote {
        let (clients, sources, dying) = Default::default();
        Remote { allowed, limits, sigchld, clients, sources, dying }
    }

    /// Takes the names of commands, until there is one that takes its time. Returns how many bytes that was.
    fn asked(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(Client { work: Work::Nothing, .. }) = self.clients.get(&cx.id()) {
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
                    return input.len();
                }
            }
        }
        taken
    }

    /// After this client's last byte, and what it had sent before.
    fn expects_no_more(&mut self, cx: &mut Context<'_>, lines: &[u8]) {
        let Some(client) = self.clients.get_mut(&cx.id()) else { return };
        if client.ended.is_none() {
            let (lines, grace) = (lines.to_vec(), cx.after(self.limits.grace));
            client.ended = Some(Ended { lines, grace });
        }
        if let Work::Nothing = client.work {
            self.go_on(cx);
        }
    }

    /// Nothing is being done for this client now: on to its next line. After the last one, that was all.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        let Some(client) = self.clients.get_mut(&cx.id()) else { return };
        let Some(ended) = &mut client.ended else { return cx.resume() };
        let mut lines = mem::take(&mut ended.lines);
        let taken = self.asked(cx, &lines);
        lines.drain(..taken);
        let Some(Client { work, ended: Some(ended) }) = self.clients.get_mut(&cx.id()) else {
            return;
        };
        if matches!(work, Work::Nothing) && !lines.contains(&b'\n') {
            if !lines.is_empty() {
                refuse(cx, "a line without an ending");
            }
            cx.close();
        } else {
            ended.lines = lines;
        }
    }

    fn start(&mut self, cx: &mut Context<'_>, name: &str) -> Result<(), String> {
        let client = cx.id();
        let command = self.allowed.get(name).ok_or_else(|| format!("no such command: {name}"))?;
        let running = |it: &&Client| matches!(&it.work, Work::Command(it) if !it.is_over());
        if self.clients.values().filter(running).count() + self.dying.len() >= self.limits.commands
        {
            return Err("too many commands at once, try again later".to_owned());
        }
        let cannot = |error: &dyn std::error::Error| format!("cannot start {name}: {error}");
        let (started, pipe) = command.start().map_err(|error| cannot(&error))?;
        let mut running = Running::new(started, cx.after(self.limits.time));
        match cx.adopt(pipe, Half::Read) {
            Ok(pipe) => {
                running.pipe = Some(pipe);
                self.sources.insert(pipe, client);
                self.set(client, Work::Command(running));
                Ok(())
            }
            Err(error) => {
                self.bury(running);
                Err(cannot(&error))
            }
        }
    }

    /// From a pipe into the spool, or from the spool to the client.
    fn flows(&mut self, cx: &mut Context<'_>, id: Id, input: &[u8]) -> usize {
        match self.clients.get_mut(&id).map(|client| &mut client.work) {
            Some(Work::Command(running)) if running.verdict.is_none() => {
                let left = self.limits.output - running.written;
                let within = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if let Err(error) = running.write(&input[..within]) {
                    self.kill(cx, id, &describe(&error));
                } else if within < input.len() {
                    self.kill(cx, id, "output limit");
                }
                input.len()
            }
            Some(Work::Reply(_)) => {
                let taken = cx.on(id).send(input);
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
        for (&id, client) in &mut self.clients {
            if let Work::Command(running) = &mut client.work
                && !running.is_over()
                && running.reap()
            {
                over.push(id);
            }
        }
        for id in over {
            self.await_pipe(cx, id);
            self.reply_if_over(cx, id);
        }
    }

    fn kill(&mut self, cx: &mut Context<'_>, id: Id, why: &str) {
        let Some(running) = self.running(id) else { return };
        running.kill();
        running.verdict = Some(format!("killed {why}"));
        self.await_pipe(cx, id);
    }

    /// From now on the reply waits for the rest of the output, but not for ever.
    fn await_pipe(&mut self, cx: &mut Context<'_>, id: Id) {
        if let Some(running) = self.running(id) {
            cx.cancel(running.timer);
            running.timer = cx.on(id).after(HELD);
        }
    }

    fn reply_if_over(&mut self, cx: &mut Context<'_>, id: Id) {
        if self.running(id).is_some_and(|running| running.is_over() && running.pipe.is_none()) {
            self.reply(cx, id);
        }
    }

    fn running(&mut self, id: Id) -> Option<&mut Running> {
        match &mut self.clients.get_mut(&id)?.work {
            Work::Command(running) => Some(running),
            Work::Nothing | Work::Reply(_) => None,
        }
    }

    /// Notes what is being done for a client, and returns what was before.
    fn set(&mut self, id: Id, work: Work) -> Option<Work> {
        self.clients.get_mut(&id).map(|client| mem::replace(&mut client.work, work))
    }

    /// The whole output is there: sends it.
    fn reply(&mut self, cx: &mut Context<'_>, client: Id) {
        let Some(Work::Command(mut running)) = self.set(client, Work::Nothing) else { return };
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
                self.set(client, Work::Reply(spool));
            }
            None => cx.abort(), // The count is promised, and can't be kept.
        }
    }

    /// A client has gone, and so does whatever was done for it.
    fn left(&mut self, cx: &mut Context<'_>) {
        let Some(client) = self.clients.remove(&cx.id()) else { return };
        if let Some(ended) = client.ended {
            cx.cancel(ended.grace);
        }
        let source = match client.work {
            Work::Nothing => None,
            Work::Reply(spool) => Some(spool),
            Work::Command(running) => {
                let pipe = running.pipe;
                cx.cancel(running.timer);
                self.bury(running);
                pipe
            }
        };
        if let Some(source) = source {
            self.sources.remove(&source);
            cx.on(source).abort();
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
