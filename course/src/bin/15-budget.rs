//! Step 15: datagrams, and no more answers than anybody needs.

use std::collections::HashMap;
use std::time::{Duration, Instant};
use std::{env, io};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

const SECOND: Duration = Duration::from_secs(1);
const ANSWERS: u32 = 50; // For one address, in a second.
const ADDRESSES: usize = 10_000; // That are answered in a second.

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let mut socket = UdpSocket::bind(address.parse().map_err(io::Error::other)?)?;
    println!("listening on {}", socket.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    let mut events = Events::with_capacity(8);
    let mut buffer = [0; 65536];
    let mut answers = HashMap::new();
    let mut since = Instant::now();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((count, from)) => {
                    if since.elapsed() >= SECOND {
                        answers.clear();
                        since = Instant::now();
                    }
                    if answers.len() >= ADDRESSES && !answers.contains_key(&from) {
                        continue;
                    }
                    let sent = answers.entry(from).or_insert(0);
                    // Mend: whoever it is, no more than this. One datagram that is not answered ends a loop.
                    if *sent < ANSWERS {
                        *sent += 1;
                        let _ = socket.send_to(&buffer[..count], from); // No room: lost, as it may be.
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {} // One of our answers found nobody. That concerns nobody else.
            }
        }
    }
}
