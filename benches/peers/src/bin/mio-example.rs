//! mio in the manner of its own `tcp_server` and `udp_server` examples: a map from token to
//! connection, a vector per read that grows until `WouldBlock`, and `reregister` whenever what the
//! connection waits for changes.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Registry, Token};

const SERVER: Token = Token(0);

fn main() -> io::Result<()> {
    let (mode, address, _) = peers::arguments(&["tcp", "udp"]);
    if mode == "tcp" {
        tcp(TcpListener::from_std(peers::tcp_listener(address)?))
    } else {
        udp(UdpSocket::from_std(peers::udp_socket(address)?))
    }
}

struct Connection {
    stream: TcpStream,
    /// What the peer has not taken yet.
    unsent: Vec<u8>,
    ended: bool,
}

fn tcp(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, SERVER, Interest::READABLE)?;
    let mut connections = HashMap::new();
    let mut last = SERVER;
    loop {
        wait(&mut poll, &mut events)?;
        for event in &events {
            if event.token() == SERVER {
                accept(&listener, poll.registry(), &mut connections, &mut last)?;
            } else if let Some(connection) = connections.get_mut(&event.token())
                && !matches!(drive(poll.registry(), connection, event), Ok(true))
            {
                // Ended or broken; dropping the stream closes it.
                connections.remove(&event.token());
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    registry: &Registry,
    connections: &mut HashMap<Token, Connection>,
    last: &mut Token,
) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        last.0 += 1;
        registry.register(&mut stream, *last, Interest::READABLE)?;
        connections.insert(*last, Connection { stream, unsent: Vec::new(), ended: false });
    }
    Ok(())
}

/// Moves what can be moved. `Ok(false)`: the connection is over.
fn drive(registry: &Registry, connection: &mut Connection, event: &Event) -> io::Result<bool> {
    if event.is_writable() && !connection.unsent.is_empty() {
        flush(connection)?;
        if !connection.unsent.is_empty() {
            return Ok(true);
        }
        // Registering anew reports again what has arrived meanwhile.
        registry.reregister(&mut connection.stream, event.token(), Interest::READABLE)?;
        return Ok(!connection.ended);
    }
    let mut more = event.is_readable() && connection.unsent.is_empty();
    while more {
        more = read_much(connection)?;
        flush(connection)?;
        if !connection.unsent.is_empty() {
            registry.reregister(&mut connection.stream, event.token(), Interest::WRITABLE)?;
            return Ok(true);
        }
    }
    Ok(!connection.ended)
}

/// Reads until `WouldBlock`, the end, or a bufferful, after which there may be more: `true`.
fn read_much(connection: &mut Connection) -> io::Result<bool> {
    let mut received = vec![0; 4096];
    let mut count = 0;
    while count < peers::BUFFER {
        if count == received.len() {
            received.resize(peers::BUFFER, 0);
        }
        match connection.stream.read(&mut received[count..]) {
            Ok(0) => {
                connection.ended = true;
                break;
            }
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    received.truncate(count);
    connection.unsent = received;
    Ok(count == peers::BUFFER)
}

fn flush(connection: &mut Connection) -> io::Result<()> {
    let mut sent = 0;
    while sent < connection.unsent.len() {
        match connection.stream.write(&connection.unsent[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    connection.unsent.drain(..sent);
    Ok(())
}

fn udp(mut socket: UdpSocket) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1);
    poll.registry().register(&mut socket, SERVER, Interest::READABLE)?;
    let mut buffer = vec![0; peers::BUFFER];
    loop {
        wait(&mut poll, &mut events)?;
        for _ in &events {
            loop {
                match socket.recv_from(&mut buffer) {
                    // A full send buffer loses the answer, as UDP may.
                    Ok((count, from)) => drop(socket.send_to(&buffer[..count], from)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
        }
    }
}

fn wait(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, None) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}
