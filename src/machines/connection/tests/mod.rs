//! Over scripted streams: what the kernel gives and takes is written in the test.

mod closing;
mod edges;
mod every_cut;
mod limits;
mod receiving;
mod sending;
mod telling;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use super::state::{Latch, Step};
use super::{Connection, Half, Stream};
use crate::values::{Account, Cause, Config};

/// More steps than any of these tests can need before it waits for an event.
const ENDLESS: usize = 10_000;

/// What the kernel says to one read.
#[derive(Clone, Debug)]
enum Give {
    Bytes(Vec<u8>),
    Interrupted,
    Error(ErrorKind),
    End,
}

/// What the kernel says to one write.
#[derive(Clone, Copy, Debug)]
enum Take {
    /// At most so many bytes.
    UpTo(usize),
    Interrupted,
    Error(ErrorKind),
}

/// A stream that does what is written down. When the script is at its end, it would block.
#[derive(Debug, Default)]
struct Script {
    gives: VecDeque<Give>,
    takes: VecDeque<Take>,
    /// What was written.
    taken: Vec<u8>,
    /// How often our own end was told.
    shut: usize,
    /// Whether there is such a thing as an own end; a pipe has none.
    is_pipe: bool,
    /// Whether a short read says nothing of what is behind it, as on a terminal.
    is_line_wise: bool,
    reads: usize,
    writes: usize,
}

impl Script {
    fn new() -> Script {
        Script::default()
    }

    fn gives(mut self, bytes: impl AsRef<[u8]>) -> Script {
        self.gives.push_back(Give::Bytes(bytes.as_ref().to_vec()));
        self
    }

    fn ends(mut self) -> Script {
        self.gives.push_back(Give::End);
        self
    }

    fn fails_to_read(mut self, kind: ErrorKind) -> Script {
        self.gives.push_back(Give::Error(kind));
        self
    }

    fn takes(mut self, most: usize) -> Script {
        self.takes.push_back(Take::UpTo(most));
        self
    }

    fn takes_all(self) -> Script {
        self.takes(usize::MAX)
    }

    fn fails_to_write(mut self, kind: ErrorKind) -> Script {
        self.takes.push_back(Take::Error(kind));
        self
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "a read of nothing looks like the end");
        self.reads += 1;
        match self.gives.pop_front() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(Give::Interrupted) => Err(ErrorKind::Interrupted.into()),
            Some(Give::Error(kind)) => Err(kind.into()),
            Some(Give::End) => {
                self.gives.push_front(Give::End); // Once ended, always ended.
                Ok(0)
            }
            Some(Give::Bytes(mut bytes)) => {
                let read = bytes.len().min(buffer.len());
                buffer[..read].copy_from_slice(&bytes[..read]);
                if read < bytes.len() {
                    self.gives.push_front(Give::Bytes(bytes.split_off(read)));
                }
                Ok(read)
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(self.shut, 0, "written to after its end");
        self.writes += 1;
        match self.takes.pop_front() {
            None | Some(Take::UpTo(0)) => Err(ErrorKind::WouldBlock.into()),
            Some(Take::Interrupted) => Err(ErrorKind::Interrupted.into()),
            Some(Take::Error(kind)) => Err(kind.into()),
            Some(Take::UpTo(most)) => {
                let taken = bytes.len().min(most);
                self.taken.extend_from_slice(&bytes[..taken]);
                if most == usize::MAX {
                    self.takes.push_front(Take::UpTo(most));
                }
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Script {
    fn shut_write(&mut self) -> io::Result<bool> {
        if self.is_pipe {
            return Ok(false);
        }
        self.shut += 1;
        Ok(true)
    }

    fn short_read_drains(&self) -> bool {
        !self.is_line_wise
    }
}

/// What a service was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Shown(Vec<u8>),
    Writable,
    Ended(Vec<u8>),
}

/// What the service of a test can touch while it is called.
struct Hand<'a> {
    connection: &'a mut Connection<Script>,
    config: &'a Config,
    account: &'a mut Account,
}

impl Hand<'_> {
    fn send(&mut self, bytes: &[u8]) -> usize {
        self.connection.send(bytes, self.config, self.account)
    }

    fn send_all(&mut self, bytes: &[u8]) -> bool {
        self.connection.send_all(bytes, self.config, self.account)
    }

    fn close(&mut self, cause: Option<Cause>) {
        self.connection.close(cause, self.account);
    }
}

/// A connection over a script, its surroundings, and a service.
struct Rig {
    connection: Connection<Script>,
    config: Config,
    account: Account,
    buffer: Vec<u8>,
    told: Vec<Told>,
    /// Closes when the peer has ended, as services do by default.
    closes: bool,
}

impl Rig {
    fn new(script: Script) -> Rig {
        Rig::with(script, Config::default())
    }

    fn with(script: Script, config: Config) -> Rig {
        Rig::of(Connection::new(script), config)
    }

    fn of(connection: Connection<Script>, config: Config) -> Rig {
        let buffer = vec![0; config.input_limit + config.read_buffer];
        let account = Account::new(config.buffer_limit);
        Rig { connection, config, account, buffer, told: Vec::new(), closes: true }
    }

    fn hand(&mut self) -> Hand<'_> {
        let Rig { connection, config, account, .. } = self;
        Hand { connection, config, account }
    }

    fn script(&mut self) -> &mut Script {
        &mut self.connection.stream
    }

    /// Takes steps until there is nothing to do without another event. `Some`: it has gone.
    #[track_caller]
    fn settle(&mut self, service: &mut dyn FnMut(&mut Hand<'_>, &[u8]) -> usize) -> Option<Cause> {
        for _ in 0..ENDLESS {
            match self.connection.advance(&mut self.buffer, &self.config, &mut self.account) {
                Step::Show { bytes, read } => {
                    assert!(read <= bytes);
                    let input = self.buffer[..bytes].to_vec();
                    let taken = service(&mut self.hand(), &input);
                    self.told.push(Told::Shown(input.clone()));
                    let Rig { connection, config, account, .. } = self;
                    connection.keep(&input[taken..], taken, config, account);
                }
                Step::Again(input) => {
                    let taken = service(&mut self.hand(), input.as_slice());
                    self.told.push(Told::Shown(input.as_slice().to_vec()));
                    let Rig { connection, config, account, .. } = self;
                    connection.put_back(input, taken, config, account);
                }
                Step::Discarded(bytes) => assert!(bytes > 0),
                Step::Writable => self.told.push(Told::Writable),
                Step::Ended { rest } => {
                    self.told.push(Told::Ended(self.buffer[..rest].to_vec()));
                    if self.closes {
                        self.hand().close(None);
                    }
                }
                Step::Wait => {
                    self.check_accounts();
                    return None;
                }
                Step::Gone(cause) => {
                    assert_eq!(self.account.kept(), 0, "what it kept was not given back");
                    return Some(cause);
                }
            }
        }
        panic!("it spins");
    }

    /// An event says all that the script has to say, and the connection moves as far as it can.
    #[track_caller]
    fn event(&mut self, service: &mut dyn FnMut(&mut Hand<'_>, &[u8]) -> usize) -> Option<Cause> {
        let script = &self.connection.stream;
        let ready = Latch {
            readable: !script.gives.is_empty(),
            writable: !script.takes.is_empty(),
            read_on: matches!(script.gives.back(), Some(Give::End | Give::Error(_))),
        };
        self.connection.latch(ready);
        self.settle(service)
    }

    /// One event after the other until it has gone, or nothing is left in the script that moves it.
    #[track_caller]
    fn run(&mut self, service: &mut dyn FnMut(&mut Hand<'_>, &[u8]) -> usize) -> Option<Cause> {
        for _ in 0..ENDLESS {
            let before = (self.script().reads, self.script().writes);
            if let Some(cause) = self.event(service) {
                return Some(cause);
            }
            if before == (self.script().reads, self.script().writes) {
                return None;
            }
        }
        panic!("events without end");
    }

    /// The account knows of what is kept, and of nothing else.
    #[track_caller]
    fn check_accounts(&self) {
        let kept = self.connection.queued() + self.connection.unread();
        assert_eq!(self.account.kept(), kept, "the account has lost count");
        assert!(self.connection.queued() <= self.config.output_limit);
    }

    fn shown(&self) -> Vec<Vec<u8>> {
        let shown = self.told.iter().filter_map(|told| match told {
            Told::Shown(bytes) => Some(bytes.clone()),
            _ => None,
        });
        shown.collect()
    }
}

fn echo(hand: &mut Hand<'_>, input: &[u8]) -> usize {
    hand.send(input)
}

/// Takes everything and answers nothing.
fn sink(_hand: &mut Hand<'_>, input: &[u8]) -> usize {
    input.len()
}

/// Takes nothing, as a service does that waits for the end of a message.
fn wants_more(_hand: &mut Hand<'_>, _input: &[u8]) -> usize {
    0
}

/// Recognizable bytes: no two neighbours are alike, and the period is no power of two.
fn pattern(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..251).collect();
    bytes = bytes.repeat(length.div_ceil(251)); // Copies are fast wherever it runs.
    bytes.truncate(length);
    bytes
}

#[track_caller]
fn assert_cause(gone: Option<Cause>, expected: Cause) {
    let gone = gone.map(|cause| format!("{cause:?}"));
    assert_eq!(gone, Some(format!("{expected:?}")));
}
