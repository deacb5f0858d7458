//! The connection machine, with nothing around it but what a reactor would lend it.

use std::io::{self, Read, Write};

use crate::machines::{Connection, Latch, Step, Stream};
use crate::values::{Account, ByteQueue, Config};

/// What a machine runs on: what the kernel says to each call.
pub trait Kernel: Read + Write {
    /// To shutdown(2). `Ok(false)`: there is no such thing here.
    ///
    /// # Errors
    ///
    /// The system's.
    fn shut_write(&mut self) -> io::Result<bool>;

    /// Whether a short read has emptied it, as of TCP.
    fn short_read_drains(&self) -> bool;
}

/// The connection machine. Whoever has it is the reactor and the service at once.
pub struct Machine<K> {
    connection: Connection<Behind<K>>,
    config: Config,
    account: Account,
    buffer: Vec<u8>,
    shown: Option<Shown>,
}

/// What was shown and is not yet taken.
enum Shown {
    /// The first so many bytes of the buffer.
    Read(usize),
    Kept(ByteQueue),
}

/// One step of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// It shows these bytes to its service, and wants to be told how many it [takes](Machine::take).
    Shows(Vec<u8>),
    /// It threw so many away.
    Discards(usize),
    /// It tells its service that there is room again.
    Writable,
    /// It tells its service that the peer has sent its last byte, with what was not taken.
    Ended(Vec<u8>),
    /// It waits for an event.
    Waits,
    /// It has gone, and why.
    Gone(String),
}

impl<K: Kernel> Machine<K> {
    /// A connection that flows in both directions.
    pub fn new(kernel: K, config: Config) -> Machine<K> {
        Machine {
            connection: Connection::new(Behind(kernel)),
            account: Account::new(config.buffer_limit),
            buffer: vec![0; config.input_limit + config.read_buffer],
            config,
            shown: None,
        }
    }

    /// What an event says.
    pub fn event(&mut self, readable: bool, writable: bool, read_on: bool) {
        self.connection.latch(Latch { readable, writable, read_on });
    }

    /// That the stream is broken.
    pub fn hang_up(&mut self, error: bool) {
        self.connection.hung_up(error, &mut self.account);
    }

    /// Does one thing.
    pub fn advance(&mut self) -> Did {
        assert!(self.shown.is_none(), "what was shown is not yet taken");
        match self.connection.advance(&mut self.buffer, &self.config, &mut self.account) {
            Step::Show { bytes, .. } => {
                self.shown = Some(Shown::Read(bytes));
                Did::Shows(self.buffer[..bytes].to_vec())
            }
            Step::Again(input) => {
                let bytes = input.as_slice().to_vec();
                self.shown = Some(Shown::Kept(input));
                Did::Shows(bytes)
            }
            Step::Discarded(bytes) => Did::Discards(bytes),
            Step::Writable => Did::Writable,
            Step::Ended { rest } => Did::Ended(self.buffer[..rest].to_vec()),
            Step::Wait => Did::Waits,
            Step::Gone(cause) => Did::Gone(cause.to_string()),
        }
    }

    /// The service has taken so many of the bytes that it was shown.
    pub fn take(&mut self, taken: usize) {
        let Machine { connection, config, account, buffer, .. } = self;
        match self.shown.take().expect("nothing was shown") {
            Shown::Read(bytes) => connection.keep(&buffer[taken..bytes], taken, config, account),
            Shown::Kept(input) => connection.put_back(input, taken, config, account),
        }
    }

    /// Sends as much as there is room for.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.connection.send(bytes, &self.config, &mut self.account)
    }

    /// Sends all of it, or nothing.
    pub fn send_all(&mut self, bytes: &[u8]) -> bool {
        self.connection.send_all(bytes, &self.config, &mut self.account)
    }

    /// Shows nothing more for now.
    pub fn pause(&mut self) {
        self.connection.pause();
    }

    /// Goes on.
    pub fn resume(&mut self) {
        self.connection.resume();
    }

    /// Ends our direction.
    pub fn finish(&mut self) {
        self.connection.finish();
    }

    /// Ends both, politely.
    pub fn close(&mut self) {
        self.connection.close(None, &mut self.account);
    }

    /// Bytes that wait: for the kernel, for the service, and both by the account.
    pub fn waiting(&self) -> (usize, usize, usize) {
        (self.connection.queued(), self.connection.unread(), self.account.kept())
    }
}

struct Behind<K>(K);

impl<K: Read> Read for Behind<K> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<K: Write> Write for Behind<K> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<K: Kernel> Stream for Behind<K> {
    fn shut_write(&mut self) -> io::Result<bool> {
        self.0.shut_write()
    }

    fn short_read_drains(&self) -> bool {
        self.0.short_read_drains()
    }
}
