//! tokio: the current-thread runtime, one task a connection. All tasks share one read buffer, which
//! is filled and echoed within a single poll; polled reads (rather than `try_read`) let tokio skip
//! the read that would only say `WouldBlock`.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

fn main() -> io::Result<()> {
    let (mode, address, _) = peers::arguments(&["tcp", "udp"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        if mode == "tcp" {
            tcp(TcpListener::from_std(peers::tcp_listener(address)?)?).await
        } else {
            udp(UdpSocket::from_std(peers::udp_socket(address)?)?).await
        }
    })
}

async fn tcp(listener: TcpListener) -> io::Result<()> {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut unsent = Vec::new();
    while read_and_write(&mut stream, &mut unsent).await? {
        if !unsent.is_empty() {
            stream.write_all(&unsent).await?;
            unsent = Vec::new();
        }
    }
    Ok(())
}

/// Waits for input and writes as much of it as goes; the rest is put into `unsent`. `false`: the
/// peer has sent its last byte.
async fn read_and_write(stream: &mut TcpStream, unsent: &mut Vec<u8>) -> io::Result<bool> {
    thread_local!(static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; peers::BUFFER]));
    poll_fn(|cx| {
        SHARED.with_borrow_mut(|buffer| {
            let mut input = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut input))?;
            let input = input.filled();
            if input.is_empty() {
                return Poll::Ready(Ok(false));
            }
            let sent = match Pin::new(&mut *stream).poll_write(cx, input) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            unsent.extend_from_slice(&input[sent..]);
            Poll::Ready(Ok(true))
        })
    })
    .await
}

async fn udp(socket: UdpSocket) -> io::Result<()> {
    let mut buffer = vec![0; peers::BUFFER];
    loop {
        if let Ok((count, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..count], from).await;
        }
    }
}
