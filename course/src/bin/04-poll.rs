//! Step 4: sleeping in poll(2) until somebody has something to say.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let mut clients = Vec::new();
    loop {
        let mut polled = vec![PollFd::new(&listener, PollFlags::IN)];
        // Trap: the whole list goes to the kernel, and back, for each message of one client.
        polled.extend(clients.iter().map(|client| PollFd::new(client, PollFlags::IN)));
        // Mend: returns when there is something to read, and sleeps until then.
        retry_on_intr(|| poll(&mut polled, None))?;

        let ready: Vec<bool> = polled.iter().map(|it| !it.revents().is_empty()).collect();
        let mut ready = ready.into_iter().skip(1); // The listener is asked in any case.
        clients.retain_mut(|client| ready.next() != Some(true) || serve(client).is_ok());
        while let Ok((client, _)) = listener.accept() {
            client.set_nonblocking(true)?;
            clients.push(client);
        }
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
