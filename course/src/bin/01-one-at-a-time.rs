//! Step 1: one client at a time.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept()?;
        let _ = serve(client); // What befalls one client does not end the server.
    }
}

/// Gives back what comes, until the client ends.
fn serve(mut client: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        // Trap: waits for this one client, however long, and nobody else is served meanwhile.
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..count])?;
    }
}
