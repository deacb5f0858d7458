//! For our own benchmarks and fuzz targets, which are outside of the crate. No promise is made about anything
//! in here.

mod machine;

use std::io::{self, Read, Write};

use crate::machines::{Client, Connection, Latch, ProxyHeader, Step, Stream};
pub use crate::net::{Told, told};
use crate::values::{Account, Config};
pub use machine::{Did, Kernel, Machine};

/// What a proxy says before anything else: for whom it speaks, in words, and how long its header is. `None`: it
/// may become one.
///
/// # Errors
///
/// It is none, and why.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(String, usize)>, String> {
    match ProxyHeader::parse(bytes) {
        Ok(None) => Ok(None),
        Ok(Some(ProxyHeader { client, length })) => Ok(Some((
            match client {
                Client::Proxy => "the proxy".to_owned(),
                Client::Unknown => "somewhere".to_owned(),
                Client::Ip(address) => address.to_string(),
                Client::Unix(name) => name.as_bytes().escape_ascii().to_string(),
            },
            length,
        ))),
        Err(error) => Err(error.to_string()),
    }
}

/// The connection machine and what a reactor would have around it, echoing on any stream.
pub struct EchoMachine<S> {
    connection: Connection<Plain<S>>,
    config: Config,
    account: Account,
    buffer: Vec<u8>,
}

/// A stream whose own end is told by closing only.
struct Plain<S>(S);

impl<S: Read + Write> EchoMachine<S> {
    /// As the reactor would make it.
    pub fn new(stream: S) -> EchoMachine<S> {
        let config = Config::default();
        EchoMachine {
            connection: Connection::new(Plain(stream)),
            account: Account::new(config.buffer_limit),
            buffer: vec![0; config.input_limit + config.read_buffer],
            config,
        }
    }

    /// What an event says of the stream, and everything that can be done then.
    pub fn event(&mut self, readable: bool, writable: bool) {
        self.connection.latch(Latch { readable, writable, read_on: false });
        loop {
            match self.connection.advance(&mut self.buffer, &self.config, &mut self.account) {
                Step::Show { bytes, .. } => {
                    let input = &self.buffer[..bytes];
                    let taken = self.connection.send(input, &self.config, &mut self.account);
                    self.connection.keep(&input[taken..], taken, &self.config, &mut self.account);
                }
                Step::Again(input) => {
                    let taken =
                        self.connection.send(input.as_slice(), &self.config, &mut self.account);
                    self.connection.put_back(input, taken, &self.config, &mut self.account);
                }
                Step::Writable | Step::Discarded(_) => {}
                Step::Wait | Step::Ended { .. } | Step::Gone(_) => return,
            }
        }
    }

    /// Bytes that wait for the stream to take them.
    pub fn queued(&self) -> usize {
        self.connection.queued()
    }
}

impl<S: Read> Read for Plain<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Plain<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Stream for Plain<S> {
    fn shut_write(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn short_read_drains(&self) -> bool {
        true
    }
}
