//! The client: sends files one after the other, as fast as they are taken, and shows how far it is.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Write};

use echoloop::{Cause, Config, Context, Half, Id, Lines, Reactor, Service, Stop};

use super::support::{Arguments, Failure, say};

struct Client {
    server: Id,
    files: VecDeque<Outgoing>,
    /// The first of the files, as a source.
    source: Option<Id>,
    shows_progress: bool,
    failures: usize,
    failure: Option<String>,
}

struct Outgoing {
    name: String,
    size: u64,
    sent: u64,
    is_answered: bool,
    file: Option<File>,
}

impl Service for Client {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.begin(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        if Some(cx.id()) == self.source { self.read(cx, input) } else { self.answered(cx, input) }
    }

    /// The server takes more: of this file, or the header that it had no room for.
    fn writable(&mut self, cx: &mut Context<'_>) {
        match self.source {
            Some(source) => cx.source(source).resume(),
            None if self.files.front().is_some_and(|file| file.file.is_some()) => self.begin(cx),
            None => {}
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        if cx.id() == self.server {
            self.give_up(cx, format!("the connection has gone: {cause}"));
        } else if let Some(file) = self.files.front().filter(|_| Some(cx.id()) == self.source) {
            self.give_up(cx, format!("{} has less than it had: {cause}", file.name));
        }
    }
}

impl Client {
    /// The next file, if there is one.
    fn begin(&mut self, cx: &mut Context<'_>) {
        let Some(file) = self.files.front_mut() else { return cx.stop(Stop::Gracefully) };
        let header = format!("post|{}|{}\n", file.size, file.name);
        if !cx.source(self.server).send_all(header.as_bytes()) {
            return; // When there is room.
        }
        match file.file.take().map(|file| cx.adopt(file, Half::Read)) {
            Some(Ok(source)) if file.size > 0 => self.source = Some(source),
            Some(Ok(source)) => cx.source(source).abort(),
            Some(Err(error)) => self.give_up(cx, echoloop::describe(&error)),
            None => {}
        }
    }

    /// From the file to the server, which may take less.
    fn read(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Some(file) = self.files.front_mut() else { return input.len() };
        let left = usize::try_from(file.size - file.sent).unwrap_or(usize::MAX);
        let part = &input[..input.len().min(left)];
        let taken = cx.source(self.server).send(part);
        file.sent += taken as u64;
        if self.shows_progress {
            let percent = 100 * file.sent / file.size;
            let _ = write!(io::stderr(), "\r{}: {percent} % of {} bytes", file.name, file.size);
        }
        if file.sent == file.size {
            self.source = None; // By what it has grown meanwhile is not sent.
            cx.abort();
            self.begin_if_done(cx);
        } else if taken < part.len() {
            cx.pause();
        }
        taken
    }

    /// The server has said what became of the file, perhaps before it has got it all.
    fn answered(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let Ok(Some(line)) = Lines::new(super::HEADER).next(input) else { return 0 };
        let text = String::from_utf8_lossy(line.text);
        let Some(file) = self.files.front_mut() else { return input.len() };
        file.is_answered = true;
        if self.shows_progress {
            let _ = writeln!(io::stderr());
        }
        say(format_args!("{}: {text}", file.name));
        self.failures += usize::from(!text.starts_with("stored|"));
        if text.starts_with("fatal|") {
            self.give_up(cx, "the server wants no more".to_owned());
        }
        self.begin_if_done(cx);
        line.len()
    }

    fn begin_if_done(&mut self, cx: &mut Context<'_>) {
        if self.files.front().is_some_and(|file| file.is_answered && file.sent == file.size) {
            self.files.pop_front();
            self.begin(cx);
        }
    }

    fn give_up(&mut self, cx: &mut Context<'_>, why: String) {
        if !cx.is_stopping() {
            self.failure = Some(why);
            cx.stop(Stop::AtOnce);
        }
    }
}

pub(super) fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8895")?;
    let paths = std::iter::from_fn(|| arguments.next());
    let files = paths.map(|path| open(&path)).collect::<Result<VecDeque<_>, _>>()?;
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    let shows_progress = io::stderr().is_terminal();
    let client = reactor.start(|cx| {
        let server = cx.connect(&endpoint)?;
        Ok(Client { server, files, source: None, shows_progress, failures: 0, failure: None })
    })?;
    reactor.run()?;
    let ending = reactor.with(client, |client, _| match client {
        Client { failure: Some(why), .. } => Err(Failure::new(why.clone())),
        Client { failures: 1.., .. } => Err(Failure::new("not all files were stored")),
        _ => Ok(()),
    });
    ending.unwrap_or(Ok(()))
}

fn open(path: &str) -> Result<Outgoing, Failure> {
    let failed = |error: io::Error| Failure::new(format!("{path}: {}", echoloop::describe(&error)));
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    Ok(Outgoing { name, size, sent: 0, is_answered: false, file: Some(file) })
}
