//! The client: sends the names one after the other, prints the outputs as they come.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::exit;

use echoloop::{Cause, Config, Context, Lines, Reactor, Service, Stop};

use super::NAME;
use super::support::{Arguments, Failure};

#[derive(Default)]
struct Client {
    names: VecDeque<String>,
    expected: Expected,
    status: String,
    failure: Option<String>,
}

/// What comes next in the reply.
#[derive(Clone, Copy, Default)]
enum Expected {
    #[default]
    Count,
    Status(u64),
    Output(u64),
}

impl Service for Client {
    fn opened(&mut self, cx: &mut Context<'_>) {
        self.ask(cx);
    }

    fn received(&mut self, cx: &mut Context<'_>, input: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            match self.next(cx, &input[taken..]) {
                Ok(0) => return taken,
                Ok(more) => taken += more,
                Err(why) => {
                    self.failure = Some(why);
                    cx.abort();
                    return taken;
                }
            }
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>, cause: &Cause) {
        if !cx.is_stopping() && self.failure.is_none() {
            self.failure = Some(format!("no answer: {cause}"));
        }
        cx.stop(Stop::Gracefully);
    }
}

impl Client {
    fn ask(&mut self, cx: &mut Context<'_>) {
        match self.names.pop_front() {
            Some(name) => {
                cx.send_all(format!("{name}\n").as_bytes());
            }
            None => cx.stop(Stop::Gracefully),
        }
    }

    /// Takes the next piece of the reply; 0 if it isn't there yet.
    fn next(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Result<usize, String> {
        if let Expected::Output(left) = self.expected {
            let part = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            // The client has nothing else to do: here it may wait.
            io::stdout().write_all(&input[..part]).map_err(|error| error.to_string())?;
            self.expect(cx, left - part as u64);
            return Ok(part);
        }
        let line = Lines::new(2 * NAME).next(input).map_err(|error| error.to_string())?;
        let Some(line) = line else { return Ok(0) };
        let text = String::from_utf8_lossy(line.text);
        let nonsense = || format!("not an answer: {text}");
        match self.expected {
            Expected::Status(count) => {
                self.status = text.to_string();
                let _ = writeln!(io::stderr(), "[{text}]");
                self.expect(cx, count.checked_sub(line.len() as u64).ok_or_else(nonsense)?);
            }
            _ => {
                let count = text.strip_prefix("info|").and_then(|count| count.parse().ok());
                self.expected = Expected::Status(count.ok_or_else(nonsense)?);
            }
        }
        Ok(line.len())
    }

    fn expect(&mut self, cx: &mut Context<'_>, left: u64) {
        self.expected = Expected::Output(left);
        if left == 0 {
            self.expected = Expected::Count;
            self.ask(cx);
        }
    }
}

/// Ends as the last command did.
pub(super) fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let endpoint = arguments.endpoint("tcp://127.0.0.1:8894")?;
    let names: VecDeque<_> = std::iter::from_fn(|| arguments.next()).collect();
    if names.is_empty() || names.iter().any(|name| name.contains('\n')) {
        return Err(Failure::new("expected the names of commands, a line each"));
    }
    let mut reactor = Reactor::new(Config::default())?;
    reactor.stop_on_signals()?;
    let client = reactor.start(|cx| {
        cx.connect(&endpoint)?;
        Ok(Client { names, ..Client::default() })
    })?;
    reactor.run()?;
    let client = reactor.with(client, |client, _| std::mem::take(client)).unwrap_or_default();
    if let Some(why) = client.failure {
        return Err(Failure::new(why));
    }
    exit(client.status.strip_prefix("exit ").and_then(|code| code.parse().ok()).unwrap_or(1))
}
