//! The built program, talked to by rustls, `openssl s_client` and Python's ssl.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

/// Only against hanging.
const DEADLINE: Duration = Duration::from_secs(30);

struct Server {
    child: Child,
    echo: SocketAddr,
    pong: SocketAddr,
    cert: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    /// With a certificate made for the test, on ports that the kernel chooses.
    fn start(more: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tls"))
            .args(["--cert".as_ref(), cert.as_os_str(), "--key".as_ref(), key.as_os_str()])
            .args(["echo=tcp://127.0.0.1:0", "pong=tcp://127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().expect("it listens").unwrap();
            line.rsplit_once("tcp://").expect("an address").1.parse().unwrap()
        };
        let (echo, pong) = (address(), address());
        Server { child, echo, pong, cert, _folder: folder }
    }

    fn client(&self) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.cert).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(Arc::new(config), name).unwrap()
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tcp(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 7 + i / 1009) as u8).collect()
}

/// Everything that was sent before a close_notify comes back, and then a close_notify, also to a client that reads
/// only when nothing more can be sent: what it doesn't take slows down whoever sends.
#[test]
fn a_late_reader_that_half_closes_gets_everything() {
    let server = Server::start(&[]);
    let (mut tls, socket) = (server.client(), tcp(server.echo));
    let bytes = pattern(3_000_000);
    let (mut sent, mut got, start) = (0, Vec::new(), Instant::now());
    while tls.is_handshaking() {
        tls.complete_io(&mut &socket).unwrap();
    }
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    loop {
        socket.set_nonblocking(true).unwrap();
        loop {
            if sent < bytes.len() && !tls.wants_write() {
                sent += tls.writer().write(&bytes[sent..]).unwrap();
                if sent == bytes.len() {
                    tls.send_close_notify();
                }
            }
            match tls.write_tls(&mut &socket) {
                Ok(_) if tls.wants_write() || sent < bytes.len() => {}
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        // Not for long: what has gone out may be a piece of a record, which is not answered before the rest has.
        socket.set_nonblocking(false).unwrap();
        let read = match tls.read_tls(&mut &socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(start.elapsed() < DEADLINE, "stuck after {} bytes", got.len());
                continue;
            }
            read => read.unwrap(),
        };
        let state = tls.process_new_packets().unwrap();
        let begin = got.len();
        got.resize(begin + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut got[begin..]).unwrap();
        if state.peer_has_closed() {
            break;
        }
        assert!(read > 0, "cut off after {} bytes", got.len());
    }
    assert!(got == bytes);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!((&socket).read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(server.terminate(), Some(0));
}

/// Lines are answered as they would be without TLS, and a stop says goodbye.
#[test]
fn pong_answers_and_a_stop_ends_in_order() {
    let server = Server::start(&[]);
    let (mut tls, mut socket) = (server.client(), tcp(server.pong));
    let mut stream = Stream::new(&mut tls, &mut socket);
    let mut answer = [0; 10];
    for line in ["ping\n", "a longer line\n"] {
        stream.write_all(line.as_bytes()).unwrap();
        stream.read_exact(&mut answer[..5]).unwrap();
        assert_eq!(&answer[..5], b"pong\n");
    }
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(stream.read(&mut answer).expect("a close_notify, not a cut"), 0);
}

/// Whoever never finishes its handshake is cut off, whoever talks no TLS at once, and whoever cuts the
/// connection without a close_notify is no end in order; all the others are served meanwhile.
#[test]
fn bad_clients_harm_nobody_else() {
    let server = Server::start(&["--handshake-timeout", "1"]);
    let mut silent = tcp(server.echo);
    let mut stranger = tcp(server.echo);
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut alert = Vec::new();
    let _ = stranger.read_to_end(&mut alert); // An alert record, then the end.
    assert_eq!(alert.first(), Some(&21));

    let (mut tls, mut socket) = (server.client(), tcp(server.echo));
    let mut stream = Stream::new(&mut tls, &mut socket);
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    socket.shutdown(Shutdown::Write).unwrap(); // No close_notify.
    let mut rest = [0; 99];
    let cut = Stream::new(&mut tls, &mut socket).read(&mut rest);
    assert!(cut.is_err(), "{cut:?}");

    match silent.read(&mut [0; 9]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(server.terminate(), Some(0));
}

/// `openssl s_client` gets right answers.
#[test]
fn openssl_gets_right_answers() {
    let server = Server::start(&[]);
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-verify_return_error", "-servername", "localhost"]);
    command.args(["-connect", &server.pong.to_string(), "-CAfile"]).arg(&server.cert);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: there is no openssl here");
        return;
    };
    let mut keyboard = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        keyboard.write_all(b"ping\n").unwrap();
        assert_eq!(lines.next().expect("an answer").unwrap(), "pong");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Python's ssl gets right answers, and a close_notify for its own.
#[test]
fn python_gets_right_answers() {
    let server = Server::start(&[]);
    let echo = server.echo.port();
    let cert = server.cert.display();
    let python = "import socket,ssl,sys\n\
        c=ssl.create_default_context(cafile=sys.argv[2])\n\
        s=c.wrap_socket(socket.create_connection(('127.0.0.1',int(sys.argv[1]))),server_hostname='localhost')\n\
        s.sendall(b'x'*200000+b'end')\n\
        n=0\n\
        while n<200003: n+=len(s.recv(65536))\n\
        s.unwrap()\n\
        print(n)";
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 here");
        return;
    }
    let script = format!("timeout 30 python3 -c \"{python}\" {echo} {cert}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200003\n", "{script}\n{errors}");
}
