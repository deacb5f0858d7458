//! Clients that keep books: what they sent, when, and what came back.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;

use crate::again::again;
use crate::cli_support::DEADLINE;

/// Where a client talks to.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Udp(SocketAddr),
    /// And where the client itself is.
    Unixgram(PathBuf, PathBuf),
}

/// What clients must put up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// For a moment nobody listens.
    pub(crate) may_refuse: bool,
    /// A connection may be lost, and answers with it.
    pub(crate) may_break: bool,
}

/// All clients together, and those who end the servers.
pub(crate) struct Ledger {
    manners: Manners,
    /// How many servers have been told to end. Counted before each is.
    told: AtomicU64,
    is_over: AtomicBool,
    /// Answers, of each client.
    answered: Vec<AtomicU64>,
    connected: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
    broken: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// What is sent at a place of the stream that a client sends. No two places near each other look the same.
fn bytes(from: u64, length: usize) -> Vec<u8> {
    (from..from + length as u64).map(|i| (i ^ (i >> 8).wrapping_mul(31)) as u8).collect()
}

/// A message has so many bytes, more or less.
fn length(message: u64) -> usize {
    [1, 200, 3000, 17][message as usize % 4] + (message % 13) as usize
}

/// Most bytes that a client leaves unanswered while it sends more.
const AHEAD: u64 = 5000;

impl Ledger {
    pub(crate) fn new(clients: usize, manners: Manners) -> Ledger {
        Ledger {
            manners,
            told: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            answered: std::iter::repeat_with(AtomicU64::default).take(clients).collect(),
            connected: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            wrong: Mutex::new(Vec::new()),
        }
    }

    /// To be called before a server is told to end.
    pub(crate) fn tell(&self) {
        self.told.fetch_add(1, SeqCst);
    }

    pub(crate) fn close(&self) {
        self.is_over.store(true, SeqCst);
    }

    /// What each client has been answered so far.
    pub(crate) fn answers(&self) -> Vec<u64> {
        self.answered.iter().map(|count| count.load(SeqCst)).collect()
    }

    pub(crate) fn is_wrong(&self) -> bool {
        !self.wrong.lock().unwrap().is_empty()
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// For people.
    pub(crate) fn figures(&self) -> String {
        let of = |count: &AtomicU64| count.load(SeqCst);
        let answered: u64 = self.answers().iter().sum();
        let (connected, refused) = (of(&self.connected), of(&self.refused));
        let (ended, broken) = (of(&self.ended), of(&self.broken));
        format!(
            "{connected} connections, {refused} times refused, {ended} ended in order, {broken} broken; \
             {answered} answers"
        )
    }

    /// A client, until it is over.
    pub(crate) fn run(&self, client: usize, place: &Place) {
        let done = match place {
            Place::Tcp(address) => self.run_stream(client, || {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(stream)
            }),
            Place::Unix(path) => self.run_stream(client, || {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(stream)
            }),
            Place::Udp(to) => self.run_datagrams(client, || {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.connect(to)?;
                let receiver = socket.try_clone()?;
                Ok((
                    Box::new(move |bytes: &[u8]| socket.send(bytes)),
                    Box::new(move |buffer: &mut [u8]| receiver.recv(buffer)),
                ))
            }),
            Place::Unixgram(to, own) => self.run_datagrams(client, || {
                let socket = UnixDatagram::bind(own)?;
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.connect(to)?;
                let receiver = socket.try_clone()?;
                Ok((
                    Box::new(move |bytes: &[u8]| socket.send(bytes)),
                    Box::new(move |buffer: &mut [u8]| receiver.recv(buffer)),
                ))
            }),
        };
        if let Err(what) = done {
            let told = self.told.load(SeqCst);
            self.wrong.lock().unwrap().push(format!("after {told} ends: {place:?}: {what}"));
        }
    }

    /// Connects again and again.
    fn run_stream<S: Read + Write>(
        &self,
        client: usize,
        connect: impl Fn() -> io::Result<S>,
    ) -> Result<(), String> {
        while !self.is_over.load(SeqCst) {
            match connect() {
                Ok(stream) => {
                    self.connected.fetch_add(1, SeqCst);
                    self.talk(client, stream)?;
                }
                Err(error) if self.manners.may_refuse => {
                    let is_bearable = match error.kind() {
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => true,
                        io::ErrorKind::ConnectionReset => self.manners.may_break,
                        _ => false,
                    };
                    if !is_bearable {
                        return Err(format!("cannot connect: {error}"));
                    }
                    self.refused.fetch_add(1, SeqCst);
                    thread::yield_now();
                }
                Err(error) => return Err(format!("cannot connect: {error}")),
            }
        }
        Ok(())
    }

    /// Talks until the server ends, or all is over. What was sent before the server was told to end is owed
    /// an answer; and behind the last one comes the end, and no reset.
    fn talk(&self, client: usize, mut stream: impl Read + Write) -> Result<(), String> {
        let (mut sent, mut received) = (0, 0);
        // Up to where what was sent is owed, once this many have been told to end.
        let mut owed: Vec<(u64, u64)> = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        for message in 0_u64.. {
            let is_last = self.is_over.load(SeqCst);
            let mut ahead = if is_last || message % 5 == 0 { 0 } else { AHEAD };
            if !is_last {
                let message = bytes(sent, length(message));
                match stream.write_all(&message) {
                    Ok(()) => {
                        sent += message.len() as u64;
                        owed.push((self.told.load(SeqCst), sent));
                    }
                    // Nobody takes anything any more. What was answered is there all the same, and so is the end.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        (sent, ahead) = (u64::MAX, 0);
                    }
                    Err(error) => return self.breaks(&error),
                }
            }
            while sent - received > ahead {
                let read = match again(|| stream.read(&mut buffer)) {
                    Ok(0) => return self.ends(&owed, received),
                    Ok(read) => read,
                    Err(error) => return self.breaks(&error),
                };
                if buffer[..read] != bytes(received, read) {
                    return Err(format!("a wrong answer behind {received} bytes"));
                }
                received += read as u64;
                self.answered[client].fetch_add(1, SeqCst);
                owed.retain(|(_, up_to)| *up_to > received);
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// The server ends, and has been told to: its last clients end before it does, so it is the one that was
    /// told last.
    fn ends(&self, owed: &[(u64, u64)], received: u64) -> Result<(), String> {
        self.ended.fetch_add(1, SeqCst);
        let told = self.told.load(SeqCst);
        let is_owed = |(sent_at, _): &&(u64, u64)| *sent_at < told;
        match owed.iter().rfind(is_owed) {
            Some((_, up_to)) if !self.manners.may_break => {
                Err(format!("it ended after {received} bytes, and {up_to} were owed"))
            }
            _ if told == 0 => Err("it ended, and nobody had told it to".to_string()),
            _ => Ok(()),
        }
    }

    fn breaks(&self, error: &io::Error) -> Result<(), String> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};

        self.broken.fetch_add(1, SeqCst);
        match error.kind() {
            BrokenPipe | ConnectionReset if self.manners.may_break => Ok(()),
            _ => Err(format!("the connection breaks: {error}")),
        }
    }

    /// Each datagram is answered, and by itself.
    fn run_datagrams(
        &self,
        client: usize,
        open: impl Fn() -> io::Result<(Sender, Receiver)>,
    ) -> Result<(), String> {
        let (send, receive) = open().map_err(|error| format!("cannot open: {error}"))?;
        let mut buffer = vec![0; 64 << 10];
        for message in 0_u64.. {
            if self.is_over.load(SeqCst) {
                break;
            }
            let datagrams = [0, 1, 2].map(|i| bytes(message * 7 + i, length(message) + 3));
            for datagram in &datagrams {
                send(datagram).map_err(|error| format!("cannot send: {error}"))?;
            }
            // Two servers at a time may answer, so they may come in any order.
            let mut missing = datagrams.to_vec();
            while !missing.is_empty() {
                let length = again(|| receive(&mut buffer))
                    .map_err(|error| format!("{} answers were lost: {error}", missing.len()))?;
                let place = missing.iter().position(|datagram| *datagram == buffer[..length]);
                missing.swap_remove(place.ok_or("a datagram that is no answer")?);
                self.answered[client].fetch_add(1, SeqCst);
            }
        }
        Ok(())
    }
}

type Sender = Box<dyn Fn(&[u8]) -> io::Result<usize>>;
type Receiver = Box<dyn Fn(&mut [u8]) -> io::Result<usize>>;
