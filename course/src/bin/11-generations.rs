//! Step 11: a generation in each token, so that what is stale finds nothing.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);
const PLACE: usize = u32::MAX as usize; // The half of a token that is a place in the table.
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
const LIMIT: usize = 256 * 1024; // Who has so much unsent is read no more.
const LINGER: Duration = Duration::from_secs(1); // Who must go may take so long.

struct Client {
    token: Token,
    stream: TcpStream,
    unsent: VecDeque<u8>, // What the kernel has not taken yet.
    closing: bool,        // It has been told that it must go.
    shut: bool,           // It has been sent our end.
}

fn main() -> io::Result<()> {
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("listening on {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients = Slab::new();
    let mut generation = 0;
    let mut timers: VecDeque<(Instant, Token)> = VecDeque::new(); // All run equally long.
    loop {
        let timeout = timers.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients, &mut generation)?;
                continue;
            }
            let Some(client) = find(&mut clients, event.token()) else { continue };
            let was_closing = client.closing;
            if serve(client).is_err() {
                clients.remove(event.token().0 & PLACE);
            } else if client.closing && !was_closing {
                timers.push_back((Instant::now() + LINGER, event.token()));
            }
        }
        while let Some(&(due, token)) = timers.front()
            && due <= Instant::now()
        {
            timers.pop_front();
            if find(&mut clients, token).is_some() {
                clients.remove(token.0 & PLACE);
            }
        }
    }
}

/// The client that the token was made for, if it is still there.
fn find(clients: &mut Slab<Client>, token: Token) -> Option<&mut Client> {
    // Mend: whoever lives there now has another token.
    clients.get_mut(token.0 & PLACE).filter(|client| client.token == token)
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    clients: &mut Slab<Client>,
    generation: &mut usize,
) -> io::Result<()> {
    // Trap: any error ends this edge, also "too many open files". Who waits gets no other.
    while let Ok((mut stream, _)) = listener.accept() {
        let entry = clients.vacant_entry();
        *generation += 1;
        let token = Token(*generation << 32 | entry.key());
        poll.registry().register(&mut stream, token, BOTH)?;
        let unsent = VecDeque::new();
        entry.insert(Client { token, stream, unsent, closing: false, shut: false });
    }
    Ok(())
}

/// Moves what can be moved, whichever event it was. An error: the client has gone.
fn serve(client: &mut Client) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        flush(client)?;
        if client.closing && !client.shut && client.unsent.is_empty() {
            client.stream.shutdown(Shutdown::Write)?;
            client.shut = true;
        }
        if client.unsent.len() >= LIMIT {
            return Ok(());
        }
        match client.stream.read(&mut buffer) {
            Ok(0) if client.unsent.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(0) => return Ok(()),
            Ok(_) if client.closing => {} // Read, and thrown away.
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
