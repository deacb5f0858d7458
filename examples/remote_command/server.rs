//! The server: what each client waits for, and what is done about it.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use echoloop::{Cause, Context, Half, Id, Lines, ServiceId, Session, Sessions, TimerId};

use super::NAME;
use super::command::{Command, Process, Spool};
use super::flows::{Pipe, Reply};
use super::support::say;

/// What a program may have written before it ended is in its pipe when we hear of the end, and read
/// soon. Who still holds the pipe after that doesn't belong to the group any more, and is left alone.
const HELD: Duration = Duration::from_secs(1);

/// Room for a refusal, or for what precedes the output.
const HEAD: usize = 1024;

// What a client's timers are about.
const TIME_LIMIT: u64 = 1;
const PIPE_HELD: u64 = 2;
const GRACE: u64 = 3;

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

/// What the clients share.
pub(super) struct Remote {
    /// The name of the service, for those that tell it something.
    me: Clients,
    allowed: BTreeMap<String, Command>,
    limits: Limits,
    /// Killed, and not reaped yet.
    dying: Vec<Process>,
}

/// The service, by name.
pub(super) type Clients = ServiceId<Sessions<Client>>;
type Hub<'a> = echoloop::Hub<'a, Client>;

#[derive(Default)]
pub(super) struct Client {
    work: Work,
    /// Since it has sent its last byte: what was not looked at by then, which the reactor shows no more.
    ended: Option<Vec<u8>>,
}

/// What is being done for a client.
///
/// ```text
///   Nothing ── a name ──▶ Command ── it has ended, so has its pipe ──▶ Reply ── sent ──▶ Nothing
///                 Pipe ──▶ spool                    Reply ──▶ client
/// ```
#[derive(Default)]
enum Work {
    #[default]
    Nothing,
    Command(Running),
    Reply(Id),
}

/// A command that a client waits for.
struct Running {
    process: Process,
    pipe: Id,
    /// What has come out of the pipe, once that has ended.
    output: Option<Spool>,
    /// Of the time limit, then of the pipe.
    timer: TimerId,
    /// Why we have killed it.
    verdict: Option<String>,
}

impl Session for Client {
    type Shared = Remote;

    fn opened(_hub: &mut Hub<'_>, _cx: &mut Context<'_>) -> Client {
        Client::default()
    }

    fn received(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        self.asked(hub, cx, input)
    }

    /// It still waits for its answers, or has left.
    fn ended(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, rest: &[u8]) {
        self.expects_no_more(hub, cx, rest);
    }

    /// It takes more of its reply, or can be answered again.
    fn writable(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        match self.work {
            Work::Reply(spool) => cx.source(spool).resume(),
            Work::Nothing => self.go_on(hub, cx),
            Work::Command(_) => {}
        }
    }

    fn timer(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, _timer: TimerId) {
        match (cx.word(), &self.work) {
            (TIME_LIMIT, _) => self.kill(cx, "time limit"),
            (PIPE_HELD, Work::Command(running)) => {
                cx.source(running.pipe).abort();
                self.reply_if_over(hub, cx); // Perhaps the pipe has gone, and the process won't.
            }
            (GRACE, work) => {
                let is_idle = matches!(work, Work::Nothing);
                self.ended = Some(Vec::new());
                self.kill(cx, "left");
                if is_idle {
                    self.go_on(hub, cx);
                }
            }
            _ => {}
        }
    }

    /// The server stops: a reply goes on, and nothing else.
    fn stopping(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        match self.work {
            Work::Reply(_) => self.expects_no_more(hub, cx, b""),
            Work::Nothing | Work::Command(_) => cx.close(),
        }
    }

    /// It has gone, and so does whatever was done for it.
    fn closed(self, hub: &mut Hub<'_>, cx: &mut Context<'_>, _cause: &Cause) {
        match self.work {
            Work::Nothing => {}
            Work::Reply(spool) => cx.source(spool).abort(),
            Work::Command(running) => {
                cx.source(running.pipe).abort();
                hub.shared.bury(running.process);
            }
        }
    }
}

impl Client {
    /// Takes the names of commands, until there is one that takes its time. Returns how many bytes that was.
    fn asked(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        while let Work::Nothing = self.work {
            if cx.send_capacity() < HEAD && cx.await_writable() {
                break;
            }
            match Lines::new(NAME).next(&input[taken..]) {
                Ok(Some(line)) => {
                    taken += line.len();
                    let name = String::from_utf8_lossy(line.text);
                    match start(hub, cx, name.trim()) {
                        Ok(running) => self.work = Work::Command(running),
                        Err(why) => refuse(cx, &why),
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

    /// After its last byte, and what it had sent before.
    fn expects_no_more(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, lines: &[u8]) {
        if self.ended.is_none() {
            self.ended = Some(lines.to_vec());
            cx.after_with(hub.shared.limits.grace, GRACE);
        }
        if let Work::Nothing = self.work {
            self.go_on(hub, cx);
        }
    }

    /// Nothing is being done for it now: on to its next line. After the last one, that was all.
    fn go_on(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        let Some(mut lines) = self.ended.take() else { return cx.resume() };
        let taken = self.asked(hub, cx, &lines);
        lines.drain(..taken);
        if matches!(self.work, Work::Nothing) && !lines.contains(&b'\n') {
            if !lines.is_empty() {
                refuse(cx, "a line without an ending");
            }
            cx.close();
        }
        self.ended = Some(lines);
    }

    /// Kills the command, if there is one that isn't about to end anyway.
    pub(super) fn kill(&mut self, cx: &mut Context<'_>, why: &str) {
        if let Work::Command(running) = &mut self.work
            && !running.is_ending()
        {
            running.process.kill();
            running.verdict = Some(format!("killed {why}"));
            running.await_pipe(cx);
        }
    }

    /// Whether its command runs, or has been killed and not been reaped.
    fn has_process(&self) -> bool {
        matches!(&self.work, Work::Command(running) if !running.process.is_over())
    }

    /// Whether its command has just ended.
    fn reap(&mut self) -> bool {
        let Work::Command(running) = &mut self.work else { return false };
        running.process.reap()
    }

    /// Its command has ended: from now on the reply waits for the rest of the output, but not for ever.
    fn is_over(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        if let Work::Command(running) = &mut self.work {
            running.await_pipe(cx);
            self.reply_if_over(hub, cx);
        }
    }

    /// The pipe of its command has ended.
    pub(super) fn has_output(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>, output: Spool) {
        if let Work::Command(running) = &mut self.work {
            running.output = Some(output);
            self.reply_if_over(hub, cx);
        }
    }

    /// The reply can begin when the whole output is there.
    fn reply_if_over(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        let Work::Command(running) = &mut self.work else { return };
        let is_ending = running.is_ending();
        let Some(output) = running.output.take_if(|_| is_ending) else { return };
        cx.cancel(running.timer);
        let status = running.verdict.take().unwrap_or_else(|| running.process.status());
        let count = status.len() as u64 + 1 + output.written;
        if let Work::Command(running) = mem::take(&mut self.work) {
            hub.shared.bury(running.process);
        }
        say(format_args!("{}: {status}, {count} bytes", cx.id()));
        let reply = Reply { client: cx.id(), clients: hub.shared.me };
        if !cx.send_all(format!("info|{count}\n{status}\n").as_bytes()) {
            return cx.abort();
        }
        match output.read().map(|file| cx.serve(reply, |cx| cx.adopt(file, Half::Read))) {
            Ok(Ok(spool)) => self.work = Work::Reply(spool),
            _ => cx.abort(), // The count is promised, and can't be kept.
        }
    }

    /// All of the reply has been sent.
    pub(super) fn has_reply(&mut self, hub: &mut Hub<'_>, cx: &mut Context<'_>) {
        self.work = Work::Nothing;
        self.go_on(hub, cx);
    }
}

impl Running {
    /// Whether it has ended, or is about to.
    fn is_ending(&self) -> bool {
        self.process.is_over() || self.verdict.is_some()
    }

    fn await_pipe(&mut self, cx: &mut Context<'_>) {
        cx.cancel(self.timer);
        self.timer = cx.after_with(HELD, PIPE_HELD);
    }
}

impl Remote {
    pub(super) fn new(me: Clients, allowed: BTreeMap<String, Command>, limits: Limits) -> Remote {
        Remote { me, allowed, limits, dying: Vec::new() }
    }

    /// Nobody waits for this one any more. It is killed, if it still runs, and reaped when it is dead.
    fn bury(&mut self, mut process: Process) {
        process.kill();
        process.reap();
        if !process.is_over() {
            self.dying.push(process);
        }
    }
}

/// SIGCHLD says that somebody has ended, not who.
pub(super) fn reap(clients: &mut Sessions<Client>, cx: &mut Context<'_>) {
    clients.shared.dying.retain_mut(|process| !process.reap());
    let over = clients.iter_mut().filter_map(|(id, client)| client.reap().then_some(id));
    for id in over.collect::<Vec<_>>() {
        clients.with(cx, id, Client::is_over);
    }
}

fn start(hub: &mut Hub<'_>, cx: &mut Context<'_>, name: &str) -> Result<Running, String> {
    let remote = &mut *hub.shared;
    let command = remote.allowed.get(name).ok_or_else(|| format!("no such command: {name}"))?;
    let running = hub.others.iter().filter(|(_, client)| client.has_process()).count();
    if running + remote.dying.len() >= remote.limits.commands {
        return Err("too many commands at once, try again later".to_owned());
    }
    let cannot = |error: &dyn std::error::Error| format!("cannot start {name}: {error:#}");
    let (process, pipe, spool) = command.start().map_err(|error| cannot(&error))?;
    let left = remote.limits.output;
    let spooling = Pipe { client: cx.id(), clients: remote.me, spool: Some(spool), left };
    match cx.serve(spooling, |cx| cx.adopt(pipe, Half::Read)) {
        Ok(pipe) => {
            let timer = cx.after_with(remote.limits.time, TIME_LIMIT);
            Ok(Running { process, pipe, output: None, timer, verdict: None })
        }
        Err(error) => {
            remote.bury(process);
            Err(cannot(&error))
        }
    }
}

fn refuse(cx: &mut Context<'_>, why: &str) {
    let status = format!("refused {why}\n");
    cx.send_all(format!("info|{}\n{status}", status.len()).as_bytes());
}
