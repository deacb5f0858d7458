//! Step 10: a lingering close, and a deadline for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
const LIMIT: usize = 256 * 1024; // Who has so much unsent is read no more.
const LINGER: Duration = Duration::from_secs(1); // Who must go may take so long.

struct Client {
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
    let mut timers: VecDeque<(Instant, usize)> = VecDeque::new(); // All run equally long.
    loop {
        let timeout = timers.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients)?;
                continue;
            }
            let key = event.token().0;
            let client = &mut clients[key];
            let was_closing = client.closing;
            if serve(client).is_err() {
                clients.remove(key);
            } else if client.closing && !was_closing {
                timers.push_back((Instant::now() + LINGER, key));
            }
        }
        while let Some(&(due, key)) = timers.front()
            && due <= Instant::now()
        {
            timers.pop_front();
            // Trap: ends whoever lives in this place by now.
            clients.try_remove(key);
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Slab<Client>) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        let entry = clients.vacant_entry();
        poll.registry().register(&mut stream, Token(entry.key()), BOTH)?;
        let unsent = VecDeque::new();
        entry.insert(Client { stream, unsent, closing: false, shut: false });
    }
    Ok(())
}

/// Moves what can be moved, whichever event it was. An error: the client has gone.
fn serve(client: &mut Client) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        flush(client)?;
        if client.closing && !client.shut && client.unsent.is_empty() {
            // Mend: says that this was all, and reads on until the client has ended, too.
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
