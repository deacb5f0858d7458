//! `echoloop connect`: keyboard, screen and socket as sources of one loop.

mod args;
mod datagrams;
mod foreign;
mod hex;
mod post;
mod screen;
pub(crate) mod stdio;
mod stream;
mod text;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use echoloop::{
    Address, Config, Context, Endpoint, Id, Reactor, Service, ServiceId, Stop, describe,
};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Done, closed, printer};
pub(crate) use args::Args;
use datagrams::Datagrams;
use screen::Screen;
use stream::Stream;

/// How long closing may take: standard output may be a pipe whose reader takes its time, and whoever
/// is too slow elsewhere meets another deadline first.
const LINGER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const READ: &str = "read standard input";
const WRITE: &str = "write to standard output";

/// What can't be done with a standard stream, and the reason alone: that it is a descriptor nobody wants to know.
fn cannot<E: Error + 'static>(deed: &str) -> impl Fn(E) -> String {
    move |error| format!("cannot {deed}: {}", describe(error.source().unwrap_or(&error)))
}

/// Talks until somebody leaves.
pub(crate) fn run(args: Args) -> Done {
    if args.heartbeat.is_some() && !args.endpoint.is_datagram() {
        let why = "--heartbeat is for udp:// and unixgram:// endpoints\n";
        clap::Error::raw(ErrorKind::ArgumentConflict, why).exit();
    }
    let config = Config {
        connect_timeout: args.connect_timeout,
        linger: LINGER,
        privileged_ports: true,
        datagram_rate: None,
        ..Config::default()
    };
    let mut reactor = Reactor::new(config)?;
    let input = stdio::input().map_err(cannot(READ))?;
    let output = match closed::output_was_closed() {
        true => stdio::Own { descriptor: closed::output()?, restore: None },
        false => stdio::output().map_err(cannot(WRITE))?,
    };
    let restore = (input.restore, output.restore);
    let (keyboard, screen) = (input.descriptor, Screen::new(output.descriptor, args.hex));

    let ending = match args.endpoint.is_datagram() {
        true => talk(&mut reactor, &args, |me| Datagrams::new(&args, me, keyboard, screen))?,
        false => talk(&mut reactor, &args, |_| Stream::new(&args, keyboard, screen))?,
    };
    drop((reactor, restore));
    Ok(ending.exit())
}

/// A conversation, and how it ended.
trait Talk: Service {
    /// It listens there, for the one that it will talk with.
    fn listens(&mut self, cx: &mut Context<'_>, listener: Id) -> Result<(), String>;

    fn ending(&mut self) -> &mut Ending;
}

fn talk<T: Talk>(
    reactor: &mut Reactor,
    args: &Args,
    make: impl FnOnce(ServiceId<T>) -> T,
) -> Result<Ending, Box<dyn Error>> {
    let service = reactor.add_with(make);
    let endpoint = &args.endpoint;
    // The first signal leaves at once; the shell gets its number, unless that is how one leaves a terminal.
    for signal in [SIGINT, SIGTERM] {
        reactor.on_signal(signal, move |cx| {
            cx.tell(service, move |talk, _| talk.ending().signal = Some(signal));
            cx.stop(Stop::AtOnce);
        })?;
    }
    if args.listen {
        let here = if args.family.is_any() { endpoint.clone() } else { args.target()?.first() };
        let listener = reactor.context(service).listen(&here)?;
        reactor.with(service, |talk, cx| talk.listens(cx, listener)).unwrap_or(Ok(()))?;
        tell_where(endpoint, reactor.local(listener));
    } else {
        let cx = &mut reactor.context(service);
        let socket = match endpoint.is_datagram() || !args.family.is_any() {
            true => args.target()?.connect(cx)?, // A program that is piped in doesn't wait for a name.
            false => cx.connect(endpoint)?,
        };
        if endpoint.is_datagram() {
            // It is connected at once, and nobody says so.
            reactor.with(service, |talk, cx| talk.opened(&mut cx.source(socket)));
        }
    }
    reactor.run()?;
    let ending = reactor.with(service, |talk, _| std::mem::take(talk.ending()));
    Ok(ending.unwrap_or_default())
}

/// Where it listens: to whoever looks, and if the port could not be known before.
fn tell_where(endpoint: &Endpoint, bound: Option<Address>) {
    let (bound, is_unknown) = match (endpoint, bound) {
        (Endpoint::Tcp { port, .. }, Some(Address::Ip(bound))) => {
            (Endpoint::tcp(bound), *port == 0)
        }
        (Endpoint::Udp { port, .. }, Some(Address::Ip(bound))) => {
            (Endpoint::udp(bound), *port == 0)
        }
        _ => (endpoint.clone(), false),
    };
    if is_unknown || is_watched() || log::log_enabled!(log::Level::Debug) {
        say(&format!("listening on {bound}"));
    }
}

/// Whether a person sits at the terminal, and hasn't asked for quiet.
fn is_watched() -> bool {
    io::stdin().is_terminal() && log::log_enabled!(log::Level::Warn)
}

/// What is to be said when everything has been printed.
#[derive(Debug, Default)]
struct Ending {
    /// Not everything went well: the first reason counts.
    failure: Option<String>,
    /// On a terminal, why it is over.
    note: Option<&'static str>,
    /// What may have been lost without anybody having noticed.
    counts: Option<String>,
    /// What has cut it off.
    signal: Option<i32>,
}

impl Ending {
    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }

    fn exit(self) -> ExitCode {
        let typed = io::stdin().is_terminal();
        if let Some(signal) = self.signal {
            return match typed {
                true => {
                    say_raw("\n"); // Behind the ^C.
                    ExitCode::SUCCESS
                }
                false => ExitCode::from(128 + signal as u8),
            };
        }
        if let Some(failure) = self.failure {
            say(&failure);
            return ExitCode::from(1);
        }
        if let Some(note) = self.note.filter(|_| typed) {
            say(note);
        }
        if let Some(counts) = self.counts.filter(|_| log::log_enabled!(log::Level::Warn)) {
            say(&counts);
        }
        ExitCode::SUCCESS
    }
}

/// Tells a person at the terminal that it can begin, and how it ends. `deed` is what has been done.
fn greet(deed: &str, leave: Option<&[u8]>) {
    if is_watched() {
        let word = leave.map(|word| format!("`{}`, ", String::from_utf8_lossy(word)));
        let word = word.unwrap_or_default();
        say(&format!("{deed}; {word}Ctrl-D or Ctrl-C leaves"));
    }
}

/// Speaks to the person, not into the data. Nobody may be listening, which is no reason to end.
fn say(text: &str) {
    say_raw(&format!("echoloop: {text}\n"));
}

fn say_raw(text: &str) {
    printer::complain(text);
}
