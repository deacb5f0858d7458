//! `echoloop connect`: keyboard, screen and socket as sources of one loop.

mod datagrams;
mod hex;
mod screen;
pub(crate) mod stdio;
mod stream;
mod text;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use echoloop::{Config, Endpoint, Reactor, Service, Stop};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Done, connect_known, printer, units};
use datagrams::Datagrams;
use screen::Screen;
use stream::Stream;

/// How long closing may take: standard output may be a pipe whose reader takes its time, and whoever
/// is too slow elsewhere meets another deadline first.
const LINGER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Send what is typed, print what comes, at any time.
///
/// End of input (Ctrl-D) says so to the peer and waits for the rest; on UDP it waits for --wait. A line
/// `quit`, typed on a terminal, or Ctrl-C leaves. Input and output may be files and pipes: every byte
/// is carried as it is, and whoever is slower sets the pace.
///
/// On udp and unixgram a line is a datagram, sent without its line ending (see --lf and --crlf), and
/// each datagram that comes is printed as a line.
#[derive(clap::Args, Debug)]
#[command(after_help = "Exit status: 0 done; 1 it could not connect, or something was lost; \
                        130 Ctrl-C, unless typed on the terminal that is the input; \
                        2 the command line makes no sense.")]
pub(crate) struct Args {
    /// tcp://HOST:PORT, udp://HOST:PORT, unix://PATH or unixgram://PATH.
    #[arg(value_parser = crate::cli::endpoint::endpoint)]
    endpoint: Endpoint,
    /// Send \r\n where the input has \n; datagrams end in \r\n.
    #[arg(long)]
    crlf: bool,
    /// Datagrams end in \n.
    #[arg(long, conflicts_with = "crlf")]
    lf: bool,
    /// Print what goes (>) and what comes (<) as a hex dump.
    #[arg(long)]
    hex: bool,
    /// Send the datagram ^hb^ at once and then this often, for servers that drop silent members, and
    /// send the line that leaves as well.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    heartbeat: Option<Duration>,
    /// Give up if there is no connection within this time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    connect_timeout: Duration,
    /// Datagrams only: leave when nothing has come for this long after the end of input.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::duration)]
    wait: Duration,
    /// The line that leaves; '' for none. On a terminal it is `quit`, elsewhere there is none.
    #[arg(long, value_name = "LINE")]
    quit: Option<String>,
}

impl Args {
    /// The line that leaves.
    fn leave_line(&self) -> Option<Vec<u8>> {
        match &self.quit {
            Some(line) => (!line.is_empty()).then(|| line.as_bytes().to_vec()),
            None => io::stdin().is_terminal().then(|| b"quit".to_vec()),
        }
    }
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
    let (input, output) = (stdio::input()?, stdio::output()?);
    let restore = (input.restore, output.restore);
    let (keyboard, screen) = (input.descriptor, Screen::new(output.descriptor, args.hex));

    let ending = match args.endpoint.is_datagram() {
        true => talk(&mut reactor, Datagrams::new(&args, keyboard, screen), &args.endpoint)?,
        false => talk(&mut reactor, Stream::new(&args, keyboard, screen), &args.endpoint)?,
    };
    drop((reactor, restore));
    Ok(ending.exit())
}

/// A conversation, and how it ended.
trait Talk: Service {
    fn ending(&mut self) -> &mut Ending;
}

fn talk<T: Talk>(
    reactor: &mut Reactor,
    talk: T,
    endpoint: &Endpoint,
) -> Result<Ending, Box<dyn Error>> {
    let service = reactor.add(talk);
    let cx = &mut reactor.context(service);
    let socket = match endpoint.is_datagram() {
        true => connect_known(cx, endpoint)?, // A program that is piped in doesn't wait for a name.
        false => cx.connect(endpoint)?,
    };
    // The first signal leaves at once; the shell gets its number, unless that is how one leaves a terminal.
    for signal in [SIGINT, SIGTERM] {
        reactor.on_signal(signal, move |cx| {
            cx.tell(service, move |talk, _| talk.ending().signal = Some(signal));
            cx.stop(Stop::AtOnce);
        })?;
    }
    if endpoint.is_datagram() {
        // It is connected at once, and nobody says so.
        reactor.with(service, |talk, cx| talk.opened(&mut cx.source(socket)));
    }
    reactor.run()?;
    let ending = reactor.with(service, |talk, _| std::mem::take(talk.ending()));
    Ok(ending.unwrap_or_default())
}

/// What is to be said when everything has been printed.
#[derive(Debug, Default)]
struct Ending {
    /// Not everything went well: the first reason counts.
    failure: Option<String>,
    /// On a terminal, why it is over.
    note: Option<&'static str>,
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
        ExitCode::SUCCESS
    }
}

/// Tells a person at the terminal that it can begin, and how it ends.
fn greet(endpoint: &Endpoint, leave: Option<&[u8]>) {
    if io::stdin().is_terminal() && log::log_enabled!(log::Level::Warn) {
        let deed = if endpoint.is_datagram() { "sending" } else { "connected" };
        let word = leave.map(|word| format!("`{}`, ", String::from_utf8_lossy(word)));
        let word = word.unwrap_or_default();
        say(&format!("{deed} to {endpoint}; {word}Ctrl-D or Ctrl-C leaves"));
    }
}

/// Speaks to the person, not into the data. Nobody may be listening, which is no reason to end.
fn say(text: &str) {
    say_raw(&format!("echoloop: {text}\n"));
}

fn say_raw(text: &str) {
    printer::complain(text);
}
