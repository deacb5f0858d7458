//! Closing: how last bytes get lost, and how they don't.
//!
//! A TCP connection is two streams, one each way, and each has an end of its own. `read` returning 0 is
//! the end of the peer's: it will not send any more. It may well go on reading. A client such as `nc -N`
//! sends its file, shuts its sending side, and expects the answer; a server that closes as soon as it
//! reads 0 loses everything it hadn't sent. So the end is an event like any other,
//! [`Service::ended`](crate::Service::ended), and what it does by default is: flush, then close.
//!
//! # The reset that eats the answer
//!
//! This server reads one message, answers, and closes, all of it by the book:
//!
//! ```text
//! accept; read 1024 bytes; write "Hello, client!"; close
//! ```
//!
//! A client that sends 2,000 bytes may never see the greeting. The server closes with 976 bytes unread;
//! RFC 1122, section 4.2.2.13, has the kernel send a reset instead of an end, because data was lost. With
//! it goes whatever the server's kernel had not sent yet; and the client's next call fails, its write or
//! its read. Linux lets it read first what has arrived, other systems throw that away with the reset: the
//! greeting, which was there.
//!
//! [`Context::close`](crate::Context::close) is therefore not close(2). It sends what is kept, then shuts
//! the sending side, then reads and throws away what still comes until the peer's own end, and only
//! then closes. A peer that never ends is given [`Config::linger`](crate::Config::linger).
//!
//! ```
//! # use std::io::{Read, Write};
//! # use std::net::TcpStream;
//! # use echoloop::{Address, Config, Context, Reactor, Service, Stop};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! struct Greeting;
//!
//! impl Service for Greeting {
//!     fn received(&mut self, cx: &mut Context<'_>, _input: &[u8]) -> usize {
//!         cx.send(b"Hello, client!");
//!         cx.close();
//!         0 // None of it was read, as far as we care.
//!     }
//! }
//!
//! let mut reactor = Reactor::new(Config::default())?;
//! let id = reactor.listen(&"tcp://127.0.0.1:0".parse()?, Greeting)?;
//! let Some(Address::Ip(address)) = reactor.local(id) else { unreachable!() };
//! let handle = reactor.handle();
//! let client = std::thread::spawn(move || {
//!     let mut client = TcpStream::connect(address)?;
//!     client.write_all(&vec![b'?'; 1_000_000])?; // More than is ever read.
//!     client.shutdown(std::net::Shutdown::Write)?;
//!     let mut answer = String::new();
//!     client.read_to_string(&mut answer)?;
//!     handle.stop(Stop::Gracefully);
//!     std::io::Result::Ok(answer)
//! });
//! reactor.run()?;
//! assert_eq!(client.join().unwrap()?, "Hello, client!");
//! # Ok(()) }
//! ```
//!
//! # Stopping the server
//!
//! The same, for all connections at once. [`Stop::Gracefully`](crate::Stop) first empties the backlog: the
//! clients in it have connected, as far as they know. Then every connection is served what had
//! arrived; and when all have been, since what came on one may be meant for another, each is told of the
//! end. A connection that is owed nothing goes at once: its kernel has acknowledged all that was sent, and nothing is
//! unread, so no reset can take anything away. The others are lingered with. A peer that takes its time is
//! waited for as long as bytes move, and the whole stop for [`Config::stop_timeout`](crate::Config). The
//! second request to stop waits for nothing.
//!
//! # An end that is none
//!
//! A deadline, a limit, a stop at once may come when bytes are still to be sent, or were read and not
//! taken. Closing as if nothing were missing would tell the peer that it has everything. So such a
//! connection is reset, where there is such a thing, TCP, and the peer's next read says so.
//!
//! Next: [`running_out`](super::running_out).
