//! A client of the metrics, as far as HTTP is needed for it.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::cli_support::{DEADLINE, Server};

pub(crate) const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
pub(crate) const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A server with echo at index 0 and metrics behind all else.
pub(crate) fn start(arguments: &[&str]) -> Server {
    let metrics = ["--metrics", "tcp://127.0.0.1:0"];
    Server::start(&[&["echo=tcp://127.0.0.1:0"], arguments, &metrics].concat())
}

pub(crate) fn connect(server: &Server, index: usize) -> TcpStream {
    let stream = TcpStream::connect(server.address(index)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A client of the metrics.
pub(crate) fn scrape(server: &Server) -> Client {
    Client::new(connect(server, server.bound.len() - 1))
}

#[track_caller]
pub(crate) fn exchange(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, bytes);
}

/// A connection.
pub(crate) struct Client(BufReader<TcpStream>);

/// What it is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Client {
        Client(BufReader::new(stream))
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: &str) -> Answer {
        self.send(request);
        self.answer(request.starts_with("HEAD"))
    }

    #[track_caller]
    pub(crate) fn answer(&mut self, is_head: bool) -> Answer {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "it has ended within {lines:?}");
            if line == "\r\n" {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let status = lines[0].strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let field = |line: &String| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        let fields: HashMap<_, _> = lines[1..].iter().map(field).collect();
        let length = if is_head { 0 } else { fields["content-length"].parse().unwrap() };
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, fields, body: String::from_utf8(body).unwrap() }
    }

    /// It has been closed, in order.
    #[track_caller]
    pub(crate) fn expect_end(mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

impl Answer {
    /// The sum of all values of a family with these labels.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &str) -> f64 {
        let of_family =
            |line: &&str| line.strip_prefix(name).is_some_and(|it| it.starts_with(['{', ' ']));
        let lines: Vec<_> = self.body.lines().filter(of_family).collect();
        assert!(!lines.is_empty(), "no {name} in\n{}", self.body);
        let values = lines.iter().filter(|line| line.contains(labels));
        values.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }
}
