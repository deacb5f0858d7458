//! smol: its reactor (async-io) and its executor (async-executor) on one thread, one task a
//! connection. Waiting first and reading afterwards spares the read that would only say
//! `WouldBlock`, and lets all tasks share one buffer.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;

use async_executor::LocalExecutor;
use async_io::Async;

fn main() -> io::Result<()> {
    let (mode, address, _) = peers::arguments(&["tcp", "udp"]);
    let executor = LocalExecutor::new();
    let serve = async {
        if mode == "tcp" {
            tcp(&executor, Async::new(peers::tcp_listener(address)?)?).await
        } else {
            udp(Async::new(peers::udp_socket(address)?)?).await
        }
    };
    async_io::block_on(executor.run(serve))
}

async fn tcp(executor: &LocalExecutor<'_>, listener: Async<TcpListener>) -> io::Result<()> {
    let buffer = Rc::new(RefCell::new(vec![0; peers::BUFFER]));
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            executor.spawn(echo(stream, buffer.clone())).detach();
        }
    }
}

async fn echo(stream: Async<TcpStream>, buffer: Rc<RefCell<Vec<u8>>>) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let mut unsent = Vec::new();
        {
            // Given back before the next await.
            let mut buffer = buffer.borrow_mut();
            let count = match stream.get_ref().read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let sent = match stream.get_ref().write(&buffer[..count]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                sent => sent?,
            };
            unsent.extend_from_slice(&buffer[sent..count]);
        }
        let mut sent = 0;
        while sent < unsent.len() {
            sent += stream.write_with(|mut stream| stream.write(&unsent[sent..])).await?;
        }
    }
}

async fn udp(socket: Async<UdpSocket>) -> io::Result<()> {
    let mut buffer = vec![0; peers::BUFFER];
    loop {
        if let Ok((count, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..count], from).await;
        }
    }
}
