//! Servers, good and bad, and the real binary to be let loose on them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use echoloop::{Config, Echo, Handle, Reactor, Service, Stop};
use serde_json::Value;

use crate::again::again;

/// What a test waits for at most.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the binary said.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn code(&self) -> i32 {
        self.status.code().expect("it was not killed")
    }

    /// The standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| {
            panic!("{error} in {:?}, and on standard error {:?}", self.out, self.err)
        })
    }

    /// The only run of the JSON document.
    #[track_caller]
    pub(crate) fn only(&self) -> Value {
        let mut document = self.json();
        let runs = document["runs"].as_array_mut().expect("there are runs");
        assert_eq!(runs.len(), 1);
        runs.remove(0)
    }
}

/// `echoloop bench` with these arguments, separated by spaces.
#[track_caller]
pub(crate) fn bench(arguments: &str) -> Run {
    bench_while(arguments, |_| {})
}

/// The same, with something to be done while it runs; it is told the process.
#[track_caller]
pub(crate) fn bench_while(arguments: &str, meanwhile: impl FnOnce(u32)) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_echoloop"))
        .arg("bench")
        .args(arguments.split_whitespace())
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    fn reader(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
        thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("it writes UTF-8");
            text
        })
    }
    let out = reader(child.stdout.take().expect("piped"));
    let err = reader(child.stderr.take().expect("piped"));
    meanwhile(child.id());
    let (done, over) = mpsc::channel::<()>();
    let pid = rustix::process::Pid::from_child(&child);
    let watchdog = thread::spawn(move || {
        if over.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    let (out, err) = (out.join().expect("read"), err.join().expect("read"));
    let status = child.wait().expect("it ends");
    drop(done);
    watchdog.join().expect("the watchdog ends");
    assert!(status.code().is_some(), "bench {arguments} did not end by itself:\n{out}\n{err}");
    Run { status, out, err }
}

/// Ctrl-C.
pub(crate) fn interrupt(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
}

/// An echo server of ours in a thread, until it is dropped.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// `tcp://127.0.0.1:0` and the like; the port is in `endpoint` then.
    pub(crate) fn start(endpoint: &str) -> Server {
        Server::serving(endpoint, Echo)
    }

    /// The same of another service.
    pub(crate) fn serving(endpoint: &str, service: impl Service + Send + 'static) -> Server {
        let endpoint = endpoint.to_owned();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new(Config::default()).expect("a reactor");
            let parsed = endpoint.parse().expect("an endpoint");
            let id = reactor.listen(&parsed, service).expect("it listens");
            let bound = match endpoint.rsplit_once(":0") {
                Some((front, "")) => {
                    let local = reactor.local(id).expect("it has an address").to_string();
                    let (_, port) = local.rsplit_once(':').expect("it has a port");
                    format!("{front}:{port}")
                }
                _ => endpoint,
            };
            tell.send((bound, reactor.handle())).expect("somebody waits for it");
            reactor.run().expect("it runs");
        });
        let (endpoint, handle) = told.recv().expect("it has started");
        Server { endpoint, handle, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop(Stop::AtOnce).ok();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A TCP server that treats each of its connections like this, each in a thread. It is never stopped.
pub(crate) fn tcp_server(serve: impl Fn(TcpStream) + Send + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    format!("tcp://{address}")
}

/// Echoes messages of 64 bytes; of each, `change` gets its number and bytes, and says whether to go on.
pub(crate) fn echo_changed(
    mut stream: TcpStream,
    mut change: impl FnMut(usize, &mut [u8; 64]) -> bool,
) {
    let mut message = [0; 64];
    stream.set_nodelay(true).expect("no delay");
    for number in 0.. {
        if stream.read_exact(&mut message).is_err()
            || !change(number, &mut message)
            || stream.write_all(&message).is_err()
        {
            return;
        }
    }
}

/// A UDP server that sends back what `answer` makes of each datagram and its number.
pub(crate) fn udp_server(
    mut answer: impl FnMut(usize, &[u8]) -> Vec<Vec<u8>> + Send + 'static,
) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        for number in 0.. {
            let Ok((length, from)) = again(|| socket.recv_from(&mut buffer)) else { return };
            for reply in answer(number, &buffer[..length]) {
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    format!("udp://{address}")
}

/// Echoes, and tells when a client is in the midst of it: at its hundredth message.
pub(crate) fn tcp_server_that_tells() -> (String, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let endpoint = tcp_server(move |stream| {
        let tell = tell.clone();
        echo_changed(stream, move |number, _| {
            if number == 100 {
                let _ = tell.send(());
            }
            true
        });
    });
    (endpoint, told)
}

/// Answers so many datagrams, and goes.
pub(crate) fn udp_server_that_dies(after: usize) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 100];
        for _ in 0..after {
            let (length, from) = again(|| socket.recv_from(&mut buffer)).unwrap();
            socket.send_to(&buffer[..length], from).unwrap();
        }
    });
    address
}
