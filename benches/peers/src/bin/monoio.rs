//! monoio: one task a connection. Its driver is io_uring; with a third argument `legacy`, epoll.
//! A read owns its buffer while the kernel fills it, so every connection has one of its own.

use std::io;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::udp::UdpSocket;
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

fn main() -> io::Result<()> {
    let (mode, address, driver) = peers::arguments(&["tcp", "udp"]);
    let serve = async {
        if mode == "tcp" {
            tcp(TcpListener::from_std(peers::tcp_listener(address)?)?).await
        } else {
            udp(UdpSocket::from_std(peers::udp_socket(address)?)?).await
        }
    };
    if driver.as_deref() == Some("legacy") {
        RuntimeBuilder::<LegacyDriver>::new().build()?.block_on(serve)
    } else {
        RuntimeBuilder::<IoUringDriver>::new().with_entries(4096).build()?.block_on(serve)
    }
}

async fn tcp(listener: TcpListener) -> io::Result<()> {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            monoio::spawn(echo(stream));
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(peers::BUFFER);
    loop {
        let (count, filled) = stream.read(buffer).await;
        if count? == 0 {
            return Ok(());
        }
        let (sent, filled) = stream.write_all(filled).await;
        sent?;
        buffer = filled;
        buffer.clear();
    }
}

async fn udp(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(peers::BUFFER);
    loop {
        let (received, filled) = socket.recv_from(buffer).await;
        buffer = match received {
            Ok((_, from)) => socket.send_to(filled, from).await.1,
            Err(_) => filled,
        };
        buffer.clear();
    }
}
