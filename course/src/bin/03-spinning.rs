//! Step 3: non-blocking, and asking everybody all the time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let mut clients = Vec::new();
    loop {
        while let Ok((client, _)) = listener.accept() {
            client.set_nonblocking(true)?;
            // Mend: a client is an entry in a list, not a stack.
            clients.push(client);
        }
        // Trap: when nobody has anything to say, asks again at once.
        clients.retain_mut(|client| serve(client).is_ok());
    }
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
