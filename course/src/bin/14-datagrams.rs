//! Step 14: datagrams. Begins anew: there are no connections, so most of the above has no place here.

use std::{env, io};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let mut socket = UdpSocket::bind(address.parse().map_err(io::Error::other)?)?;
    println!("listening on {}", socket.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    let mut events = Events::with_capacity(8);
    let mut buffer = [0; 65536];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((count, from)) => {
                    // Trap: answers the address in the datagram. Its sender wrote that, true or not.
                    let _ = socket.send_to(&buffer[..count], from); // No room: lost, as it may be.
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {} // One of our answers found nobody. That concerns nobody else.
            }
        }
    }
}
