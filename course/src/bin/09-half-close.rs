//! Step 9: two ends: the client's and ours.

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
    closing: bool,        // It has been told that it must go.
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
        let unsent = VecDeque::new();
        entry.insert(Client { stream, unsent, closing: false });
    }
    Ok(())
}

/// Moves what can be moved, whichever event it was. An error: the client has gone.
fn serve(client: &mut Client) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        flush(client)?;
        if client.closing && client.unsent.is_empty() {
            // Trap: closes. With bytes unread that is a reset, and destroys what is on its way.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if client.closing || client.unsent.len() >= LIMIT {
            return Ok(());
        }
        match client.stream.read(&mut buffer) {
            Ok(0) if client.unsent.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            // Mend: what is owed goes first. Then the end can be read once more.
            Ok(0) => return Ok(()),
            Ok(count) => {
                client.unsent.extend(&buffer[..count]);
                // A buffer full, and no end of a line in it.
                if count == buffer.len() && !buffer.contains(&b'\n') {
                    client.unsent.extend(b"\nline too long\n");
                    client.closing = true;
                }
            }
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
