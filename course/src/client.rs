//! What the clients of the demonstrations have in common. All of them send lines of 64 bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::kernel;
use crate::server::{DEADLINE, Server, until};

/// The length of a line.
pub const LINE: usize = 64;

/// The bytes of a stream of numbered lines, from one line on. No two are the same.
pub fn lines(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).flat_map(|number| format!("{number:063}\n").into_bytes()).collect()
}

/// Connects. No call waits longer than the deadline.
pub fn connect(server: &Server) -> io::Result<TcpStream> {
    let client = TcpStream::connect_timeout(&server.address, DEADLINE)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(DEADLINE))?;
    client.set_write_timeout(Some(DEADLINE))?;
    Ok(client)
}

/// Sends a line and waits for its answer, no longer than this. Whether it came, and was right.
pub fn exchange(client: &mut TcpStream, patience: Duration) -> io::Result<bool> {
    client.write_all(&lines(7, 1))?;
    answer(client, &lines(7, 1), patience)
}

/// Waits for these bytes.
pub fn answer(client: &mut TcpStream, bytes: &[u8], patience: Duration) -> io::Result<bool> {
    let mut got = Vec::new();
    read_some(client, &mut got, bytes.len(), patience)?;
    Ok(got == bytes)
}

/// Reads until there are so many bytes, or none has come for so long. Whether the client has ended.
pub fn read_some(
    client: &mut TcpStream,
    got: &mut Vec<u8>,
    wanted: usize,
    patience: Duration,
) -> io::Result<bool> {
    let mut buffer = vec![0; 1 << 16];
    while got.len() < wanted {
        let room = buffer.len().min(wanted - got.len());
        match read_once(client, &mut buffer[..room], patience)? {
            None => return Ok(false),
            Some(0) => return Ok(true),
            Some(count) => got.extend(&buffer[..count]),
        }
    }
    Ok(false)
}

/// One read that waits no longer than this. `None`: nothing has come.
fn read_once(
    client: &mut TcpStream,
    buffer: &mut [u8],
    patience: Duration,
) -> io::Result<Option<usize>> {
    client.set_read_timeout(Some(patience))?;
    loop {
        match client.read(buffer) {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Many clients that say nothing. Returns when the server has accepted all of them.
pub fn crowd(server: &Server, count: usize) -> io::Result<Vec<TcpStream>> {
    const STEP: usize = 50; // Fewer than a backlog holds.
    let before = server.descriptors()?;
    let mut clients = Vec::with_capacity(count);
    while clients.len() < count {
        for _ in 0..STEP.min(count - clients.len()) {
            clients.push(connect(server).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot connect {count} clients (see ulimit -Hn): {error}"),
                )
            })?);
        }
        let expected = before + clients.len();
        let accepted = || server.descriptors().is_ok_and(|it| it >= expected);
        if !until(DEADLINE, accepted) {
            return Err(io::Error::other("the server does not accept"));
        }
    }
    Ok(clients)
}

/// Exchanges lines one at a time, in some batches. The processor time of the server for each line, in the
/// best batch: what else happens on the machine can only add to it.
pub fn processor_time_of_a_line(server: &Server, client: &mut TcpStream) -> io::Result<Duration> {
    const LINES: u32 = 200;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let before = kernel::processor_time(server.pid())?;
        for _ in 0..LINES {
            if !exchange(client, DEADLINE)? {
                return Err(io::Error::other("a wrong answer"));
            }
        }
        best = best.min((kernel::processor_time(server.pid())? - before) / LINES);
    }
    Ok(best)
}

/// How long something took.
pub fn timed<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Duration)> {
    let start = Instant::now();
    Ok((call()?, start.elapsed()))
}
