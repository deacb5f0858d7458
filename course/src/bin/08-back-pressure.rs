//! Step 8: back-pressure.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
const LIMIT: usize = 256 * 1024; // Who has so much unsent is read no more.

struct Client {
    stream: TcpStream,
    unsent: VecDeque<u8>, // What the kernel has not taken yet.
}

fn main() -> io::Result<()> {
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("listening on {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients = Slab::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients)?;
                continue;
            }
            let key = event.token().0;
            if serve(&mut clients[key]).is_err() {
                clients.remove(key);
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Slab<Client>) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        let entry = clients.vacant_entry();
        poll.registry().register(&mut stream, Token(entry.key()), BOTH)?;
        entry.insert(Client { stream, unsent: VecDeque::new() });
    }
    Ok(())
}

/// Moves what can be moved, whichever event it was. An error: the client has gone.
fn serve(client: &mut Client) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        flush(client)?;
        // Mend: takes no more than it could give back. When there is room to write it will go on.
        if client.unsent.len() >= LIMIT {
            return Ok(());
        }
        match client.stream.read(&mut buffer) {
            // Trap: the client will send no more. It may well be waiting for its answer.
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => client.unsent.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Writes until all is out or the kernel takes no more. It tells when there is room again.
fn flush(client: &mut Client) -> io::Result<()> {
    while !client.unsent.is_empty() {
        match client.stream.write(client.unsent.as_slices().0) {
            Ok(count) => drop(client.unsent.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
