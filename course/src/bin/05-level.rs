//! Step 5: epoll by way of mio, in the level-triggered manner.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);

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
                // Trap: "tell me again, if somebody is still waiting", also one for whom there is no room.
                poll.registry().reregister(&mut listener, LISTENER, Interest::READABLE)?;
                continue;
            }
            let key = event.token().0;
            if serve(&mut clients[key]).is_err() {
                clients.remove(key);
                continue;
            }
            poll.registry().reregister(&mut clients[key], event.token(), Interest::READABLE)?;
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Slab<TcpStream>) -> io::Result<()> {
    while let Ok((mut client, _)) = listener.accept() {
        let entry = clients.vacant_entry();
        // Mend: the kernel keeps the list. It is told of a client once, and names those that are ready.
        poll.registry().register(&mut client, Token(entry.key()), Interest::READABLE)?;
        entry.insert(client);
    }
    Ok(())
}

/// Gives back what has come. An error: the client has gone.
fn serve(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match client.read(&mut buffer) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => client.write_all(&buffer[..count]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}
