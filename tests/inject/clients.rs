//! Those who talk to the server, and compare every byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::fstat;

use crate::traced::DEADLINE;

/// Where a stream can be had.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Either kind of stream.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Why a client has stopped.
pub(crate) enum Trouble {
    /// Its connection was lost.
    Lost(io::Error),
    /// What must never happen.
    Wrong(String),
}

pub(crate) struct Client {
    stream: Stream,
    /// The server's name for it: its address, or the inode of its socket.
    pub(crate) name: String,
}

impl Client {
    pub(crate) fn connect(place: &Place) -> io::Result<Client> {
        match place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                let name = stream.local_addr()?.to_string();
                Ok(Client { stream: Stream::Tcp(stream), name })
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                let name = fstat(stream.as_fd())?.st_ino.to_string();
                Ok(Client { stream: Stream::Unix(stream), name })
            }
        }
    }

    /// Sends this, and has it come back.
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.stream.write_all(bytes).map_err(Trouble::Lost)?;
        self.expect(bytes)
    }

    /// The same, sending while it receives, and with an end behind it.
    pub(crate) fn exchange_to_the_end(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let mut writer = self.stream.try_clone().map_err(Trouble::Lost)?;
        thread::scope(|scope| {
            scope.spawn(move || writer.write_all(bytes).and_then(|()| writer.shut()));
            self.expect(bytes)?;
            self.expect_end()
        })
    }

    pub(crate) fn shut(&mut self) -> Result<(), Trouble> {
        self.stream.shut().map_err(Trouble::Lost)
    }

    /// Sends a little now and then, for as long as it may, and then reads to the end.
    pub(crate) fn send_to_the_end(mut self) -> io::Result<()> {
        let start = Instant::now();
        while self.stream.write_all(b"more").is_ok() && start.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(1)); // All of it at once would never be read to its end.
        }
        io::copy(&mut self.stream, &mut io::sink())?;
        Ok(())
    }

    /// Nothing comes any more.
    pub(crate) fn expect_end(&mut self) -> Result<(), Trouble> {
        match self.stream.read(&mut [0; 100]) {
            Ok(0) => Ok(()),
            Ok(more) => Err(Trouble::Wrong(format!("{more} bytes too many"))),
            Err(error) => Err(lost(error)),
        }
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let mut answer = vec![0; 64 << 10];
        let mut known = 0;
        while known < bytes.len() {
            let room = answer.len().min(bytes.len() - known);
            match self.stream.read(&mut answer[..room]) {
                Ok(0) => return Err(Trouble::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(more) if answer[..more] == bytes[known..known + more] => known += more,
                Ok(_) => return Err(Trouble::Wrong(format!("a wrong byte after {known}"))),
                Err(error) => return Err(lost(error)),
            }
        }
        Ok(())
    }
}

/// Whoever lost its connection hears of it. Silence is worse.
fn lost(error: io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Trouble::Wrong("it was left without an answer, and without an end".to_string())
        }
        _ => Trouble::Lost(error),
    }
}

impl Stream {
    fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        }
    }

    fn shut(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who sends datagrams.
pub(crate) enum Sender {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Sender {
    pub(crate) fn udp(to: SocketAddr) -> io::Result<Sender> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(to)?;
        Ok(Sender::Udp(socket))
    }

    pub(crate) fn unix(to: &Path, own: &Path) -> io::Result<Sender> {
        let socket = UnixDatagram::bind(own)?;
        socket.connect(to)?;
        Ok(Sender::Unix(socket))
    }

    /// Sends the last `count` of these, all different, at once, and has each of them come back at least once. What
    /// doesn't is sent again, if it may be lost. What comes besides must be one of them all.
    pub(crate) fn exchange(
        &self,
        all: &[Vec<u8>],
        count: usize,
        may_lose: bool,
    ) -> Result<(), Trouble> {
        let patience = if may_lose { Duration::from_millis(200) } else { DEADLINE };
        self.be_patient_for(patience).map_err(Trouble::Lost)?;
        let start = Instant::now();
        let mut missing: Vec<&[u8]> = all[all.len() - count..].iter().map(Vec::as_slice).collect();
        while !missing.is_empty() {
            for datagram in &missing {
                self.send(datagram).map_err(Trouble::Lost)?;
            }
            self.hear(all, &mut missing)?;
            if !missing.is_empty() && (!may_lose || start.elapsed() > DEADLINE) {
                return Err(Trouble::Wrong(format!("{} datagrams were lost", missing.len())));
            }
        }
        Ok(())
    }

    /// Until nothing is missing, or nothing comes.
    fn hear(&self, all: &[Vec<u8>], missing: &mut Vec<&[u8]>) -> Result<(), Trouble> {
        let mut answer = vec![0; 64 << 10];
        while !missing.is_empty() {
            let length = match self.receive(&mut answer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Trouble::Lost(error)),
            };
            let answer = &answer[..length];
            if !all.iter().any(|it| it == answer) {
                return Err(Trouble::Wrong(format!("nobody sent {answer:?}")));
            }
            missing.retain(|it| *it != answer);
        }
        Ok(())
    }

    fn be_patient_for(&self, time: Duration) -> io::Result<()> {
        match self {
            Sender::Udp(socket) => socket.set_read_timeout(Some(time)),
            Sender::Unix(socket) => socket.set_read_timeout(Some(time)),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sender::Udp(socket) => socket.send(bytes),
            Sender::Unix(socket) => socket.send(bytes),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Sender::Udp(socket) => socket.recv(buffer),
            Sender::Unix(socket) => socket.recv(buffer),
        }
    }
}
